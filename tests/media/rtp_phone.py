"""A phone's audio side: a UDP socket that sends RTP and keeps what it hears."""

import asyncio
import struct
from dataclasses import dataclass

from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, Codec, MediaAddress, MediaDescription

HEARD_TIMEOUT_S = 15.0
SAMPLES_PER_PACKET = 160


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
