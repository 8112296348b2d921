"""The outbox of messages: which are due, whose they are now, and what became of them.

Theory of operation. The terminal event's transaction queues a call's messages
(`storage/message_row.py`). A node claims what is due for LEASE_S, sends it part by part, and keeps
each part that a gateway took in a transaction of its own, so that after a crash only the part that
was under way is sent again, by the same identifier. A claim that its process did not finish is free
again when that process is started anew, or when the lease is over.

Blocking: runs on the dispatcher's thread. All methods raise DatabaseUnavailable.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import msgspec
import uuid_utils
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    REPORTABLE,
    Channel,
    EndedCall,
    MessageState,
    TemplateText,
    fill_of_call,
)
from clicktodial.messaging.gateway import (
    GatewayReceipt,
    GatewayReport,
    OutgoingMessage,
    Picture,
)
from clicktodial.messaging.tally import MessageTally
from clicktodial.storage import table
from clicktodial.storage.call_row import clean_detail
from clicktodial.storage.message_table import (
    message,
    message_part,
    message_picture,
    message_report,
    message_template,
)
from clicktodial.storage.table import NAME_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions

# Longer than a send may take with all its parts and the wait for its turn.
LEASE_S = 600
# A gateway that reports what nobody sent is broken; so much of it is kept to look at.
UNMATCHED_REPORTS_MAX = 10_000
# Each phone reports once or twice; a gateway that repeats itself for ever fills no disk.
REPORTS_PER_MESSAGE_MAX = 100

# Messages that come to a state within a transaction.
_Reached: TypeAlias = list[tuple[str, MessageState]]

_columns = message.c
_parts = message_part.c
_reports = message_report.c


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that is this node's to send. `attempts` counts this one; `sent_parts` need not
    be sent again."""

    outgoing: OutgoingMessage
    attempts: int
    sent_parts: frozenset[int]

    @property
    def message_id(self) -> str:
        return self.outgoing.message_id


class MessageOutbox:
    """Messages on their way, as rows."""

    def __init__(
        self,
        transactions: Transactions,
        *,
        node_id: str,
        place: tzinfo,
        expires_after: timedelta,
        tally: MessageTally | None = None,
    ) -> None:
        """`place` is where the times are read that messages tell."""
        self.tally = tally or MessageTally()
        self._transactions = transactions
        self._node_id = node_id
        self._place = place
        self._expires_after = expires_after

    def release_own(self) -> int:
        """Free what a process of this node's identifier left claimed; returns how many. Right
        only before this process claims anything."""
        own = and_(
            _columns.state == MessageState.QUEUED.value, _columns.claimed_by == self._node_id
        )
        free = update(message).where(own).values(claimed_by=None, claimed_until=None)
        with self._transactions.change(concerns_calls=False) as connection:
            return connection.execute(free).rowcount

    def claim(self, now: datetime, *, limit: int) -> list[ClaimedMessage]:
        """Take up to `limit` messages that are due, oldest first. What is too old expires."""
        # Mostly there is none, and a look does not take the write lock.
        with self._transactions.read() as connection:
            if connection.execute(_DUE, {"now": now, "limit": 1}).first() is None:
                return []
        with self._counted() as (connection, reached):
            ids = list(connection.scalars(_DUE, {"now": now, "limit": limit}))
            claimed = [self._claim_one(connection, each, now, reached) for each in ids]
        return [each for each in claimed if each is not None]

    def keep_part(
        self,
        message_id: str,
        number: int,
        gateway: str,
        receipt: GatewayReceipt,
        *,
        now: datetime,
    ) -> None:
        """A gateway has that part. A report on it that came before is taken up."""
        row = {
            "message_id": message_id,
            "number": number,
            "gateway": gateway,
            "gateway_id": _clean_identifier(receipt.gateway_id),
            "state": receipt.state.value,
            "sent_at": now,
        }
        early = and_(
            _reports.gateway == gateway,
            _reports.gateway_id == row["gateway_id"],
            _reports.message_id.is_(None),
        )
        with self._counted() as (connection, reached):
            connection.execute(insert(message_part).values(row))
            reports = connection.execute(select(message_report).where(early)).all()
            connection.execute(update(message_report).where(early).values(message_id=message_id))
            for report in reports:
                state = MessageState(report.state)
                _apply(connection, message_id, number, state, now, reached)

    def settle_sent(self, message_id: str, gateway: str, *, now: datetime) -> MessageState:
        """All its parts are with the gateway; returns what it is by now."""
        sent = update(message).where(
            _columns.id == message_id, _columns.state == MessageState.QUEUED.value
        )
        values = {
            "state": MessageState.SENT.value,
            "gateway": gateway,
            "sent_at": now,
            "last_error": None,
        } | _UNCLAIMED
        with self._counted() as (connection, reached):
            if connection.execute(sent.values(values)).rowcount:
                reached.append((message_id, MessageState.SENT))
            return _settle_by_parts(connection, message_id, now, reached)

    def postpone(self, message_id: str, error: str, *, until: datetime) -> None:
        """Try it again then."""
        values = {"next_attempt_at": until, "last_error": clean_detail(error)} | _UNCLAIMED
        with self._transactions.change(concerns_calls=False) as connection:
            _change_queued(connection, message_id, values)

    def give_up(self, message_id: str, error: str, *, now: datetime) -> None:
        """It is not tried again, unless somebody replays it."""
        values = {
            "state": MessageState.FAILED.value,
            "settled_at": now,
            "last_error": clean_detail(error),
        } | _UNCLAIMED
        with self._counted() as (connection, reached):
            if _change_queued(connection, message_id, values):
                reached.append((message_id, MessageState.FAILED))

    def report(self, gateway: str, report: GatewayReport, *, now: datetime) -> str | None:
        """Keep what a gateway told, and change the message; returns which, or None where no
        message is known by that identifier (yet)."""
        gateway_id = _clean_identifier(report.gateway_id)
        with self._counted() as (connection, reached):
            part = connection.execute(
                select(_parts.message_id, _parts.number)
                .where(_parts.gateway == gateway, _parts.gateway_id == gateway_id)
                .order_by(_parts.sent_at.desc())
                .limit(1)
            ).first()
            message_id = None if part is None else part.message_id
            if _may_keep_report(connection, message_id):
                row = {
                    "id": uuid_utils.uuid7().hex,
                    "gateway": gateway,
                    "gateway_id": gateway_id,
                    "state": report.state.value,
                    "detail": None if report.detail is None else clean_detail(report.detail),
                    "received_at": now,
                    "message_id": message_id,
                }
                connection.execute(insert(message_report).values(row))
            if part is not None:
                _apply(connection, part.message_id, part.number, report.state, now, reached)
        return message_id

    def count_queued(self) -> dict[str, int]:
        """How many wait to be sent, by channel."""
        templates = message_template.c
        query = (
            select(templates.channel, func.count())
            .join_from(message, message_template, templates.id == _columns.template_id)
            .where(_columns.state == literal_column(f"'{MessageState.QUEUED}'"))
            .group_by(templates.channel)
        )
        counted = {channel.value: 0 for channel in Channel}
        with self._transactions.read() as connection:
            counted.update((channel, count) for channel, count in connection.execute(query))
        self.tally.set_queued(counted)
        return counted

    @contextmanager
    def _counted(self) -> Iterator[tuple[Connection, _Reached]]:
        """A transaction, and the messages that come to a state in it, counted once it is done."""
        reached: _Reached = []
        channels: dict[str, str] = {}
        with self._transactions.change(concerns_calls=False) as connection:
            yield connection, reached
            if reached:
                channels = _channels(connection, [message_id for message_id, _ in reached])
        for message_id, state in reached:
            self.tally.count(channels[message_id], state)

    def _claim_one(
        self,
        connection: Connection,
        message_id: str,
        now: datetime,
        reached: _Reached,
    ) -> ClaimedMessage | None:
        row = connection.execute(_claim_query().where(_columns.id == message_id)).one()
        mine = update(message).where(_columns.id == message_id, _is_free(now))
        if now - row.queued_at > self._expires_after:
            expired = {"state": MessageState.EXPIRED.value, "settled_at": now} | _UNCLAIMED
            if connection.execute(mine.values(expired)).rowcount:
                reached.append((message_id, MessageState.EXPIRED))
            return None
        subject, text = self._content(row)
        values = {
            "claimed_by": self._node_id,
            "claimed_until": now + timedelta(seconds=LEASE_S),
            "attempts": row.attempts + 1,
            "channel": row.template_channel,
            "subject": subject,
            "text": text,
        }
        if connection.execute(mine.values(values)).rowcount == 0:
            return None  # another node was quicker
        sent = select(_parts.number).where(_parts.message_id == message_id)
        outgoing = OutgoingMessage(
            message_id=message_id,
            key=f"{message_id}-{row.replays}" if row.replays else message_id,
            channel=Channel(row.template_channel),
            sender=row.sponsor_e164,
            recipient=row.caller_e164 if row.side == Side.CALLER else row.callee_e164,
            subject=subject,
            text=text,
            pictures=_read_pictures(connection, row.template_id) if row.picture_bytes else (),
            queued_at=row.queued_at,
        )
        return ClaimedMessage(outgoing, row.attempts + 1, frozenset(connection.scalars(sent)))

    def _content(self, row: Row[Any]) -> tuple[str, str]:
        """What it says: as it was written at the first attempt, whatever changed since."""
        if row.text is not None:
            return row.subject, row.text
        template = TemplateText(
            channel=Channel(row.template_channel),
            text=row.template_text,
            subject=row.template_subject,
            values=msgspec.json.decode(row.fixed_values, type=dict[str, str]),
        )
        call = EndedCall(
            sponsor=row.sponsor_e164,
            caller=row.caller_e164,
            callee=row.callee_e164,
            begun_at=row.begun_at,
            duration_s=row.duration_s,
        )
        filled = fill_of_call(call, Side(row.side), row.enterprise_name or "", self._place)
        return template.render(filled)


def _change_queued(connection: Connection, message_id: str, values: dict[str, Any]) -> bool:
    where = and_(_columns.id == message_id, _columns.state == MessageState.QUEUED.value)
    return connection.execute(update(message).where(where).values(values)).rowcount > 0


def _channels(connection: Connection, message_ids: Collection[str]) -> dict[str, str]:
    templates = message_template.c
    query = (
        select(_columns.id, templates.channel)
        .join_from(message, message_template, templates.id == _columns.template_id)
        .where(_columns.id.in_(message_ids))
    )
    return {message_id: channel for message_id, channel in connection.execute(query)}


_UNCLAIMED = {"claimed_by": None, "claimed_until": None}


def _clean_identifier(text: str) -> str:
    """What a gateway calls a part, as its columns hold it: nothing bounds what gateways send."""
    return clean_detail(text)[:NAME_CHARACTERS_MAX]


def _is_free(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return and_(
        _columns.state == MessageState.QUEUED.value,
        or_(_columns.claimed_until.is_(None), _columns.claimed_until <= now),
    )


# Made once: it is asked every second.
_DUE = (
    select(_columns.id)
    .where(_is_free(bindparam("now")), _columns.next_attempt_at <= bindparam("now"))
    .order_by(_columns.next_attempt_at)
    .limit(bindparam("limit"))
)


def _claim_query() -> Any:
    calls, templates = table.call.c, message_template.c
    return (
        select(
            message,
            templates.channel.label("template_channel"),
            templates.text.label("template_text"),
            templates.subject.label("template_subject"),
            templates.fixed_values,
            templates.picture_bytes,
            calls.sponsor_e164,
            calls.caller_e164,
            calls.callee_e164,
            calls.begun_at,
            calls.duration_s,
            table.enterprise.c.name.label("enterprise_name"),
        )
        .join(table.call, calls.id == _columns.call_id)
        .join(message_template, templates.id == _columns.template_id)
        .join(table.application, table.application.c.app_id == templates.app_id)
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
    )


def _read_pictures(connection: Connection, template_id: str) -> tuple[Picture, ...]:
    columns = message_picture.c
    query = select(columns.media_type, columns.content).where(columns.template_id == template_id)
    rows = connection.execute(query.order_by(columns.position))
    return tuple(Picture(row.media_type, row.content) for row in rows)


def _may_keep_report(connection: Connection, message_id: str | None) -> bool:
    limit = UNMATCHED_REPORTS_MAX if message_id is None else REPORTS_PER_MESSAGE_MAX
    query = select(_reports.id).where(_reports.message_id == message_id)
    return connection.execute(query.offset(limit - 1).limit(1)).first() is None


def _apply(
    connection: Connection,
    message_id: str,
    number: int,
    state: MessageState,
    now: datetime,
    reached: _Reached,
) -> None:
    """What a report says of a part, where it says more than is known."""
    where = and_(_parts.message_id == message_id, _parts.number == number)
    known = connection.scalar(select(_parts.state).where(where))
    if known is None or state not in REPORTABLE.get(MessageState(known), frozenset()):
        return
    connection.execute(update(message_part).where(where).values(state=state.value))
    _settle_by_parts(connection, message_id, now, reached)


def _settle_by_parts(
    connection: Connection, message_id: str, now: datetime, reached: _Reached
) -> MessageState:
    """A message is what the worst of its parts is, once all of them are with the gateway."""
    query = select(_columns.state, _columns.sent_at).where(_columns.id == message_id)
    row = connection.execute(query).one()
    state = MessageState(row.state)
    if row.sent_at is None:
        return state
    parts = set(connection.scalars(select(_parts.state).where(_parts.message_id == message_id)))
    worst = next(each for each in _WORST_FIRST if each.value in parts)
    if worst not in REPORTABLE.get(state, frozenset()):
        return state
    change = update(message).where(_columns.id == message_id, _columns.state == state.value)
    if connection.execute(change.values(state=worst.value, settled_at=now)).rowcount:
        reached.append((message_id, worst))
    return worst


_WORST_FIRST = (
    MessageState.FAILED,
    MessageState.EXPIRED,
    MessageState.SENT,
    MessageState.DELIVERED,
)
