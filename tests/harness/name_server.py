"""A name server on the loopback with records of a test's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

# By name with its final dot, and type: records in the master file's spelling.
Zone: TypeAlias = Mapping[tuple[str, str], Sequence[str]]


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone, asked: list[tuple[str, str]]) -> None:
        self._zone = zone
        self._asked = asked
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # loops' own kinds of datagrams

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self._asked.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        records = self._zone.get((name, kind))
        if records == ["SERVFAIL"]:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(known == name for known, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        assert self._transport is not None
        self._transport.sendto(response.to_wire(), addr)


class NameServer:
    """Its address, and the questions that it was asked."""

    def __init__(self, address: tuple[str, int], asked: list[tuple[str, str]]) -> None:
        self.address = address
        self.asked = asked


@asynccontextmanager
async def open_name_server(zone: Zone, host: str = "127.0.0.1") -> AsyncIterator[NameServer]:
    """Serve the zone on a free port."""
    asked: list[tuple[str, str]] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Server(zone, asked), local_addr=(host, 0)
    )
    try:
        yield NameServer(transport.get_extra_info("sockname")[:2], asked)
    finally:
        transport.close()
