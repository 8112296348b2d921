"""Hundreds of calls over real UDP that loses up to 40 % each way and reorders by up to 200 ms.

The phones are this project's own user agent behind the switch, which loses and delays: SIPp gives
up too soon. What the switch cannot touch is a phone's own BYE, which goes straight to the platform.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.harness.address import Address, allocate_host
from tests.harness.client import CALLEE, CALLER, PlacedCall
from tests.harness.stage import Stage, open_stage
from tests.harness.switch import Impairment
from tests.sip.support import describe

from clicktodial.domain.media import PCMA
from clicktodial.sip.aio.endpoint import EventHandler, SipEndpoint
from clicktodial.sip.event import IncomingInvite
from clicktodial.sip.session import Session, SessionState
from clicktodial.sip.timer import Timers

pytestmark = pytest.mark.asyncio(loop_scope="session")

T1_MS = 50
TIMERS = Timers(t1_s=T1_MS / 1000, t2_s=8 * T1_MS / 1000, t4_s=10 * T1_MS / 1000)
CALLS = 50
CALLS_PER_S = 25
DELAY_MAX_S = 0.2
RELEASED = 0.2
TABLES = {
    "sip": {"t1_ms": T1_MS},
    "calls": {"caller_ring_timeout_s": 3, "callee_ring_timeout_s": 3, "max_duration_s": 3},
}
# Two ringings and the longest talk, on a busy machine.
CALL_TIMEOUT_S = 30.0
# An INVITE that expires, a 200 that nobody acknowledges, and its BYE: 64*T1 each.
PHONES_OVER_WITHIN_S = 3 + 3 * TIMERS.transaction_timeout_s + 5
POLL_S = 0.05


@dataclass
class PhoneBank:
    """Any number of phones that answer, decline, ring on, say nothing or hang up, by chance."""

    dice: random.Random
    sessions: list[Session] = field(default_factory=list)
    endpoint: SipEndpoint = field(init=False)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)

    async def start(self, switch: Address) -> Address:
        """Listen; the phones say that they are where the switch is."""
        self.endpoint = SipEndpoint(
            advertised_host=switch[0], timers=TIMERS, on_invite=self._on_invite
        )
        # The same port on a host of its own, since Contact holds the port that is bound.
        await self.endpoint.start(allocate_host(), switch[1])
        return self.endpoint.address

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        await self.endpoint.close()

    def _on_invite(self, session: Session, _event: IncomingInvite) -> EventHandler:
        self.sessions.append(session)
        fate = self.dice.choice(("answer", "answer", "answer", "decline", "ring-on", "silent"))
        if fate != "silent" and self.dice.random() < 0.8:
            self.endpoint.ring(session)
        if fate == "answer":
            self._later(self.dice.uniform(0, 1), session, self._answer)
        elif fate == "decline":
            self._later(self.dice.uniform(0, 1), session, self._decline)
        return lambda _event: None

    def _answer(self, session: Session) -> None:
        if session.state is SessionState.PROCEEDING:
            self.endpoint.answer(session, describe(PCMA))
            if self.dice.random() < 0.5:
                self._later(self.dice.uniform(0, 2), session, self.endpoint.hang_up)

    def _decline(self, session: Session) -> None:
        if session.state is SessionState.PROCEEDING:
            self.endpoint.reject(session, 486, "Busy Here")

    def _later(self, delay_s: float, session: Session, action: object) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(delay_s, action, session))  # type: ignore[arg-type]


@asynccontextmanager
async def open_bank(
    directory: Path, impairment: Impairment
) -> AsyncIterator[tuple[Stage, PhoneBank]]:
    async with open_stage(directory, TABLES) as stage:
        bank = PhoneBank(random.Random(impairment.seed))
        address = await bank.start(stage.switch.address)
        try:
            for number in (CALLER, CALLEE):
                await stage.switch.connect(number, address)
            stage.switch.impairment = impairment
            yield stage, bank
        finally:
            await bank.close()


async def run_call(stage: Stage, dice: random.Random, index: int) -> PlacedCall:
    await asyncio.sleep(index / CALLS_PER_S)  # the rate at which calls come
    call = await stage.begin()
    if dice.random() < RELEASED:
        await asyncio.sleep(dice.uniform(0, 3))  # the moment of release
        await call.release()
    await call.wait_for_end(CALL_TIMEOUT_S)
    return call


@pytest.mark.parametrize(
    ("lost_there", "lost_back"), [(0.0, 0.4), (0.4, 0.0), (0.05, 0.05), (0.2, 0.2), (0.4, 0.4)]
)
async def test_calls_over_a_bad_network_end_once_and_no_phone_rings_on(
    tmp_path: Path, lost_there: float, lost_back: float
) -> None:
    seed = round(100 * lost_there + 10 * lost_back) + 1
    impairment = Impairment(
        lost=lost_there, lost_from_phone=lost_back, doubled=0.05, delay_max_s=DELAY_MAX_S, seed=seed
    )
    async with open_bank(tmp_path, impairment) as (stage, bank):
        dice = random.Random(seed)
        calls = await asyncio.gather(*(run_call(stage, dice, index) for index in range(CALLS)))
        for call in calls:
            assert call.statuses.count("Disconnected") == 1, call.statuses
            assert call.statuses[-1] == "Disconnected"
        async with asyncio.timeout(PHONES_OVER_WITHIN_S):
            # Sessions that end by time tell nobody.
            while bank.endpoint.user_agent.session_count:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert {session.state for session in bank.sessions} == {SessionState.ENDED}
        assert sum(one.dropped for one in stage.switch.datagrams) > 0
        # No second event came meanwhile, and the platform lives.
        assert all(call.statuses.count("Disconnected") == 1 for call in calls)
        assert await stage.platform.terminate() == 0
