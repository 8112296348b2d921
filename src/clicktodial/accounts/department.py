"""Departments of an enterprise: a flat list of names, each with caps for all of its members."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from clicktodial.domain.protection import NO_CAPS, CallCaps
from clicktodial.domain.wording import worded
from clicktodial.storage import member_table, table, value
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.protection_codec import check_caps
from clicktodial.storage.transaction import Transactions

# A list from which people choose.
DEPARTMENTS_MAX = 1_000

_department = member_table.department
_NOTHING: Mapping[str, int | None] = {}
_TAKEN = "there is a department of that name already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department. `caps` bound the calls of all its members together."""

    department_id: str
    name: str
    caps: CallCaps
    member_count: int = 0


class Departments:
    """Changes of departments. All methods raise AdministrationError and DatabaseUnavailable,
    and then nothing was changed."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list_all(self, enterprise_id: str) -> list[Department]:
        """By name."""
        return self.find(enterprise_id, limit=DEPARTMENTS_MAX)

    def find(self, enterprise_id: str, *, after: str | None = None, limit: int) -> list[Department]:
        """By name, behind the department of the identifier `after`."""
        columns = _department.c
        query = _counted(enterprise_id).order_by(columns.name).limit(limit)
        if after is not None:
            last = select(columns.name).where(
                columns.id == after, columns.enterprise_id == enterprise_id
            )
            query = query.where(columns.name > last.scalar_subquery())
        with self._transactions.read() as connection:
            require_enterprise(connection, enterprise_id)
            return [_read(row) for row in connection.execute(query)]

    def show(self, enterprise_id: str, department_id: str) -> Department:
        """One."""
        query = _counted(enterprise_id).where(_department.c.id == department_id)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(
                worded("there is no department %(department_id)s", department_id=department_id)
            )
        return _read(row)

    def list_names(self, enterprise_id: str) -> list[tuple[str, str]]:
        """The identifier and the name of each, by name: what people choose from."""
        columns = _department.c
        query = (
            select(columns.id, columns.name)
            .where(columns.enterprise_id == enterprise_id)
            .order_by(columns.name)
            .limit(DEPARTMENTS_MAX)
        )
        with self._transactions.read() as connection:
            return [(row.id, row.name) for row in connection.execute(query)]

    def add(self, enterprise_id: str, name: str, *, caps: CallCaps = NO_CAPS, now: datetime) -> str:
        """A new one; returns its identifier."""
        check_caps(caps)
        with self._transactions.change(_TAKEN, concerns_calls=caps != NO_CAPS) as connection:
            require_enterprise(connection, enterprise_id)
            department_id = insert_department(connection, enterprise_id, name, now)
            _set_caps(connection, department_id, caps)
        return department_id

    def change(
        self,
        enterprise_id: str,
        department_id: str,
        *,
        name: str | None = None,
        caps: Mapping[str, int | None] = _NOTHING,
    ) -> None:
        """Its name, and those of its caps that are given, by their names in CallCaps."""
        with self._transactions.change(_TAKEN, concerns_calls=bool(caps)) as connection:
            known = _require(connection, enterprise_id, department_id)
            if name is not None:
                renamed = update(_department).where(_department.c.id == department_id)
                connection.execute(renamed.values(name=value.check_name(name)))
            if caps:
                changed = replace(known, **caps)
                check_caps(changed)
                _set_caps(connection, department_id, changed)

    def require(self, enterprise_id: str, department_id: str) -> None:
        """That it is one of that enterprise."""
        with self._transactions.read() as connection:
            _require(connection, enterprise_id, department_id)

    def remove(self, enterprise_id: str, department_id: str) -> None:
        """Its members are of no department then."""
        members = member_table.member
        with self._transactions.change() as connection:
            _require(connection, enterprise_id, department_id)
            connection.execute(
                update(members)
                .where(members.c.department_id == department_id)
                .values(department_id=None)
            )
            connection.execute(delete(_department).where(_department.c.id == department_id))


def require_enterprise(connection: Connection, enterprise_id: str) -> None:
    """Raises NotFound."""
    columns = table.enterprise.c
    if connection.scalar(select(columns.id).where(columns.id == enterprise_id)) is None:
        raise NotFound(
            worded("there is no enterprise %(enterprise_id)s", enterprise_id=enterprise_id)
        )


def find_or_add_department(
    connection: Connection, enterprise_id: str, name: str, now: datetime
) -> str:
    """The identifier of the one of that name."""
    columns = _department.c
    query = select(columns.id).where(columns.enterprise_id == enterprise_id, columns.name == name)
    found: str | None = connection.scalar(query)
    return found or insert_department(connection, enterprise_id, name, now)


def insert_department(connection: Connection, enterprise_id: str, name: str, now: datetime) -> str:
    """A new one, without caps. Raises ValueInvalid."""
    columns = _department.c
    count = select(func.count()).where(columns.enterprise_id == enterprise_id)
    if (connection.scalar(count) or 0) >= DEPARTMENTS_MAX:
        raise ValueInvalid(
            worded("an enterprise may have %(most)s departments", most=DEPARTMENTS_MAX)
        )
    department_id = uuid_utils.uuid7().hex
    connection.execute(
        insert(_department).values(
            id=department_id,
            enterprise_id=enterprise_id,
            name=value.check_name(name),
            created_at=now,
        )
    )
    return department_id


def _counted(enterprise_id: str) -> Select[Any]:
    """Departments with how many members each has: counted of those that are shown alone, and in
    an index."""
    members = member_table.member.c
    count = select(func.count()).where(members.department_id == _department.c.id)
    return select(_department, count.scalar_subquery().label("member_count")).where(
        _department.c.enterprise_id == enterprise_id
    )


def _set_caps(connection: Connection, department_id: str, caps: CallCaps) -> None:
    connection.execute(
        update(_department)
        .where(_department.c.id == department_id)
        .values(calls_per_day=caps.per_day, calls_per_month=caps.per_month)
    )


def _require(connection: Connection, enterprise_id: str, department_id: str) -> CallCaps:
    """Its caps. Raises NotFound."""
    columns = _department.c
    query = select(columns.calls_per_day, columns.calls_per_month).where(
        columns.id == department_id, columns.enterprise_id == enterprise_id
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(
            worded("there is no department %(department_id)s", department_id=department_id)
        )
    return CallCaps(per_day=row.calls_per_day, per_month=row.calls_per_month)


def _read(row: Row[tuple[object, ...]]) -> Department:
    return Department(
        department_id=row.id,
        name=row.name,
        caps=CallCaps(per_day=row.calls_per_day, per_month=row.calls_per_month),
        member_count=row.member_count,
    )
