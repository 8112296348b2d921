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

// What a mail's link has behind the # never reaches a server; it goes into the form.
function takeToken() {
  const field = document.querySelector("[data-takes-fragment]");
  if (!field || !location.hash) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  field.closest("[data-token-field]").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}

// Clocks that count down: what was left when the page came, and what stands there when it is over.
// They go by what passed since, so that a wrong clock of the visitor's does no harm.
const endings = new WeakMap();

function showLength(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

function tick() {
  for (const clock of document.querySelectorAll("[data-left]")) {
    if (!endings.has(clock)) endings.set(clock, performance.now() + Number(clock.dataset.left) * 1000);
    const left = Math.ceil((endings.get(clock) - performance.now()) / 1000);
    const shown = clock.querySelector("[data-shown]");
    shown.textContent = left > 0 ? showLength(left) : clock.dataset.passed;
    clock.classList.toggle("clock-bad", left <= 0);
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:afterSettle", tick);
takeToken();
// Where a form came back with errors, the first field that needs a look has the focus.
document.querySelector("[aria-invalid=true]")?.focus();
