"""The audio library over the management API."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.api.management.support import APPLICATION, Management

from clicktodial.api.management import audio, upload
from clicktodial.media.audio_library import Audio, AudioError, AudioLibrary


def render_tone(seconds: float = 1.0, audio_format: str = "WAV") -> bytes:
    """A file of a tone."""
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(2 * np.pi * 440 * time_s), 16_000, format=audio_format)
    return file.getvalue()


async def test_audio_is_uploaded_in_pieces_listed_and_removed(
    management: Management, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PIECE_BYTES", 1_000)
    tone = render_tone(audio_format="FLAC")
    chunks = [tone[start : start + 700] for start in range(0, len(tone), 700)]
    answer = await management.ask("PUT", "/audio/notice", chunks=chunks)
    assert answer.json == {"name": "notice", "duration_s": 1.0}
    assert (await management.ask("GET", "/audio")).json == {"audio": [answer.json]}
    assert sorted(path.name for path in (tmp_path / "audio").iterdir())[-1] == "notice.wav"
    assert (await management.ask("DELETE", "/audio/notice")).status == 204
    assert (await management.ask("GET", "/audio")).json == {"audio": []}
    again = await management.ask("DELETE", "/audio/notice")
    assert (again.status, again.json["code"]) == (404, "not-found")


async def test_upload_that_is_no_audio_is_refused_in_words(management: Management) -> None:
    answer = await management.ask("PUT", "/audio/notice", b"<html>")
    assert (answer.status, answer.json["code"]) == (422, "audio-refused")
    assert answer.json["detail"] == "it is no audio file that can be read: WAV, MP3, OGG or FLAC"
    assert management.library.list() == []


@pytest.mark.parametrize("name", ["Notice", "a b", "ringback", "a" * 33])
async def test_name_that_is_none_is_refused_before_the_body_is_read(
    management: Management, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(audio, "import_audio")
    answer = await management.ask("PUT", f"/audio/{name}", b"x" * 100)
    assert (answer.status, answer.json["code"]) == (422, "audio-refused")


async def test_upload_over_the_limit_is_refused_as_it_comes(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "FILE_BYTES_MAX", 1_000)
    monkeypatch.delattr(audio, "import_audio")
    answer = await management.ask("PUT", "/audio/notice", chunks=[b"x" * 600] * 3)
    assert (answer.status, answer.json["code"]) == (413, "body-too-long")
    assert answer.headers["connection"] == "close"
    answer = await management.ask("PUT", "/audio/notice", chunks=[b"x" * 600] * 2)
    assert answer.status == 413
    assert "connection" not in answer.headers


async def test_too_many_uploads_at_a_time_are_told_to_come_again(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "UPLOADS_MAX", 1)
    is_waiting, may_go_on = asyncio.Event(), asyncio.Event()

    async def import_slowly(*_: object) -> Audio:
        is_waiting.set()
        await may_go_on.wait()
        return Audio("notice", 1.0)

    monkeypatch.setattr(audio, "import_audio", import_slowly)
    first = asyncio.create_task(management.ask("PUT", "/audio/notice", b"x"))
    await is_waiting.wait()
    answer = await management.ask("PUT", "/audio/other", b"x")
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    may_go_on.set()
    assert (await first).status == 200


async def test_audio_is_the_operator_s(management: Management) -> None:
    for method, path in (("GET", "/audio"), ("PUT", "/audio/x"), ("DELETE", "/audio/x")):
        answer = await management.ask(method, path, credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")


async def test_audio_that_cannot_be_removed_is_told(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: AudioLibrary, name: str) -> bool:
        raise AudioError("it cannot be removed: Read-only file system")

    monkeypatch.setattr(AudioLibrary, "remove", fail)
    answer = await management.ask("DELETE", "/audio/notice")
    assert (answer.status, answer.json["code"]) == (422, "audio-refused")
