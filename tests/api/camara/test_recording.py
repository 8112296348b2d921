"""getRecording: on a running node with real audio, and by the bound of the document."""

import asyncio
import base64
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.api.camara.document import create_validator, load_document
from tests.api.camara.support import APP, CALLEE, CALLER, CamaraNode
from tests.api.support import FakeCatalog
from tests.harness.phone import PhoneState

from clicktodial.api.camara.error import Refused
from clicktodial.api.camara.recording import (
    COMPACTIONS_MAX,
    CONTENT_CHARACTERS_MAX,
    Recordings,
)
from clicktodial.domain.call import CallState
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.recording import Recording
from clicktodial.storage.call_view import CallView
from clicktodial.web.request import ClientDisconnected

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = CallId("0" * 32)
RECORDING = RecordingId("1" * 32)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RATE_HZ = 8_000


async def test_recording_comes_when_the_call_has_ended(node: CamaraNode) -> None:
    """The document: "the call session has completed, and a recording was actually generated"."""
    caller, callee = await node.phone(CALLER), await node.phone(CALLEE)
    sink = f"{node.sink.url}/sink"
    call_id = (await node.create(recordingEnabled=True, sink=sink)).json["callId"]
    await node.sink.wait_for(call_id, "callingCaller", "callingCallee", "connected")
    path = f"/calls/{call_id}/recording"
    assert (await node.request("GET", path)).outcome == "404 NOT_FOUND"
    await callee.wait_for(PhoneState.TALKING)
    await asyncio.gather(caller.speak(440, 0.5), callee.speak(1000, 0.5))
    callee.hang_up()
    states = ("callingCaller", "callingCallee", "connected", "disconnected")
    last = await node.sink.wait_for(call_id, *states)
    assert last.event["data"]["recordingResult"] == "success"
    answer = await node.request("GET", path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-correlator"]
    create_validator("RecordingResource").validate(answer.json)
    assert answer.json["callId"] == call_id
    assert answer.json["contentType"] == "audio/wav"
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(answer.json["content"])))
    assert samples.shape[1] == 2
    assert np.abs(samples).max() > 0.05


async def test_call_that_was_not_recorded_has_no_recording(node: CamaraNode) -> None:
    """The document: "If no recording is available, the API returns `404 Not Found` with the code
    `NOT_FOUND`"."""
    await node.phone(CALLER, refuses_with=486)
    for wanted in (False, True):
        call_id = (await node.create(recordingEnabled=wanted)).json["callId"]
        await node.wait_status(call_id, "disconnected")
        answer = await node.request("GET", f"/calls/{call_id}/recording")
        assert answer.outcome == "404 NOT_FOUND"
        await node.clear()
        await node.phone(CALLER, refuses_with=486)


# By the bound


class Peer:
    """A client that waits, and takes what is sent."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.body = b""
        self.headers: dict[bytes, bytes] = {}

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        else:
            self.body += message["body"]


def write_audio(path: Path, seconds: int) -> None:
    """Speech, as far as a codec can tell."""
    times = np.arange(seconds * RATE_HZ) / RATE_HZ
    left = 0.3 * np.sin(2 * np.pi * (300 + 200 * np.sin(times)) * times)
    soundfile.write(path, np.stack([left, np.roll(left, 4_000)], axis=1), RATE_HZ)


async def prepare(
    root: Path, seconds: int, content_characters_max: int, suffix: str = ".wav"
) -> tuple[Recordings, CallView]:
    path = root / f"{RECORDING}{suffix}"
    if suffix == ".wav":
        write_audio(path, seconds)
    else:
        path.write_bytes(b"x" * seconds)
    catalog = FakeCatalog()
    size = path.stat().st_size
    await catalog.add(
        Recording(RECORDING, CALL, AppId(APP), path.name, size, seconds * 1000, "", NOW)
    )
    view = CallView(CALL, CALLER, CALLEE, CallState.ENDED, NOW, RECORDING, False, True)
    return Recordings(catalog, root, content_characters_max=content_characters_max), view


async def fetch(recordings: Recordings, view: CallView, peer: Peer | None = None) -> Any:
    peer = peer or Peer()
    await recordings.send(AppId(APP), view, (), peer.receive, peer.send)
    assert int(peer.headers[b"content-length"]) == len(peer.body)
    answer = json.loads(peer.body)
    create_validator("RecordingResource").validate(answer)
    return answer


async def test_bound_is_that_of_the_document() -> None:
    schema = load_document()["components"]["schemas"]["RecordingResource"]
    content = schema["properties"]["content"]
    assert content["maxLength"] == CONTENT_CHARACTERS_MAX


@pytest.mark.parametrize(("suffix", "kind"), [(".ogg", "audio/ogg"), (".mp3", "audio/mpeg")])
async def test_recording_that_is_compressed_says_so(tmp_path: Path, suffix: str, kind: str) -> None:
    recordings, view = await prepare(tmp_path, 10, 1_000, suffix)
    answer = await fetch(recordings, view)
    assert answer["contentType"] == kind
    assert base64.b64decode(answer["content"]) == b"x" * 10
    assert answer["generatedAt"] == "2026-01-02T03:04:05.000Z"


async def test_recording_that_just_fits_is_sent_as_it_is(tmp_path: Path) -> None:
    # 44 bytes of header, and 32,000 a second.
    exactly = 4 * -(-(44 + 2 * 32_000) // 3)
    recordings, view = await prepare(tmp_path, 2, exactly)
    assert (await fetch(recordings, view))["contentType"] == "audio/wav"
    recordings, view = await prepare(tmp_path, 2, exactly - 4)
    assert (await fetch(recordings, view))["contentType"] == "audio/ogg"


@pytest.mark.parametrize(
    ("content_characters_max", "channels"), [(400_000, 2), (100_000, 2), (60_000, 1)]
)
async def test_recording_that_is_too_long_is_made_as_good_as_fits(
    tmp_path: Path, content_characters_max: int, channels: int
) -> None:
    seconds = 30
    recordings, view = await prepare(tmp_path, seconds, content_characters_max)
    answer = await fetch(recordings, view)
    await recordings.close()
    assert answer["contentType"] == "audio/ogg"
    assert len(answer["content"]) <= content_characters_max
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(answer["content"])), always_2d=True)
    assert samples.shape[1] == channels
    assert abs(len(samples) / rate - seconds) < 0.1
    assert np.abs(samples).max() > 0.1
    # Nothing is kept of it.
    assert os.listdir(tmp_path) == [f"{RECORDING}.wav"]


async def test_recording_that_cannot_be_made_to_fit_is_not_found(tmp_path: Path) -> None:
    recordings, view = await prepare(tmp_path, 30, 4_000)
    with pytest.raises(Refused) as refused:
        await fetch(recordings, view)
    assert refused.value.refusal.code == "NOT_FOUND"
    assert os.listdir(tmp_path) == [f"{RECORDING}.wav"]


async def test_client_that_goes_away_stops_the_encoding(tmp_path: Path) -> None:
    recordings, view = await prepare(tmp_path, 30, 400_000)
    peer = Peer()
    peer.gone.set()
    with pytest.raises(ClientDisconnected):
        await fetch(recordings, view, peer)


async def test_encoding_is_bounded(tmp_path: Path) -> None:
    recordings, view = await prepare(tmp_path, 10, 200_000)
    results = await asyncio.gather(
        *(fetch(recordings, view) for _ in range(COMPACTIONS_MAX + 1)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [Refused]
    assert (b"retry-after", b"10") in refused[0].headers  # type: ignore[attr-defined]


async def test_file_that_is_gone_or_cut_is_not_found(tmp_path: Path) -> None:
    recordings, view = await prepare(tmp_path, 1, CONTENT_CHARACTERS_MAX)
    path = tmp_path / f"{RECORDING}.wav"
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(Refused, match="no longer kept"):
        await fetch(recordings, view)
    path.unlink()
    with pytest.raises(Refused, match="no longer kept"):
        await fetch(recordings, view)
