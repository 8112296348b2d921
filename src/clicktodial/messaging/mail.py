"""Mail to people: an outbox in the database, so that a mail is as durable as what it tells of.

`queue_mail` adds a row in the caller's transaction; `mail_sender` sends what waits. With the
embedded mailbox nothing leaves, and the rows themselves are what is read.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import people_table as table
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# Subjects are made of names and a few words of ours.
SUBJECT_CHARACTERS_MAX = NAME_CHARACTERS_MAX
# Notices of some paragraphs; what is longer belongs behind a link.
TEXT_CHARACTERS_MAX = 16_384
# A day's notices of a large platform. Beyond it the mail server has been away for long, and what
# comes is given up at once, and kept.
WAITING_MAX = 10_000
# Of those that are sent or given up the newest so many are kept.
KEPT_MAX = 10_000
LISTED_MAX = 1_000


class MailState(StrEnum):
    """What became of a mail."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. `text` is empty once a server has taken it: it may hold links that open doors."""

    mail_id: str
    to: str
    subject: str
    text: str
    state: MailState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    sent_at: datetime | None
    last_error: str | None

    def __repr__(self) -> str:
        return f"Mail({self.mail_id!r})"


def queue_mail(connection: Connection, *, to: str, subject: str, text: str, now: datetime) -> None:
    """Send the mail once the caller's transaction is committed. Raises ValueInvalid.

    Where WAITING_MAX wait already it is given up at once, and kept: what it tells of must not
    fail for that.
    """
    try:
        recipient = parse_email(to)
    except EmailError as error:
        raise ValueInvalid(words_of(error)) from error
    if not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        raise ValueInvalid(
            worded("a subject has 1-%(most)s printable characters", most=SUBJECT_CHARACTERS_MAX)
        )
    if not 0 < len(text) <= TEXT_CHARACTERS_MAX or not _is_text(text):
        raise ValueInvalid(
            worded(
                "a mail has 1-%(most)s printable characters and new lines", most=TEXT_CHARACTERS_MAX
            )
        )
    mail_id = uuid_utils.uuid7().hex
    has_room = _count_waiting(connection) < WAITING_MAX
    if not has_room:
        log.error("mail.outbox_full", mail_id=mail_id)
    connection.execute(
        insert(table.mail).values(
            id=mail_id,
            recipient=recipient,
            subject=subject,
            text=text,
            state=MailState.WAITING if has_room else MailState.GIVEN_UP,
            attempts=0,
            created_at=now,
            next_attempt_at=now if has_room else None,
            last_error=None if has_room else "too many mails wait",
        )
    )


def _count_waiting(connection: Connection) -> int:
    columns = table.mail.c
    some = select(columns.id).where(columns.state == MailState.WAITING).limit(WAITING_MAX)
    return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def _is_text(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


# Made once: it is asked every second, and mostly answers that there is none.
_DUE = (
    select(table.mail)
    .where(
        table.mail.c.state == MailState.WAITING, table.mail.c.next_attempt_at <= bindparam("now")
    )
    .order_by(table.mail.c.next_attempt_at)
    .limit(bindparam("limit"))
)


class MailOutbox:
    """The table of mails. All methods block, and raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def claim_due(self, *, now: datetime, again_at: datetime, limit: int) -> list[Mail]:
        """Those that are due, the longest waiting first, each counted as tried.

        They are this caller's until `again_at`; one whose sender dies is tried again then.
        """
        columns = table.mail.c
        with self._transactions.read() as connection:
            rows = connection.execute(_DUE, {"now": now, "limit": limit}).all()
        if not rows:
            return []
        claimed = []
        with self._transactions.change(concerns_calls=False) as connection:
            for row in rows:
                claim = (
                    update(table.mail)
                    .where(
                        columns.id == row.id,
                        columns.state == MailState.WAITING,
                        columns.attempts == row.attempts,
                    )
                    .values(attempts=row.attempts + 1, next_attempt_at=again_at)
                )
                if connection.execute(claim).rowcount == 1:  # else another node was quicker
                    claimed.append(_mail(row, attempts=row.attempts + 1))
        return claimed

    def note_sent(self, mail_id: str, now: datetime, *, keep_text: bool) -> None:
        """It is sent."""
        values: dict[str, object] = {
            "state": MailState.SENT,
            "sent_at": now,
            "next_attempt_at": None,
            "last_error": None,
        }
        self._change(mail_id, values if keep_text else values | {"text": ""})

    def note_failed(self, mail_id: str, error: str, *, retry_at: datetime | None) -> None:
        """It was not; None gives it up."""
        state = MailState.GIVEN_UP if retry_at is None else MailState.WAITING
        detail = error[:DETAIL_CHARACTERS_MAX]
        self._change(mail_id, {"state": state, "next_attempt_at": retry_at, "last_error": detail})

    def list_mails(self, *, limit: int, before: str | None = None) -> list[Mail]:
        """The newest first, at most LISTED_MAX; those `before` the mail of that identifier."""
        columns = table.mail.c
        query = select(table.mail).order_by(columns.id.desc()).limit(min(limit, LISTED_MAX))
        if before is not None:
            query = query.where(columns.id < before)
        with self._transactions.read() as connection:
            return [_mail(row) for row in connection.execute(query)]

    def show_mail(self, mail_id: str) -> Mail:
        """One mail. Raises NotFound."""
        query = select(table.mail).where(table.mail.c.id == mail_id)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("there is no such mail")
        return _mail(row)

    def drop_oldest(self) -> int:
        """Keep the newest KEPT_MAX of those that wait no longer; returns how many went."""
        columns = table.mail.c
        is_done = columns.state != MailState.WAITING
        newest_to_go = (
            select(columns.id).where(is_done).order_by(columns.id.desc()).offset(KEPT_MAX).limit(1)
        )
        with self._transactions.change(concerns_calls=False) as connection:
            last = connection.execute(newest_to_go).scalar()
            if last is None:
                return 0
            gone = connection.execute(delete(table.mail).where(is_done, columns.id <= last))
            return gone.rowcount

    def _change(self, mail_id: str, values: dict[str, object]) -> None:
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(
                update(table.mail).where(table.mail.c.id == mail_id).values(**values)
            )


def _mail(row: Row[Any], *, attempts: int | None = None) -> Mail:
    return Mail(
        mail_id=row.id,
        to=row.recipient,
        subject=row.subject,
        text=row.text,
        state=MailState(row.state),
        attempts=row.attempts if attempts is None else attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        sent_at=row.sent_at,
        last_error=row.last_error,
    )
