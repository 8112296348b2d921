"""A phone's sounds in the codec of its call.

G.711 is libsndfile's here, not the platform's own: a fault in one is then heard by the other.
"""

import io
from functools import lru_cache

import numpy as np
import soundfile

from clicktodial.domain.media import PCMA, PCMU, Codec
from clicktodial.sandbox.behaviour import Speech
from clicktodial.sandbox.melody import SAMPLE_RATE, Samples, melody_digits, render_melody
from clicktodial.sandbox.speech import (
    render_announcement,
    render_greeting,
    render_hello,
    speaker_of,
)
from clicktodial.sandbox.talker import PACKET_SAMPLES, Recital

_SUBTYPES = {PCMA.name: "ALAW", PCMU.name: "ULAW"}
# G.711's code for zero.
_SILENCES = {PCMA.name: b"\xd5", PCMU.name: b"\xff"}
_RECITALS_CACHED = 1024
_LISTENS_S = 2


def silence(codec: Codec) -> bytes:
    """One sample of silence."""
    return _SILENCES[codec.name]


def encode_audio(codec: Codec, samples: Samples) -> bytes:
    """G.711 of samples in -1..1, filled up with silence to whole packets."""
    padded = np.zeros(-(-len(samples) // PACKET_SAMPLES) * PACKET_SAMPLES, np.float32)
    padded[: len(samples)] = samples
    buffer = io.BytesIO()
    soundfile.write(buffer, padded, SAMPLE_RATE, format="RAW", subtype=_SUBTYPES[codec.name])
    return buffer.getvalue()


def decode_audio(codec: Codec, payload: bytes) -> Samples:
    """Samples in -1..1 of G.711 bytes."""
    if not payload:
        return np.zeros(0, np.float32)
    samples, _ = soundfile.read(
        io.BytesIO(payload),
        dtype="float32",
        samplerate=SAMPLE_RATE,
        channels=1,
        format="RAW",
        subtype=_SUBTYPES[codec.name],
    )
    return np.asarray(samples, np.float32)


def create_recital(speech: Speech, number: str, codec: Codec) -> Recital:
    """What the phone with that number says once it is answered."""
    if speech is Speech.VOICEMAIL:
        return _create_voicemail(speaker_of(number), codec)
    if speech is Speech.HELLO:
        return _create_hello(number, codec)
    return _create_melody(melody_digits(number), codec)


def create_announcement(number: str, codec: Codec) -> Recital:
    """What is said on behalf of that phone before it is answered."""
    return _create_announcement(speaker_of(number), codec)


@lru_cache(maxsize=_RECITALS_CACHED)
def _create_melody(digits: str, codec: Codec) -> Recital:
    return Recital(b"", encode_audio(codec, render_melody(digits)))


@lru_cache(maxsize=_RECITALS_CACHED)
def _create_voicemail(speaker: int, codec: Codec) -> Recital:
    # After the beep it listens.
    return Recital(encode_audio(codec, render_greeting(speaker)), silence(codec) * PACKET_SAMPLES)


def _create_hello(number: str, codec: Codec) -> Recital:
    # As a person does: a word, then time for the other to say who calls.
    hello = encode_audio(codec, render_hello(speaker_of(number)))
    listens = silence(codec) * (SAMPLE_RATE * _LISTENS_S)
    return Recital(hello + listens, _create_melody(melody_digits(number), codec).loop)


@lru_cache(maxsize=_RECITALS_CACHED)
def _create_announcement(speaker: int, codec: Codec) -> Recital:
    return Recital(b"", encode_audio(codec, render_announcement(speaker)))
