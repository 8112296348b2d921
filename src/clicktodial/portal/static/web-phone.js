// This browser as the caller of a call that is tried: its offer goes with the form, and the answer
// comes with what is shown of the call. Without this file, or WebRTC, the choice is not there.
"use strict";

{
  // A STUN server that does not answer keeps nobody waiting for longer.
  const GATHERED_WITHIN_MS = 2000;
  // The connection, the microphone and what is heard; null while there is no call here.
  let here = null;
  let state = "";

  function show(next = state) {
    state = next;
    const panel = document.querySelector("[data-web-state]");
    if (!panel) return;
    panel.hidden = !state;
    panel.querySelector("[role=status]").textContent = state ? panel.dataset[state] : "";
    panel.querySelector(".web-phone-keys").hidden = state !== "connected";
    panel.dataset.webState = state;
  }

  function leave(next) {
    here?.stream.getTracks().forEach((track) => track.stop());
    here?.peer.close();
    here = null;
    show(next);
  }

  function gathered(peer) {
    return new Promise((resolve) => {
      setTimeout(resolve, GATHERED_WITHIN_MS);
      const look = () => peer.iceGatheringState === "complete" && resolve();
      peer.addEventListener("icegatheringstatechange", look);
      look();
    });
  }

  async function offer(stun) {
    leave("asking");
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    show("connecting");
    const peer = new RTCPeerConnection({ iceServers: stun ? [{ urls: `stun:${stun}` }] : [] });
    const audio = new Audio();
    here = { peer, stream, audio, isAnswered: false };
    peer.addEventListener("track", ({ track }) => {
      audio.srcObject = new MediaStream([track]);
      audio.play();
    });
    peer.addEventListener("connectionstatechange", () => {
      if (here?.peer !== peer) return;
      if (peer.connectionState === "connected") show("connected");
      else if (peer.connectionState === "failed") leave("failed");
    });
    stream.getTracks().forEach((track) => peer.addTrack(track, stream));
    await peer.setLocalDescription();
    await gathered(peer);
    return peer.localDescription.sdp;
  }

  // The order to call waits for the microphone.
  document.addEventListener("htmx:confirm", (event) => {
    const form = event.target;
    if (!form.matches(".trial-form") || !form.elements.in_browser?.checked) return;
    event.preventDefault();
    offer(form.elements.offer.dataset.stun).then(
      (sdp) => {
        form.elements.offer.value = sdp;
        event.detail.issueRequest(true);
      },
      () => leave("refused"),
    );
  });

  function look() {
    const box = document.querySelector("[data-web-phone]");
    if (box) {
      const can = Boolean(window.RTCPeerConnection && navigator.mediaDevices);
      box.querySelector("[data-web-able]").hidden = !can;
      box.querySelector("[data-web-unable]").hidden = can;
    }
    const answer = document.querySelector("[data-web-answer]");
    if (answer && here && !here.isAnswered) {
      here.isAnswered = true;
      const sdp = answer.dataset.webAnswer.replace(/\r?\n/g, "\r\n");
      here.peer.setRemoteDescription({ type: "answer", sdp }).catch(() => leave("failed"));
    }
    if (here?.isAnswered && document.querySelector("#stage[data-is-over]")) leave("over");
    show();
  }

  look();
  document.addEventListener("htmx:load", look);
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target?.id !== "trial") return;
    look();
    // The form came back without a call.
    if (here && !here.isAnswered) leave("");
  });

  // Keys are told as keys (RFC 4733).
  document.addEventListener("click", (event) => {
    const key = event.target.closest?.("[data-web-key]");
    if (key) here?.peer.getSenders()[0]?.dtmf?.insertDTMF(key.dataset.webKey);
  });
}
