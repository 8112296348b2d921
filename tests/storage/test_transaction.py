"""Transactions of use cases: what goes wrong in them, in the words of use cases."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import DataError

from clicktodial.storage import table
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.transaction import Transactions


def test_value_that_the_database_refuses_is_the_fault_of_who_gave_it(engine: Engine) -> None:
    transactions = Transactions(engine)
    for opened in (transactions.read, transactions.change):
        with pytest.raises(ValueInvalid), opened():
            raise DataError("SELECT", {}, Exception("no NUL"))


def test_text_with_nul_is_not_found_or_refused(engine: Engine) -> None:
    query = select(table.application.c.app_id).where(table.application.c.app_id == "\0")
    try:
        with Transactions(engine).read() as connection:
            assert connection.execute(query).first() is None
    except ValueInvalid:
        assert engine.dialect.name == "postgresql"
