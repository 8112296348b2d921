"""The user agent on a real socket."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.harness.address import allocate_host
from tests.harness.virtual_time import jump
from tests.sip.aio.support import (
    ANSWER,
    ANSWER_SDP,
    FAST,
    HOST,
    WAIT_S,
    Log,
    answer,
    create_invitation,
    open_dead_peer,
    open_endpoint,
    open_phone,
    refuse,
    ring,
)
from tests.sip.support import create_response

from clicktodial.sip.aio.endpoint import MessageDirection, SipEndpoint
from clicktodial.sip.client_request import PlainRequest
from clicktodial.sip.event import (
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionEvent,
    SessionRinging,
    SessionTrying,
)
from clicktodial.sip.message import SipMessage
from clicktodial.sip.session import SessionState
from clicktodial.sip.timer import Timers
from clicktodial.sip.user_agent import Hop, Limits


def is_ended(event: SessionEvent) -> bool:
    return isinstance(event, SessionEnded)


def is_answered(event: SessionEvent) -> bool:
    return isinstance(event, SessionAnswered)


async def test_call_between_two_endpoints_is_answered_and_hung_up() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(answer) as phone, open_endpoint() as endpoint:
        session = endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        await events.wait_for(is_answered)
        await phone.events.wait_for(lambda event: isinstance(event, SessionConfirmed))
        endpoint.hang_up(session)
        await phone.events.wait_for(is_ended)
        assert events.items == [SessionTrying(), SessionRinging(), SessionAnswered(ANSWER)]
        assert phone.sessions[0].request_user == "+8613912345673"


async def test_hang_up_of_the_phone_is_told_once() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(answer) as phone, open_endpoint() as endpoint:
        session = endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        await phone.events.wait_for(lambda event: isinstance(event, SessionConfirmed))
        phone.endpoint.hang_up(phone.sessions[0])
        await events.wait_for(is_ended)
        assert session.state is SessionState.ENDED
        assert [type(event) for event in events.items].count(SessionEnded) == 1


async def test_hang_up_while_ringing_cancels() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(ring) as phone, open_endpoint() as endpoint:
        session = endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        await events.wait_for(lambda event: isinstance(event, SessionRinging))
        endpoint.hang_up(session)
        ended = await phone.events.wait_for(is_ended)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_status == 487
        assert not any(map(is_ended, events.items))


async def test_refusal_is_told() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(refuse(486)) as phone, open_endpoint() as endpoint:
        endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        ended = await events.wait_for(is_ended)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_status == 486


async def test_peer_that_never_responds_times_out() -> None:
    events: Log[SessionEvent] = Log()
    async with open_dead_peer() as peer, open_endpoint(Timers(0.01, 0.08, 0.1)) as endpoint:
        endpoint.invite(create_invitation(peer.address), events.add)
        ended = await events.wait_for(is_ended)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_text == "No response"
        # Up to seven by the book; a loop that is late sends fewer.
        assert 1 < len(peer.received.items) <= 7
        assert len(set(peer.received.items)) == 1


async def test_no_handler_runs_before_invite_has_returned() -> None:
    order: list[str] = []
    over = asyncio.Event()
    endpoint = SipEndpoint(timers=FAST, limits=Limits(sessions_max=0))
    await endpoint.start(HOST, 0)

    def on_event(event: SessionEvent) -> None:
        order.append(type(event).__name__)
        over.set()

    endpoint.invite(create_invitation((HOST, 9)), on_event)
    order.append("returned")
    async with asyncio.timeout(WAIT_S):
        await over.wait()
    await endpoint.close()
    assert order == ["returned", "SessionEnded"]


async def test_handler_that_places_a_call_hears_of_it_after_that() -> None:
    events: Log[SessionEvent] = Log()
    second: Log[SessionEvent] = Log()
    async with open_phone(answer) as phone, open_endpoint() as endpoint:

        def on_event(event: SessionEvent) -> None:
            events.add(event)
            if is_answered(event):
                endpoint.invite(create_invitation(phone.endpoint.address), second.add)
                assert second.items == []

        endpoint.invite(create_invitation(phone.endpoint.address), on_event)
        await second.wait_for(is_answered)


async def test_handler_that_hangs_up_is_not_called_again() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(answer) as phone, open_endpoint() as endpoint:

        def on_event(event: SessionEvent) -> None:
            events.add(event)
            endpoint.hang_up(session)

        session = endpoint.invite(create_invitation(phone.endpoint.address), on_event)
        await phone.events.wait_for(is_ended)
        assert events.items == [SessionTrying()]


async def test_handler_that_raises_is_logged_and_harms_no_other_session() -> None:
    events: Log[SessionEvent] = Log()

    def fail(_event: SessionEvent) -> None:
        raise RuntimeError("boom")

    async with open_phone(answer) as phone, open_endpoint() as endpoint:
        with capture_logs() as logs:
            endpoint.invite(create_invitation(phone.endpoint.address), fail)
            endpoint.invite(create_invitation(phone.endpoint.address), events.add)
            await events.wait_for(is_answered)
        assert "sip.handler_failed" in {entry["event"] for entry in logs}


async def test_invite_handler_that_raises_declines_the_call() -> None:
    def fail(_endpoint: SipEndpoint, _session: object) -> None:
        raise RuntimeError("boom")

    events: Log[SessionEvent] = Log()
    async with open_phone(fail) as phone, open_endpoint() as endpoint:
        with capture_logs() as logs:
            endpoint.invite(create_invitation(phone.endpoint.address), events.add)
            ended = await events.wait_for(is_ended)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_status == 603
        assert [entry["event"] for entry in logs] == ["sip.handler_failed"]


async def test_invite_without_a_handler_is_refused() -> None:
    events: Log[SessionEvent] = Log()
    async with open_endpoint() as deaf, open_endpoint() as endpoint:
        endpoint.invite(create_invitation(deaf.address), events.add)
        ended = await events.wait_for(is_ended)
        assert isinstance(ended, SessionEnded)
        assert ended.cause.sip_status == 480


async def test_tap_sees_every_message_and_may_fail() -> None:
    seen: list[tuple[MessageDirection, bytes, Hop]] = []

    def tap(direction: MessageDirection, data: bytes, peer: Hop) -> None:
        seen.append((direction, data.split(b"\r\n")[0], peer))
        raise RuntimeError("boom")

    events: Log[SessionEvent] = Log()
    endpoint = SipEndpoint(timers=FAST, on_message=tap)
    await endpoint.start(HOST, 0)
    async with open_phone(answer) as phone:
        with capture_logs() as logs:
            endpoint.invite(create_invitation(phone.endpoint.address), events.add)
            await events.wait_for(is_answered)
            await phone.events.wait_for(lambda event: isinstance(event, SessionConfirmed))
        assert [entry["event"] for entry in logs] == ["sip.tap_failed"] * 5
        assert {peer for _, _, peer in seen} == {phone.endpoint.address}
    await endpoint.close()
    assert [(direction.value, line.split()[0], line.split()[1]) for direction, line, _ in seen] == [
        ("sent", b"INVITE", seen[0][1].split()[1]),
        ("received", b"SIP/2.0", b"100"),
        ("received", b"SIP/2.0", b"180"),
        ("received", b"SIP/2.0", b"200"),
        ("sent", b"ACK", f"sip:{HOST}:{phone.endpoint.address[1]}".encode()),
    ]


async def test_advertised_host_is_what_others_are_told() -> None:
    endpoint = SipEndpoint(timers=FAST, advertised_host="203.0.113.5")
    await endpoint.start(HOST, 0)
    async with open_dead_peer() as peer:
        session = endpoint.invite(create_invitation(peer.address), lambda _: None)
        invite = await peer.received.wait_for(lambda _: True)
        port = endpoint.address[1]
        assert f"Via: SIP/2.0/UDP 203.0.113.5:{port};".encode() in invite
        assert f"Contact: <sip:203.0.113.5:{port}>".encode() in invite
        endpoint.hang_up(session)
    await endpoint.close()


async def test_datagrams_of_garbage_harm_nothing() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(answer) as phone, open_dead_peer() as peer, open_endpoint() as endpoint:
        peer.source = phone.endpoint.address
        for data in (b"", b"\x00" * 1000, b"\r\n\r\n", b"INVITE", b"x" * 60_000):
            peer.send(data)
        endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        await events.wait_for(is_answered)
        assert phone.endpoint.user_agent.counters.malformed == 5


async def test_destination_that_cannot_be_sent_to_is_logged() -> None:
    async with open_endpoint() as endpoint:
        with capture_logs() as logs:
            session = endpoint.invite(create_invitation(("255.255.255.255", 9)), lambda _: None)
        assert [entry["event"] for entry in logs] == ["sip.send_failed"]
        endpoint.hang_up(session)


async def test_answer_that_came_while_the_loop_was_stalled_saves_the_retransmission() -> None:
    events: Log[SessionEvent] = Log()
    timers = Timers(t1_s=30)
    async with open_dead_peer() as peer, open_endpoint(timers) as endpoint:
        session = endpoint.invite(create_invitation(peer.address), events.add)
        invite = await peer.received.wait_for(lambda _: True)
        peer.send(create_response(invite, 180))
        jump(timers.t1_s + 1)  # the stall, after which uvloop sees to timers before sockets
        endpoint._handle_timer()
        await events.wait_for(lambda event: isinstance(event, SessionRinging))
        assert endpoint.user_agent.counters.retransmissions == 0
        endpoint.hang_up(session)


async def test_one_timer_serves_all_sessions() -> None:
    async with open_dead_peer() as peer, open_endpoint(Timers()) as endpoint:
        loop = asyncio.get_running_loop()
        armed = []
        original = loop.call_at

        def count(*args: object, **kwargs: object) -> asyncio.TimerHandle:
            armed.append(args[0])
            return original(*args, **kwargs)  # type: ignore[arg-type]

        loop.call_at = count  # type: ignore[method-assign]
        try:
            for _ in range(50):
                endpoint.invite(create_invitation(peer.address), lambda _: None)
        finally:
            loop.call_at = original  # type: ignore[method-assign]
        assert len(armed) == 1


async def test_burst_of_calls_is_answered_in_full() -> None:
    timers = Timers()  # RFC 3261's own, so that a slow machine does not answer retransmissions
    async with open_phone(answer, timers) as phone, open_endpoint(timers) as endpoint:
        logs: list[Log[SessionEvent]] = [Log() for _ in range(200)]
        for log in logs:
            endpoint.invite(create_invitation(phone.endpoint.address), log.add)
        for log in logs:
            await log.wait_for(is_answered)


async def test_endpoint_closed_by_a_handler_stops_at_once() -> None:
    closed = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()
    endpoint = SipEndpoint(timers=FAST)
    await endpoint.start(HOST, 0)

    async def close() -> None:
        await endpoint.close()
        closed.set()

    def on_event(_event: SessionEvent) -> None:
        tasks.add(asyncio.get_running_loop().create_task(close()))

    async with open_phone(ring) as phone:
        endpoint.invite(create_invitation(phone.endpoint.address), on_event)
        async with asyncio.timeout(WAIT_S):
            await closed.wait()
    assert not endpoint.is_open
    await endpoint.close()


async def test_port_is_free_again_when_closed() -> None:
    endpoint, host = SipEndpoint(), allocate_host()
    await endpoint.start(host, 0)
    port = endpoint.address[1]
    await endpoint.close()
    again = SipEndpoint()
    await again.start(host, port)
    await again.close()


async def test_port_that_is_taken_raises() -> None:
    async with open_endpoint() as endpoint:
        with pytest.raises(OSError, match="in use"):
            await SipEndpoint().start(HOST, endpoint.address[1])


async def test_endpoint_that_is_not_started_raises() -> None:
    endpoint = SipEndpoint()
    with pytest.raises(RuntimeError):
        _ = endpoint.address
    with pytest.raises(RuntimeError):
        endpoint.invite(create_invitation((HOST, 9)), lambda _: None)
    await endpoint.start(HOST, 0)
    with pytest.raises(RuntimeError):
        await endpoint.start(HOST, 0)
    await endpoint.close()


async def test_early_media_and_answer_by_command_reach_the_caller() -> None:
    events: Log[SessionEvent] = Log()
    async with open_phone(lambda endpoint, session: None) as phone, open_endpoint() as endpoint:
        endpoint.invite(create_invitation(phone.endpoint.address), events.add)
        await events.wait_for(lambda event: isinstance(event, SessionTrying))
        phone.endpoint.ring(phone.sessions[0], ANSWER_SDP)
        phone.endpoint.answer(phone.sessions[0], ANSWER_SDP)
        await events.wait_for(is_answered)
        assert [type(event).__name__ for event in events.items] == [
            "SessionTrying", "SessionEarlyMedia", "SessionAnswered",
        ]  # fmt: skip


# Requests outside of dialogs


def create_options(destination: Hop) -> PlainRequest:
    return PlainRequest("OPTIONS", "sip:a.example", "sip:a.example", destination)


async def test_request_is_answered_and_one_that_nobody_answers_is_told_too() -> None:
    answers: Log[SipMessage | None] = Log()
    async with open_phone(answer) as phone, open_dead_peer() as dead, open_endpoint() as endpoint:
        endpoint.request(create_options(phone.endpoint.address), answers.add)
        response = await answers.wait_for(lambda each: each is not None)
        assert response is not None
        assert (response.status, response.method) == (200, "OPTIONS")
        endpoint.request(create_options(dead.address), answers.add)
        await answers.wait_for(lambda each: each is None)
        assert len(answers.items) == 2


async def test_answer_handler_that_raises_is_logged_and_harms_no_other() -> None:
    answers: Log[SipMessage | None] = Log()

    def fail(_response: SipMessage | None) -> None:
        raise RuntimeError("a bug")

    async with open_phone(answer) as phone, open_endpoint() as endpoint:
        with capture_logs() as logs:
            for handler in (fail, answers.add):
                endpoint.request(create_options(phone.endpoint.address), handler)
            await answers.wait_for(lambda _: True)
        assert [entry["event"] for entry in logs] == ["sip.handler_failed"]


async def test_answer_handler_may_close_the_endpoint() -> None:
    closed = asyncio.Event()
    closing: list[asyncio.Task[None]] = []
    async with open_phone(answer) as phone, open_endpoint() as endpoint:

        def close(_response: SipMessage | None) -> None:
            closing.append(asyncio.create_task(endpoint.close()))
            closed.set()

        endpoint.request(create_options(phone.endpoint.address), close)
        async with asyncio.timeout(WAIT_S):
            await closed.wait()
        await closing[0]
        assert not endpoint.is_open
