"""Places the packets of one side on the time line of a recording.

Theory of operation. RTP timestamps say how packets lie to one another, exactly; arrival times say
when they were there, late by whatever the network held each of them up. For packet i let U[i] be
its timestamp, unwrapped, and e[i] = arrival[i] - U[i]: constant but for that delay, which is never
negative, and for what really changes. So the lower envelope of e is the true relation of the
sender's clock to ours, and packet i belongs at U[i] + envelope[i]. The envelope is

    max( min of e over the WINDOW_PACKETS from i on, min of e over as many up to i )

The minima remove jitter and stalls; the greater of the two follows, without lag, a step in either
direction (a sender that paused without counting the pause, a new route) and a slope (a phone whose
clock is fast or slow), and is not moved by one packet that lies out of line.

All is counted in ticks of 8 kHz, whatever the codec's clock. A new SSRC is a sender of its own. A
timestamp that jumps, where neither the sequence numbers nor the clock explain it, begins a new
segment, which is anchored by its arrival; so does a change to a codec of another clock, over which
timestamps say nothing (RFC 7160 4.1).

The envelope moves by fractions of a sample all the time; audio must not. So packets keep one
offset until the envelope has moved by SLIP_SOFT_SAMPLES, and slip then at the quietest packet
before it has moved by SLIP_HARD_SAMPLES, which bounds the error.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clicktodial.recordings.capture import Integers, PacketTable

SAMPLE_RATE_HZ = 8_000
# The longest call that the settings allow, and a minute.
RECORDING_SAMPLES_MAX = (86_400 + 60) * SAMPLE_RATE_HZ
# 10 s of audio at 20 ms a packet: among so many one comes through undelayed.
WINDOW_PACKETS = 500
# A minimum over fewer still has jitter in it.
WINDOW_PACKETS_MIN = 50
# 100 ms: more than jitter moves neighbours apart, less than anybody would notice for long.
JUMP_SAMPLES = 800
# 2 ms and 8 ms. A phone that is 100 ppm off slips every 20 to 80 s.
SLIP_SOFT_SAMPLES = 16
SLIP_HARD_SAMPLES = 64
# Senders that one side may have in a recording. A call has one, a transferred one a few more.
SOURCES_MAX = 32
# Beyond this a sender's timestamps mean nothing and its packets share one envelope.
SEGMENTS_MAX = 256
# An hour at 100 ppm takes 72 slips; with more the offset follows the envelope as it is.
SLIPS_MAX = 10_000
_SLIP_CANDIDATES_MAX = 2_000
_SCAN_PACKETS = 16_384
# So many samples of a packet tell whether it is quiet.
_LOUDNESS_PROBES = 16

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where packets begin, in ticks since the recording's start, in order of position.

    `row` is each one's row in the packet table. A packet may begin before the start by less
    than its length.
    """

    row: Integers
    position: Integers

    def end(self, packets: PacketTable) -> int:
        """The first sample after the last packet."""
        if not len(self.row):
            return 0
        return int(np.max(self.position + packets.duration[self.row]))


def place_packets(packets: PacketTable, start_us: int, decoder: npt.NDArray[np.int16]) -> Placement:
    """Find each packet's place. `start_us` is the recording's start, microseconds since 1970;
    `decoder` gives the linear sample by payload type and byte.
    """
    rows, positions = [], []
    for source in _find_sources(packets.ssrc):
        rows.append(source)
        positions.append(_place_source(packets, source, start_us, decoder))
    if not rows:
        return Placement(np.zeros(0, np.int64), np.zeros(0, np.int64))
    row, position = np.concatenate(rows), np.concatenate(positions)
    inside = (position + packets.duration[row] > 0) & (position < RECORDING_SAMPLES_MAX)
    row, position = row[inside], position[inside]
    order = np.argsort(position, kind="stable")
    return Placement(row[order], position[order])


def _find_sources(ssrc: npt.NDArray[np.uint32]) -> list[Integers]:
    """The rows of each sender; of too many, those with the most packets."""
    _, member, count = np.unique(ssrc, return_inverse=True, return_counts=True)
    chosen = np.argsort(-count, kind="stable")[:SOURCES_MAX]
    return [np.flatnonzero(member == index).astype(np.int64) for index in chosen]


def _place_source(
    packets: PacketTable, rows: Integers, start_us: int, decoder: npt.NDArray[np.int16]
) -> Integers:
    # A packet leaves when its last sample was spoken: sides that pack 10 and 60 ms would else be
    # 50 ms apart.
    spoken_us = packets.spoken_us[rows] - start_us
    arrival = spoken_us * (SAMPLE_RATE_HZ // 1_000) // 1_000
    unwrapped, jumps = _unwrap(packets, rows, arrival)
    lateness = arrival - unwrapped
    envelope = np.empty(len(rows), dtype=np.int64)
    bounds = [0, *jumps.tolist(), len(rows)] if len(jumps) < SEGMENTS_MAX else [0, len(rows)]
    for begin, end in itertools.pairwise(bounds):
        envelope[begin:end] = find_envelope(lateness[begin:end])
    return unwrapped + _hold_offset(envelope, packets, rows, decoder)


def _unwrap(packets: PacketTable, rows: Integers, arrival: Integers) -> tuple[Integers, Integers]:
    """Timestamps as they continue from the first packet's arrival, and the rows that jump."""
    timestamp, sequence = packets.timestamp[rows], packets.sequence[rows]
    clock = packets.clock[rows]
    step = (timestamp[1:] - timestamp[:-1]).view(np.int32).astype(np.int64) // clock[1:]
    sequence_step = (sequence[1:] - sequence[:-1]).view(np.int16).astype(np.int64)
    arrival_step = np.diff(arrival)
    # Loss, reordering and stalls: as many packets as were counted, each as long as the last.
    counted = np.abs(step - sequence_step * packets.duration[rows][:-1]) <= JUMP_SAMPLES
    # Silence that was not sent: the clock moved on by as much.
    timed = np.abs(step - arrival_step) <= JUMP_SAMPLES
    jump = ~(counted | timed) | (clock[1:] != clock[:-1])
    step[jump] = arrival_step[jump]
    return arrival[0] + np.concatenate([[0], np.cumsum(step)]), np.flatnonzero(jump) + 1


def find_envelope(lateness: Integers) -> Integers:
    """The lower envelope that the module's text defines, of one segment."""
    count = len(lateness)
    if count < 2 * WINDOW_PACKETS_MIN:
        return np.full(count, lateness.min(), dtype=np.int64)
    minima = _slide_minimum(lateness, WINDOW_PACKETS)
    ahead, behind = minima[WINDOW_PACKETS - 1 :], minima[:count]
    envelope = np.maximum(ahead, behind)
    # At the ends one of the windows holds too little to say anything.
    envelope[:WINDOW_PACKETS_MIN] = ahead[:WINDOW_PACKETS_MIN]
    envelope[-WINDOW_PACKETS_MIN:] = behind[-WINDOW_PACKETS_MIN:]
    return envelope


def _slide_minimum(values: Integers, window: int) -> Integers:
    """Minima of all windows that touch the values: item i is that of values[i-window+1 : i+1].

    By blocks of one window each (van Herk): a window is the end of one and the start of the next.
    """
    count = len(values) + window - 1
    blocks = -(-(count + window - 1) // window)
    padded = np.full(blocks * window, np.iinfo(np.int64).max)
    padded[window - 1 : window - 1 + len(values)] = values
    table = padded.reshape(blocks, window)
    from_start = np.minimum.accumulate(table, axis=1).reshape(-1)
    to_end = np.minimum.accumulate(table[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    return np.minimum(to_end[:count], from_start[window - 1 : window - 1 + count])


def _hold_offset(
    envelope: Integers, packets: PacketTable, rows: Integers, decoder: npt.NDArray[np.int16]
) -> Integers:
    """The envelope as steps: see the module's text."""
    offset = np.empty_like(envelope)
    held, begin = int(envelope[0]), 0
    for _ in range(SLIPS_MAX):
        soft = _find_deviation(envelope, begin, held, SLIP_SOFT_SAMPLES)
        if soft == len(envelope):
            break
        hard = _find_deviation(envelope, soft, held, SLIP_HARD_SAMPLES)
        slip = soft
        if hard > soft:
            candidates = rows[soft : min(hard, soft + _SLIP_CANDIDATES_MAX)]
            slip += int(np.argmin(_measure_loudness(packets, candidates, decoder)))
        offset[begin:slip] = held
        held, begin = int(envelope[slip]), slip
    else:
        offset[begin:] = envelope[begin:]
        return offset
    offset[begin:] = held
    return offset


def _find_deviation(envelope: Integers, begin: int, held: int, limit: int) -> int:
    """The first index from `begin` on where the envelope is off by more than `limit`."""
    for chunk in range(begin, len(envelope), _SCAN_PACKETS):
        off = np.abs(envelope[chunk : chunk + _SCAN_PACKETS] - held) > limit
        first = int(np.argmax(off))
        if off[first]:
            return chunk + first
    return len(envelope)


def _measure_loudness(
    packets: PacketTable, rows: Integers, decoder: npt.NDArray[np.int16]
) -> Floats:
    """Of G.711 how loud it is; of the others how long, for Opus spends less on what is quiet."""
    loudness = packets.length[rows].astype(np.float64)
    linear = np.flatnonzero(packets.payload_type[rows] < len(decoder))
    chosen = rows[linear]
    probes = np.arange(_LOUDNESS_PROBES) * packets.length[chosen][:, None] // _LOUDNESS_PROBES
    samples = packets.data[packets.offset[chosen][:, None] + probes]
    values = decoder[packets.payload_type[chosen][:, None], samples].astype(np.float64)
    loudness[linear] = np.abs(values).mean(axis=1)
    return loudness
