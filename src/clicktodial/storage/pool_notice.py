"""Alerts of pools on their way to applications: the part of the outbox that is no call's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Dialect, Row, bindparam, insert, select, update

from clicktodial.control.delivery import DeliveryAnswer, DeliveryState
from clicktodial.domain.identifier import AppId
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.storage import table
from clicktodial.storage.billing_table import PENDING_NOTICE, pool_notice
from clicktodial.storage.delivery_row import read_answer
from clicktodial.storage.statement import Statement, compile_statement

log = structlog.get_logger()


class _Payload(msgspec.Struct, frozen=True):
    enterprise_id: str
    percent: int
    used_percent: int
    granted_s: int
    used_s: int


_decoder = msgspec.json.Decoder(_Payload)


def queue_notices(
    connection: Connection,
    enterprise_id: str,
    percents: Sequence[int],
    *,
    used_percent: int,
    granted_s: int,
    used_s: int,
    now: datetime,
) -> int:
    """Have each application of the enterprise that wants it told of each threshold, the lowest
    first; in the transaction that notes them as passed. Returns how many notices wait."""
    columns = table.application.c
    wanting = (
        select(columns.app_id)
        .where(
            columns.enterprise_id == enterprise_id,
            columns.pool_alerts.is_(True),
            columns.notify_url.is_not(None),
        )
        .order_by(columns.app_id)
    )
    rows = [
        {
            "app_id": app_id,
            "payload": msgspec.json.encode(
                _Payload(enterprise_id, percent, used_percent, granted_s, used_s)
            ).decode(),
            "created_at": now,
            "delivery_state": DeliveryState.PENDING.value,
            "attempts": 0,
        }
        for app_id in connection.scalars(wanting).all()
        for percent in sorted(percents)
    ]
    if rows:
        connection.execute(insert(pool_notice), rows)
    return len(rows)


def read_pending_notices(
    connection: Connection, app_id: AppId, *, known: frozenset[tuple[str, int]], limit: int
) -> list[tuple[PoolAlert, int, datetime | None, DeliveryAnswer | None]]:
    """The oldest that wait and are not `known`: each with its attempts, when it is due, and the
    last answer."""
    columns = pool_notice.c
    query = (
        select(pool_notice)
        .where(PENDING_NOTICE, columns.app_id == app_id)
        .order_by(columns.id)
        .limit(limit + len(known))
    )
    found: list[tuple[PoolAlert, int, datetime | None, DeliveryAnswer | None]] = []
    for row in connection.execute(query):
        alert = decode_notice(row)
        if alert is None:
            continue
        if (alert.line, alert.seq) not in known and len(found) < limit:
            found.append((alert, row.attempts, row.next_attempt_at, read_answer(row)))
    return found


def decode_notice(row: Row[Any]) -> PoolAlert | None:
    """What the row tells; None where some other program changed it, which must not hold up all
    that come after it."""
    try:
        payload = _decoder.decode(row.payload)
    except msgspec.DecodeError:
        log.error("outbox.notice_unreadable", app_id=row.app_id, seq=row.id)
        return None
    return PoolAlert(
        app_id=AppId(row.app_id),
        seq=row.id,
        occurred_at=row.created_at,
        **msgspec.structs.asdict(payload),
    )


def compile_notice_mark(dialect: Dialect, columns: Sequence[str]) -> Statement:
    """Sets these columns of a notice; takes them in their order, and its number."""
    statement = (
        update(pool_notice)
        .where(pool_notice.c.id == bindparam("key_seq"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )
    names = [*(f"new_{name}" for name in columns), "key_seq"]
    return compile_statement(statement, dialect, names, rank=4)
