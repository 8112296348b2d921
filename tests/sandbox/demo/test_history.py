"""The past that the demonstration makes: whole, sound, and of every kind."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from tests.accounts.people import CHEAP_HASHER
from tests.harness.database import place_database

from clicktodial.accounts import password as password_module
from clicktodial.billing.ledger import verify_ledger
from clicktodial.config import Settings, StorageSettings
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.sandbox.demo.bustle import is_of_others
from clicktodial.sandbox.demo.error import ChildError
from clicktodial.sandbox.demo.history.cast import PROSPECTS
from clicktodial.sandbox.demo.history.fill import fill_history
from clicktodial.sandbox.demo.journal import read_entry
from clicktodial.sandbox.demo.output import Output
from clicktodial.sandbox.demo.people import create_people
from clicktodial.storage import billing_table, people_table, table, ticket_table
from clicktodial.storage.administration import Administration
from clicktodial.storage.call_quality import read_timeline
from clicktodial.storage.engine import open_engine
from clicktodial.storage.leg_codec import decode_legs

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database whose default enterprise has a past."""
    directory = tmp_path_factory.mktemp("history")
    place_database(directory / "clicktodial.db")
    settings = Settings(storage=StorageSettings(data_dir=str(directory)))
    administration = Administration.open(settings)
    administration.create_enterprise("default")
    administration.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(password_module, "_hasher", CHEAP_HASHER)
        asyncio.run(
            fill_history(
                settings,
                enterprise_id="default",
                base_url="http://127.0.0.1",
                password=PASSWORD,
                secret="secret",
            )
        )
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


def count(engine: Engine, query: object) -> int:
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())  # type: ignore[call-overload]


def test_ledger_of_the_past_is_sound(engine: Engine) -> None:
    found = verify_ledger(engine)
    assert found.is_sound
    calls = count(engine, select(func.count()).select_from(table.call))
    assert found.calls == calls > 300


def test_every_call_is_over_and_has_a_record(engine: Engine) -> None:
    live = select(func.count()).select_from(table.call).where(table.OPEN_CALL)
    assert count(engine, live) == 0
    minutes = select(func.sum(billing_table.cdr.c.billed_s))
    assert count(engine, minutes) > 100 * 60
    with engine.connect() as connection:
        reasons = set(connection.scalars(select(table.call.c.reason).distinct()))
    assert {EndReason.HANG_UP, EndReason.CALLEE_BUSY, EndReason.CALLEE_NO_ANSWER} <= reasons


def test_calls_of_some_length_tell_how_they_sounded(engine: Engine) -> None:
    long = table.call.c.duration_s > 30
    with engine.connect() as connection:
        talked = connection.execute(select(table.call.c.id, table.call.c.legs).where(long)).all()
        assert len(talked) > 100
        lowest = []
        for call_id, legs in talked:
            timeline = read_timeline(connection, call_id)
            assert len(timeline) >= 3
            caller = decode_legs(legs)[Side.CALLER].quality
            assert caller is not None
            assert sum(each.caller.packets for each in timeline) == caller.packets
            lowest.append(min(each.caller.mos or 4.5 for each in timeline))
    # There is something to see, and not everywhere.
    assert 0.02 < sum(mos < 3.6 for mos in lowest) / len(lowest) < 0.5


def test_no_notification_of_the_past_waits(engine: Engine) -> None:
    waiting = select(func.count()).select_from(table.call_event).where(table.PENDING_EVENT)
    assert count(engine, waiting) == 0


def test_people_of_every_role_are_there(engine: Engine) -> None:
    with engine.connect() as connection:
        roles = set(connection.scalars(select(people_table.person.c.roles)))
    assert roles == {str(role) for role in PERSON_ROLES}


def test_customers_stand_at_every_stage(engine: Engine) -> None:
    with engine.connect() as connection:
        states = list(connection.scalars(select(table.enterprise.c.state)))
    assert len(states) == len(PROSPECTS) + 1
    assert len(set(states)) == 5


def test_tickets_are_in_many_states(engine: Engine) -> None:
    with engine.connect() as connection:
        states = set(connection.scalars(select(ticket_table.ticket.c.state)))
    assert len(states) >= 6


async def test_past_is_made_for_no_other_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(tmp_path)
    output.config.write_text(f'[storage]\ndata_dir = "{output.data_dir}"\n')
    monkeypatch.setenv("CLICKTODIAL_DATABASE__URL", f"sqlite:///{tmp_path.parent}/somebodys.db")
    with pytest.raises(ChildError, match="own database alone"):
        await create_people(output, "http://127.0.0.1", "default", secret="secret")
    assert not (tmp_path.parent / "somebodys.db").exists()


def test_phones_of_others_are_not_told_of() -> None:
    line = b'{"time": "2026-07-01T00:00:00Z", "event": "ringing", "phone": "%s"}'
    own, others = (
        read_entry("carrier", line % phone) for phone in (b"+8613810268653", b"+8617700000001")
    )
    assert own is not None and not is_of_others(own)
    assert others is not None and is_of_others(others)
