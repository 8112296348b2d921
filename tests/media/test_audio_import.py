"""Audio from elsewhere, decoded in a process of its own."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clicktodial.media import audio_import
from clicktodial.media.audio_import import import_audio
from clicktodial.media.audio_library import Audio, AudioError, AudioLibrary


async def import_bytes(directory: Path, content: bytes) -> Audio:
    """From a file that has no name."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return await import_audio(directory, "notice", file)


async def test_file_without_a_name_is_added(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.full(4_000, 0.5), 8_000)
    library = AudioLibrary(tmp_path / "audio")
    audio = await import_bytes(library.directory, path.read_bytes())
    assert audio == Audio("notice", 0.5)
    assert library.list() == [audio]


async def test_nothing_beside_the_file_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as what was unpacked with it, where a command is given."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.full(4_000, 0.5), 8_000)
    for module in ("soundfile.py", "numpy.py", "asyncio.py"):
        (tmp_path / module).write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert await import_bytes(tmp_path / "audio", path.read_bytes()) == Audio("notice", 0.5)


async def test_what_the_library_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio file that can be read"):
        await import_bytes(tmp_path, b"nothing of the kind")


async def test_audio_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    # Silence in eight channels: 228 kB of a file, and 1.7 GB when it is read.
    path = tmp_path / "wide.flac"
    with soundfile.SoundFile(path, "w", 655_350, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(40):
            file.write(np.zeros((655_350, 8), dtype=np.int16))
    with pytest.raises(AudioError, match="memory"):
        await import_bytes(tmp_path / "audio", path.read_bytes())
    assert AudioLibrary(tmp_path / "audio").list() == []


async def test_reader_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_import, "IMPORT_TIMEOUT_S", 0.01)
    with pytest.raises(AudioError, match=r"within 0\.01 seconds"):
        await import_bytes(tmp_path, b"x")


async def test_reader_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nulimit -c 0\nkill -{signal.SIGSEGV.value} $$\n")
    os.chmod(script, 0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(AudioError, match="dies of it"):
        await import_bytes(tmp_path, b"x")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(AudioError, match="No such file"):
        await import_bytes(tmp_path, b"x")
