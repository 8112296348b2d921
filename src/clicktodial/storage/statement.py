"""Core statements compiled once, to be run with plain tuples.

Compiling, caching and binding in SQLAlchemy cost several times what the database does for such
short statements, so the writer hands the driver finished SQL and parameters in its order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Dialect, Insert, Select, Table, Update
from sqlalchemy.dialects import postgresql, sqlite

from clicktodial.control.port import StoreError

Parameters: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """Finished SQL. Within a transaction a lower `rank` runs first. With `counted`, each run
    must change exactly one row; anything else is a conflict."""

    sql: str
    rank: int
    counted: bool


def compile_statement(
    statement: Insert | Update,
    dialect: Dialect,
    names: Sequence[str],
    *,
    rank: int,
    counted: bool = True,
) -> Statement:
    """Compile; `names` are the parameters in the order in which the tuples will hold them.

    Raises ValueError when the statement wants them in another order.
    """
    columns = list(names) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    order = getattr(compiled, "positiontup", None)
    if order != list(names):
        raise ValueError(f"the parameters are {order}, not {list(names)}")
    return Statement(str(compiled), rank, counted)


class Query:
    """A finished SELECT, run with named parameters and answered with plain tuples: of short reads
    that a call waits for, the rest of SQLAlchemy would be most of the cost."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        # Only drivers that take parameters by place are used; `open_engine` sees to it.
        self._order: list[str] = list(getattr(compiled, "positiontup", None) or ())
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def run(self, connection: Connection, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """All rows. Columns are as the driver gives them: of UtcMillis, milliseconds. Raises
        StoreError where the database fails."""
        given = self._constants | parameters
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._sql, tuple(given[name] for name in self._order))
            return list(cursor.fetchall())
        except connection.dialect.loaded_dbapi.Error as error:
            raise StoreError(str(error)) from error
        finally:
            cursor.close()


def dialect_insert(table: Table, dialect: Dialect) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what is to happen where the row exists."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def insert_if_absent(table: Table, dialect: Dialect) -> Insert:
    """An insert that leaves an existing row as it is."""
    return dialect_insert(table, dialect).on_conflict_do_nothing()


def upsert(table: Table, dialect: Dialect, row: dict[str, Any]) -> Insert:
    """An insert that puts the row in the place of one of the same key."""
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    statement = dialect_insert(table, dialect).values(row)
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)
