"""Decodes placed packets and gives the recording block by block, both sides side by side.

G.711 is a table: any packet can be decoded at any time. Of the other codecs each packet depends on
those before it, so that they are decoded in the order of their places, each once, and what reaches
over a block's end is kept for the next; blocks are asked for one after the other.
"""

import io
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.audio.g722 import G722Decoder
from clicktodial.audio.opus import OpusDecoder
from clicktodial.audio.resample import HALF_TAPS, double_rate
from clicktodial.recordings.capture import (
    G722_PAYLOAD_TYPE,
    PAYLOAD_BYTES_MAX,
    PCMA_PAYLOAD_TYPE,
    PCMU_PAYLOAD_TYPE,
    WIDEBAND_PAYLOAD_TYPES,
    Integers,
    PacketTable,
)
from clicktodial.recordings.check import Finding, find_desynchronisation
from clicktodial.recordings.timeline import SAMPLE_RATE_HZ, Placement, place_packets

# 10 s: half a MiB of stereo, however long the recording.
BLOCK_TICKS = 10 * SAMPLE_RATE_HZ
CHANNELS = 2
# Packets reach over either end of a block by less than the longest packet; the filter that doubles
# the rate by its half.
_MARGIN_TICKS = PAYLOAD_BYTES_MAX + HALF_TAPS

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
# Samples to a tick of 8 kHz: 2 is wideband.
Scale: TypeAlias = Literal[1, 2]


def create_decoder() -> Samples:
    """Linear samples by payload type and byte; libsndfile's arithmetic, once per byte."""
    decoder = np.zeros((PCMA_PAYLOAD_TYPE + 1, 256), dtype=np.int16)
    for payload_type, subtype in ((PCMA_PAYLOAD_TYPE, "ALAW"), (PCMU_PAYLOAD_TYPE, "ULAW")):
        decoder[payload_type], _ = soundfile.read(
            io.BytesIO(bytes(range(256))),
            dtype="int16",
            samplerate=SAMPLE_RATE_HZ,
            channels=1,
            format="RAW",
            subtype=subtype,
        )
    return decoder


class Channel:
    """One side of a recording."""

    def __init__(self, packets: PacketTable, start_us: int) -> None:
        self._packets = packets
        self._decoder = create_decoder()
        self._placement: Placement = place_packets(packets, start_us, self._decoder)
        self._start_us = start_us
        self._wideband: _WidebandTrack | None = None
        self.end_ticks = self._placement.end(packets)

    def check(self, side: str) -> Finding | None:
        """Whether the side's audio lies where it came."""
        return find_desynchronisation(side, self._packets, self._placement, self._start_us)

    def render(self, begin: int, count: int, scale: Scale) -> Samples:
        """So many ticks from `begin` on; silence where no packet is. Of two that overlap, the one
        that begins later is heard. Blocks follow one another, at one scale."""
        block = self._render_g711(begin, count)
        if scale == 2:
            block = double_rate(block)
        block = block[_MARGIN_TICKS * scale :][: count * scale]
        if self._packets.is_wideband:
            if self._wideband is None:
                self._wideband = _WidebandTrack(self._packets, self._placement, scale)
            self._wideband.render(block, begin, count)
        return block

    def _render_g711(self, begin: int, count: int) -> Samples:
        """With a margin on either side."""
        margin = _MARGIN_TICKS
        block = np.zeros(count + 2 * margin, dtype=np.int16)
        position = self._placement.position
        first, last = np.searchsorted(position, [begin - 2 * margin + 1, begin + count + margin])
        at = position[first:last] - begin + margin
        row = self._placement.row[first:last]
        length = self._packets.length[row]
        inside = (at >= 0) & (at + length <= len(block))
        inside &= self._packets.payload_type[row] < len(self._decoder)
        for size in np.unique(length[inside]):
            alike = inside & (length == size)
            self._decode(block, at[alike], row[alike], int(size))
        return block

    def _decode(self, block: Samples, at: Integers, row: Integers, size: int) -> None:
        packets, span = self._packets, np.arange(size)
        payload = packets.data[packets.offset[row][:, None] + span]
        block[at[:, None] + span] = self._decoder[packets.payload_type[row][:, None], payload]


class _WidebandTrack:
    """The packets of G.722 and Opus of one side."""

    def __init__(self, packets: PacketTable, placement: Placement, scale: Scale) -> None:
        chosen = np.isin(packets.payload_type[placement.row], WIDEBAND_PAYLOAD_TYPES)
        # A packet that came twice must be decoded once; and so a block is bounded.
        chosen &= np.diff(placement.position, prepend=placement.position[:1] - 1) > 0
        self._packets = packets
        self._row = placement.row[chosen]
        self._position = placement.position[chosen]
        self._scale = scale
        self._next = 0
        self._decoders: dict[tuple[int, int], G722Decoder | OpusDecoder] = {}
        self._waiting: list[tuple[int, Samples]] = []

    def render(self, block: Samples, begin: int, count: int) -> None:
        """Write into the block what lies there."""
        last = int(np.searchsorted(self._position, begin + count))
        rows = self._row[self._next : last]
        position = self._position[self._next : last]
        self._next = last
        end = begin + count
        due, self._waiting = self._waiting, []
        # Where two overlap, the later one is written last.
        for at, pcm in sorted([*due, *self._decode(rows, position)], key=lambda each: each[0]):
            self._write(block, (at - begin) * self._scale, pcm)
            if at + len(pcm) // self._scale > end:
                self._waiting.append((at, pcm))

    def _write(self, block: Samples, at: int, pcm: Samples) -> None:
        skip = max(0, -at)
        piece = pcm[skip : len(block) - at]
        block[at + skip : at + skip + len(piece)] = piece

    def _decode(self, rows: Integers, position: Integers) -> list[tuple[int, Samples]]:
        decoded = []
        streams = self._packets.ssrc[rows].astype(np.int64) << 8 | self._packets.payload_type[rows]
        for stream in np.unique(streams):
            chosen = np.flatnonzero(streams == stream)
            these = rows[chosen]
            pcm = self._find_decoder(int(stream)).decode(self._packets.payloads(these))
            ends = np.cumsum(self._packets.duration[these] * self._scale)
            pieces = np.split(pcm, ends[:-1])
            decoded += list(zip(position[chosen].tolist(), pieces, strict=True))
        return decoded

    def _find_decoder(self, stream: int) -> G722Decoder | OpusDecoder:
        key = divmod(stream, 256)
        decoder = self._decoders.get(key)
        if decoder is None:
            rate_hz: Literal[8_000, 16_000] = 16_000 if self._scale == 2 else 8_000
            is_g722 = key[1] == G722_PAYLOAD_TYPE
            decoder = G722Decoder(rate_hz) if is_g722 else OpusDecoder(rate_hz)
            self._decoders[key] = decoder
        return decoder


def mix(
    channels: tuple[Channel | None, Channel | None], total: int, scale: Scale
) -> Iterator[Samples]:
    """Blocks of shape (samples, 2): caller left, callee right; a missing side is silent.

    `total` is in ticks.
    """
    for begin in range(0, total, BLOCK_TICKS):
        count = min(BLOCK_TICKS, total - begin)
        block = np.zeros((count * scale, CHANNELS), dtype=np.int16)
        for index, channel in enumerate(channels):
            if channel is not None:
                block[:, index] = channel.render(begin, count, scale)
        yield block
