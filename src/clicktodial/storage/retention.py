"""The end of what is kept for a time: the audit log, mails, notifications, messages, how calls
sounded, and the parties' numbers in the rows of calls. CDRs and the ledger are not touched.

Theory of operation. Identifiers begin with the time at which they were made (UUID version 7), so
that the oldest rows of a table are the first by its primary key: what is due is found without an
index of its own, and a batch begins where the last one ended, because that deleted what it found.
Rows of calls stay, without the numbers; how far their numbers are gone is kept in the database,
and never goes past a call that is still open.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Delete, Select, delete, func, insert, select, tuple_, update

from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.message import MessageState
from clicktodial.storage import table
from clicktodial.storage.billing_table import pool_notice
from clicktodial.storage.error import StorageError
from clicktodial.storage.instant import to_millis
from clicktodial.storage.message_table import (
    message,
    message_mailbox,
    message_part,
    message_report,
)
from clicktodial.storage.people_table import audit, mail
from clicktodial.storage.quality_table import call_quality
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

INTERVAL_S = 600
# Rows that one transaction changes: calls wait for no more than that.
BATCH_ROWS = 500
# Of each kind in one go: 70 million rows a day, more than a node makes.
BATCHES_MAX = 1_000
_NUMBERS = "call-numbers"
# A message that is still to be sent, or whose call lives, is kept whatever its age.
_UNSETTLED = (MessageState.PLANNED.value, MessageState.QUEUED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTerms:
    """For how long what is kept; None is for ever. Where the numbers of calls go, what else tells
    them goes with them: notifications and messages."""

    audit: timedelta | None = None
    mail: timedelta | None = None
    notifications: timedelta | None = None
    messages: timedelta | None = None
    call_quality: timedelta | None = None
    call_numbers: timedelta | None = None

    @property
    def notifications_kept(self) -> timedelta | None:
        return _shorter(self.notifications, self.call_numbers)

    @property
    def messages_kept(self) -> timedelta | None:
        return _shorter(self.messages, self.call_numbers)


def _shorter(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return min((each for each in (one, other) if each is not None), default=None)


class Retention:
    """Every node runs it; what one deleted the others do not find."""

    def __init__(
        self, transactions: Transactions, terms: RetentionTerms, utc: Callable[[], datetime]
    ) -> None:
        self._transactions = transactions
        self._terms = terms
        self._utc = utc

    async def run(self) -> None:
        """Every INTERVAL_S until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.run_once)
            except StorageError as error:
                log.error("retention.failed", error=str(error))
            await asyncio.sleep(INTERVAL_S)

    def run_once(self) -> dict[str, int]:
        """Forget what is due by now, in batches; returns how many rows of each kind. Blocking;
        raises DatabaseUnavailable."""
        now, terms = self._utc(), self._terms
        due: list[tuple[str, timedelta | None, Callable[[Connection, datetime], int]]] = [
            ("audit", terms.audit, _delete_audit),
            ("mail", terms.mail, _delete_mail),
            ("notifications", terms.notifications_kept, _delete_events),
            ("alerts", terms.notifications_kept, _delete_notices),
            ("messages", terms.messages_kept, _delete_messages),
            ("reports", terms.messages_kept, _delete_reports),
            ("call-quality", terms.call_quality, _delete_quality),
            (_NUMBERS, terms.call_numbers, _erase_numbers),
        ]
        done = {
            name: self._repeat(forget, now - kept) for name, kept, forget in due if kept is not None
        }
        if any(done.values()):
            log.info("retention.done", **{name.replace("-", "_"): n for name, n in done.items()})
        return done

    def _repeat(self, forget: Callable[[Connection, datetime], int], before: datetime) -> int:
        total = 0
        for _ in range(BATCHES_MAX):
            with self._transactions.change(concerns_calls=False) as connection:
                count = forget(connection, before)
            total += count
            if count < BATCH_ROWS:
                break
        return total


def first_identifier(moment: datetime) -> str:
    """All identifiers that were made before then sort before it (RFC 9562 5.7)."""
    return f"{max(to_millis(moment), 0):012x}"


# Each forgets a batch of what was made before then, and returns how many rows that were.


def _delete_audit(connection: Connection, before: datetime) -> int:
    ids = select(audit.c.id).where(audit.c.id < first_identifier(before)).order_by(audit.c.id)
    return _count(connection, delete(audit).where(audit.c.id.in_(_batch(ids))))


def _delete_mail(connection: Connection, before: datetime) -> int:
    columns = mail.c
    ids = select(columns.id).where(columns.id < first_identifier(before))
    ids = ids.where(columns.state != "waiting").order_by(columns.id)
    return _count(connection, delete(mail).where(columns.id.in_(_batch(ids))))


def _delete_events(connection: Connection, before: datetime) -> int:
    columns = table.call_event.c
    key = (columns.call_id, columns.seq)
    due = select(*key).where(columns.call_id < first_identifier(before))
    due = due.where(columns.delivery_state != DeliveryState.PENDING.value).order_by(*key)
    return _count(connection, delete(table.call_event).where(tuple_(*key).in_(_batch(due))))


def _delete_notices(connection: Connection, before: datetime) -> int:
    columns = pool_notice.c
    ids = select(columns.id).where(columns.created_at < before)
    ids = ids.where(columns.delivery_state != DeliveryState.PENDING.value).order_by(columns.id)
    return _count(connection, delete(pool_notice).where(columns.id.in_(_batch(ids))))


def _delete_messages(connection: Connection, before: datetime) -> int:
    columns = message.c
    due = select(columns.id).where(columns.id < first_identifier(before))
    due = due.where(columns.state.not_in(_UNSETTLED)).order_by(columns.id)
    ids = connection.scalars(_batch(due)).all()
    for rest in (message_mailbox, message_part, message_report):
        connection.execute(delete(rest).where(rest.c.message_id.in_(ids)))
    return _count(connection, delete(message).where(columns.id.in_(ids)))


def _delete_reports(connection: Connection, before: datetime) -> int:
    """Reports on messages that nobody knows."""
    columns = message_report.c
    ids = select(columns.id).where(columns.message_id.is_(None))
    ids = ids.where(columns.id < first_identifier(before)).order_by(columns.id)
    return _count(connection, delete(message_report).where(columns.id.in_(_batch(ids))))


def _delete_quality(connection: Connection, before: datetime) -> int:
    columns = call_quality.c
    due = select(columns.call_id).where(columns.call_id < first_identifier(before))
    batch = _batch(due.order_by(columns.call_id))
    return _count(connection, delete(call_quality).where(columns.call_id.in_(batch)))


def _erase_numbers(connection: Connection, before: datetime) -> int:
    columns, marks = table.call.c, table.retention_mark
    mark = select(marks.c.upto).where(marks.c.name == _NUMBERS).with_for_update()
    upto = connection.scalar(mark)
    if upto is None:
        connection.execute(insert(marks).values(name=_NUMBERS, upto=""))
        upto = ""
    end = first_identifier(before)
    # By node, which is how the index has the open ones: of all together the least would be looked
    # for among all calls.
    oldest_open = (
        select(columns.node_id, func.min(columns.id))
        .where(table.OPEN_CALL)
        .group_by(columns.node_id)
    )
    end = min([end, *(call_id for _, call_id in connection.execute(oldest_open))])
    due = select(columns.id).where(columns.id > upto, columns.id < end).order_by(columns.id)
    ids = connection.scalars(_batch(due)).all()
    if not ids:
        return 0
    nothing = dict.fromkeys(("caller_e164", "caller_written", "callee_e164", "callee_written"), "")
    connection.execute(update(table.call).where(columns.id.in_(ids)).values(nothing))
    connection.execute(update(marks).where(marks.c.name == _NUMBERS).values(upto=ids[-1]))
    return len(ids)


def _batch(query: Select[Any]) -> Select[Any]:
    return query.limit(BATCH_ROWS)


def _count(connection: Connection, statement: Delete) -> int:
    return connection.execute(statement).rowcount
