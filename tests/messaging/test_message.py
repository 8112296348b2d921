"""Pages of messages, where an enterprise has applications and messages enough for some."""

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Engine, select, update
from tests.bench.estate import furnish_small
from tests.harness.database import DatabaseKind, open_database
from tests.harness.plan import read_plans

from clicktodial.bench.estate import LARGEST
from clicktodial.domain.message import MessageState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.messaging.message import Messages
from clicktodial.storage.engine import open_engine
from clicktodial.storage.message_table import message
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

OWNER = Principal(name="person-0", roles=frozenset({Role.OWNER}), enterprise_id=LARGEST)


@pytest.fixture
def engine(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A small estate; half of the largest enterprise's messages are of another application."""
    with open_database(database_kind, request) as url:
        engine = open_engine(url, "normal")
        furnish_small(engine, SecretVault(bytes(32)))
        columns = message.c
        with engine.begin() as connection:
            own = connection.scalars(select(columns.id).where(columns.app_id == "app-0")).all()
            theirs = columns.id.in_(own[::2])
            connection.execute(update(message).where(theirs).values(app_id="app-0-1"))
        yield engine
        engine.dispose()


@pytest.mark.on_every_database
def test_pages_have_all_messages_once_and_read_an_index(engine: Engine) -> None:
    messages, columns = Messages(Transactions(engine)), message.c
    own = select(columns.id).where(columns.app_id.in_(["app-0", "app-0-1"]))
    for state in (None, MessageState.DELIVERED, MessageState.FAILED, MessageState.SKIPPED):
        wanted = own if state is None else own.where(columns.state == state.value)
        with engine.connect() as connection:
            expected = connection.scalars(wanted.order_by(columns.id.desc())).all()
        found, before = list[str](), None
        while page := messages.list_messages(OWNER, state=state, before=before, limit=3):
            found += [each.message_id for each in page]
            before = found[-1]
        assert found == expected
        assert bool(found) is (state is not MessageState.SKIPPED)
    for principal, app_id, state, index in (
        (OWNER, None, None, "message_by_application (app_id=? AND id>?)"),
        (OWNER, None, MessageState.FAILED, "message_of_application_by_state (app_id=? AND state=?"),
        (OWNER, "app-0", MessageState.FAILED, "message_of_application_by_state"),
        (OPERATOR_PRINCIPAL, None, MessageState.FAILED, "message_by_state (state=?"),
    ):
        ask = partial(messages.list_messages, principal, app_id, state=state, limit=26)
        [*_, plan] = read_plans(engine, ask)
        assert "Seq Scan on message " not in plan
        if engine.dialect.name == "sqlite":
            assert index in plan
