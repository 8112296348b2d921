"""Whose enterprises somebody sees, as a condition of queries and as a check."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, false, select, true

from clicktodial.domain.principal import STAFF_ROLES, Principal, Role
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.error import NotFound


def visible_enterprises(principal: Principal) -> ColumnElement[bool]:
    """A condition on `enterprise` that says the same as Principal.may_see_enterprise."""
    columns = table.enterprise.c
    if principal.enterprise_id is not None:
        return columns.id == principal.enterprise_id
    if not principal.has_any(STAFF_ROLES):
        return false()
    if Role.OPERATOR in principal.roles or not principal.regions:
        return true()
    return columns.region.in_(sorted(principal.regions))


def require_visible(connection: Connection, principal: Principal, enterprise_id: str) -> Row[Any]:
    """The enterprise's row. Raises NotFound, also for another's."""
    query = select(table.enterprise).where(table.enterprise.c.id == enterprise_id)
    row = connection.execute(query).first()
    if row is None or not principal.may_see_enterprise(enterprise_id, row.region):
        raise NotFound(
            worded("there is no enterprise %(enterprise_id)s", enterprise_id=enterprise_id)
        )
    return row


def require_application(connection: Connection, principal: Principal, app_id: str) -> Row[Any]:
    """The `enterprise_id` of an application and its `enterprise_name`. Raises NotFound, also for
    another's."""
    columns, enterprise = table.application.c, table.enterprise.c
    query: Select[Any] = (
        select(columns.enterprise_id, enterprise.name.label("enterprise_name"))
        .join(table.enterprise, enterprise.id == columns.enterprise_id)
        .where(columns.app_id == app_id, visible_enterprises(principal))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
    return row
