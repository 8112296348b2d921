"""Transactions of use cases."""

import pytest
from sqlalchemy import Connection, Engine, literal, select
from sqlalchemy.exc import DataError

from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database


def look_for_nul(connection: Connection) -> None:
    """What PostgreSQL's driver refuses; SQLite takes it, and is made to."""
    connection.scalar(select(literal("a\0b")))
    raise DataError("SELECT", {"name": "a\0b"}, ValueError("no NUL"))


def test_value_that_the_database_cannot_hold_is_invalid(engine: Engine) -> None:
    transactions = Transactions(engine)
    for transaction in (transactions.change(), transactions.read()):
        with pytest.raises(ValueInvalid) as refused, transaction as connection:
            look_for_nul(connection)
        assert "a\0b" not in str(refused.value)
