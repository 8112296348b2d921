"""Enterprises as their rows tell them: the one place that moves the state of one."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from clicktodial.domain.enterprise import (
    CallPolicy,
    EnterpriseMove,
    EnterpriseState,
    EnterpriseStateError,
    move_state,
    status_of,
)
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import table, value
from clicktodial.storage.error import Conflict, NotFound

_columns = table.enterprise.c


def insert_enterprise(
    connection: Connection,
    enterprise_id: str,
    *,
    name: str,
    state: EnterpriseState,
    region: str | None = None,
) -> None:
    """A new enterprise. Raises ValueInvalid; a taken identifier is IntegrityError's."""
    value.check_identifier(enterprise_id, "the enterprise's identifier")
    row = {
        "id": enterprise_id,
        "name": value.check_name(name),
        "status": status_of(state).value,
        "state": state.value,
        "region": region,
    }
    connection.execute(insert(table.enterprise).values(row))


def read_state(connection: Connection, enterprise_id: str) -> EnterpriseState:
    """Where it is in its life. Raises NotFound."""
    state = connection.scalar(select(_columns.state).where(_columns.id == enterprise_id))
    if state is None:
        raise NotFound(
            worded("there is no enterprise %(enterprise_id)s", enterprise_id=enterprise_id)
        )
    return EnterpriseState(state)


def move_enterprise(
    connection: Connection,
    enterprise_id: str,
    move: EnterpriseMove,
    *,
    now: datetime,
    calls: CallPolicy = CallPolicy.WHEN_ENDED,
) -> EnterpriseState:
    """Move it on; returns the state that it is in now. `calls` says what becomes of those that
    run, where it may place none from now on. Raises NotFound or Conflict."""
    state = read_state(connection, enterprise_id)
    try:
        following = move_state(state, move)
    except EnterpriseStateError as error:
        raise Conflict(words_of(error)) from error
    change = (
        update(table.enterprise)
        .where(_columns.id == enterprise_id, _columns.state == state.value)
        .values(
            state=following.value,
            status=status_of(following).value,
            state_since=now,
            ends_calls=calls is CallPolicy.AT_ONCE,
        )
    )
    if connection.execute(change).rowcount == 0:
        raise Conflict("somebody else was quicker")
    return following
