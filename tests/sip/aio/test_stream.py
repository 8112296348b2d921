"""Calls over TCP and TLS, and connections that break, stall or are too many."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness.address import allocate_host
from tests.harness.certificate import Authority
from tests.sip.aio.support import (
    ANSWER,
    HOST,
    WAIT_S,
    Log,
    Phone,
    answer,
    create_invitation,
    open_endpoint,
    open_phone,
    pass_time,
    ring,
)
from tests.sip.support import create_request, create_response, summary

from clicktodial.domain.trunk import Transport, TrunkTls
from clicktodial.sip.aio.endpoint import Listeners
from clicktodial.sip.aio.stream import StreamLimits
from clicktodial.sip.aio.tls import TlsListener
from clicktodial.sip.event import SessionAnswered, SessionEnded, SessionEvent, SessionRinging
from clicktodial.sip.framing import StreamFramer
from clicktodial.sip.outgoing import NO_RESPONSE_CAUSE
from clicktodial.sip.timer import Timers
from clicktodial.sip.user_agent import Address, Flow

TCP = Listeners(has_tcp=True)
OPTIONS = create_request("OPTIONS", via="Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKa")


def flow_to(phone: Phone) -> Flow:
    return Flow(*phone.endpoint.address)


def is_end(event: SessionEvent) -> bool:
    return isinstance(event, SessionEnded)


def is_answer(event: SessionEvent) -> bool:
    return isinstance(event, SessionAnswered)


class RawPeer:
    """A TCP server that logs whole messages and writes what it is told."""

    def __init__(self) -> None:
        self.received: Log[bytes] = Log()
        self.raw: Log[bytes] = Log()
        self.connected: Log[asyncio.StreamWriter] = Log()
        self.address: Address = (HOST, 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.add(writer)
        framer = StreamFramer()
        try:
            while data := await reader.read(65_536):
                self.raw.add(data)
                for message in framer.feed(data):
                    self.received.add(message)
        except ConnectionError:
            pass  # the endpoint dropped it
        finally:
            writer.close()


@asynccontextmanager
async def open_raw_peer() -> AsyncIterator[RawPeer]:
    peer = RawPeer()
    server = await asyncio.start_server(peer.serve, HOST, 0)
    peer.address = server.sockets[0].getsockname()
    try:
        yield peer
    finally:
        server.close()
        for writer in peer.connected.items:
            writer.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(WAIT_S):
        return await reader.read()


async def test_calls_over_tcp_hung_up_by_either_side_share_connections() -> None:
    async with (
        open_phone(answer, listeners=TCP) as phone,
        open_endpoint(listeners=TCP) as endpoint,
    ):
        for caller_ends in (True, False, True, False):
            events: Log[SessionEvent] = Log()
            session = endpoint.invite(create_invitation(flow_to(phone)), events.add)
            await events.wait_for(is_answer)
            assert SessionRinging() in events.items
            assert events.items[-1] == SessionAnswered(ANSWER)
            if caller_ends:
                endpoint.hang_up(session)
                await phone.events.wait_for(is_end)
                phone.events.items.clear()
            else:
                phone.endpoint.hang_up(phone.sessions[-1])
                await events.wait_for(is_end)
        # One that we opened, and one that the phone opened to where our Contact says we are.
        assert endpoint.connection_count == phone.endpoint.connection_count == 2


@pytest.mark.parametrize("host", ["::1"])
@pytest.mark.parametrize("over_tcp", [False, True])
async def test_call_over_ipv6_is_answered(host: str, *, over_tcp: bool) -> None:
    async with (
        open_phone(answer, host=host, listeners=TCP) as phone,
        open_endpoint(listeners=Listeners(v6_host=host)) as endpoint,
    ):
        events: Log[SessionEvent] = Log()
        hop = flow_to(phone) if over_tcp else phone.endpoint.address
        session = endpoint.invite(create_invitation(hop), events.add)
        await events.wait_for(is_answer)
        endpoint.hang_up(session)
        await phone.events.wait_for(is_end)
        assert endpoint.speaks("127.0.0.1")
        assert endpoint.speaks("::1")


class Tls:
    """A phone's certificate, and what a trunk says of it."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.stranger = Authority(directory, "stranger")
        server = self.authority.issue("trunk.example")
        client = self.authority.issue("platform.example")
        self.listener = TlsListener(
            0, server.certificate_file, server.key_file, self.authority.ca_file
        )
        self.trunk = TrunkTls(
            server_name="trunk.example",
            ca_file=self.authority.ca_file,
            certificate_file=client.certificate_file,
            key_file=client.key_file,
        )


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


def tls_listeners(tls: Tls) -> Listeners:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return Listeners(tls=replace(tls.listener, port=probe.getsockname()[1]))


async def test_call_over_tls_with_certificates_of_both_sides_is_answered(tls: Tls) -> None:
    listeners = tls_listeners(tls)
    assert listeners.tls is not None
    async with open_phone(answer, listeners=listeners) as phone, open_endpoint() as endpoint:
        events: Log[SessionEvent] = Log()
        flow = Flow(HOST, listeners.tls.port, Transport.TLS, tls.trunk)
        session = endpoint.invite(create_invitation(flow), events.add)
        await events.wait_for(is_answer)
        endpoint.hang_up(session)
        await phone.events.wait_for(is_end)
        assert endpoint.connection_count == phone.endpoint.connection_count == 1


@pytest.mark.parametrize(
    "change",
    [
        {"server_name": "another.example"},
        {"server_name": None},
        {"ca_file": "stranger"},
        {"ca_file": None},
        {"certificate_file": None, "key_file": None},
        {"ca_file": "/nowhere.pem"},
    ],
)
async def test_call_over_tls_that_does_not_prove_itself_is_not_placed(
    tls: Tls, change: dict[str, str | None]
) -> None:
    if change.get("ca_file") == "stranger":
        change = {"ca_file": tls.stranger.ca_file}
    listeners = tls_listeners(tls)
    assert listeners.tls is not None
    async with open_phone(answer, listeners=listeners) as phone, open_endpoint() as endpoint:
        events: Log[SessionEvent] = Log()
        trunk_tls = replace(tls.trunk, **change)
        flow = Flow(HOST, listeners.tls.port, Transport.TLS, trunk_tls)
        endpoint.invite(create_invitation(flow), events.add)
        assert await events.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)
        assert phone.sessions == []
        assert endpoint.connection_count == 0


async def test_certificate_that_was_renewed_is_used_for_the_next_connection(tls: Tls) -> None:
    listeners = tls_listeners(tls)
    assert listeners.tls is not None
    renewed = tls.stranger.issue("platform.example")  # which the phone does not trust
    async with open_phone(answer, listeners=listeners), open_endpoint() as endpoint:
        assert tls.trunk.certificate_file == renewed.certificate_file
        events: Log[SessionEvent] = Log()
        flow = Flow(HOST, listeners.tls.port, Transport.TLS, tls.trunk)
        endpoint.invite(create_invitation(flow), events.add)
        await events.wait_for(is_end)
        tls.authority.issue("platform.example")
        events = Log()
        endpoint.invite(create_invitation(flow), events.add)
        await events.wait_for(is_answer)


async def test_invite_to_a_closed_port_ends_at_once() -> None:
    async with open_endpoint() as endpoint:
        with socket.socket() as probe:
            probe.bind((allocate_host(), 0))
            flow = Flow(*probe.getsockname())
        events: Log[SessionEvent] = Log()
        endpoint.invite(create_invitation(flow), events.add)
        assert events.items == []
        assert await events.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)


async def test_connection_that_breaks_while_ringing_lets_the_phone_ring() -> None:
    async with open_raw_peer() as peer, open_endpoint(listeners=TCP) as endpoint:
        events: Log[SessionEvent] = Log()
        session = endpoint.invite(create_invitation(Flow(*peer.address)), events.add)
        invite = await peer.received.wait_for(lambda data: summary(data) == "INVITE")
        assert b"Via: SIP/2.0/TCP " in invite
        assert b";transport=tcp>" in invite
        peer.connected.items[0].write(create_response(invite, 180))
        await events.wait_for(lambda event: isinstance(event, SessionRinging))
        peer.connected.items[0].close()
        # The far end comes back to where our Via says that we are.
        _, writer = await asyncio.open_connection(*endpoint.address)
        writer.write(create_response(invite, 486))
        ended = await events.wait_for(is_end)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_status == 486
        # And its ACK goes by a connection that is opened anew.
        await peer.received.wait_for(lambda data: summary(data) == "ACK")
        assert len(peer.connected.items) == 2
        endpoint.hang_up(session)
        writer.close()


async def test_invite_whose_connection_breaks_before_any_response_ends() -> None:
    async with open_raw_peer() as peer, open_endpoint() as endpoint:
        events: Log[SessionEvent] = Log()
        endpoint.invite(create_invitation(Flow(*peer.address)), events.add)
        await peer.received.wait_for(lambda data: summary(data) == "INVITE")
        peer.connected.items[0].close()
        assert await events.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)


async def test_bye_whose_connection_breaks_ends_the_session() -> None:
    timers = Timers()
    async with open_phone(answer, listeners=TCP) as phone, open_endpoint(timers) as endpoint:
        events: Log[SessionEvent] = Log()
        session = endpoint.invite(create_invitation(flow_to(phone)), events.add)
        await events.wait_for(is_answer)
        await phone.endpoint.close()
        endpoint.hang_up(session)
        # The far end was gone before 64*T1 were over.
        async with asyncio.timeout(timers.transaction_timeout_s / 2):
            while endpoint.user_agent.session_count:
                await pass_time(0.01)


async def test_requests_cut_and_joined_anywhere_are_each_answered() -> None:
    async with open_endpoint(listeners=TCP) as endpoint:
        reader, writer = await asyncio.open_connection(*endpoint.address)
        others = [OPTIONS.replace(b"z9hG4bKa", b"z9hG4bK%d" % n) for n in range(5)]
        stream = OPTIONS + b"".join(others)
        for start in range(0, len(stream), 7):
            writer.write(stream[start : start + 7])
            await writer.drain()
        framer = StreamFramer()
        responses: list[bytes] = []
        async with asyncio.timeout(WAIT_S):
            while len(responses) < 6:
                responses += framer.feed(await reader.read(65_536))
        assert {summary(data) for data in responses} == {"200 OPTIONS"}
        writer.close()


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"x" * 40_000]
)
async def test_what_is_no_sip_stream_is_cut_off(garbage: bytes) -> None:
    async with open_endpoint(listeners=TCP) as endpoint:
        reader, writer = await asyncio.open_connection(*endpoint.address)
        writer.write(garbage)
        with suppress(ConnectionError):
            assert await read_all(reader) == b""
        assert endpoint.connection_count == 0
        writer.close()


async def test_ping_is_answered() -> None:
    async with open_endpoint(listeners=TCP) as endpoint:
        reader, writer = await asyncio.open_connection(*endpoint.address)
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            assert await reader.readexactly(2) == b"\r\n"
        writer.close()


async def test_silent_connection_of_ours_is_pinged() -> None:
    limits = StreamLimits(keep_alive_s=0.05)
    async with open_raw_peer() as peer, open_endpoint(stream_limits=limits) as endpoint:
        endpoint.invite(create_invitation(Flow(*peer.address)), lambda _event: None)
        await peer.raw.wait_for(
            lambda data: data.endswith(b"\r\n\r\n\r\n\r\n") or data == b"\r\n\r\n"
        )


async def test_message_without_end_is_not_waited_for() -> None:
    limits = StreamLimits(message_within_s=0.05)
    async with open_endpoint(listeners=TCP, stream_limits=limits) as endpoint:
        reader, writer = await asyncio.open_connection(*endpoint.address)
        writer.write(OPTIONS[:50])
        with suppress(ConnectionError):  # it may be reset, too
            assert await read_all(reader) == b""
        writer.close()


async def test_connection_beyond_the_limit_takes_the_place_of_the_idlest() -> None:
    limits = StreamLimits(connections_max=2)
    async with open_endpoint(listeners=TCP, stream_limits=limits) as endpoint:
        pairs = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*endpoint.address)
            writer.write(b"\r\n\r\n")
            async with asyncio.timeout(WAIT_S):
                assert await reader.readexactly(2) == b"\r\n"
            pairs.append((reader, writer))
        with suppress(ConnectionError):
            assert await read_all(pairs[0][0]) == b""
        assert endpoint.connection_count == 2
        for _, writer in pairs:
            writer.close()


async def test_connection_of_ours_beyond_the_limit_is_refused() -> None:
    limits = StreamLimits(connections_max=1)
    async with (
        open_raw_peer() as first,
        open_raw_peer() as second,
        open_endpoint(stream_limits=limits) as endpoint,
    ):
        endpoint.invite(create_invitation(Flow(*first.address)), lambda _event: None)
        events: Log[SessionEvent] = Log()
        endpoint.invite(create_invitation(Flow(*second.address)), events.add)
        assert await events.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)
        await first.received.wait_for(lambda data: summary(data) == "INVITE")


async def test_peer_that_takes_nothing_is_given_up() -> None:
    limits = StreamLimits(unsent_bytes_max=1_000)
    async with (
        open_phone(ring, listeners=TCP) as phone,
        open_endpoint(stream_limits=limits) as endpoint,
    ):
        first: Log[SessionEvent] = Log()
        second: Log[SessionEvent] = Log()
        # Both wait for the connection to open; there is room for one.
        endpoint.invite(create_invitation(flow_to(phone)), first.add)
        endpoint.invite(create_invitation(flow_to(phone)), second.add)
        assert await first.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)
        assert await second.wait_for(is_end) == SessionEnded(NO_RESPONSE_CAUSE)
