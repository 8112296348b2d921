// A file in its page: pictures grow and shrink, keys lead to the next one. Without this file a
// picture fits the window, and links lead on.
"use strict";

const STEPS = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];

function setUp(viewer) {
  const field = viewer.querySelector(".viewer-field");
  const picture = field?.querySelector("img");
  const shown = viewer.querySelector("[data-scale]");
  const fitting = () => Math.min(1, field.clientWidth / picture.naturalWidth, field.clientHeight / picture.naturalHeight);
  let scale = 0; // 0 fits
  const show = () => {
    field.classList.toggle("is-zoomed", scale > 0);
    picture.style.width = scale ? `${Math.round(picture.naturalWidth * scale)}px` : "";
    shown.textContent = `${Math.round((scale || fitting()) * 100)} %`;
  };
  const zoom = (way) => {
    const now = scale || fitting();
    if (way === "fit") scale = 0;
    else if (way === "in") scale = STEPS.find((step) => step > now + 0.01) ?? STEPS.at(-1);
    else scale = STEPS.findLast((step) => step < now - 0.01) ?? STEPS[0];
    show();
  };
  if (picture) {
    viewer.querySelector(".viewer-zoom").hidden = false;
    if (picture.complete) show();
    picture.addEventListener("load", show);
    addEventListener("resize", show);
    for (const button of viewer.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => zoom(button.dataset.zoom));
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const key = event.key === "=" ? "+" : event.key;
    [...viewer.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key)?.click();
  });
}

for (const viewer of document.querySelectorAll("[data-viewer]")) setUp(viewer);
