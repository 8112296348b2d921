"""What identifiers are called in front of people: enterprises by name, users by account."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from clicktodial.accounts.scope import visible_enterprises
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.people_table import person
from clicktodial.storage.transaction import Transactions

# A page of a list names so many at most; the rest of more keep their identifiers.
NAMED_MAX = 500


class Names:
    """All methods block; they raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def enterprises(self, principal: Principal, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of those that somebody may see, by identifier."""
        columns = table.enterprise.c
        query = select(columns.id, columns.name).where(
            columns.id.in_(_bounded(ids)), visible_enterprises(principal)
        )
        with self._transactions.read() as connection:
            return {row.id: row.name for row in connection.execute(query)}

    def accounts(self, principal: Principal, ids: Iterable[str | None]) -> Mapping[str, str]:
        """The accounts of users, by identifier. A customer is told those of its own people:
        who of the operator does what stays within the operator."""
        query = select(person.c.id, person.c.account).where(person.c.id.in_(_bounded(ids)))
        if principal.enterprise_id is not None:
            query = query.where(person.c.enterprise_id == principal.enterprise_id)
        with self._transactions.read() as connection:
            return {row.id: row.account for row in connection.execute(query)}


def _bounded(ids: Iterable[str | None]) -> list[str]:
    return sorted({each for each in ids if each})[:NAMED_MAX]
