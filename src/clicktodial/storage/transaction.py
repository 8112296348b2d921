"""Transactions of use cases that are no part of a call: blocking, one connection each."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.engine import FOR_WRITING
from clicktodial.storage.error import AlreadyExists, DatabaseUnavailable, ValueInvalid

_UNFIT = worded("a value has characters or a length that cannot be stored")
_BUMP = update(table.administration).values(version=table.administration.c.version + 1)


def note_change(connection: Connection) -> None:
    """Have running nodes take up what this transaction changes, where only some changes of its
    kind concern calls."""
    connection.execute(_BUMP)


class Transactions:
    """Opens transactions. Both raise DatabaseUnavailable, and ValueInvalid for a value that the
    database has no room for: PostgreSQL's texts hold no NUL, and names to look for may have one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def dialect(self) -> str:
        """The database's name, for what the databases write differently."""
        return self._engine.dialect.name

    @contextmanager
    def change(self, exists: str = "", *, concerns_calls: bool = True) -> Iterator[Connection]:
        """One that writes, all or nothing.

        `exists` is told with AlreadyExists for a key that is taken. Where it `concerns_calls`, it
        counts up the version by which running nodes take changes up within a second.
        """
        try:
            with (
                self._engine.connect().execution_options(**{FOR_WRITING: True}) as connection,
                connection.begin(),
            ):
                yield connection
                if concerns_calls:
                    connection.execute(_BUMP)
        except IntegrityError as error:
            raise AlreadyExists(exists or None) from error
        except DataError as error:
            raise ValueInvalid(_UNFIT) from error
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One that reads."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except DataError as error:
            raise ValueInvalid(_UNFIT) from error
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error
