"""What the verification finds, and that nobody changes what is written."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from tests.billing.support import Phone, begin_call, create_pool, execute, top_up
from tests.storage.support import NODE_ID

from clicktodial.billing.ledger import Verification, verify_ledger
from clicktodial.billing.package import PackageKind
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database


async def settled_call(database: Database) -> Phone:
    top_up(create_pool(database.engine), 600)
    store = SqlCallStore(database, node_id=NODE_ID)
    phone = await begin_call(database)
    await phone.answer(store)
    await phone.hang_up(store, 70)
    await begin_call(database)
    assert verify_ledger(database.engine).is_sound
    return phone


def plant(engine: Engine, statement: str) -> Verification:
    """What is found after somebody changed a row behind the back of the database's own guards."""
    if engine.dialect.name == "postgresql":
        execute(engine, "SET LOCAL session_replication_role = replica", statement)
    else:
        drop = [
            f"DROP TRIGGER {table}_no_{verb}"
            for table in ("ledger_entry", "cdr", "tariff")
            for verb in ("update", "delete")
        ]
        execute(engine, *drop, "DROP TRIGGER ledger_entry_moves_lot", statement)
    return verify_ledger(engine)


@pytest.mark.on_every_database
async def test_sound_ledger_is_told_with_what_was_looked_at(database: Database) -> None:
    await settled_call(database)
    found = verify_ledger(database.engine)
    assert (found.entries, found.calls, found.open_calls, found.lots) == (4, 1, 1, 1)
    assert (found.billed_s, found.count) == (120, 0)


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        (
            "UPDATE package_lot SET available_s = available_s + 1, consumed_s = consumed_s - 1",
            "consumed_s is 119, the ledger moved 120",
        ),
        (
            "UPDATE ledger_entry SET available_s = available_s + 1, consumed_s = consumed_s - 1"
            " WHERE kind = 'settle'",
            "billed 120 s, consumed 119 s",
        ),
        (
            "UPDATE ledger_entry SET available_s = available_s - 1, granted_s = granted_s - 1"
            " WHERE kind = 'grant'",
            "granted_s is 600, the ledger moved 599",
        ),
        ("UPDATE cdr SET billed_s = billed_s - 1", "billed 119 s, consumed 120 s"),
        ("UPDATE cdr SET rated_s = rated_s + 1", "rated 121 s, which the tariff does not say"),
        ("UPDATE cdr SET duration_s = duration_s + 1", "its row says another duration"),
        ("UPDATE cdr SET price_micros = 1", "the CDR and the ledger name another price"),
        ("UPDATE cdr SET lots = '[]'", "the CDR and the ledger name other lots"),
        ("UPDATE ledger_entry SET enterprise_id = 'x'", "the ledger has it under another"),
        ("UPDATE cdr SET overage_s = 1", "1 s of overage, consumed 0 s of it"),
        (
            "UPDATE ledger_entry SET owed_micros = 1, overage_micros = 1 WHERE kind = 'settle'",
            "owes 1 micros, which the lot does not say",
        ),
        (
            "UPDATE package SET seconds = seconds + 1",
            "granted 600 s for 0 micros, its package says",
        ),
        ("UPDATE package SET price_micros = 1", "its package says 600 s for 1"),
        ("DELETE FROM cdr", "was settled, and has no CDR"),
        ("DELETE FROM ledger_entry WHERE kind = 'settle'", "holds seconds, and has ended"),
        ("DELETE FROM ledger_entry WHERE call_id IS NOT NULL", "nothing in the ledger"),
        ("DELETE FROM tariff WHERE id <> ''", "there is no such tariff"),
    ],
)
async def test_planted_error_is_found(database: Database, statement: str, detail: str) -> None:
    await settled_call(database)
    if statement.startswith("DELETE FROM tariff") and database.engine.dialect.name == "sqlite":
        statement = "UPDATE cdr SET tariff_id = 'gone'"
    found = plant(database.engine, statement)
    assert any(detail in each.detail for each in found.discrepancies), found.discrepancies


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("UPDATE cdr SET rated_s = 1", "is not charged, and its CDR says that it cost"),
        ("UPDATE cdr SET lots = '[[\"lot\",1]]'", "is not charged, and its CDR says that it cost"),
        ("UPDATE cdr SET duration_s = 60", "its row says another duration"),
        ("UPDATE cdr SET charging = 'rated'", "has a CDR, and nothing in the ledger"),
        ("DELETE FROM cdr", "has ended, and has no CDR"),
    ],
)
async def test_planted_error_of_a_call_that_is_not_charged_is_found(
    database: Database, statement: str, detail: str
) -> None:
    store = SqlCallStore(database, node_id=NODE_ID)
    phone = Phone(None)
    await phone.begin(store)
    await phone.answer(store)
    await phone.hang_up(store, 61)
    found = verify_ledger(database.engine)
    assert (found.calls, found.billed_s, found.count) == (1, 0, 0)
    found = plant(database.engine, statement)
    assert [each.detail for each in found.discrepancies] == [detail]


@pytest.mark.on_every_database
async def test_charged_call_whose_cdr_says_that_it_is_not_is_found(database: Database) -> None:
    await settled_call(database)
    found = plant(database.engine, "UPDATE cdr SET charging = 'not-charged'")
    assert [each.detail for each in found.discrepancies] == ["is not charged, and is in the ledger"]


@pytest.mark.on_every_database
async def test_second_that_was_not_sold_is_found(database: Database) -> None:
    await settled_call(database)
    # By the front door: balanced, and moved by the database itself.
    execute(
        database.engine,
        "INSERT INTO ledger_entry (kind, enterprise_id, lot_id, occurred_at, granted_s,"
        " available_s) VALUES ('grant', 'acme', (SELECT id FROM package_lot), 0, 1, 1)",
    )
    [found] = verify_ledger(database.engine).discrepancies
    assert found.detail == "granted 601 s for 0 micros, its package says 600 s for 0"


async def test_overage_that_a_cdr_hides_is_found(database: Database) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 60)
    top_up(pools, 600, kind=PackageKind.OVERAGE, micros_per_minute=7)
    phone = await begin_call(database)
    store = SqlCallStore(database, node_id=NODE_ID)
    await phone.answer(store)
    await phone.hang_up(store, 61)
    assert verify_ledger(database.engine).is_sound
    found = plant(database.engine, "UPDATE cdr SET overage_s = overage_s - 1")
    assert [each.detail for each in found.discrepancies] == ["59 s of overage, consumed 60 s of it"]


@pytest.mark.on_every_database
async def test_call_that_holds_and_does_not_live_is_found(database: Database) -> None:
    await settled_call(database)
    found = plant(database.engine, "UPDATE call SET state = 'ended'")
    assert [each.detail for each in found.discrepancies] == [
        "holds seconds, and does not live",
        "has ended, and has no CDR",
    ]


@pytest.mark.on_every_database
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET kind = 'grant'",
        "DELETE FROM ledger_entry",
        "UPDATE cdr SET billed_s = 0",
        "DELETE FROM cdr",
        "UPDATE tariff SET unit_s = 1",
        "DELETE FROM tariff",
    ],
)
async def test_what_is_written_is_not_changed(database: Database, statement: str) -> None:
    await settled_call(database)
    with pytest.raises(DBAPIError, match="append-only"):
        execute(database.engine, statement)


@pytest.mark.parametrize(
    "values",
    [
        "'x', 'acme', (SELECT id FROM package_lot), 0, 0, 1",  # nothing is made of nothing
        "'x', 'acme', (SELECT id FROM package_lot), 0, 601, -601",  # nor below zero
        "'x', 'acme', 'nobody', 0, 1, -1",
    ],
)
async def test_entry_that_does_not_balance_or_is_not_covered_is_refused(
    database: Database, values: str
) -> None:
    await settled_call(database)
    with pytest.raises(DBAPIError):
        execute(
            database.engine,
            "INSERT INTO ledger_entry (kind, enterprise_id, lot_id, occurred_at, reserved_s,"
            f" available_s) VALUES ({values})",
        )
    assert verify_ledger(database.engine).is_sound


async def test_discrepancies_beyond_the_told_ones_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled_call(database)
    monkeypatch.setattr("clicktodial.billing.ledger.TOLD_MAX", 1)
    found = plant(database.engine, "UPDATE cdr SET billed_s = billed_s - 1")
    assert len(found.discrepancies) == 1
    assert found.count > 1
