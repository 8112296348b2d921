"""Whatever happens, in whatever order: no second of a pool is lost or invented."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.billing.support import (
    ENTERPRISE,
    OPERATOR,
    Phone,
    balances,
    create_pool,
    read_application,
    top_up,
)
from tests.harness.database import DatabaseKind, open_database
from tests.storage.support import CALLER, NODE_ID, NOW, at

from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.package import PackageKind
from clicktodial.billing.pool import Pools
from clicktodial.billing.sweep import PoolSweep
from clicktodial.control.error import CapReached, PoolEmpty
from clicktodial.control.port import StoreConflict
from clicktodial.domain.call import CallState
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.minutes import CapPeriod, CapScope, Charge
from clicktodial.domain.rating import Tariff
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.minutes import SqlMinutes
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.transaction import Transactions

OpenDatabase: TypeAlias = Callable[[], AbstractContextManager[str]]
NODES = (NODE_ID, "node-2")


async def no_recording(_: object) -> RecordingResult:
    return RecordingResult.NO_RECORD


class PoolUnderFire(RuleBasedStateMachine):
    """Two nodes on one database, each with a writer of its own."""

    def __init__(self, open_database: OpenDatabase) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.stack.enter_context(open_database())
        self.loop = asyncio.new_event_loop()
        self.databases = [Database(url, durability="normal") for _ in NODES]
        self.loop.run_until_complete(self._open())
        self.stores = [
            SqlCallStore(database, node_id=node)
            for node, database in zip(NODES, self.databases, strict=True)
        ]
        self.minutes = [SqlMinutes(database, reserve_s=60) for database in self.databases]
        self.engine = self.databases[0].engine
        self.pools: Pools = create_pool(self.engine, tariff=Tariff(unit_s=6, free_below_s=3))
        self.sweep = PoolSweep(Transactions(self.engine))
        self.granted_s = 0
        self.elapsed_s = 0.0
        self.phones: list[tuple[int, Phone]] = []

    async def _open(self) -> None:
        for node, database in zip(NODES, self.databases, strict=True):
            database.open()
            await NodeRegistry(database, node_id=node).register(NOW)

    def teardown(self) -> None:
        async def close() -> None:
            for database in self.databases:
                await database.close()

        self.loop.run_until_complete(close())
        self.loop.close()
        self.stack.close()

    # What happens

    @rule(seconds=st.integers(1, 400), days=st.one_of(st.none(), st.integers(1, 3)))
    def top_up(self, seconds: int, days: int | None) -> None:
        top_up(self.pools, seconds, days=days, now=at(self.elapsed_s).utc)
        self.granted_s += seconds

    @rule(seconds=st.integers(1, 200))
    def agree_on_overage(self, seconds: int) -> None:
        top_up(
            self.pools,
            seconds,
            kind=PackageKind.OVERAGE,
            micros_per_minute=7,
            now=at(self.elapsed_s).utc,
        )
        self.granted_s += seconds

    @rule(limit_s=st.integers(30, 600))
    def set_cap(self, limit_s: int) -> None:
        self.pools.set_cap(
            OPERATOR,
            ENTERPRISE,
            scope=CapScope.MEMBER,
            key="*",
            period=CapPeriod.DAY,
            limit_s=limit_s,
        )

    @rule(count=st.integers(1, 6))
    def begin_at_once(self, count: int) -> None:
        async def begin() -> None:
            application = read_application(self.engine)
            now = at(self.elapsed_s).utc
            planned: list[tuple[int, Charge]] = []
            for index in range(count):
                node = index % len(NODES)
                try:
                    charge = await self.minutes[node].plan(application, CALLER.e164, now)
                except (PoolEmpty, CapReached):
                    continue
                assert charge is not None
                planned.append((node, charge))
            phones = [(node, Phone(charge, begun_at=now)) for node, charge in planned]
            results = await asyncio.gather(
                *(phone.begin(self.stores[node]) for node, phone in phones), return_exceptions=True
            )
            for each, result in zip(phones, results, strict=True):
                if result is None:
                    self.phones.append(each)
                else:
                    assert isinstance(result, StoreConflict)

        self.loop.run_until_complete(begin())

    @precondition(lambda self: self.phones)
    @rule(choice=st.integers(0, 100))
    def answer(self, choice: int) -> None:
        node, phone = self.phones[choice % len(self.phones)]
        if phone.call.state is CallState.CALLING_CALLER:
            self.loop.run_until_complete(phone.answer(self.stores[node], self.elapsed_s))

    @precondition(lambda self: self.phones)
    @rule(choices=st.lists(st.integers(0, 100), min_size=1, max_size=4), ends=st.booleans())
    def extend_at_once(self, choices: list[int], ends: bool) -> None:
        """Where one `ends`, it does while its extension is under way."""
        chosen = {choice % len(self.phones) for choice in choices}
        connected = [
            self.phones[index]
            for index in sorted(chosen)
            if self.phones[index][1].call.state is CallState.CONNECTED
        ]

        async def extend() -> None:
            now = at(self.elapsed_s).utc
            extensions = []
            for node, phone in connected:
                assert phone.call.charge is not None
                more = await self.minutes[node].plan_more(phone.call.charge, now)
                if more:
                    extensions.append(self.stores[node].extend(phone.call, more))
            if ends and connected:
                node, phone = connected[0]
                await phone.hang_up(self.stores[node], self.elapsed_s)
                self.phones.remove(connected[0])
            for result in await asyncio.gather(*extensions, return_exceptions=True):
                assert result is None or isinstance(result, StoreConflict)

        self.loop.run_until_complete(extend())

    @precondition(lambda self: self.phones)
    @rule(choices=st.lists(st.integers(0, 100), min_size=1, max_size=4))
    def hang_up_at_once(self, choices: list[int]) -> None:
        chosen = [self.phones[index] for index in {each % len(self.phones) for each in choices}]

        async def hang_up() -> None:
            ends = [phone.hang_up(self.stores[node], self.elapsed_s) for node, phone in chosen]
            await asyncio.gather(*ends)

        self.loop.run_until_complete(hang_up())
        self.phones = [each for each in self.phones if each not in chosen]

    @rule(seconds=st.floats(0.1, 400))
    def wait(self, seconds: float) -> None:
        self.elapsed_s += seconds

    @rule()
    def sleep_for_a_day(self) -> None:
        self.elapsed_s += 86_400
        self.sweep.run(at(self.elapsed_s).utc)

    @rule(node=st.integers(0, 1))
    def crash(self, node: int) -> None:
        """The node is gone with all it knew, comes back, and ends what it finds of its own."""

        async def reap() -> None:
            registry = NodeRegistry(self.databases[node], node_id=NODES[node])
            # Its last sign of life, and then the new one's.
            await registry.beat(at(self.elapsed_s).utc - timedelta(seconds=2))
            other = NodeRegistry(self.databases[1 - node], node_id=NODES[1 - node])
            await other.beat(at(self.elapsed_s).utc)
            told = await registry.reap(at(self.elapsed_s).utc, no_recording, own=True)
            lost = {phone.plan.call_id for at_node, phone in self.phones if at_node == node}
            assert {event.call_id for event in told} == lost

        self.loop.run_until_complete(reap())
        self.phones = [each for each in self.phones if each[0] != node]

    # What holds

    @invariant()
    def every_second_is_somewhere(self) -> None:
        now = balances(self.engine)
        assert now["granted_s"] == self.granted_s
        live = (phone.call.charge for _, phone in self.phones)
        assert now["reserved_s"] == sum(charge.held_s for charge in live if charge is not None)

    @invariant()
    def the_ledger_is_sound(self) -> None:
        found = verify_ledger(self.engine)
        assert found.discrepancies == []
        assert found.open_calls == len(self.phones)


@pytest.mark.on_every_database
def test_pool_under_fire(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> None:
    class PoolOfKind(PoolUnderFire):
        def __init__(self) -> None:
            super().__init__(partial(open_database, database_kind, request))

    # With connections to a server each takes several times as long.
    examples = 10 if database_kind is DatabaseKind.SQLITE else 3
    run_state_machine_as_test(
        PoolOfKind, settings=settings(max_examples=examples, stateful_step_count=25)
    )
