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
  if (field instanceof HTMLInputElement) field.select();
  else window.getSelection().selectAllChildren(field);
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
  } catch {
    // No permission, or no TLS: the older way.
    document.execCommand("copy");
  }
  const words = button.querySelector("span");
  words.textContent = button.dataset.copied;
}

// Words of a button go to where one writes.
function insert(button) {
  const field = find(button.dataset.into);
  field.focus();
  field.setRangeText(button.dataset.inserts, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest?.(selector);
  const [opener, closer, copier, dismisser] = [
    at("[data-opens]"), at("[data-closes]"), at("[data-copies]"), at("[data-dismiss]"),
  ];
  const inserter = at("[data-inserts]");
  if (inserter) insert(inserter);
  else if (opener) open(opener.dataset.opens);
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

// What is chosen can be heard: an option's sound goes to the player that the choice names.
document.addEventListener("change", (event) => {
  const player = find(event.target.dataset?.player);
  if (!player) return;
  const sound = event.target.selectedOptions[0].dataset.sound;
  player.hidden = !sound;
  if (sound) player.src = sound;
});

// Boxes of a list that are ticked together.
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.ticks;
  if (!name) return;
  for (const box of document.querySelectorAll(`input[name="${name}"]`)) {
    box.checked = event.target.checked;
  }
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

// A block that follows what it shows: a stream says that it changed, and it is fetched again. What a
// person asks for into the same block goes before, and has the stream of what it shows then.
const followed = new Map();

class Follower {
  constructor(id) {
    this.id = id;
    this.isStale = false;
    this.asked = 0; // by the person, and under way
    this.fetching = null;
  }

  // The stream of what the block shows now.
  listen(address) {
    if (address === this.address) return;
    this.close();
    this.address = address;
    this.stream = new EventSource(address);
    this.stream.addEventListener("changed", () => {
      this.isStale = true;
      this.refresh();
    });
    this.stream.addEventListener("ended", () => this.stream.close());
  }

  close() {
    this.stream?.close();
    this.fetching?.abort();
  }

  async refresh() {
    if (!this.isStale || this.asked || this.fetching) return;
    this.isStale = false;
    const controller = (this.fetching = new AbortController());
    try {
      const answer = await fetch(find(this.id).dataset.follows, {
        headers: { "HX-Request": "true", "HX-Target": this.id, "X-Live": "yes" },
        signal: controller.signal,
      });
      const part = await answer.text();
      if (answer.ok && !controller.signal.aborted) {
        htmx.swap(`#${this.id}`, part, { swapStyle: "outerHTML" });
      }
    } catch {
      // It was taken back, or the server is away: the stream comes back with it, and says so.
    } finally {
      if (this.fetching === controller) this.fetching = null;
    }
    this.refresh();
  }
}

function follow() {
  for (const [id, follower] of followed) {
    if (find(id)?.dataset.stream) continue;
    follower.close();
    followed.delete(id);
  }
  for (const block of document.querySelectorAll("[data-stream]")) {
    if (!followed.has(block.id)) followed.set(block.id, new Follower(block.id));
    followed.get(block.id).listen(block.dataset.stream);
  }
}

document.addEventListener("htmx:load", follow);
document.addEventListener("htmx:beforeRequest", ({ detail: { target } }) => {
  const follower = followed.get(target.id);
  if (!follower) return;
  follower.asked += 1;
  follower.fetching?.abort();
  follower.fetching = null;
});
document.addEventListener("htmx:afterRequest", ({ detail: { target } }) => {
  const follower = followed.get(target.id);
  if (!follower) return;
  follower.asked = Math.max(0, follower.asked - 1);
  follow();
  follower.refresh();
});
takeToken();
// Where a form came back with errors, the first field that needs a look has the focus.
document.querySelector("[aria-invalid=true]")?.focus();

// Where a person is stands in sight, also in a navigation that is longer than the screen.
{
  const nav = document.querySelector(".nav");
  const current = nav?.querySelector("[aria-current]");
  if (current) {
    const below = current.getBoundingClientRect().bottom - nav.getBoundingClientRect().bottom;
    if (below > -40) nav.scrollTop += below + 80;
  }
}
