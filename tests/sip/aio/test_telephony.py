"""Legs through trunks: the order, the fail-over, and hanging up anywhere in it."""

import asyncio
import dataclasses
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.harness.virtual_time import jump
from tests.sip.aio.support import (
    ANSWER,
    ANSWER_SDP,
    FAST,
    HOST,
    OFFER,
    Log,
    answer,
    open_dead_peer,
    open_endpoint,
    open_phone,
    pass_time,
    refuse,
    ring,
)
from tests.sip.support import create_response, header_lines, summary

from clicktodial.control.port import Answered, EarlyMedia, Ended, Leg, LegEvent, LegPlan, Ringing
from clicktodial.domain.cause import LegOutcome
from clicktodial.domain.trunk import NumberFormat, Trunk, TrunkCredentials
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.aio.telephony import FULL_CAUSE, TrunkTelephony
from clicktodial.sip.aio.telephony import create_invitation as create_invitation_of
from clicktodial.sip.event import SessionEnded
from clicktodial.sip.identity import IdentityWriter
from clicktodial.sip.location import Naptr, Srv
from clicktodial.sip.timer import Timers
from clicktodial.sip.user_agent import Address, Invitation, Session

PLAN = LegPlan(destination="+8613912345673", shown="+861052680000", offer=OFFER)
# 64*T1 is 0.64 s, for trunks none of which says anything.
HASTY = Timers(t1_s=0.01, t2_s=0.08, t4_s=0.1)
# A phone that answers does so sooner, however busy the machine is; one that never will is left.
ANSWER_TIMEOUT_S = 15
DEAD_AFTER_S = 1


def trunk(
    name: str,
    address: Address,
    *,
    priority: int = 100,
    host: str = "",
    answer_timeout_s: int = ANSWER_TIMEOUT_S,
) -> Trunk:
    return Trunk(
        name,
        host or address[0],
        address[1],
        priority=priority,
        answer_timeout_s=answer_timeout_s,
    )


class NoChance(random.Random):
    """Equal trunks of equal weight draw alike, and are tried by name."""

    def expovariate(self, lambd: float = 1.0) -> float:
        return 1.0 / lambd


@asynccontextmanager
async def open_telephony(
    *trunks: Trunk, timers: Timers = FAST, resolver: TargetResolver | None = None
) -> AsyncIterator[TrunkTelephony]:
    async with open_endpoint(timers) as endpoint:
        telephony = TrunkTelephony(endpoint, lambda: trunks, resolver, NoChance())
        yield telephony
        await telephony.close()


def create_invitation(plan: LegPlan, target: Trunk, address: Address) -> Invitation:
    identity = IdentityWriter().create(plan, target)
    return create_invitation_of(plan, target, address, b"", identity)


def place(telephony: TrunkTelephony) -> tuple[Leg, Log[LegEvent]]:
    events: Log[LegEvent] = Log()
    leg = telephony.place(PLAN, events.add)
    assert events.items == []
    return leg, events


def is_answered(event: LegEvent) -> bool:
    return isinstance(event, Answered)


async def ending(events: Log[LegEvent]) -> Ended:
    event = await events.wait_for(lambda event: isinstance(event, Ended))
    assert isinstance(event, Ended)
    assert events.items[-1] is event
    return event


async def test_leg_through_one_trunk_rings_answers_and_hangs_up() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = place(telephony)
        await events.wait_for(is_answered)
        assert events.items == [Ringing(), Answered(ANSWER)]
        assert leg.trunk_name == "a"
        assert leg.sip_call_id == phone.sessions[0].call_id
        leg.hang_up()
        leg.hang_up()
        await phone.events.wait_for(lambda event: isinstance(event, SessionEnded))
        assert len(events.items) == 2


async def test_leg_goes_through_the_trunk_of_its_number_first() -> None:
    async with (
        open_phone(answer) as first,
        open_phone(answer) as own,
        open_telephony(
            trunk("a", first.endpoint.address), trunk("own", own.endpoint.address, priority=9)
        ) as telephony,
    ):
        events: Log[LegEvent] = Log()
        leg = telephony.place(replace(PLAN, preferred_trunk="own"), events.add)
        await events.wait_for(is_answered)
        assert leg.trunk_name == "own"
        leg.hang_up()
        telephony.states.note_silence(trunk("own", own.endpoint.address, priority=9))
        names = [each.name for each in telephony.select_trunks("+861", "own")]
        assert names == ["a", "own"]
        assert telephony.forecast("+861", "own").trunk_name == "a"


async def test_hang_up_of_the_party_ends_the_leg() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        _, events = place(telephony)
        await events.wait_for(is_answered)
        phone.endpoint.hang_up(phone.sessions[0])
        assert (await ending(events)).cause.outcome is LegOutcome.HUNG_UP


async def test_early_media_is_told() -> None:
    def behave(endpoint: SipEndpoint, session: Session) -> None:
        endpoint.ring(session, ANSWER_SDP)

    async with (
        open_phone(behave) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = place(telephony)
        await events.wait_for(lambda event: event == EarlyMedia(ANSWER))
        leg.hang_up()


# The order


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [((2, 1), "b"), ((1, 2), "a")],
)
async def test_trunks_are_tried_by_priority(priorities: tuple[int, int], expected: str) -> None:
    async with open_phone(answer) as one, open_phone(answer) as two:
        trunks = (
            trunk("b", two.endpoint.address, priority=priorities[1]),
            trunk("a", one.endpoint.address, priority=priorities[0]),
        )
        async with open_telephony(*trunks) as telephony:
            leg, events = place(telephony)
            await events.wait_for(is_answered)
            assert leg.trunk_name == expected
            leg.hang_up()


# Fail-over


async def test_dead_trunk_and_503_trunk_are_passed_over_for_a_good_one() -> None:
    async with (
        open_dead_peer() as dead,
        open_phone(refuse(503)) as full,
        open_phone(answer) as good,
    ):
        trunks = (
            trunk("dead", dead.address, priority=1, answer_timeout_s=DEAD_AFTER_S),
            trunk("full", full.endpoint.address, priority=2),
            trunk("good", good.endpoint.address, priority=3),
        )
        async with open_telephony(*trunks) as telephony:
            with capture_logs() as logs:
                leg, events = place(telephony)
                await events.wait_for(is_answered)
            assert events.items == [Ringing(), Answered(ANSWER)]
            assert leg.trunk_name == "good"
            failed = [entry for entry in logs if entry["event"] == "sip.trunk_failed"]
            assert [(entry["trunk"], entry["sip_status"]) for entry in failed] == [
                ("dead", 408),
                ("full", 503),
            ]
            assert PLAN.destination not in str(logs)
            leg.hang_up()


@pytest.mark.parametrize("status", [401, 407, 500, 502, 503, 504, 505])
async def test_fault_of_a_trunk_is_passed_over(status: int) -> None:
    async with open_phone(refuse(status)) as ill, open_phone(answer) as other:
        trunks = (
            trunk("a", ill.endpoint.address, priority=1),
            trunk("b", other.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            leg, events = place(telephony)
            await events.wait_for(is_answered)
            assert leg.trunk_name == "b"
            leg.hang_up()


@pytest.mark.parametrize("status", [302, 403, 404, 408, 410, 480, 484, 486, 488, 600, 603, 604])
async def test_what_is_said_of_the_party_is_the_legs_end(status: int) -> None:
    async with open_phone(refuse(status)) as busy, open_phone(answer) as other:
        trunks = (
            trunk("a", busy.endpoint.address, priority=1),
            trunk("b", other.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            leg, events = place(telephony)
            assert (await ending(events)).cause.sip_status == status
            assert leg.trunk_name == "a"
            assert other.sessions == []


async def test_503_after_ringing_is_the_legs_end() -> None:
    def behave(endpoint: SipEndpoint, session: Session) -> None:
        endpoint.ring(session)
        endpoint.reject(session, 503, "Service Unavailable")

    async with open_phone(behave) as failing, open_phone(answer) as other:
        trunks = (
            trunk("a", failing.endpoint.address, priority=1),
            trunk("b", other.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            _, events = place(telephony)
            assert (await ending(events)).cause.sip_status == 503
            assert other.sessions == []


async def test_silence_after_trying_is_no_reason_to_try_another_trunk() -> None:
    def behave(_endpoint: SipEndpoint, _session: Session) -> None:
        """Trying, and no more."""

    async with open_phone(behave) as slow, open_phone(answer) as other:
        trunks = (
            trunk("a", slow.endpoint.address, priority=1),
            trunk("b", other.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            leg, events = place(telephony)
            await slow.events.wait_for(lambda _: True)
            jump(ANSWER_TIMEOUT_S + 1)
            await pass_time(0.05)
            assert (events.items, other.sessions) == ([], [])
            leg.hang_up()


async def test_all_trunks_silent_end_the_leg_with_408() -> None:
    async with open_dead_peer() as one, open_dead_peer() as two:
        trunks = (trunk("a", one.address), trunk("b", two.address))
        async with open_telephony(*trunks, timers=HASTY) as telephony:
            with capture_logs():
                leg, events = place(telephony)
                ended = await ending(events)
            assert (ended.cause.sip_status, ended.cause.sip_text) == (408, "No response")
            assert leg.trunk_name == "b"


async def test_last_real_cause_is_what_remains_of_all_trunks() -> None:
    async with open_phone(refuse(503)) as full, open_dead_peer() as dead:
        trunks = (trunk("a", full.endpoint.address), trunk("b", dead.address))
        async with open_telephony(*trunks, timers=HASTY) as telephony:
            with capture_logs():
                _, events = place(telephony)
                assert (await ending(events)).cause.sip_status == 503


async def test_no_trunk_ends_the_leg_with_503_after_place_returned() -> None:
    async with open_telephony() as telephony:
        leg, events = place(telephony)
        ended = await ending(events)
        assert (ended.cause.sip_status, ended.cause.sip_text) == (503, "No trunk")
        assert (leg.trunk_name, leg.sip_call_id) == (None, None)


async def test_hang_up_before_the_end_without_trunk_is_told_silences_it() -> None:
    async with open_telephony() as telephony:
        leg, events = place(telephony)
        leg.hang_up()
        await pass_time(0.01)
        assert events.items == []


async def test_silent_trunk_is_tried_last_for_a_while() -> None:
    async with open_dead_peer() as dead, open_phone(answer) as good:
        trunks = (
            trunk("dead", dead.address, priority=1, answer_timeout_s=DEAD_AFTER_S),
            trunk("good", good.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            with capture_logs():
                first, events = place(telephony)
                await events.wait_for(is_answered)
            number = PLAN.destination
            assert [entry.name for entry in telephony.select_trunks(number)] == ["good", "dead"]
            second, _ = place(telephony)
            assert second.trunk_name == "good"
            telephony.states.note_response(trunks[0])
            assert [entry.name for entry in telephony.select_trunks(number)] == ["dead", "good"]
            first.hang_up()
            second.hang_up()


# Attempts that were given up


@asynccontextmanager
async def failed_over() -> AsyncIterator[
    tuple[Leg, Log[LegEvent], Callable[[int], None], Log[bytes]]
]:
    """A leg that is in conversation on its second trunk, and a way for the first to wake up."""
    async with open_dead_peer() as dead, open_phone(answer) as good:
        trunks = (
            trunk("dead", dead.address, priority=1, answer_timeout_s=DEAD_AFTER_S),
            trunk("good", good.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            with capture_logs():
                leg, events = place(telephony)
                await events.wait_for(is_answered)
            invite = dead.received.items[0]
            contact = [f"Contact: <sip:{HOST}:{dead.address[1]}>"]

            def wake_up(status: int) -> None:
                sdp = ANSWER_SDP if status == 200 else b""
                dead.send(create_response(invite, status, lines=contact, sdp=sdp))

            yield leg, events, wake_up, dead.received
            leg.hang_up()


async def test_late_ringing_of_a_trunk_given_up_is_cancelled() -> None:
    async with failed_over() as (leg, events, wake_up, received):
        wake_up(180)
        await received.wait_for(lambda data: summary(data) == "CANCEL")
        assert events.items == [Ringing(), Answered(ANSWER)]
        assert leg.trunk_name == "good"


async def test_late_answer_of_a_trunk_given_up_is_acknowledged_and_hung_up() -> None:
    async with failed_over() as (leg, events, wake_up, received):
        wake_up(200)
        await received.wait_for(lambda data: summary(data) == "ACK")
        await received.wait_for(lambda data: summary(data) == "BYE")
        assert events.items == [Ringing(), Answered(ANSWER)]
        assert leg.trunk_name == "good"


async def test_hang_up_while_a_trunk_is_silent_tries_no_other() -> None:
    async with open_dead_peer() as dead, open_phone(answer) as good:
        trunks = (
            trunk("dead", dead.address, priority=1, answer_timeout_s=DEAD_AFTER_S),
            trunk("good", good.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            leg, events = place(telephony)
            leg.hang_up()
            jump(DEAD_AFTER_S + 1)
            await pass_time(0.05)
            assert (events.items, good.sessions) == ([], [])


async def test_hang_up_while_ringing_cancels() -> None:
    async with (
        open_phone(ring) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = place(telephony)
        await events.wait_for(lambda event: event == Ringing())
        leg.hang_up()
        await phone.events.wait_for(lambda event: isinstance(event, SessionEnded))
        assert events.items == [Ringing()]


# Names


class Names:
    """A name server that waits to be told."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.open = asyncio.Event()

    async def find_addresses(self, host: str) -> Sequence[str]:
        await self.open.wait()
        if self.answer is None:
            raise socket.gaierror(-2, "unknown")
        return [self.answer]

    async def find_srv(self, name: str) -> Sequence[Srv]:
        return []

    async def find_naptr(self, name: str) -> Sequence[Naptr]:
        return []


async def test_trunk_by_name_is_resolved_and_then_remembered() -> None:
    names = Names(HOST)
    names.open.set()
    async with open_phone(answer) as phone:
        named = trunk("a", phone.endpoint.address, host="carrier.example")
        async with open_telephony(named, resolver=TargetResolver(names)) as telephony:
            leg, events = place(telephony)
            assert leg.sip_call_id is None
            await events.wait_for(is_answered)
            leg.hang_up()
            names.open.clear()
            leg, events = place(telephony)
            assert leg.sip_call_id is not None
            await events.wait_for(is_answered)
            leg.hang_up()


async def test_trunk_without_address_is_passed_over() -> None:
    names = Names(None)
    names.open.set()
    async with open_phone(answer) as phone:
        trunks = (
            trunk("a", phone.endpoint.address, host="nowhere.example", priority=1),
            trunk("b", phone.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks, resolver=TargetResolver(names)) as telephony:
            with capture_logs():
                leg, events = place(telephony)
                await events.wait_for(is_answered)
            assert leg.trunk_name == "b"
            leg.hang_up()


async def test_only_trunk_without_address_ends_the_leg() -> None:
    names = Names(None)
    names.open.set()
    named = trunk("a", (HOST, 9), host="nowhere.example")
    async with open_telephony(named, resolver=TargetResolver(names)) as telephony:
        with capture_logs():
            _, events = place(telephony)
            ended = await ending(events)
        assert (ended.cause.sip_status, ended.cause.sip_text) == (503, "Trunk not resolved")


async def test_hang_up_while_a_name_is_looked_up_dials_nobody() -> None:
    names = Names(HOST)
    async with open_phone(answer) as phone:
        named = trunk("a", phone.endpoint.address, host="carrier.example")
        async with open_telephony(named, resolver=TargetResolver(names)) as telephony:
            leg, events = place(telephony)
            leg.hang_up()
            names.open.set()
            await pass_time(0.05)
            assert (events.items, phone.sessions, leg.sip_call_id) == ([], [], None)


# Limits


async def test_trunk_that_is_full_gives_way_to_the_next_and_has_room_again() -> None:
    async with open_phone(answer) as small, open_phone(answer) as large:
        trunks = (
            dataclasses.replace(trunk("a", small.endpoint.address, priority=1), channels_max=1),
            trunk("b", large.endpoint.address, priority=2),
        )
        async with open_telephony(*trunks) as telephony:
            legs = []
            for expected in ("a", "b"):
                leg, events = place(telephony)
                await events.wait_for(is_answered)
                assert leg.trunk_name == expected
                legs.append(leg)
            legs[0].hang_up()
            legs[0].hang_up()
            again, events = place(telephony)
            await events.wait_for(is_answered)
            assert again.trunk_name == "a"
            assert telephony.states.channels(trunks[0]) == 1
            for leg in (again, legs[1]):
                leg.hang_up()
            assert telephony.states.channels(trunks[0]) == 0


async def test_only_trunk_at_its_limit_ends_the_leg() -> None:
    async with open_phone(answer) as phone:
        only = dataclasses.replace(trunk("a", phone.endpoint.address), channels_max=1)
        async with open_telephony(only) as telephony:
            first, events = place(telephony)
            await events.wait_for(is_answered)
            _, refused = place(telephony)
            assert (await ending(refused)).cause is FULL_CAUSE
            first.hang_up()


# What the party sees


@pytest.mark.parametrize(
    ("domain", "port", "uri_host", "own_host"),
    [
        (None, 5060, "192.0.2.50", "192.0.2.50"),
        (None, 5080, "192.0.2.50:5080", "192.0.2.50"),
        ("ims.example", 5080, "ims.example", "ims.example"),
    ],
)
def test_invitation_names_the_number_shown_and_the_trunk(
    domain: str | None, port: int, uri_host: str, own_host: str
) -> None:
    target = Trunk("a", "192.0.2.50", port, domain=domain)
    invitation = create_invitation(PLAN, target, ("192.0.2.50", port))
    assert invitation.request_uri == f"sip:+8613912345673@{uri_host};user=phone"
    assert invitation.to_uri == invitation.request_uri
    assert invitation.from_uri == f"sip:+861052680000@{own_host};user=phone"
    assert invitation.headers == (("P-Asserted-Identity", f"<{invitation.from_uri}>"),)
    assert invitation.next_hop == ("192.0.2.50", port)


def test_invitation_that_hides_the_number_shows_it_to_the_trunk_alone() -> None:
    plan = dataclasses.replace(PLAN, hides_number=True)
    invitation = create_invitation(plan, Trunk("a", "192.0.2.50", 5060), ("192.0.2.50", 5060))
    assert invitation.from_uri == "sip:anonymous@anonymous.invalid"
    assert invitation.from_name == "Anonymous"
    assert invitation.headers == (
        ("P-Asserted-Identity", "<sip:+861052680000@192.0.2.50;user=phone>"),
        ("Privacy", "id"),
    )


def test_invitation_is_written_as_the_trunk_wants_it() -> None:
    target = Trunk(
        "a",
        "192.0.2.50",
        5060,
        number_format=NumberFormat.NATIONAL,
        headers=(("X-Account", "7"),),
        credentials=TrunkCredentials("us", "secret"),
    )
    plan = dataclasses.replace(PLAN, ring_timeout_s=45)
    invitation = create_invitation(plan, target, ("192.0.2.50", 5060))
    assert invitation.request_uri == "sip:13912345673@192.0.2.50;user=phone"
    assert invitation.from_uri == "sip:01052680000@192.0.2.50;user=phone"
    assert invitation.headers[-1] == ("X-Account", "7")
    assert invitation.expires_s == 45
    assert invitation.credentials is target.credentials
    assert "secret" not in repr(invitation)


async def test_invite_on_the_wire_holds_no_number_but_the_two_of_the_leg() -> None:
    async with open_dead_peer() as peer, open_telephony(trunk("a", peer.address)) as telephony:
        leg, _ = place(telephony)
        invite = await peer.received.wait_for(lambda _: True)
        assert header_lines(invite, "P-Asserted-Identity") == [
            f"<sip:+861052680000@{HOST};user=phone>"
        ]
        assert invite.count(b"+86") == 4  # Request-URI, To, From and P-Asserted-Identity
        leg.hang_up()


async def test_hidden_number_is_anonymous_on_the_wire() -> None:
    hidden = dataclasses.replace(PLAN, hides_number=True)
    async with open_dead_peer() as peer, open_telephony(trunk("a", peer.address)) as telephony:
        leg = telephony.place(hidden, lambda _event: None)
        invite = await peer.received.wait_for(lambda _: True)
        [caller] = header_lines(invite, "From")
        assert caller.startswith('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
        assert header_lines(invite, "Privacy") == ["id"]
        assert invite.count(b"+861052680000") == 1  # P-Asserted-Identity alone
        leg.hang_up()
