"""G.711 (PCMA and PCMU) to linear PCM and back; the arithmetic is libsndfile's."""

import io

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE_HZ = 8_000
_SUBTYPES = {"PCMA": "ALAW", "PCMU": "ULAW"}

Pcm = npt.NDArray[np.int16]


def encode_g711(pcm: Pcm, codec_name: str) -> bytes:
    """One byte a sample; `codec_name` is PCMA or PCMU, KeyError for another."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, SAMPLE_RATE_HZ, format="RAW", subtype=_SUBTYPES[codec_name])
    return buffer.getvalue()


def decode_g711(payload: bytes, codec_name: str) -> Pcm:
    """16-bit samples; `codec_name` is PCMA or PCMU, KeyError for another."""
    pcm, _ = soundfile.read(
        io.BytesIO(payload),
        dtype="int16",
        samplerate=SAMPLE_RATE_HZ,
        channels=1,
        format="RAW",
        subtype=_SUBTYPES[codec_name],
    )
    return np.asarray(pcm, dtype=np.int16)
