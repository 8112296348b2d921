"""Messages as people look at them: listed, shown, sent anew; and the embedded mailbox.

Numbers are told with their middle hidden, as everywhere outside the call itself.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    ScalarSelect,
    Select,
    delete,
    func,
    literal_column,
    select,
    update,
)

from clicktodial.accounts.scope import require_application, visible_enterprises
from clicktodial.domain.cause import Side
from clicktodial.domain.message import REPLAYABLE, Channel, MessageState
from clicktodial.domain.number import mask_number
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.error import Conflict, NotFound
from clicktodial.storage.message_table import (
    message,
    message_mailbox,
    message_part,
    message_report,
    message_template,
)
from clicktodial.storage.transaction import Transactions

# What one page of a list holds.
MESSAGES_PAGE_MAX = 100
_columns = message.c


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """A message. What it says is known from its first attempt on; `recipient` is masked."""

    message_id: str
    call_id: str
    app_id: str
    side: Side
    recipient: str
    template_id: str
    state: MessageState
    channel: Channel
    created_at: datetime
    queued_at: datetime | None
    subject: str | None
    text: str | None
    gateway: str | None
    attempts: int
    next_attempt_at: datetime | None
    sent_at: datetime | None
    settled_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class PartDetail:
    """A part that a gateway took."""

    number: int
    gateway: str
    gateway_id: str
    state: MessageState
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class ReportDetail:
    """A report that a gateway made."""

    gateway_id: str
    state: MessageState
    detail: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMessage:
    """A message with all that is kept of its way."""

    message: MessageDetail
    parts: tuple[PartDetail, ...]
    reports: tuple[ReportDetail, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxMessage:
    """A message that arrived in the embedded mailbox."""

    message_id: str
    arrived_at: datetime
    sender: str
    recipient: str
    channel: Channel
    subject: str
    text: str
    pictures: int


class Messages:
    """What people do with messages. All methods raise NotFound and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list_messages(
        self,
        principal: Principal,
        app_id: str | None = None,
        *,
        call_id: str | None = None,
        state: MessageState | None = None,
        before: str | None = None,
        limit: int = MESSAGES_PAGE_MAX,
    ) -> list[MessageDetail]:
        """The newest first, those made before the message `before`; without an application, of
        all that the principal may see."""
        limit = min(limit, MESSAGES_PAGE_MAX)
        query = _query(principal).order_by(_columns.id.desc())
        if app_id is not None:
            query = query.where(_columns.app_id == app_id)
        if call_id is not None:
            query = query.where(_columns.call_id == call_id)
        query = query.where(*_conditions(message, state, before))
        if app_id is None and call_id is None and principal.enterprise_id is not None:
            since = _first_of_page(principal.enterprise_id, state, before, limit)
            query = query.where(_columns.id >= since)
        with self._transactions.read() as connection:
            if app_id is not None:
                require_application(connection, principal, app_id)
            if call_id is not None:
                _require_call(connection, principal, call_id)
            return [_detail(row) for row in connection.execute(query.limit(limit))]

    def show(self, principal: Principal, message_id: str) -> ShownMessage:
        """One message, its parts and reports."""
        parts, reports = message_part.c, message_report.c
        with self._transactions.read() as connection:
            row = connection.execute(_query(principal).where(_columns.id == message_id)).first()
            if row is None:
                raise NotFound(worded("there is no message %(message_id)s", message_id=message_id))
            part_rows = connection.execute(
                select(message_part).where(parts.message_id == message_id).order_by(parts.number)
            ).all()
            report_rows = connection.execute(
                select(message_report).where(reports.message_id == message_id).order_by(reports.id)
            ).all()
        return ShownMessage(
            message=_detail(row),
            parts=tuple(map(_part, part_rows)),
            reports=tuple(map(_report, report_rows)),
        )

    def replay(self, principal: Principal, message_id: str, *, now: datetime) -> MessageDetail:
        """Send one anew that failed or expired: the parts that did not arrive, with all attempts.
        Raises Conflict for any other. A running server takes it up within a second."""
        parts = message_part.c
        values = {
            "state": MessageState.QUEUED.value,
            "queued_at": now,
            "next_attempt_at": now,
            "attempts": 0,
            "replays": _columns.replays + 1,
            "sent_at": None,
            "settled_at": None,
            "last_error": None,
        }
        replayable = sorted(state.value for state in REPLAYABLE)
        with self._transactions.change() as connection:
            query = _query(principal).where(_columns.id == message_id)
            row = connection.execute(query).first()
            if row is None:
                raise NotFound(worded("there is no message %(message_id)s", message_id=message_id))
            changed = connection.execute(
                update(message)
                .where(_columns.id == message_id, _columns.state.in_(replayable))
                .values(values)
            )
            if changed.rowcount == 0:
                raise Conflict(
                    worded(
                        "a message that is %(state)s is not sent anew",
                        state=MessageState(row.state),
                    )
                )
            lost = parts.state.in_(replayable)
            connection.execute(delete(message_part).where(parts.message_id == message_id, lost))
            return _detail(connection.execute(query).one())

    def mailbox(
        self, principal: Principal, *, before: str | None = None, limit: int = MESSAGES_PAGE_MAX
    ) -> list[MailboxMessage]:
        """What arrived in the embedded mailbox, the newest first."""
        columns = message_mailbox.c
        query = (
            select(message_mailbox)
            .join(message, _columns.id == columns.message_id)
            .join(table.application, table.application.c.app_id == _columns.app_id)
            .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
            .where(visible_enterprises(principal))
            .order_by(columns.message_id.desc())
        )
        if before is not None:
            query = query.where(columns.message_id < before)
        with self._transactions.read() as connection:
            rows = connection.execute(query.limit(min(limit, MESSAGES_PAGE_MAX)))
            return [_mailbox_message(row) for row in rows]


def _conditions(
    of: FromClause, state: MessageState | None, before: str | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(of.c.state == state.value)
        if state is not MessageState.DELIVERED:
            # Spelled out, so that the indexes of those are found.
            conditions.append(of.c.state != literal_column("'delivered'"))
    if before is not None:
        conditions.append(of.c.id < before)
    return conditions


def _first_of_page(
    enterprise_id: str, state: MessageState | None, before: str | None, limit: int
) -> ScalarSelect[str]:
    """From which message on a page is looked for among those of all applications of an
    enterprise, or it would be among all that they ever sent.

    The newest of what stands last on a page of one of them alone: no page has anything older."""
    ours, theirs = table.application.alias("ours"), message.alias("theirs")
    last = (
        select(theirs.c.id)
        .where(theirs.c.app_id == ours.c.app_id, *_conditions(theirs, state, before))
        .order_by(theirs.c.id.desc())
        .offset(limit - 1)
        .limit(1)
    )
    of_each = (
        select(last.scalar_subquery().label("last"))
        .where(ours.c.enterprise_id == enterprise_id)
        .subquery()
    )
    return select(func.coalesce(func.max(of_each.c.last), "")).scalar_subquery()


def _require_call(connection: Connection, principal: Principal, call_id: str) -> None:
    query = (
        select(table.call.c.id)
        .join(table.application, table.application.c.app_id == table.call.c.app_id)
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
        .where(table.call.c.id == call_id, visible_enterprises(principal))
    )
    if connection.execute(query).first() is None:
        raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))


def _query(principal: Principal) -> Select[Any]:
    """Messages of the enterprises that the principal sees; programs see their enterprise's."""
    calls = table.call.c
    return (
        select(
            message,
            message_template.c.channel.label("template_channel"),
            calls.caller_e164,
            calls.callee_e164,
        )
        .join(table.call, calls.id == _columns.call_id)
        .join(message_template, message_template.c.id == _columns.template_id)
        .join(table.application, table.application.c.app_id == _columns.app_id)
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
        .where(visible_enterprises(principal))
    )


def _detail(row: Row[Any]) -> MessageDetail:
    side = Side(row.side)
    return MessageDetail(
        message_id=row.id,
        call_id=row.call_id,
        app_id=row.app_id,
        side=side,
        recipient=mask_number(row.caller_e164 if side is Side.CALLER else row.callee_e164),
        template_id=row.template_id,
        state=MessageState(row.state),
        channel=Channel(row.template_channel),
        created_at=row.created_at,
        queued_at=row.queued_at,
        subject=row.subject,
        text=row.text,
        gateway=row.gateway,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == MessageState.QUEUED else None,
        sent_at=row.sent_at,
        settled_at=row.settled_at,
        last_error=row.last_error,
    )


def _part(row: Row[Any]) -> PartDetail:
    return PartDetail(row.number, row.gateway, row.gateway_id, MessageState(row.state), row.sent_at)


def _report(row: Row[Any]) -> ReportDetail:
    return ReportDetail(row.gateway_id, MessageState(row.state), row.detail, row.received_at)


def _mailbox_message(row: Row[Any]) -> MailboxMessage:
    return MailboxMessage(
        message_id=row.message_id,
        arrived_at=row.arrived_at,
        sender=row.sender,
        recipient=mask_number(row.recipient),
        channel=Channel(row.channel),
        subject=row.subject,
        text=row.text,
        pictures=row.pictures,
    )
