"""The operator's account managers, and who of them has the least to do."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection, func, select

from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Role
from clicktodial.storage import table
from clicktodial.storage.people_table import person

# More of them than any operator employs; beyond it some would be given nothing new.
MANAGERS_MAX = 1_000
_ACTIVE = "active"


class AccountManagers(Protocol):
    """Knows the account managers."""

    def find(self, connection: Connection, region: str) -> Sequence[str]:
        """Those of that region, by identifier; none where it has none."""


class PersonAccountManagers:
    """Those of the operator's people who are account managers. Of no region in particular is of
    all, as everywhere."""

    def find(self, connection: Connection, region: str) -> Sequence[str]:
        """Those of that region."""
        columns = person.c
        query = (
            select(columns.id, columns.roles, columns.regions)
            .where(columns.enterprise_id.is_(None), columns.state == _ACTIVE)
            .where(columns.roles.contains(Role.ACCOUNT_MANAGER.value, autoescape=True))
            .order_by(columns.id)
            .limit(MANAGERS_MAX)
        )
        return [
            row.id
            for row in connection.execute(query)
            if Role.ACCOUNT_MANAGER in row.roles.split(",")
            and (not row.regions or region in row.regions.split(","))
        ]


def choose_manager(connection: Connection, managers: AccountManagers, region: str) -> str | None:
    """The one of that region with the fewest enterprises that are not at their end; None where
    there is none."""
    candidates = managers.find(connection, region)
    if not candidates:
        return None
    columns = table.enterprise.c
    counted = (
        select(columns.account_manager, func.count())
        .where(columns.account_manager.in_(candidates))
        .where(columns.state != EnterpriseState.CANCELLED.value)
        .group_by(columns.account_manager)
    )
    load: dict[str, int] = {name: count for name, count in connection.execute(counted)}
    return min(candidates, key=lambda name: (load.get(name, 0), name))
