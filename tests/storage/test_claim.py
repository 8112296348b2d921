"""Rules and what calls count towards, in a real database that several nodes share."""

import asyncio
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text
from tests.storage.support import create_call, create_event

from clicktodial.control.admission import CallAdmission
from clicktodial.control.error import (
    CalleeCalledTooOften,
    CalleeNotToBeCalled,
    CallerNotMember,
    CapReached,
    ControlError,
    Overloaded,
    PartyBlacklisted,
)
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.protection import (
    NO_RULES,
    CallCaps,
    Claim,
    EnterpriseProtection,
    FrequencyCaps,
    ListKind,
    PlatformProtection,
    PlatformRules,
    member_subject,
)
from clicktodial.storage import member_table
from clicktodial.storage.call_facts import MemberDepartments, SqlFactsReader
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.protection_cleanup import clean_up
from clicktodial.storage.protection_codec import encode_protection
from clicktodial.storage.protection_row import (
    PLATFORM_ROW,
    PLATFORM_SCOPE,
    read_call_rules,
    read_platform_rules,
)
from clicktodial.storage.secret import SecretVault

pytestmark = pytest.mark.on_every_database

KEYS = NumberKeys(SecretVault(bytes(32)))
CALLER, CALLEE = "+8613912345673", "+8613810268653"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ACME = "acme"


class FixedClock:
    """A clock that is moved by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def utc(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return 0.0


class Node:
    """What of a node has to do with admission, on a database that is open."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.clock = clock
        self._database = database
        self._store = SqlCallStore(database, node_id="node")
        self.platform = PlatformRules()
        self._admission = CallAdmission(
            SqlFactsReader(database, KEYS), lambda: self.platform, clock
        )
        self.rules = NO_RULES

    async def refresh(self, enterprise_id: str = ACME) -> None:
        """Take up the rules as the directory does."""
        self.platform = await self._database.reader.run(read_platform_rules)
        self.rules = await self._database.reader.run(
            lambda connection: read_call_rules(connection, enterprise_id, "app")
        )

    async def begin(
        self, caller: str = CALLER, callee: str = CALLEE, enterprise_id: str = ACME
    ) -> CallId:
        """A call that is durable, where no rule is against it."""

        async def make(claims: tuple[Claim, ...]) -> CallId:
            call = create_call()
            call.plan = replace(call.plan, claims=claims)
            await self._store.create(call, [create_event(call)])
            return call.plan.call_id

        application = Application(
            app_id=AppId("app"),
            enterprise_id=enterprise_id,
            enterprise_status=EnterpriseStatus.ACTIVE,
            status=ApplicationStatus.ACTIVE,
            secret="",
            signing_secret=b"",
            sponsors=frozenset(),
            notify_url=None,
            allow_private_addresses=False,
            rules=self.rules,
        )
        return await self._admission.admit(application, caller, callee, make)


def set_up(engine: Engine, **protection: Any) -> None:
    """Two enterprises, of which the first has these rules."""
    with engine.begin() as connection:
        for enterprise_id in (ACME, "other"):
            connection.execute(
                text("INSERT INTO enterprise (id, name, status) VALUES (:id, :id, 'active')"),
                {"id": enterprise_id},
            )
        settings = encode_protection(EnterpriseProtection(**protection))
        add(connection, member_table.enterprise_protection, enterprise_id=ACME, settings=settings)


def add(connection: Any, table: Any, **row: Any) -> None:
    connection.execute(insert(table).values(row))


def add_member(engine: Engine, **row: Any) -> None:
    values = {
        "id": "m1", "enterprise_id": ACME, "e164": CALLER, "name": "Li Lei", "employee_id": "",
        "note": "", "created_at": NOON,
    }  # fmt: skip
    with engine.begin() as connection:
        add(connection, member_table.member, **values | row)


def add_listed(
    engine: Engine, scope: str, kind: ListKind, *, expires_at: datetime | None = None
) -> None:
    with engine.begin() as connection:
        add(
            connection, member_table.number_list, number_key=KEYS.key_of(CALLEE), scope=scope,
            kind=kind, id=f"{scope}-{kind}", shown="", reason="", source="", added_by="t",
            added_at=NOON, expires_at=expires_at,
        )  # fmt: skip


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def node(database: Database, clock: FixedClock) -> Node:
    return Node(database, clock)


async def test_no_rules_are_none_at_all(database: Database, node: Node) -> None:
    set_up(database.engine)
    await node.refresh()
    assert node.rules is NO_RULES
    await node.begin()


async def test_only_members_call(database: Database, node: Node) -> None:
    set_up(database.engine, members_only=True)
    await node.refresh()
    with pytest.raises(CallerNotMember):
        await node.begin()
    add_member(database.engine)
    await node.begin()
    with pytest.raises(CallerNotMember):
        await node.begin(caller=CALLEE, callee=CALLER)


async def test_blacklisted_numbers_and_prefixes(database: Database, node: Node) -> None:
    set_up(database.engine)
    with database.engine.begin() as connection:
        for number, is_prefix in (("+8613900000000", False), ("+44871", True), ("+861", False)):
            add(
                connection, member_table.blacklist, number=number, is_prefix=is_prefix, reason="",
                added_by="t", added_at=NOON,
            )  # fmt: skip
    await node.refresh()
    for parties in (
        {"callee": "+448712345678"},
        {"caller": "+448712345678"},
        {"callee": "+8613900000000"},
        {"caller": "+8613900000000"},
    ):
        with pytest.raises(PartyBlacklisted, match=next(iter(parties))):
            await node.begin(**parties)
    await node.begin()
    await node.begin(callee="+448702345678")
    await node.begin(caller="+861390000000", callee="+86139000000001")


async def test_lists_by_scope_and_until_they_expire(
    database: Database, node: Node, clock: FixedClock
) -> None:
    set_up(database.engine)
    soon = NOON + timedelta(hours=1)
    add_listed(database.engine, "other", ListKind.DO_NOT_CALL)
    await node.refresh()
    await node.begin()
    add_listed(database.engine, ACME, ListKind.DO_NOT_CALL, expires_at=soon)
    await node.refresh()
    with pytest.raises(CalleeNotToBeCalled):
        await node.begin()
    clock.now = soon
    await node.begin()
    add_listed(database.engine, PLATFORM_SCOPE, ListKind.DO_NOT_CALL)
    await node.refresh()
    with pytest.raises(CalleeNotToBeCalled, match="platform"):
        await node.begin()
    add_listed(database.engine, PLATFORM_SCOPE, ListKind.ALLOWED)
    await node.begin()


async def test_frequency_is_counted_over_enterprises_only_by_the_platform(
    database: Database, node: Node, clock: FixedClock
) -> None:
    set_up(database.engine, frequency=FrequencyCaps(per_hour=1))
    with database.engine.begin() as connection:
        settings = encode_protection(PlatformProtection(frequency=FrequencyCaps(per_day=3)))
        add(connection, member_table.platform_protection, id=PLATFORM_ROW, settings=settings)
    await node.refresh()
    await node.begin()
    with pytest.raises(CalleeCalledTooOften, match="enterprise's cap"):
        await node.begin()
    other = Node(database, clock)
    await other.refresh("other")
    await other.begin(enterprise_id="other")
    clock.now += timedelta(hours=1)
    await node.begin()
    with pytest.raises(CalleeCalledTooOften, match="platform's cap"):
        await other.begin(enterprise_id="other")
    # Of another callee nothing is known, and after a day nothing of this one either.
    await other.begin(callee="+8613810268654", enterprise_id="other")
    clock.now += timedelta(days=1)
    await other.begin(enterprise_id="other")


async def test_window_survives_a_restart(
    database_url: str, clock: FixedClock, engine: Engine
) -> None:
    set_up(engine, frequency=FrequencyCaps(per_5_minutes=2))
    outcomes = []
    for step_s in (0, 100, 199, 1, 99, 1):
        clock.now += timedelta(seconds=step_s)
        database = Database(database_url)
        database.open()
        try:
            node = Node(database, clock)
            await node.refresh()
            try:
                await node.begin()
                outcomes.append("begun")
            except CalleeCalledTooOften:
                outcomes.append("refused")
        finally:
            await database.close()
    # At 0, 100, 299, 300, 399 and 400 seconds.
    assert outcomes == ["begun", "begun", "refused", "begun", "refused", "begun"]


async def test_caps_of_members_and_departments_by_day_and_month(
    database: Database, node: Node, clock: FixedClock
) -> None:
    set_up(database.engine, member_caps=CallCaps(per_day=2))
    with database.engine.begin() as connection:
        add(
            connection, member_table.department, id="d1", enterprise_id=ACME, name="Sales",
            calls_per_month=4, created_at=NOON,
        )  # fmt: skip
    add_member(database.engine, department_id="d1")
    add_member(database.engine, id="m2", e164="+8613912345674", department_id="d1")
    await node.refresh()
    await node.begin()
    await node.begin()
    with pytest.raises(CapReached, match="member's cap of calls a day is reached: 2"):
        await node.begin()
    await node.begin(caller="+8613912345674")
    clock.now += timedelta(days=1)
    await node.begin()
    with pytest.raises(CapReached, match="department's cap of calls a month is reached: 4"):
        await node.begin()
    # Whoever is no member has no cap.
    await node.begin(caller="+8613912345675")
    clock.now += timedelta(days=31)
    await node.begin()


async def test_database_without_its_tables_lets_nobody_through(
    database: Database, node: Node
) -> None:
    set_up(database.engine, members_only=True)
    await node.refresh()
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE member"))
    with pytest.raises(Overloaded):
        await node.begin()


def test_department_of_a_member(engine: Engine) -> None:
    set_up(engine)
    add_member(engine)
    department_of = MemberDepartments(engine.dialect)
    with engine.connect() as connection:
        assert department_of(connection, ACME, CALLER) is None
        assert department_of(connection, ACME, CALLEE) is None
    with engine.begin() as connection:
        add(
            connection, member_table.department, id="d1", enterprise_id=ACME, name="Sales",
            created_at=NOON,
        )  # fmt: skip
        connection.execute(text("UPDATE member SET department_id = 'd1'"))
        assert department_of(connection, ACME, CALLER) == "Sales"
        assert department_of(connection, "other", CALLER) is None


NODES, TRIES, CAP = 3, 12, 7


def run_node(url: str, outcomes: list[str], start: threading.Barrier, *, callees: bool) -> None:
    """A node with a loop and connections of its own, all of whose calls begin at once."""

    async def begin_all() -> None:
        database = Database(url)
        database.open()
        try:
            node = Node(database, FixedClock())
            await node.refresh()
            start.wait()
            begins = [
                node.begin(callee=f"+861381026{each:04d}" if callees else CALLEE)
                for each in range(TRIES)
            ]
            for done in await asyncio.gather(*begins, return_exceptions=True):
                if isinstance(done, ControlError):
                    outcomes.append(type(done).__name__)
                else:
                    assert isinstance(done, str), done
                    outcomes.append("begun")
        finally:
            await database.close()

    asyncio.run(begin_all())


def begin_on_all_nodes(url: str, *, callees: bool) -> Counter[str]:
    """What became of all calls of all nodes."""
    outcomes: list[str] = []
    start = threading.Barrier(NODES, timeout=60)
    work = partial(run_node, url, outcomes, start, callees=callees)
    threads = [threading.Thread(target=work) for _ in range(NODES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == NODES * TRIES
    return Counter(outcomes)


def test_cap_of_a_member_is_never_passed_by_nodes_that_begin_at_once(
    database_url: str, engine: Engine
) -> None:
    set_up(engine)
    add_member(engine, calls_per_day=CAP)
    outcomes = begin_on_all_nodes(database_url, callees=True)
    assert outcomes == {"begun": CAP, CapReached.__name__: NODES * TRIES - CAP}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM call")) == CAP
        counted = connection.execute(text("SELECT subject, calls FROM call_count")).all()
    assert counted == [(member_subject("m1"), CAP)]


def test_cap_of_a_callee_is_never_passed_by_nodes_that_begin_at_once(
    database_url: str, engine: Engine
) -> None:
    set_up(engine, frequency=FrequencyCaps(per_hour=CAP))
    outcomes = begin_on_all_nodes(database_url, callees=False)
    # A node that lost to the others often enough tells its application to ask again.
    assert set(outcomes) <= {"begun", CalleeCalledTooOften.__name__, Overloaded.__name__}
    assert 1 <= outcomes["begun"] <= CAP
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM call")) == outcomes["begun"]
        [times_ms] = connection.scalars(text("SELECT times_ms FROM callee_window")).all()
    assert len(times_ms.split(",")) == outcomes["begun"]


def test_key_of_a_number_is_of_the_master_key_and_hides_the_number() -> None:
    assert KEYS.key_of(CALLEE) == NumberKeys(SecretVault(bytes(32))).key_of(CALLEE)
    assert KEYS.key_of(CALLEE) != KEYS.key_of(CALLER)
    other = NumberKeys(SecretVault(b"k" * 32)).key_of(CALLEE)
    assert other != KEYS.key_of(CALLEE)
    assert len(other) == member_table.NUMBER_KEY_CHARACTERS


async def test_cleanup_forgets_what_counts_for_nothing_and_nothing_else(
    database: Database, node: Node, clock: FixedClock
) -> None:
    set_up(database.engine, member_caps=CallCaps(per_day=9), frequency=FrequencyCaps(per_hour=1))
    add_member(database.engine)
    add_listed(database.engine, ACME, ListKind.ALLOWED, expires_at=NOON + timedelta(hours=1))
    add_listed(database.engine, "other", ListKind.DO_NOT_CALL)
    await node.refresh()
    clock.now += timedelta(hours=1)
    await node.begin()

    def rows() -> list[int]:
        tables = ("callee_window", "call_count", "number_list")
        with database.engine.connect() as connection:
            counts = [connection.scalar(text(f"SELECT count(*) FROM {each}")) for each in tables]
        return [count or 0 for count in counts]

    clean_up(database.engine, clock.now + timedelta(minutes=119))
    assert rows() == [1, 1, 2]
    assert clean_up(database.engine, clock.now + timedelta(hours=2)) == 1
    with pytest.raises(CalleeCalledTooOften):
        clock.now += timedelta(minutes=59)
        clean_up(database.engine, clock.now)
        await node.begin()
        await node.begin()
    clean_up(database.engine, clock.now + timedelta(days=40))
    assert rows() == [0, 0, 1]
