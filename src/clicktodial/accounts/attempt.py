"""Attempts that are counted, each before it is made, so that those made at once are counted too."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from clicktodial.accounts.error import TooManyAttempts
from clicktodial.domain.throttle import FORGOTTEN_AFTER_S, Throttle
from clicktodial.storage import people_table as table
from clicktodial.storage.error import AlreadyExists
from clicktodial.storage.statement import insert_if_absent
from clicktodial.storage.transaction import Transactions

# Some 20 MB. Beyond it the oldest are forgotten: guessing from so many addresses at so many
# accounts is nothing that counting could stop.
SUBJECTS_MAX = 100_000
_columns = table.attempt.c


@dataclass(frozen=True, slots=True)
class Subject:
    """What attempts are counted of: `kind` and `name` say whose, `throttle` how many may be."""

    kind: str
    name: str
    throttle: Throttle

    @property
    def hash(self) -> str:
        """Names that were tried may be passwords in the wrong field: they are not stored."""
        return hashlib.sha256(f"{self.kind}:{self.name}".encode("utf-8", "replace")).hexdigest()


@contextmanager
def attempt_transaction(transactions: Transactions) -> Iterator[Connection]:
    """One in which attempts are counted. Raises TooManyAttempts where somebody else makes the
    first one of the same subject at this very moment."""
    try:
        with transactions.change(concerns_calls=False) as connection:
            yield connection
    except AlreadyExists as error:
        raise TooManyAttempts(1) from error


def count_attempts(connection: Connection, subjects: Sequence[Subject], now: datetime) -> None:
    """Count one attempt of each, in an `attempt_transaction`. Raises TooManyAttempts, and then
    counts nothing, where one of them must still wait."""
    # Before any is read: one that went after that would look as if somebody else had counted it.
    _drop_old(connection, now)
    known = [_hold(connection, each, now) for each in subjects]
    blocked_until = max(blocked_until for _, blocked_until in known)
    if blocked_until > now:
        raise TooManyAttempts(math.ceil((blocked_until - now).total_seconds()))
    for each, (made, _) in zip(subjects, known, strict=True):
        _count(connection, each, made, now)


def forget_attempts(connection: Connection, subject: Subject) -> None:
    """It succeeded, or began anew."""
    connection.execute(delete(table.attempt).where(_columns.subject_hash == subject.hash))


def uncount_attempt(connection: Connection, subject: Subject) -> None:
    """The last one succeeded; those before it stay counted."""
    connection.execute(
        update(table.attempt)
        .where(_columns.subject_hash == subject.hash, _columns.made > 0)
        .values(made=_columns.made - 1, blocked_until=_columns.last_at)
    )


def _hold(connection: Connection, subject: Subject, now: datetime) -> tuple[int, datetime]:
    """How many were made, and until when the next has to wait. Whoever counts at this very moment
    is waited for, and whoever comes after waits for this transaction."""
    connection.execute(
        insert_if_absent(table.attempt, connection.dialect).values(
            subject_hash=subject.hash, made=0, last_at=now, blocked_until=now
        )
    )
    query = (
        select(_columns.made, _columns.blocked_until)
        .where(_columns.subject_hash == subject.hash)
        .with_for_update()
    )
    row = connection.execute(query).first()
    if row is None:
        raise TooManyAttempts(1)  # somebody else was right, or forgot it, at this very moment
    return row.made, row.blocked_until


def _count(connection: Connection, subject: Subject, known: int, now: datetime) -> None:
    count = known + 1
    connection.execute(
        update(table.attempt)
        .where(_columns.subject_hash == subject.hash)
        .values(
            made=count,
            last_at=now,
            blocked_until=now + timedelta(seconds=subject.throttle.wait_s(count)),
        )
    )


def _drop_old(connection: Connection, now: datetime) -> None:
    forgotten = now - timedelta(seconds=FORGOTTEN_AFTER_S)
    connection.execute(delete(table.attempt).where(_columns.last_at < forgotten))
    oldest_to_go = (
        select(_columns.last_at).order_by(_columns.last_at.desc()).offset(SUBJECTS_MAX).limit(1)
    )
    last = connection.execute(oldest_to_go).scalar()
    if last is not None:
        connection.execute(delete(table.attempt).where(_columns.last_at <= last))
