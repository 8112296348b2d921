"""The RTCP side of a phone: it hears sender reports, and tells what it heard (RFC 3550 6.4)."""

import asyncio
import struct

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
REPORT_TIMEOUT_S = 15.0


class RtcpPhone(asyncio.DatagramProtocol):
    """At the port after that of the phone's RTP."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._transport: asyncio.DatagramTransport | None = None
        self._reports: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    async def open(self, host: str, port: int) -> "RtcpPhone":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, port)
        )
        return self

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._reports.put_nowait((data, addr))

    async def answer_report(self, *, lost: int, jitter: int, held_s: float) -> bytes:
        """Wait for a sender report; after `held_s` tell of that stream that so many packets were
        lost, and its jitter in samples. Returns the report, all of it."""
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            while True:
                report, address = await self._reports.get()
                if report[1] == _SENDER_REPORT:
                    break
        await asyncio.sleep(held_s)
        (ssrc,) = struct.unpack_from(">I", report, 4)
        # RFC 3550 6.4.1: the middle of the NTP timestamp, and the delay in 65536ths of a second.
        (last,) = struct.unpack_from(">I", report, 10)
        block = struct.pack(">IIIIII", ssrc, lost, 100, jitter, last, round(held_s * 65536))
        answer = struct.pack(">BBHI", 0x81, _RECEIVER_REPORT, 7, self._ssrc) + block
        assert self._transport is not None
        self._transport.sendto(answer, address)
        return report
