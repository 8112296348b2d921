"""The end of personal data: what is known of a customer is erased so many days after its end."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Select, or_, select, update
from sqlalchemy import delete as delete_from

from clicktodial.accounts.document import set_erased
from clicktodial.accounts.document_store import DocumentFileError, DocumentStore
from clicktodial.accounts.ticket_attachment import (
    erase_attachments,
    has_attachments,
    is_kept,
)
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.storage import table
from clicktodial.storage.business_table import (
    customer_data,
    document,
    enterprise_change,
    intention,
    qualification_review,
)
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# In one go of the task.
ENTERPRISES_MAX = 20
FILES_MAX = 500
# A file without a row is that of an upload under way, which takes seconds, or of one that died.
ORPHAN_AFTER = timedelta(hours=1)


class PersonalDataEraser:
    """Erases what is kept no longer. Raises DatabaseUnavailable."""

    def __init__(
        self, transactions: Transactions, store: DocumentStore, *, retention: timedelta
    ) -> None:
        """`retention` begins when an enterprise is cancelled."""
        self._transactions = transactions
        self._store = store
        self._retention = retention

    def erase_due(self, now: datetime) -> int:
        """Erase what is due, and what an earlier try left; returns how many files are gone."""
        with self._transactions.read() as connection:
            due = list(connection.scalars(_query_due(now - self._retention)))
        for enterprise_id in due:
            with self._transactions.change(concerns_calls=False) as connection:
                _erase_rows(connection, enterprise_id, now)
        if due:
            log.info("personal_data.erased", enterprises=len(due))
        return self._erase_files(now) + self._erase_orphans(now)

    def _erase_files(self, now: datetime) -> int:
        columns = document.c
        query = (
            select(columns.id)
            .where(columns.removed_at.is_not(None), columns.erased_at.is_(None))
            .where(columns.reviewed_at.is_(None))
            .limit(FILES_MAX)
        )
        with self._transactions.read() as connection:
            ids = list(connection.scalars(query))
        return sum(self._erase_file(document_id, now) for document_id in ids)

    def _erase_file(self, document_id: str, now: datetime) -> bool:
        try:
            self._store.erase(document_id)
        except DocumentFileError as error:
            log.error("document.not_erased", document_id=document_id, detail=str(error))
            return False
        with self._transactions.change(concerns_calls=False) as connection:
            set_erased(connection, document_id, now)
        return True

    def _erase_orphans(self, now: datetime) -> int:
        """Files that no row tells of any more, or never did."""
        old = list(self._store.find_older_than((now - ORPHAN_AFTER).timestamp()))
        erased = 0
        for document_id, path in old:
            with self._transactions.read() as connection:
                query = select(document.c.erased_at).where(document.c.id == document_id)
                row = connection.execute(query).first()
                is_document = row is not None and row.erased_at is None
                is_orphan = not is_document and not is_kept(connection, document_id)
            # A draft that is this old belongs to nobody, whether the document was kept or not.
            if is_orphan or path.name.startswith("."):
                path.unlink(missing_ok=True)
                erased += 1
        return erased


def _query_due(before: datetime) -> Select[Any]:
    """Enterprises that ended before then, and of which something is left."""
    columns = table.enterprise.c
    left = or_(
        select(customer_data.c.enterprise_id)
        .where(customer_data.c.enterprise_id == columns.id)
        .exists(),
        select(document.c.id)
        .where(document.c.enterprise_id == columns.id, document.c.erased_at.is_(None))
        .where(or_(document.c.reviewed_at.is_not(None), document.c.removed_at.is_(None)))
        .exists(),
        select(intention.c.id)
        .where(intention.c.enterprise_id == columns.id, intention.c.contact_encrypted != b"")
        .exists(),
        select(qualification_review.c.id)
        .where(
            qualification_review.c.enterprise_id == columns.id,
            qualification_review.c.snapshot_encrypted.is_not(None),
        )
        .exists(),
        # Of an enterprise that has no data of its own: what it asked for was never carried out.
        select(enterprise_change.c.id)
        .where(
            enterprise_change.c.enterprise_id == columns.id,
            enterprise_change.c.changes_encrypted.is_not(None),
        )
        .exists(),
        select(ticket.c.id)
        .where(ticket.c.enterprise_id == columns.id, ticket.c.contact_encrypted.is_not(None))
        .exists(),
        has_attachments(columns.id),
    )
    return (
        select(columns.id)
        .where(columns.state == EnterpriseState.CANCELLED.value, columns.state_since < before)
        .where(left)
        .order_by(columns.state_since)
        .limit(ENTERPRISES_MAX)
    )


def _erase_rows(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """All that is sealed of it; files are only given free."""
    connection.execute(
        delete_from(customer_data).where(customer_data.c.enterprise_id == enterprise_id)
    )
    connection.execute(
        update(intention)
        .where(intention.c.enterprise_id == enterprise_id)
        .values(contact_encrypted=b"")
    )
    connection.execute(
        update(qualification_review)
        .where(qualification_review.c.enterprise_id == enterprise_id)
        .values(snapshot_encrypted=None)
    )
    connection.execute(
        update(enterprise_change)
        .where(enterprise_change.c.enterprise_id == enterprise_id)
        .values(changes_encrypted=None)
    )
    connection.execute(
        update(ticket).where(ticket.c.enterprise_id == enterprise_id).values(contact_encrypted=None)
    )
    erase_attachments(connection, enterprise_id, now)
    kept = update(document).where(document.c.enterprise_id == enterprise_id)
    connection.execute(
        kept.where(document.c.removed_at.is_(None)).values(removed_at=now, removed_by="platform")
    )
    connection.execute(kept.values(reviewed_at=None))
