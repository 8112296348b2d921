"""Two nodes on one PostgreSQL: each carries calls, and one puts in order what the other leaves."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.harness.client import CALLEE, CALLER, Application, PlacedCall
from tests.harness.phone import Phone, PhoneState
from tests.harness.platform import Platform, Tables
from tests.harness.sink import EVENT_TIMEOUT_S
from tests.harness.stage import (
    ANSWERED,
    CALLER_NOT_ANSWERED,
    FAST_TABLES,
    Stage,
    open_stage,
    sequence_numbers,
)

from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.rating import Tariff
from clicktodial.storage.engine import open_engine
from clicktodial.storage.transaction import Transactions

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgresqlServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANTED_S = 36_000
# Each may be told only after the other was found dead, which takes four of its heartbeats.
INHERITED_TIMEOUT_S = 60
_POLL_S = 0.05


class Nodes:
    """The stage's platform, and another one beside it."""

    def __init__(self, stage: Stage, platform: Platform, database_url: str) -> None:
        self._database_url = database_url
        self.stage = stage
        self.other = platform
        self.application = Application(platform, stage.sink)

    async def begin(self, node: int) -> PlacedCall:
        """Begin a call on the first or the second."""
        return await (self.stage.application, self.application)[node].begin()

    async def connect(self, node: int) -> tuple[PlacedCall, Phone]:
        """A call whose parties talk, and the phone of the second."""
        await self.stage.phone(CALLER)
        callee = await self.stage.phone(CALLEE)
        call = await self.begin(node)
        await call.wait_for("Connected")
        await callee.wait_for(PhoneState.TALKING)
        return call, callee

    async def wait_marked(self) -> None:
        """Until the database knows what was delivered: what a kill keeps it from is told again."""
        engine = open_engine(self._database_url)
        pending = "SELECT count(*) FROM call_event WHERE delivery_state = 'pending'"
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            with engine.connect() as connection:
                while connection.exec_driver_sql(pending).scalar_one():
                    connection.rollback()
                    await asyncio.sleep(_POLL_S)
        engine.dispose()


def sell(url: str) -> None:
    """A pool for the stage's enterprise."""
    engine = open_engine(url)
    pools, now = Pools(Transactions(engine)), datetime.now(UTC)
    pools.set_up(OPERATOR_PRINCIPAL, "default", PoolSettings(Tariff(unit_s=1)), now)
    new = NewPackage(kind=PackageKind.ONE_OFF, name="Some", seconds=GRANTED_S, valid_from=now)
    pools.add_package(OPERATOR_PRINCIPAL, "default", new, now)
    engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def nodes(postgresql_server: "PostgresqlServer", tmp_path: Path) -> AsyncIterator[Nodes]:
    with postgresql_server.database() as url:
        tables: Tables = {
            "database": {"url": url, "heartbeat_interval_s": 1},
            "security": {"master_key": base64.b64encode(bytes(range(32))).decode()},
        }
        async with open_stage(tmp_path, tables, is_first_start=True) as stage:
            await asyncio.to_thread(sell, url)
            directory = tmp_path / "other"
            directory.mkdir()
            nodes = Nodes(stage, Platform(directory, {**FAST_TABLES, **tables}), url)
            try:
                await asyncio.to_thread(nodes.other.start)
                yield nodes
                await nodes.application.end_calls()
            finally:
                await asyncio.to_thread(nodes.other.close)
                await nodes.application.close()


def check_told_once_in_order(call: PlacedCall, statuses: list[str]) -> None:
    assert call.statuses == statuses
    assert sequence_numbers(call) == list(range(1, len(statuses) + 1))


async def test_calls_of_a_killed_node_are_put_in_order_by_the_other(nodes: Nodes) -> None:
    stage = nodes.stage
    over, callee = await nodes.connect(0)
    callee.hang_up()
    await over.wait_for_end()
    doomed, _ = await nodes.connect(0)
    caller = await stage.phone(CALLER, answers=False)
    ringing = await nodes.begin(0)
    await ringing.wait_for("CallingCaller")
    await caller.wait_for(PhoneState.RINGING)
    lasting, callee = await nodes.connect(1)
    await nodes.wait_marked()
    stage.platform.kill()
    for call, statuses in ((doomed, ANSWERED), (ringing, CALLER_NOT_ANSWERED)):
        end = await call.wait_for_end(INHERITED_TIMEOUT_S)
        assert end["reason"] == "Other"
        check_told_once_in_order(call, statuses)
    # Who lives goes on.
    assert callee.state is PhoneState.TALKING
    assert not lasting.is_over
    callee.hang_up()
    assert (await lasting.wait_for_end())["reason"] == "HangUp"
    for call in (over, lasting):
        check_told_once_in_order(call, ANSWERED)
    await check_ledger(nodes, calls=4)


async def check_ledger(nodes: Nodes, *, calls: int) -> None:
    """Nothing is held any more, and no second is lost."""
    found = await nodes.other.command("ledger", "verify")
    assert (found["calls"], found["open_calls"]) == (calls, 0)
    pool = await nodes.other.command("pool", "show", "default")
    assert pool["reserved_s"] == 0
    assert pool["available_s"] + pool["consumed_s"] == GRANTED_S
