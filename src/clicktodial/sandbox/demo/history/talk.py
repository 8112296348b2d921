"""Recordings of the past: two people who take turns, in sounds that are like speech."""

import hashlib
from datetime import datetime
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.recording import Recording
from clicktodial.sandbox.melody import SAMPLE_RATE, Samples
from clicktodial.sandbox.speech import render_phrases

_CALLER, _CALLEE = 1, 7  # which speakers they are
_SYLLABLES = (7, 34)
_VOWELS = (0, 1, 2, 3, 4)
_PAUSE = -1
# How loud a syllable is, how long the other waits.
_LOUDNESS = (0.12, 1.0)
_GAP_S = (0.15, 0.9)


def record_talk(
    root: Path,
    recording_id: RecordingId,
    call_id: CallId,
    app_id: AppId,
    *,
    began_at: datetime,
    seconds: float,
    chance: Random,
) -> Recording:
    """Write a conversation of that length where recordings lie; returns what the catalogue is
    told of it."""
    key = f"{began_at:%Y/%m/%d}/{recording_id}.wav"
    path = root / key
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    soundfile.write(path, _talk(seconds, chance), SAMPLE_RATE, subtype="PCM_16")
    return Recording(
        recording_id=recording_id,
        call_id=call_id,
        app_id=app_id,
        key=key,
        size_bytes=path.stat().st_size,
        duration_ms=round(seconds * 1_000),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        created_at=began_at,
    )


def _talk(seconds: float, chance: Random) -> Samples:
    """Of shape (samples, 2): the callee says hello, then they take turns."""
    sides = np.zeros((round(seconds * SAMPLE_RATE), 2), np.float32)
    at, is_callee = 0.4, True
    while at < seconds:
        turn = _turn(_CALLEE if is_callee else _CALLER, chance)
        begin = round(at * SAMPLE_RATE)
        room = sides[begin : begin + len(turn), int(is_callee)]
        room[:] = turn[: len(room)]
        at += len(turn) / SAMPLE_RATE + chance.uniform(*_GAP_S)
        is_callee = not is_callee
    return sides


def _turn(speaker: int, chance: Random) -> Samples:
    vowels: list[int] = []
    for _ in range(chance.randint(*_SYLLABLES)):
        vowels.append(chance.choice(_VOWELS))
        if chance.random() < 0.18:
            vowels.append(_PAUSE)
    turn = render_phrases(tuple(vowels), speaker)
    # Nobody says every syllable as loud as the one before.
    stresses = [chance.uniform(*_LOUDNESS) for _ in vowels]
    places = np.linspace(0, len(stresses) - 1, len(turn))
    return (turn * np.interp(places, range(len(stresses)), stresses)).astype(np.float32)
