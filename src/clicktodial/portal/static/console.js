// What pages do beyond htmx. Everything works by attributes, so that no page has a script of its
// own; without scripts pages can be read and forms can be sent.
"use strict";

const find = (id) => document.getElementById(id);

function open(id) {
  const target = find(id);
  if (target instanceof HTMLDialogElement) {
    target.showModal();
    return;
  }
  target.classList.add("is-open");
  target.querySelector("[data-closes]")?.focus();
}

function close(id) {
  const target = find(id);
  if (target instanceof HTMLDialogElement) {
    target.close();
    return;
  }
  target.classList.remove("is-open");
  document.querySelector(`[data-opens="${id}"]`)?.focus();
}

async function copy(button) {
  const field = find(button.dataset.copies);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    // No permission, or no TLS: the older way.
    document.execCommand("copy");
  }
  const words = button.querySelector("span");
  words.textContent = button.dataset.copied;
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest?.(selector);
  const [opener, closer, copier, dismisser] = [
    at("[data-opens]"), at("[data-closes]"), at("[data-copies]"), at("[data-dismiss]"),
  ];
  if (opener) open(opener.dataset.opens);
  else if (closer) close(closer.dataset.closes);
  else if (copier) copy(copier);
  else if (dismisser) dismisser.closest("[data-toast]").remove();
  else if (document.querySelector(".sidebar.is-open") && !at(".sidebar")) close("sidebar");
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.querySelector(".sidebar.is-open")) close("sidebar");
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A choice that needs no button where there are scripts.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-sends-on-change]");
  if (form) form.requestSubmit();
});
for (const button of document.querySelectorAll("[data-sends-on-change] button")) button.hidden = true;

// A file that is too large is told before it is sent, and how much of one has gone while it is.
document.addEventListener("change", (event) => {
  const field = event.target.closest?.("[data-bytes-max]");
  if (!field) return;
  const isTooLarge = [...field.files].some((file) => file.size > Number(field.dataset.bytesMax));
  field.setCustomValidity(isTooLarge ? field.dataset.tooLarge : "");
  field.reportValidity();
});
document.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.closest?.("[data-uploads]")?.querySelector("progress");
  const { loaded, total } = event.detail;
  if (!bar || !total) return;
  bar.hidden = false;
  bar.value = (100 * loaded) / total;
});

// What a mail's link has behind the # never reaches a server; it goes into the form.
function takeToken() {
  const field = document.querySelector("[data-takes-fragment]");
  if (!field || !location.hash) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  field.closest("[data-token-field]").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}

takeToken();
// Where a form came back with errors, the first field that needs a look has the focus.
document.querySelector("[aria-invalid=true]")?.focus();
