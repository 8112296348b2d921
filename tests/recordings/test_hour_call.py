"""An hour's call through the real relay, at accelerated time: recorded by it, then rendered.

Real RTP over real UDP passes the embedded relay, in the order in which the network of each phone
would deliver it in an hour. The clock that all of it goes by is an accelerated one: it stands at
the instant at which a packet arrives until that packet has come out at the other phone, and then
jumps to the instant of the next, so that an hour takes as long as the relay needs for its packets,
on however busy a machine, and none is lost in a full buffer. Of what the relay writes, only the
time stamps of the captures tell of time. They are the machine's; each is read on the accelerated
clock afterwards.
"""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.harness.address import allocate_host
from tests.recordings.synthetic import (
    RATE_HZ,
    START_US,
    Network,
    Packet,
    Sender,
    Times,
    measure_errors_ms,
    read_wav,
)

from clicktodial.config import MediaSettings
from clicktodial.control.port import Capture
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import PCMA, MediaAddress, MediaDescription
from clicktodial.media.rtpio import RtpioRelay
from clicktodial.recordings.render import RenderJob, render_recording

HOUR_S = 3_600
DRIFT_MS_MAX = 20.0
# What two cheap phones are off by; uncorrected, each would be 180 ms off at the end.
SKEW_PPM = 50
# One click in so many is looked for: enough to see any second step of the time line.
CLICKS_APART = 5
# Of the hour; what is lost and late in it is lost and late for a caller at home and in a lift.
CALLER_NETWORK = Network(jitter_s=0.02, loss=0.01, seed=3)
CALLEE_NETWORK = Network(jitter_s=0.06, loss=0.1, duplicates=0.01, reordered=0.02, seed=4)
HEARD_TIMEOUT_S = 15.0
_PCAP_HEADER_BYTES = 24
_FRAME_HEADERS_BYTES = 14 + 20 + 8 + 12
_RTP_HEADER = struct.Struct(">BBHII")

Instants = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AcceleratedClock:
    """Stands at `told_us[n]` from `real_us[n]` on; both in microseconds since 1970."""

    real_us: Instants
    told_us: Instants

    def read(self, real_us: Instants) -> Instants:
        """What it showed at those instants, of which none lies before its first."""
        index = np.searchsorted(self.real_us, real_us, side="right") - 1
        assert index.min() >= 0
        return self.told_us[index]


def merge_by_arrival(caller: list[Packet], callee: list[Packet]) -> list[tuple[Side, Packet]]:
    """The packets of both phones, in the order in which they reach the relay."""
    both = [(Side.CALLER, packet) for packet in caller] + [
        (Side.CALLEE, packet) for packet in callee
    ]
    return sorted(both, key=lambda each: each[1].arrival_us)


def serialize_rtp(packet: Packet) -> bytes:
    header = _RTP_HEADER.pack(
        0x80, packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc
    )
    return header + packet.payload


def talk(
    packets: list[tuple[Side, Packet]],
    phones: dict[Side, socket.socket],
    relay: dict[Side, tuple[str, int]],
) -> AcceleratedClock:
    """Send each packet and wait until the other phone has it; returns the clock gone by."""
    other = {Side.CALLER: phones[Side.CALLEE], Side.CALLEE: phones[Side.CALLER]}
    real_us = []
    for side, packet in packets:
        sent = serialize_rtp(packet)
        real_us.append(time.time_ns() // 1_000)
        phones[side].sendto(sent, relay[side])
        assert other[side].recv(len(sent) + 1) == sent
    told_us = [packet.arrival_us for _, packet in packets]
    return AcceleratedClock(np.array(real_us), np.array(told_us))


def open_phone() -> socket.socket:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    phone.bind((allocate_host(), 0))
    phone.settimeout(HEARD_TIMEOUT_S)
    return phone


async def record(
    packets: list[tuple[Side, Packet]], spool_dir: Path
) -> tuple[Capture, AcceleratedClock]:
    """One recorded call in which these packets are sent through the relay."""
    settings = MediaSettings(host=allocate_host(), port_min=20_000, port_max=20_099)
    relay = RtpioRelay(settings, spool_dir)
    await relay.start()
    phones = {side: open_phone() for side in Side}
    try:
        session = await relay.open(create_call_id(), print)
        for side, phone in phones.items():
            address = MediaAddress(*phone.getsockname())
            await session.set_remote(side, MediaDescription(address, (PCMA,)))
        await session.start_recording()
        to = {side: await session.local_address(side) for side in Side}
        addresses = {side: (address.host, address.port) for side, address in to.items()}
        clock = await asyncio.to_thread(talk, packets, phones, addresses)
        capture = await session.close()
    finally:
        for phone in phones.values():
            phone.close()
        await relay.close()
    assert capture is not None
    return capture, clock


def stamp_anew(path: str | None, clock: AcceleratedClock, packets: int, payload_bytes: int) -> str:
    """Write each arrival in the capture as the accelerated clock showed it."""
    assert path is not None
    row = np.dtype(
        [
            ("seconds", "<u4"),
            ("micros", "<u4"),
            ("lengths", "<u4", 2),
            ("frame", "u1", _FRAME_HEADERS_BYTES + payload_bytes),
        ]
    )
    rows = np.memmap(path, dtype=row, mode="r+", offset=_PCAP_HEADER_BYTES)
    assert len(rows) == packets  # each of them, and nothing else
    real_us = rows["seconds"].astype(np.int64) * 1_000_000 + rows["micros"]
    rows["seconds"], rows["micros"] = np.divmod(clock.read(real_us), 1_000_000)
    rows.flush()
    return path


def found_errors_ms(channel: npt.NDArray[np.int16], clicks_s: Times, network: Network) -> Times:
    """By how much the clicks that were not lost are late, apart from the network's own delay."""
    errors = measure_errors_ms(channel, clicks_s) - network.delay_s * 1000
    found = errors[~np.isnan(errors)]
    assert len(found) > (1 - 2 * network.loss) * len(clicks_s)
    return found


# Ten seconds of packets on an idle machine.
@pytest.mark.timeout(300)
async def test_hour_long_call_through_the_relay_is_recorded_without_drift(tmp_path: Path) -> None:
    caller = Sender(HOUR_S, skew_ppm=SKEW_PPM)
    callee = Sender(HOUR_S, skew_ppm=-SKEW_PPM, ssrc=9)
    sent = {
        Side.CALLER: caller.create_packets(CALLER_NETWORK),
        Side.CALLEE: callee.create_packets(CALLEE_NETWORK),
    }
    capture, clock = await record(merge_by_arrival(*sent.values()), tmp_path / "spool")
    payload_bytes = RATE_HZ * caller.packet_ms // 1000
    target = tmp_path / "recording.wav"
    job = RenderJob(
        stamp_anew(capture.caller_path, clock, len(sent[Side.CALLER]), payload_bytes),
        stamp_anew(capture.callee_path, clock, len(sent[Side.CALLEE]), payload_bytes),
        START_US / 1e6,
        str(target),
    )
    rendered = render_recording(job)
    assert rendered.findings == ()
    assert abs(rendered.duration_ms - HOUR_S * 1000) < 200
    pcm = read_wav(target)
    errors = [
        found_errors_ms(pcm[:, 0], caller.clicks_s[::CLICKS_APART], CALLER_NETWORK),
        found_errors_ms(pcm[:, 1], callee.clicks_s[::CLICKS_APART], CALLEE_NETWORK),
    ]
    late, early = max(each.max() for each in errors), min(each.min() for each in errors)
    # Where it was spoken, and no further from the other channel.
    assert max(late, -early) < DRIFT_MS_MAX
    assert late - early < DRIFT_MS_MAX
