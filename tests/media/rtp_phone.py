"""A phone's audio side: a UDP socket that sends RTP and keeps what it hears.

A ReportingPhone has the port after it too, and tells of itself there (RTCP).
"""

import asyncio
import struct
from dataclasses import dataclass

from tests.harness.report import create_report

from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, Codec, MediaAddress, MediaDescription

HEARD_TIMEOUT_S = 15.0
SAMPLES_PER_PACKET = 160
# Where so many pairs of ports in a row are taken, the kernel's choice is not the reason.
_PAIR_ATTEMPTS_MAX = 100


@dataclass(frozen=True)
class RtpPacket:
    """One packet as heard."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket:
    """Read a packet without extensions."""
    _, second, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", data)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, data[12:])


class RtpPhone(asyncio.DatagramProtocol):
    """Sends packets of one stream in order; `heard` has what arrived."""

    def __init__(self, ssrc: int) -> None:
        self.heard: asyncio.Queue[RtpPacket] = asyncio.Queue()
        self._ssrc = ssrc
        # Of the codec that it speaks: 960 for Opus.
        self.clock_step = SAMPLES_PER_PACKET
        self._sequence = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> "RtpPhone":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait(parse_rtp(data))

    def error_received(self, exc: Exception) -> None:
        """A relay that closed its port is part of some tests."""

    @property
    def address(self) -> MediaAddress:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return MediaAddress(host, port)

    def describe(self, codec: Codec = PCMA) -> MediaDescription:
        """What this phone answers."""
        return MediaDescription(self.address, (codec,), TELEPHONE_EVENT)

    def skip(self) -> None:
        """Leave a packet out, as if the network had lost it."""
        self._sequence += 1

    def send(
        self,
        to: MediaAddress,
        payload: bytes,
        payload_type: int = 8,
        *,
        timestamp: int | None = None,
        marker: bool = False,
    ) -> None:
        """Send one packet of 20 ms, at the stream's own timestamp or at that one."""
        header = struct.pack(
            ">BBHII",
            0x80,
            payload_type | (0x80 if marker else 0),
            self._sequence % 2**16,
            self.timestamp if timestamp is None else timestamp,
            self._ssrc,
        )
        self._sequence += 1
        self.transmit(header + payload, (to.host, to.port))

    def transmit(self, packet: bytes, to: tuple[str, int]) -> None:
        """Send it as it is."""
        assert self._transport is not None
        self._transport.sendto(packet, to)

    @property
    def timestamp(self) -> int:
        """That of the next packet."""
        return self._sequence * self.clock_step

    async def hear(self) -> RtpPacket:
        """The next packet; TimeoutError where none comes."""
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            return await self.heard.get()

    async def hear_payload(self, payload: bytes) -> RtpPacket:
        """The next packet with that payload, whatever comes before."""
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            while True:
                packet = await self.heard.get()
                if packet.payload == payload:
                    return packet


class _RtcpPort(asyncio.DatagramProtocol):
    def __init__(self, received: list[bytes]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.append(data)

    def error_received(self, exc: Exception) -> None:
        """A relay that closed its port is part of some tests."""


class ReportingPhone(RtpPhone):
    """Tells who it is; `received` has all that arrived at either port, as it was."""

    def __init__(self, ssrc: int, identity: bytes) -> None:
        super().__init__(ssrc)
        self.received: list[bytes] = []
        self.report = create_report(ssrc, identity)
        self._rtcp: asyncio.DatagramTransport | None = None

    async def open(self) -> "ReportingPhone":
        loop = asyncio.get_running_loop()
        for _ in range(_PAIR_ATTEMPTS_MAX):
            await super().open()
            host, port = self.address.host, self.address.port + 1
            try:
                self._rtcp, _ = await loop.create_datagram_endpoint(
                    lambda: _RtcpPort(self.received), local_addr=(host, port)
                )
            except (OSError, OverflowError):  # that port is another's, or there is none
                super().close()
                continue
            return self
        raise OSError("every port after one that was offered is another's")

    def close(self) -> None:
        super().close()
        if self._rtcp is not None:
            self._rtcp.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append(data)
        super().datagram_received(data, addr)

    def tell(self, to: MediaAddress) -> None:
        """Send the report to the port after that one (RFC 3550 11)."""
        assert self._rtcp is not None
        self._rtcp.sendto(self.report, (to.host, to.port + 1))
