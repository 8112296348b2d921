"""Who did what: the audit log. Rows are added and never changed; they hold no bodies and no
secrets, and of telephone numbers only what `mask_number` leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import uuid_utils
from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, tuple_

from clicktodial.domain.principal import Principal
from clicktodial.storage import people_table as table
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX, WORD_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions

DONE = "done"
READ = "read"
# What a request names: identifiers, in its path and of what it made. Each is cut where it is
# longer than an identifier may be, since it comes from outside, and so is whose it is.
SUBJECTS_MAX = 8
LISTED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done, or refused: `outcome` is DONE, READ or a problem's code.

    `subjects` are what it was about, by name; `enterprise_id` whose it was, where it is one's.
    """

    at: datetime
    principal: str
    roles: tuple[str, ...]
    address: str
    operation: str
    subjects: Mapping[str, str] = field(default_factory=dict)
    enterprise_id: str | None = None
    outcome: str = DONE
    audit_id: str = ""


def add_entry(connection: Connection, entry: AuditEntry) -> None:
    """Append, within the caller's transaction."""
    connection.execute(
        insert(table.audit).values(
            id=uuid_utils.uuid7().hex,
            at=entry.at,
            principal=_cut(entry.principal),
            roles=",".join(entry.roles),
            address=_cut(entry.address),
            operation=_cut(entry.operation),
            subjects=msgspec.json.encode(_bound(entry.subjects)).decode(),
            enterprise_id=None if entry.enterprise_id is None else _cut(entry.enterprise_id),
            outcome=entry.outcome[:WORD_CHARACTERS_MAX],
        )
    )


def note_access(
    connection: Connection,
    *,
    principal: Principal,
    operation: str,
    subjects: Mapping[str, str],
    enterprise_id: str | None,
    now: datetime,
    address: str = "",
) -> None:
    """Tell that something was read whose reading must be known: a document, a whole number.

    In a transaction that writes; whoever reads gets to see it only when that is committed.
    """
    add_entry(
        connection,
        AuditEntry(
            at=now,
            principal=principal.name,
            roles=tuple(sorted(principal.roles)),
            address=address,
            operation=operation,
            subjects=subjects,
            enterprise_id=enterprise_id,
            outcome=READ,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; None is any. `until` is the first moment that is too late."""

    principal: str | None = None
    operation: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    """The log as a whole. All methods block, and raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append, each durable when this returns."""
        with self._transactions.change(concerns_calls=False) as connection:
            for entry in entries:
                add_entry(connection, entry)

    def list_entries(
        self,
        *,
        limit: int,
        enterprise_id: str | None = None,
        before: str | None = None,
        which: AuditFilter = AuditFilter(),
    ) -> list[AuditEntry]:
        """The newest first, at most LISTED_MAX; of one enterprise alone, those `before` an
        entry of that identifier, and those that are wanted.

        Whatever is wanted, an index has it in this order, so that a page costs what it shows."""
        columns = table.audit.c
        query = select(table.audit).order_by(columns.at.desc(), columns.id.desc())
        query = query.limit(min(limit, LISTED_MAX))
        if enterprise_id is not None:
            whose: ColumnElement[str | None] = columns.enterprise_id
            if which.principal is not None:
                # Hidden from the planner: what somebody did is less than what all of them did.
                whose = func.coalesce(columns.enterprise_id, "")
            query = query.where(whose == enterprise_id)
        if which.principal is not None:
            query = query.where(columns.principal == which.principal)
        if which.operation is not None:
            query = query.where(columns.operation == which.operation)
        if which.since is not None:
            query = query.where(columns.at >= which.since)
        if which.until is not None:
            query = query.where(columns.at < which.until)
        with self._transactions.read() as connection:
            if before is not None:
                at = connection.scalar(select(columns.at).where(columns.id == before))
                if at is None:
                    return []
                place = tuple_(columns.at, columns.id) < tuple_(
                    literal(at, columns.at.type), literal(before)
                )
                # The first says no more than the second, in a way for which each has an index.
                query = query.where(columns.at <= at, place)
            return [
                AuditEntry(
                    at=row.at,
                    principal=row.principal,
                    roles=tuple(row.roles.split(",")) if row.roles else (),
                    address=row.address,
                    operation=row.operation,
                    subjects=msgspec.json.decode(row.subjects, type=dict[str, str]),
                    enterprise_id=row.enterprise_id,
                    outcome=row.outcome,
                    audit_id=row.id,
                )
                for row in connection.execute(query)
            ]


def _bound(subjects: Mapping[str, str]) -> dict[str, str]:
    return {_cut(name): _cut(value) for name, value in list(subjects.items())[:SUBJECTS_MAX]}


def _cut(text: str) -> str:
    """As a column takes it: PostgreSQL's hold no NUL."""
    return text[:IDENTIFIER_CHARACTERS_MAX].replace("\0", "\ufffd")
