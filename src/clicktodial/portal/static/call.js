// Calls: clocks that run, and a player of recordings. Without this file the clock stands and the
// browser's own player plays.
"use strict";

function format(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

setInterval(() => {
  for (const clock of document.querySelectorAll("[data-since]")) {
    clock.textContent = format((Date.now() - Date.parse(clock.dataset.since)) / 1000);
  }
}, 1000);

// What somebody has opened to read is not taken away before they have.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "sound" && event.target.querySelector("details[open]")) event.preventDefault();
});

function setUp(player) {
  const audio = player.querySelector("audio");
  const face = player.querySelector(".player-face");
  const button = player.querySelector("[data-plays]");
  const seek = player.querySelector(".player-seek");
  const played = player.querySelector(".player-played");
  const at = player.querySelector("[data-at]");
  // What was heard lies over the picture; a sixtieth of a second is finer than a pixel.
  const show = () => {
    const length = Number(seek.max) || 1;
    seek.value = audio.currentTime;
    seek.setAttribute("aria-valuetext", format(audio.currentTime));
    played.setAttribute("width", (audio.currentTime / length) * 1000);
    at.textContent = format(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(show);
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());
  const turn = () => {
    player.classList.toggle("is-playing", !audio.paused);
    button.setAttribute("aria-label", audio.paused ? button.dataset.playWords : button.dataset.pauseWords);
    show();
  };
  button.addEventListener("click", toggle);
  seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); show(); });
  seek.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, turn);
  audio.addEventListener("seeked", show);
  audio.controls = false;
  face.hidden = false;
  player.dataset.player = "ready";
}

function setUpAll() {
  for (const player of document.querySelectorAll('[data-player=""]')) setUp(player);
}

setUpAll();
// A part of the page was fetched anew.
document.addEventListener("htmx:load", setUpAll);

// A phone of the sandbox is put into the form.
document.addEventListener("click", (event) => {
  const filler = event.target.closest?.("[data-fills]");
  if (!filler) return;
  const field = document.getElementById(filler.dataset.fills);
  field.value = filler.dataset.value;
  field.focus();
});

// On a phone the call is below the form that made it.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const stage = document.getElementById("stage");
  if (detail.target?.id !== "trial" || !stage?.firstElementChild) return;
  if (stage.getBoundingClientRect().top > innerHeight * 0.8) stage.scrollIntoView();
});
