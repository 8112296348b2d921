"""Decodes placed packets and gives the recording block by block, both sides side by side."""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.recordings.capture import (
    PAYLOAD_BYTES_MAX,
    PCMA_PAYLOAD_TYPE,
    PCMU_PAYLOAD_TYPE,
    PacketTable,
)
from clicktodial.recordings.check import Finding, find_desynchronisation
from clicktodial.recordings.timeline import SAMPLE_RATE_HZ, Placement, place_packets

# 10 s: half a MiB of stereo, however long the recording.
BLOCK_SAMPLES = 10 * SAMPLE_RATE_HZ
CHANNELS = 2

Samples = npt.NDArray[np.int16]


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

    def __init__(self, packets: PacketTable, start_us: int, decoder: Samples) -> None:
        self._packets = packets
        self._decoder = decoder
        self._placement: Placement = place_packets(packets, start_us, decoder)
        self._start_us = start_us
        self.end_samples = self._placement.end(packets)

    def check(self, side: str) -> Finding | None:
        """Whether the side's audio lies where it came."""
        return find_desynchronisation(side, self._packets, self._placement, self._start_us)

    def render(self, begin: int, count: int) -> Samples:
        """The samples from `begin` on; silence where no packet is. Of two that overlap, the one
        that begins later is heard."""
        # Packets reach over either end of the block by less than the longest packet.
        margin = PAYLOAD_BYTES_MAX
        block = np.zeros(count + 2 * margin, dtype=np.int16)
        position = self._placement.position
        first, last = np.searchsorted(position, [begin - margin + 1, begin + count])
        chosen = slice(first, last)
        at, row = position[chosen] - begin + margin, self._placement.row[chosen]
        length = self._packets.length[row]
        for size in np.unique(length):
            alike = length == size
            self._decode(block, at[alike], row[alike], int(size))
        return block[margin : margin + count]

    def _decode(
        self, block: Samples, at: npt.NDArray[np.int64], row: npt.NDArray[np.int64], size: int
    ) -> None:
        packets, span = self._packets, np.arange(size)
        payload = packets.data[packets.offset[row][:, None] + span]
        block[at[:, None] + span] = self._decoder[packets.payload_type[row][:, None], payload]


def mix(channels: tuple[Channel | None, Channel | None], total: int) -> Iterator[Samples]:
    """Blocks of shape (samples, 2): caller left, callee right; a missing side is silent."""
    for begin in range(0, total, BLOCK_SAMPLES):
        count = min(BLOCK_SAMPLES, total - begin)
        block = np.zeros((count, CHANNELS), dtype=np.int16)
        for index, channel in enumerate(channels):
            if channel is not None:
                block[:, index] = channel.render(begin, count)
        yield block
