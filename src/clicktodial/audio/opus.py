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
_FRAME_BYTES_MAX = 1_275
PACKET_BYTES_MAX = 48 * _FRAME_BYTES_MAX
# RFC 7845 4.6: after 80 ms it sounds alike; after half a second it is alike, to the sample.
PREROLL_SAMPLES_MIN = 3_840
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
_TWO_FRAMES_THAT_VARY, _MANY_FRAMES = 2, 3
_WIDE_LENGTH_MIN = 252

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

    What cannot be decoded sounds as if it had been lost.
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
    # A packet that says no length, or is none, would make the decoder give up.
    audio = [
        (packet if _is_whole(packet) else _create_loss(packet), end)
        for packet, end, length in zip(packets, ends, lengths, strict=True)
        if length
    ]
    return b"".join(create_pages([(head, 0), (_TAGS, 0), *audio]))


def _create_loss(packet: bytes) -> bytes:
    """As long as that one, of frames that hold nothing."""
    code = packet[0] & 0x03
    count = packet[1] & 0x3F if code == _MANY_FRAMES else int(_FRAME_COUNTS[code])
    return bytes([packet[0] | _MANY_FRAMES, count])


def _is_whole(packet: bytes) -> bool:
    """Whether its frames are as long as it says (RFC 6716 3.4, R2 to R7); it says how many."""
    code, at, end = packet[0] & 0x03, 1, len(packet)
    count, varies = int(_FRAME_COUNTS[code]), code == _TWO_FRAMES_THAT_VARY
    if code == _MANY_FRAMES:
        count, varies, at = packet[1] & 0x3F, bool(packet[1] & 0x80), 2
        # RFC 6716 3.2.5: each byte of 255 adds 254, and says that another follows.
        padded = bool(packet[1] & 0x40)
        while padded:
            if at >= end:
                return False
            padded = packet[at] == 0xFF
            end -= packet[at] - padded
            at += 1
    if not varies:
        return at <= end and (end - at) % count == 0 and (end - at) // count <= _FRAME_BYTES_MAX
    frames = 0
    for _ in range(count - 1):
        # RFC 6716 3.2.1: from 252 on it goes on in the next byte, which counts four times.
        is_wide = at < end and packet[at] >= _WIDE_LENGTH_MIN
        if at + is_wide >= end:
            return False
        frames += packet[at] + (4 * packet[at + 1] if is_wide else 0)
        at += 1 + is_wide
    return 0 <= end - at - frames <= _FRAME_BYTES_MAX


class OpusDecoder:
    """Decodes one stream as it comes, some packets at a time."""

    def __init__(
        self, rate_hz: Literal[8_000, 16_000], preroll_samples: int = PREROLL_SAMPLES
    ) -> None:
        """What was decoded last is decoded again before what is new, for so long."""
        self._rate_hz: Literal[8_000, 16_000] = rate_hz
        self._preroll_samples = preroll_samples
        self._before: deque[bytes] = deque()
        self._before_samples = 0

    def decode(self, packets: Sequence[bytes]) -> Pcm:
        """As many samples as the packets say that they hold."""
        # Those that hold none would never be too many to keep.
        packets = [packet for packet in packets if packet_samples(packet)]
        pcm = decode_run([*self._before, *packets], self._rate_hz)
        begin = self._before_samples * self._rate_hz // CLOCK_HZ
        for packet in packets:
            self._before.append(packet)
            self._before_samples += packet_samples(packet)
        while self._before:
            first = packet_samples(self._before[0])
            if self._before_samples - first < self._preroll_samples:
                break
            self._before_samples -= first
            self._before.popleft()
        return pcm[begin:]
