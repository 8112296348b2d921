"""Migrations: from nothing to the tables as the code knows them."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from clicktodial.accounts.member import Members, MemberSearch
from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.use import UseSums, find_wrong_sums
from clicktodial.domain.application import NO_LIMITS
from clicktodial.storage import migration, schema
from clicktodial.storage.administration import Administration
from clicktodial.storage.engine import migration_transaction, open_engine
from clicktodial.storage.error import DatabaseUrlInvalid
from clicktodial.storage.history import CallHistory
from clicktodial.storage.instant import to_millis
from clicktodial.storage.migration import SCHEMA_VERSION, migrate, migrate_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_schema_version_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_migrate_on_empty_database_makes_the_tables_of_the_code(empty_url: str) -> None:
    migrate(empty_url)
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []
        version = connection.execute(text("SELECT version FROM administration")).scalar_one()
    engine.dispose()
    assert version == 1


def test_rows_of_an_older_version_have_no_limits_and_no_legs(empty_url: str) -> None:
    engine = open_engine(empty_url)
    scripts = Path(migration.__file__).parent / "migrations"
    with migration_transaction(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text("INSERT INTO enterprise (id, name, status) VALUES ('acme', 'Acme', 'active')")
        )
        connection.execute(
            text(
                "INSERT INTO call (id, node_id, app_id, sponsor_e164, sponsor_written,"
                " caller_e164, caller_written, callee_e164, callee_written, begun_at, state,"
                " duration_s, event_count) VALUES"
                " ('c', 'n', 'a', '+1', '1', '+2', '2', '+3', '3', 0, 'ended', 0, 0)"
            )
        )
    migrate_engine(engine)
    administration = Administration(engine, SecretVault(bytes(32)), region="CN")
    assert administration.show_enterprise("acme").limits == NO_LIMITS
    record, _ = CallHistory(engine).call("c")
    assert record.legs == {}
    with engine.connect() as connection:
        # What ended before all calls had CDRs has one too.
        row = connection.execute(text("SELECT * FROM cdr")).one()
    assert (row.call_id, row.caller_e164, row.member, row.charging) == (
        "c",
        "+2",
        "+2",
        "not-charged",
    )
    assert verify_ledger(engine).is_sound
    engine.dispose()


def test_cdrs_of_an_older_version_are_summed_up(empty_url: str) -> None:
    engine = open_engine(empty_url)
    _upgrade(engine, "0016")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO enterprise (id, name, status) VALUES ('acme', 'Acme', 'active')")
        )
        connection.execute(text(_INSERT_CDR), {"id": "old", "ended_at": to_millis(NOW)})
    migrate_engine(engine)
    UseSums(Transactions(engine)).run(NOW + timedelta(days=1))
    with engine.begin() as connection:
        # This one is written only now.
        connection.execute(text(_INSERT_CDR), {"id": "late", "ended_at": to_millis(NOW) + 1})
        assert find_wrong_sums(connection) == []
        summed = text("SELECT sum(calls), sum(billed_s) FROM cdr_sum")
        assert tuple(map(int, connection.execute(summed).one())) == (2, 120)
    engine.dispose()


_INSERT_CDR = """
INSERT INTO cdr (call_id, enterprise_id, node_id, app_id, sponsor_e164, caller_e164, callee_e164,
    begun_at, ended_at, duration_s, reason, member, tariff_id, legs_counted, rated_s, billed_s,
    overage_s, price_micros, lots)
VALUES (:id, 'acme', 'n', 'a', '+1', '+2', '+3', 0, :ended_at, 7, 'HangUp', '+2', '', 1, 60, 60, 0,
    0, '[]')
"""


def _upgrade(engine: Engine, revision: str) -> None:
    with migration_transaction(engine) as connection:
        config = Config()
        scripts = Path(migration.__file__).parent / "migrations"
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_members_of_an_older_version_are_found_by_a_search(empty_url: str) -> None:
    engine = open_engine(empty_url)
    scripts = Path(migration.__file__).parent / "migrations"
    with migration_transaction(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        connection.execute(
            text("INSERT INTO enterprise (id, name, status) VALUES ('acme', 'Acme', 'active')")
        )
        connection.execute(
            text(
                "INSERT INTO member (id, enterprise_id, e164, name, employee_id, note, created_at)"
                " VALUES ('m', 'acme', '+8613912345673', 'ÖZLEM', 'E-7', '', 0)"
            )
        )
    migrate_engine(engine)
    members = Members(Transactions(engine), region="CN")
    for sought in ("özlem", "ÖZ", "e-7", "139 1234"):
        assert len(members.find("acme", MemberSearch(sought), limit=2)) == 1
    (found,) = members.find("acme", limit=2)
    written = members.change("acme", "m", lambda known: replace(known, note="new"), now=NOW)
    assert written.profile == replace(found.profile, note="new")
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT search_text FROM member")).scalar_one()
    engine.dispose()
    assert kept == "+8613912345673\ne-7\nözlem"


def test_migrate_twice_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE administration SET version = 7"))
    migrate(empty_url)
    with engine.connect() as connection:
        version = connection.execute(text("SELECT version FROM administration")).scalar_one()
    engine.dispose()
    assert version == 7


def test_migrate_in_path_with_per_cent_signs_works(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / '100%s' / 'new.db'}"
    migrate(url)
    engine = open_engine(url)
    assert inspect(engine).has_table("call_event")
    engine.dispose()


def test_migrate_by_several_processes_at_once_succeeds_in_all(tmp_path: Path) -> None:
    code = "import sys; from clicktodial.storage.migration import migrate; migrate(sys.argv[1])"
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    processes = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(3)]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_open_engine_of_unusable_url_raises(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid):
        open_engine(url)


def test_sqlite_connection_is_durable_and_checked(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}", "full")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 900,
    }
