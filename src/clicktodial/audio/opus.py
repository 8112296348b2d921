"""Opus (RFC 6716), by the decoder in libsndfile, which wants an Ogg file (RFC 7845) around it.

A decoder goes on from what it heard before, so that packets are decoded in runs, and a run begins
with some packets of which nothing is kept.
"""

import io
import struct
from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.audio.ogg import create_pages

CLOCK_HZ = 48_000
# RFC 6716 3.2.1: a frame has at most 1,275 bytes, and a packet 120 ms.
PACKET_SAMPLES_MAX = 5_760
PACKET_BYTES_MAX = 48 * 1_275
# RFC 7845 4.6 has 80 ms for what sounds alike; after half a second it is alike, to the sample.
PREROLL_SAMPLES = 24_000
_MAGIC = b"OpusHead"
_TAGS = struct.pack("<8sI4sI", b"OpusTags", 4, b"none", 0)
# RFC 6716 3.1, table 2: by the first five bits, in samples of 48 kHz.
_FRAME_SAMPLES = (
    *(480, 960, 1920, 2880) * 3,  # SILK
    *(480, 960) * 2,  # both
    *(120, 240, 480, 960) * 4,  # CELT
)

_FRAME_SAMPLES_TABLE = np.array(_FRAME_SAMPLES, dtype=np.int64)
# By the last two bits; those of code 3 say the number of frames in their next byte.
_FRAME_COUNTS = np.array([1, 2, 2, 0], dtype=np.int64)
_MANY_FRAMES = 3

Pcm = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def packet_samples(packet: bytes) -> int:
    """How long a packet plays, in samples of 48 kHz; 0 for what is no packet."""
    if not packet or len(packet) > PACKET_BYTES_MAX:
        return 0
    first = np.array([packet[0]], dtype=np.uint8)
    second = np.array([packet[1] if len(packet) > 1 else 0], dtype=np.uint8)
    return int(measure_packets(first, second)[0])


def measure_packets(first: Bytes, second: Bytes) -> Integers:
    """The same of many packets, by their first two bytes; 0 for a second byte that is missing."""
    code = first & 0x03
    count = np.where(code == _MANY_FRAMES, second & 0x3F, _FRAME_COUNTS[code])
    samples = _FRAME_SAMPLES_TABLE[first >> 3] * count
    return np.where(samples <= PACKET_SAMPLES_MAX, samples, 0)


def decode_run(packets: Sequence[bytes], rate_hz: Literal[8_000, 16_000]) -> Pcm:
    """One channel of that rate, of packets that follow one another; as long as they say.

    What cannot be decoded is silent.
    """
    lengths = [packet_samples(packet) for packet in packets]
    total = sum(lengths) * rate_hz // CLOCK_HZ
    pcm = np.zeros(total, dtype=np.int16)
    try:
        with soundfile.SoundFile(io.BytesIO(_create_file(packets, lengths, rate_hz))) as file:
            decoded = file.read(total, dtype="int16", always_2d=True)[:, 0]
    except soundfile.SoundFileError:
        return pcm
    pcm[: len(decoded)] = decoded
    return pcm


def _create_file(packets: Sequence[bytes], lengths: Sequence[int], rate_hz: int) -> bytes:
    # RFC 7845 5.1: one channel, nothing to skip, the rate that libsndfile is to decode at.
    head = struct.pack("<8sBBHIhB", _MAGIC, 1, 1, 0, rate_hz, 0, 0)
    ends = np.cumsum(np.array(lengths, dtype=np.int64)).tolist()
    # A packet that says no length would make the decoder give up.
    audio = [
        (packet, end) for packet, end, length in zip(packets, ends, lengths, strict=True) if length
    ]
    return b"".join(create_pages([(head, 0), (_TAGS, 0), *audio]))


class OpusDecoder:
    """Decodes one stream as it comes, some packets at a time."""

    def __init__(self, rate_hz: Literal[8_000, 16_000]) -> None:
        self._rate_hz: Literal[8_000, 16_000] = rate_hz
        self._before: deque[bytes] = deque()
        self._before_samples = 0

    def decode(self, packets: Sequence[bytes]) -> Pcm:
        """As many samples as the packets say that they hold."""
        pcm = decode_run([*self._before, *packets], self._rate_hz)
        begin = self._before_samples * self._rate_hz // CLOCK_HZ
        for packet in packets:
            self._before.append(packet)
            self._before_samples += packet_samples(packet)
        while self._before:
            first = packet_samples(self._before[0])
            if self._before_samples - first < PREROLL_SAMPLES:
                break
            self._before_samples -= first
            self._before.popleft()
        return pcm[begin:]
