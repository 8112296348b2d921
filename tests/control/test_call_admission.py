"""Calls that are refused by rules, or that lose what they had claimed to another."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from tests.control.conftest import LoopClock, Platform, create_platform, settle

from clicktodial.config import CallsSettings
from clicktodial.control.admission import CLAIM_TRIES, CallAdmission, Turns
from clicktodial.control.controller import CallDependencies
from clicktodial.control.error import (
    CalleeCalledTooOften,
    CalleeInQuietHours,
    CalleeNotToBeCalled,
    CallerNotMember,
    CapReached,
    ControlError,
    Overloaded,
    PartyBlacklisted,
)
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.control.port import StoreConflict, StoreError
from clicktodial.control.service import BeginCall
from clicktodial.domain.cause import Side
from clicktodial.domain.minutes import PoolTerms
from clicktodial.domain.number import parse_number
from clicktodial.domain.protection import (
    NO_PLATFORM_RULES,
    CallCaps,
    CalleeHistory,
    CalleeRecord,
    CallFacts,
    CallRules,
    CountedCalls,
    EnterpriseProtection,
    FrequencyCaps,
    ListKind,
    MemberFacts,
    PlatformRules,
    QuietHours,
    RulesInForce,
    Scope,
)
from clicktodial.domain.rating import Tariff

# The tests begin at midnight UTC, 08:00 in Shanghai.
MORNING = QuietHours(7 * 60, 9 * 60)
OFTEN = EnterpriseProtection(frequency=FrequencyCaps(per_hour=1))
REQUEST = BeginCall(
    sponsor=parse_number("01052680000"),
    caller=parse_number("8613912345673"),
    callee=parse_number("8613810268653"),
)


@dataclass
class FakeFacts:
    facts: CallFacts = field(default_factory=CallFacts)
    error: StoreError | None = None
    held: asyncio.Event | None = None  # nobody is answered before that
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def read(
        self, rules: RulesInForce, enterprise_id: str, caller: str, callee: str, now: datetime
    ) -> CallFacts:
        self.asked.append((enterprise_id, caller, callee))
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error
        return self.facts


@dataclass
class Guarded:
    """A platform whose service asks for admission."""

    platform: Platform
    facts: FakeFacts
    operator: PlatformRules = NO_PLATFORM_RULES
    live_max: int = 100

    def __post_init__(self) -> None:
        platform = self.platform
        needs = CallDependencies(
            LoopClock(),
            platform.telephony,
            platform.relay,
            platform.recorder,
            platform.store,
            platform.notifier,
            forecaster=platform.telephony,
            admission=CallAdmission(self.facts, lambda: self.operator, LoopClock()),
            minutes=platform.minutes,
        )
        platform.service = LiveCallService(needs, CallsSettings(live_max=self.live_max))

    def set_rules(self, **rules: object) -> None:
        self.platform.application = replace(
            self.platform.application,
            rules=CallRules(**rules),  # type: ignore[arg-type] # of whatever rule it is
        )

    async def find_obstacles(self) -> tuple[str, ...]:
        forecast = await self.platform.service.forecast(self.platform.application, REQUEST)
        return forecast.obstacles


@pytest.fixture
def guarded() -> Guarded:
    return Guarded(create_platform(CallsSettings()), FakeFacts())


async def test_begin_without_rules_asks_nobody(guarded: Guarded) -> None:
    await guarded.platform.begin()
    assert guarded.facts.asked == []
    assert await guarded.find_obstacles() == ()


async def test_begin_asks_once_for_all_rules(guarded: Guarded) -> None:
    guarded.operator = PlatformRules(has_blacklist=True, has_lists=True)
    guarded.set_rules(enterprise=OFTEN, has_lists=True)
    await guarded.platform.begin()
    assert guarded.facts.asked == [("enterprise", "+8613912345673", "+8613810268653")]


async def test_quiet_hours_alone_need_no_database(guarded: Guarded) -> None:
    guarded.set_rules(enterprise=EnterpriseProtection(quiet_hours=MORNING))
    with pytest.raises(CalleeInQuietHours, match="It is 08:00 where the callee may be"):
        await guarded.platform.begin()
    assert guarded.facts.asked == []


LISTED = frozenset({(Scope.PLATFORM, ListKind.DO_NOT_CALL)})
CALLED = {Scope.ENTERPRISE: CalleeRecord(CalleeHistory((1_767_225_600_000,)), 1)}


@pytest.mark.parametrize(
    ("rules", "operator", "facts", "error"),
    [
        (
            CallRules(),
            PlatformRules(has_blacklist=True),
            CallFacts(blacklisted=frozenset({Side.CALLER})),
            PartyBlacklisted,
        ),
        (
            CallRules(enterprise=EnterpriseProtection(members_only=True)),
            NO_PLATFORM_RULES,
            CallFacts(),
            CallerNotMember,
        ),
        (CallRules(), PlatformRules(has_lists=True), CallFacts(listed=LISTED), CalleeNotToBeCalled),
        (
            CallRules(enterprise=OFTEN),
            NO_PLATFORM_RULES,
            CallFacts(records=CALLED),
            CalleeCalledTooOften,
        ),
        (
            CallRules(has_caps=True),
            NO_PLATFORM_RULES,
            CallFacts(
                member=MemberFacts(member_id="1", caps=CallCaps(per_day=1)),
                calls={CountedCalls("m:1", "2026-01-01"): 1},
            ),
            CapReached,
        ),
    ],
)
async def test_call_against_a_rule_is_refused_and_nothing_of_it_happens(
    guarded: Guarded,
    rules: CallRules,
    operator: PlatformRules,
    facts: CallFacts,
    error: type[ControlError],
) -> None:
    guarded.operator, guarded.facts.facts = operator, facts
    guarded.platform.application = replace(guarded.platform.application, rules=rules)
    with pytest.raises(error) as refused:
        await guarded.platform.begin()
    assert await guarded.find_obstacles() == (str(refused.value),)
    assert "8613" not in str(refused.value)
    assert guarded.platform.store.states == []
    assert guarded.platform.service.live_count == 0
    assert guarded.platform.telephony.legs == []


async def test_claim_that_is_lost_is_judged_anew(guarded: Guarded) -> None:
    guarded.set_rules(enterprise=OFTEN)
    guarded.platform.store.failure = StoreConflict()
    with pytest.raises(Overloaded):
        await guarded.platform.begin()
    assert len(guarded.facts.asked) == CLAIM_TRIES
    await settle()
    assert guarded.platform.service.live_count == 0
    guarded.platform.store.failure = None
    await guarded.platform.begin()
    assert guarded.platform.service.live_count == 1


async def test_conflict_of_a_call_without_claims_is_no_claim_that_was_lost(
    guarded: Guarded,
) -> None:
    guarded.operator = PlatformRules(has_blacklist=True)
    guarded.platform.store.failure = StoreConflict()
    with pytest.raises(Overloaded):
        await guarded.platform.begin()
    assert len(guarded.facts.asked) == 1


async def test_charged_call_that_lost_a_claim_or_its_seconds_is_judged_anew(
    guarded: Guarded,
) -> None:
    terms = PoolTerms("tariff", Tariff(unit_s=1))
    guarded.platform.application = replace(guarded.platform.application, pool_terms=terms)
    guarded.platform.minutes.left_s = 600
    guarded.platform.store.failures = [StoreConflict()]
    guarded.set_rules(enterprise=OFTEN)
    await guarded.platform.begin()
    assert len(guarded.facts.asked) == 2


async def test_second_call_of_a_callee_is_judged_when_the_first_is_made(guarded: Guarded) -> None:
    held = guarded.facts.held = asyncio.Event()
    guarded.set_rules(enterprise=OFTEN)
    begin = guarded.platform.service.begin
    begun = [asyncio.create_task(begin(guarded.platform.application, REQUEST)) for _ in range(2)]
    await settle()
    assert len(guarded.facts.asked) == 1
    held.set()
    await asyncio.gather(*begun)
    assert len(guarded.facts.asked) == 2


async def test_database_that_does_not_answer_lets_nobody_through(guarded: Guarded) -> None:
    guarded.operator = PlatformRules(has_blacklist=True)
    guarded.facts.error = StoreError("gone")
    with pytest.raises(Overloaded):
        await guarded.platform.begin()
    [obstacle] = await guarded.find_obstacles()
    assert "the database does not answer" in obstacle


async def test_calls_that_are_judged_at_once_are_no_more_than_the_node_takes() -> None:
    held = asyncio.Event()
    guarded = Guarded(create_platform(CallsSettings()), FakeFacts(held=held), live_max=2)
    guarded.set_rules(has_lists=True)
    begin = guarded.platform.service.begin
    begun = [asyncio.create_task(begin(guarded.platform.application, REQUEST)) for _ in range(5)]
    await settle()
    held.set()
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert [type(each) for each in results[2:]] == [Overloaded] * 3
    assert guarded.platform.service.live_count == 2


async def test_call_that_is_judged_while_the_platform_stops_is_not_begun() -> None:
    held = asyncio.Event()
    guarded = Guarded(create_platform(CallsSettings()), FakeFacts(held=held))
    guarded.set_rules(has_lists=True)
    service = guarded.platform.service
    begun = asyncio.create_task(service.begin(guarded.platform.application, REQUEST))
    await settle()
    await service.stop()
    held.set()
    with pytest.raises(Overloaded):
        await begun
    assert guarded.platform.store.known == {}


async def test_turns_come_in_order_and_leave_nothing() -> None:
    turns, order = Turns(), []
    inside = 0

    async def take(name: int, key: str) -> None:
        nonlocal inside
        async with turns.take(key):
            inside += key == "a"
            assert inside <= 1
            await asyncio.sleep(0.01)
            order.append(name)
            inside -= key == "a"

    waiting = [asyncio.create_task(take(name, "a")) for name in range(3)]
    gone = asyncio.create_task(take(9, "a"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(*waiting, take(7, "b"))
    assert [name for name in order if name != 7] == [0, 1, 2]
    assert turns._turns == {}
