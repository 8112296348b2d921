"""Whether a call may be: the rules of domain.protection, with what the database knows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

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
from clicktodial.control.port import Clock, FactsReader, Make, StoreConflict, StoreError
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import CallId
from clicktodial.domain.protection import (
    NO_FACTS,
    NO_PLATFORM_RULES,
    NO_RULES,
    CallFacts,
    Obstacle,
    PlatformRules,
    Rule,
    RulesInForce,
    find_obstacles,
    make_claims,
)

log = structlog.get_logger()

# What was seen to be left may be gone when the call is written: another node, or a last call of a
# cap, was quicker. Whoever loses so often in a row may as well ask again.
CLAIM_TRIES = 4

_ERROR_BY_RULE: dict[Rule, type[ControlError]] = {
    Rule.MEMBERS_ONLY: CallerNotMember,
    Rule.DO_NOT_CALL: CalleeNotToBeCalled,
    Rule.QUIET_HOURS: CalleeInQuietHours,
    Rule.FREQUENCY: CalleeCalledTooOften,
    Rule.CALL_CAP: CapReached,
}


def _error_of(obstacle: Obstacle) -> ControlError:
    if obstacle.rule is Rule.BLACKLIST:
        return PartyBlacklisted(obstacle.words, side=obstacle.side)
    return _ERROR_BY_RULE[obstacle.rule](obstacle.words)


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted_by: int = 0


class Turns:
    """One at a time for each key, in the order in which they came."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Wait for the turn, and have it. Nothing is kept of a key that nobody wants."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted_by += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted_by -= 1
            if not turn.wanted_by:
                del self._turns[key]


class CallAdmission:
    """Implements `control.port.Admission`."""

    def __init__(
        self, facts: FactsReader, platform: Callable[[], PlatformRules], clock: Clock
    ) -> None:
        """`platform` tells the operator's rules as they are now; it never waits."""
        self._facts = facts
        self._platform = platform
        self._clock = clock
        # Calls of one callee at a time: each changes the same history, and of two that begin at
        # once the second would be judged by one that is out of date.
        self._turns = Turns()

    async def admit(self, application: Application, caller: str, callee: str, make: Make) -> CallId:
        """See control.port.Admission."""
        rules = self._rules_of(application)
        if rules is None:
            return await make(())
        if not rules.scopes_that_count:
            return await self._admit(rules, application, caller, callee, make)
        async with self._turns.take(callee):
            return await self._admit(rules, application, caller, callee, make)

    async def _admit(
        self, rules: RulesInForce, application: Application, caller: str, callee: str, make: Make
    ) -> CallId:
        for _ in range(CLAIM_TRIES):
            now = self._clock.utc()
            try:
                facts = await self._read(rules, application, caller, callee)
            except StoreError as error:
                log.warning("call.rules_unknown", detail=str(error))
                raise Overloaded from error
            for obstacle in find_obstacles(rules, facts, callee, now):
                raise _error_of(obstacle)
            try:
                return await make(make_claims(rules, facts, now))
            except StoreConflict:
                log.info("call.claim_lost", enterprise_id=application.enterprise_id)
        raise Overloaded

    async def find_obstacles(
        self, application: Application, caller: str, callee: str
    ) -> tuple[str, ...]:
        """See control.port.Admission."""
        rules = self._rules_of(application)
        if rules is None:
            return ()
        facts = await self._read(rules, application, caller, callee)
        obstacles = find_obstacles(rules, facts, callee, self._clock.utc())
        return tuple(obstacle.words for obstacle in obstacles)

    def _rules_of(self, application: Application) -> RulesInForce | None:
        """None where nothing is switched on."""
        platform = self._platform()
        if application.rules is NO_RULES and platform is NO_PLATFORM_RULES:
            return None
        rules = RulesInForce(own=application.rules, platform=platform)
        return None if rules.are_none else rules

    async def _read(
        self, rules: RulesInForce, application: Application, caller: str, callee: str
    ) -> CallFacts:
        if not rules.need_facts:
            return NO_FACTS
        enterprise_id = application.enterprise_id
        return await self._facts.read(rules, enterprise_id, caller, callee, self._clock.utc())
