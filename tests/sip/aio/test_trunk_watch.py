"""Registrations and health over real sockets, with a peer that answers as it is told."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs
from tests.sip.aio.support import (
    FAST,
    DeadPeer,
    answer,
    open_dead_peer,
    open_endpoint,
    open_phone,
)
from tests.sip.aio.test_telephony import is_answered, place
from tests.sip.support import create_response, header_lines

from clicktodial.domain.trunk import Trunk, TrunkCredentials
from clicktodial.sip.aio import trunk_watch
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.aio.telephony import TrunkTelephony
from clicktodial.sip.aio.trunk_watch import TrunkWatch
from clicktodial.sip.timer import Timers
from clicktodial.sip.trunk_health import FAILURES_MAX

POLL_S = 0.005
WAIT_S = 30.0


class AtOnce(random.Random):
    """Whatever may be drawn, the least is."""

    def uniform(self, a: float, b: float) -> float:
        return a


@dataclass
class Stand:
    """A watch over trunks that a test may change."""

    telephony: TrunkTelephony
    watch: TrunkWatch
    trunks: list[Trunk] = field(default_factory=list)

    def change(self, *trunks: Trunk) -> None:
        self.trunks[:] = trunks
        self.watch.refresh()


@asynccontextmanager
async def open_stand(
    *trunks: Trunk, resolver: TargetResolver | None = None, timers: Timers = FAST
) -> AsyncIterator[Stand]:
    known = list(trunks)
    async with open_endpoint(timers) as endpoint:
        telephony = TrunkTelephony(endpoint, lambda: known, resolver)
        states, resolve = telephony.states, telephony.resolve
        watch = TrunkWatch(endpoint, lambda: known, states, resolve, AtOnce())
        watch.start()
        yield Stand(telephony, watch, known)
        await watch.close()
        await telephony.close()


def registering(peer: DeadPeer, **fields: object) -> Trunk:
    trunk = Trunk(
        "a", peer.address[0], peer.address[1], registers=True, options_interval_s=0,
        credentials=TrunkCredentials("4711", "secret"),
    )  # fmt: skip
    return dataclasses.replace(trunk, **fields)  # type: ignore[arg-type]


def asked(peer: DeadPeer, expires_s: int) -> Callable[[bytes], bool]:
    """A REGISTER for so long, not seen before."""
    seen = set(peer.received.items)
    return lambda data: (
        data not in seen
        and data.startswith(b"REGISTER")
        and header_lines(data, "Expires") == [str(expires_s)]
    )


async def until(is_so: Callable[[], bool]) -> None:
    """What the peer said has been heard."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - states tell nobody of their changes
            await asyncio.sleep(POLL_S)


async def test_trunk_is_registered_with_credentials_and_taken_back_at_the_end() -> None:
    challenge = ('WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"',)
    async with open_dead_peer() as peer:
        trunk = registering(peer)
        with capture_logs() as logs:
            async with open_stand(trunk) as stand:
                first = await peer.received.wait_for(asked(peer, 600))
                assert stand.watch.unregistered_count == 1
                assert stand.telephony.states.is_resting(trunk)
                wanted = asked(peer, 600)
                peer.send(create_response(first, 401, lines=challenge))
                second = await peer.received.wait_for(wanted)
                assert header_lines(second, "CSeq") == ["2 REGISTER"]
                peer.send(create_response(second, 200, lines=("Expires: 600",)))
                await until(lambda: stand.watch.unregistered_count == 0)
                assert not stand.telephony.states.is_resting(trunk)
                wanted = asked(peer, 0)
                closing = asyncio.create_task(stand.watch.close())
                last = await peer.received.wait_for(wanted)
                assert header_lines(last, "CSeq") == ["3 REGISTER"]
                assert header_lines(last, "Call-ID") == header_lines(first, "Call-ID")
                peer.send(create_response(last, 200))
                await closing
        assert [entry["event"] for entry in logs if "regist" in entry["event"]] == [
            "sip.registered"
        ]
        assert "secret" not in str(logs)


async def test_registrar_that_is_gone_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trunk_watch, "UNREGISTER_TIMEOUT_S", 0.05)
    async with open_dead_peer() as peer, open_stand(registering(peer), timers=Timers()) as stand:
        first = await peer.received.wait_for(asked(peer, 600))
        peer.send(create_response(first, 200))
        await until(lambda: stand.watch.unregistered_count == 0)
        # Long before the request itself times out, which is after 32 s.
        async with asyncio.timeout(WAIT_S):
            await stand.watch.close()


async def test_trunk_that_is_changed_is_registered_anew_after_the_old_is_taken_back() -> None:
    async with open_dead_peer() as peer, open_stand(registering(peer)) as stand:
        first = await peer.received.wait_for(asked(peer, 600))
        peer.send(create_response(first, 200))
        await until(lambda: stand.watch.unregistered_count == 0)
        heard = len(peer.received.items)
        stand.change(registering(peer, weight=7))
        wanted = asked(peer, 0)
        stand.change(registering(peer, weight=7, registration_expires_s=300))
        back = await peer.received.wait_for(wanted)
        assert peer.received.items[heard:] == [back]  # the weight is nothing to the registrar
        wanted = asked(peer, 300)
        peer.send(create_response(back, 200))
        again = await peer.received.wait_for(wanted)
        peer.send(create_response(again, 200))
        await until(lambda: stand.watch.unregistered_count == 0)
        wanted = asked(peer, 0)
        stand.change()
        peer.send(create_response(await peer.received.wait_for(wanted), 200))


async def test_refused_registration_is_told_and_leaves_the_trunk_to_the_last() -> None:
    async with open_dead_peer() as peer:
        trunk = registering(peer)
        with capture_logs() as logs:
            async with open_stand(trunk) as stand:
                first = await peer.received.wait_for(asked(peer, 600))
                peer.send(create_response(first, 403))
                await until(lambda: any("sip.registration" in each["event"] for each in logs))
                assert stand.watch.unregistered_count == 1
                assert stand.telephony.states.is_resting(trunk)
        [entry] = [each for each in logs if each["event"] == "sip.registration_refused"]
        assert entry["sip_status"] == 403


async def test_registration_that_runs_out_is_told_when_it_does() -> None:
    async with open_dead_peer() as peer:
        with capture_logs() as logs:
            async with open_stand(registering(peer)) as stand:
                first = await peer.received.wait_for(asked(peer, 600))
                # It is over long before a refresh is due: nobody is asked that often.
                peer.send(create_response(first, 200, lines=("Expires: 1",)))
                await until(lambda: any(each["event"] == "sip.registration_lost" for each in logs))
                assert stand.watch.unregistered_count == 1
                assert stand.telephony.states.is_resting(stand.trunks[0])
                assert len(peer.received.items) == 1


class NoNames(DnsNames):
    """A name service that is down."""

    async def find_addresses(self, host: str) -> Sequence[str]:
        raise OSError("no such name")


async def test_trunk_without_address_is_tried_again_and_not_registered() -> None:
    nowhere = Trunk(
        "a", "nowhere.invalid", 5060, registers=True, options_interval_s=0,
        credentials=TrunkCredentials("u", "p"),
    )  # fmt: skip
    with capture_logs() as logs:
        async with open_stand(nowhere, resolver=TargetResolver(NoNames())) as stand:
            await until(lambda: any("answer" in each for each in logs))
            assert stand.watch.unregistered_count == 1
    assert [each["answer"] for each in logs if "answer" in each] == ["Silent"]


# Health


def watched(name: str, address: tuple[str, int], **fields: object) -> Trunk:
    trunk = Trunk(name, address[0], address[1], options_interval_s=1, answer_timeout_s=1)
    return dataclasses.replace(trunk, **fields)  # type: ignore[arg-type]


async def test_dead_trunk_is_left_out_and_the_first_answer_brings_it_back() -> None:
    async with open_dead_peer() as peer, open_phone(answer) as phone:
        dead = watched("a", peer.address, priority=1)
        alive = watched("b", phone.endpoint.address, priority=2)
        with capture_logs() as logs:
            async with open_stand(dead, alive) as stand:
                await until(lambda: stand.watch.down_count == 1)
                branches = {
                    each for data in peer.received.items for each in header_lines(data, "Via")
                }
                assert len(branches) == FAILURES_MAX
                assert [each.name for each in stand.telephony.select_trunks("+861")] == ["b"]
                leg, events = place(stand.telephony)
                await events.wait_for(is_answered)
                assert leg.trunk_name == "b"
                leg.hang_up()
                seen = set(peer.received.items)
                again = await peer.received.wait_for(lambda data: data not in seen)
                peer.send(create_response(again, 405))
                await until(lambda: stand.watch.down_count == 0)
                assert [each.name for each in stand.telephony.select_trunks("+861")] == ["a", "b"]
        told = [each["event"] for each in logs if each.get("trunk") == "a"]
        assert told == ["sip.trunk_down", "sip.trunk_up"]


async def test_last_trunk_is_tried_even_if_it_is_down() -> None:
    async with open_dead_peer() as peer, open_stand(watched("a", peer.address)) as stand:
        stand.telephony.states.set_down("a", down=True)
        assert [each.name for each in stand.telephony.select_trunks("+861")] == ["a"]


async def test_trunk_that_is_not_to_be_asked_counts_as_up_at_once() -> None:
    async with open_dead_peer() as peer, open_stand(watched("a", peer.address)) as stand:
        await peer.received.wait_for(lambda data: data.startswith(b"OPTIONS"))
        stand.telephony.states.set_down("a", down=True)
        stand.change(watched("a", peer.address, options_interval_s=0))
        assert not stand.telephony.states.is_down(stand.trunks[0])
        assert stand.watch.down_count == 0
