"""Enterprises as people see them, each their own: a customer's one, an account manager's region."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from clicktodial.accounts.activation import CustomerRecord, read_customer_record
from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import EnterpriseState, status_of
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.transaction import Transactions

# A page of an API, and the one more that tells whether there is another.
ENTERPRISES_PAGE_MAX = 101
# A choice of more is no choice; a country has some thirty provinces.
REGIONS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """An enterprise, as people see it."""

    enterprise_id: str
    name: str
    state: EnterpriseState
    status: EnterpriseStatus
    region: str | None
    account_manager: str | None
    state_since: datetime | None
    record: CustomerRecord | None = None


class Enterprises:
    """Looks at enterprises. All methods raise AdministrationError."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list_enterprises(
        self,
        principal: Principal,
        *,
        states: frozenset[EnterpriseState] = frozenset(),
        region: str | None = None,
        account_manager: str | None = None,
        name: str | None = None,
        after: str | None = None,
        limit: int = ENTERPRISES_PAGE_MAX,
    ) -> list[Enterprise]:
        """Those that the principal may see, by identifier, beginning behind `after`; with `name`
        those in whose names that stands."""
        columns = table.enterprise.c
        query = select(table.enterprise).where(visible_enterprises(principal))
        if states:
            query = query.where(columns.state.in_(sorted(states)))
        if region is not None:
            query = query.where(columns.region == region)
        if account_manager is not None:
            query = query.where(columns.account_manager == account_manager)
        if name is not None:
            query = query.where(columns.name.icontains(name, autoescape=True))
        if after is not None:
            query = query.where(columns.id > after)
        query = query.order_by(columns.id).limit(min(limit, ENTERPRISES_PAGE_MAX))
        with self._transactions.read() as connection:
            return [_enterprise_of(row) for row in connection.execute(query)]

    def list_regions(self, principal: Principal) -> list[str]:
        """The regions of those that the principal may see, at most REGIONS_MAX."""
        columns = table.enterprise.c
        query = (
            select(columns.region)
            .where(visible_enterprises(principal), columns.region.is_not(None))
            .distinct()
            .order_by(columns.region)
            .limit(REGIONS_MAX)
        )
        with self._transactions.read() as connection:
            return [str(region) for region in connection.scalars(query)]

    def show(self, principal: Principal, enterprise_id: str) -> Enterprise:
        """One, with what it is known by in the operator's books."""
        with self._transactions.read() as connection:
            row = require_visible(connection, principal, enterprise_id)
            record = read_customer_record(connection, enterprise_id)
            return replace(_enterprise_of(row), record=record)


def find_barred_enterprises(connection: Connection, enterprise_ids: list[str]) -> list[str]:
    """Those of them whose running calls end, because they may place none any more and were told
    so with that policy."""
    columns = table.enterprise.c
    query = select(columns.id).where(
        columns.id.in_(enterprise_ids),
        columns.status != EnterpriseStatus.ACTIVE.value,
        columns.ends_calls,
    )
    return list(connection.scalars(query))


def _enterprise_of(row: Row[Any]) -> Enterprise:
    state = EnterpriseState(row.state)
    return Enterprise(
        enterprise_id=row.id,
        name=row.name,
        state=state,
        status=status_of(state),
        region=row.region,
        account_manager=row.account_manager,
        state_since=row.state_since,
    )
