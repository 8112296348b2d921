"""Files that customers and support attach to what they write in a ticket.

They are kept like a customer's documents, in the same store: sealed, of a kind that was proved, and
erased when the enterprise has ended long enough. A file belongs to a step of the history, and is
written in its transaction; one that is attached to a note stays among the operator's people.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, exists, func, insert, select, update

from clicktodial.accounts.document_content import InspectedDocument, MediaType, inspect_document
from clicktodial.accounts.document_store import DocumentFileError, DocumentStore
from clicktodial.accounts.ticket import Tickets
from clicktodial.accounts.ticket_store import KeptStep, TicketFile
from clicktodial.domain.principal import Principal
from clicktodial.domain.ticket import TicketAction
from clicktodial.domain.wording import worded
from clicktodial.storage.error import Conflict, NotFound
from clicktodial.storage.ticket_table import ticket, ticket_attachment
from clicktodial.storage.transaction import Transactions

# Screenshots and a bill or two; each may be of 8 MB.
OF_TICKET_MAX = 30
# What a script of a customer's may fill the disk with: some gigabytes.
OF_ENTERPRISE_MAX = 500
# What fits the heading of its page; a longer name is cut.
NAME_CHARACTERS_MAX = 120
_UNNAMED = "file"
_columns = ticket_attachment.c


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a ticket, without its content. `seq` is the step that it came with."""

    attachment_id: str
    ticket_id: str
    seq: int
    name: str
    media_type: MediaType
    size_bytes: int


# Says what is to be done with a ticket, and hands on what else belongs to the step.
Say = Callable[[Callable[[Connection, TicketFile], None]], TicketFile]


class TicketAttachments:
    """All methods block, and raise AdministrationError, DatabaseUnavailable and
    DocumentFileError."""

    def __init__(self, transactions: Transactions, tickets: Tickets, store: DocumentStore) -> None:
        self._transactions = transactions
        self._tickets = tickets
        self._store = store

    def attach(
        self,
        principal: Principal,
        ticket_id: str,
        *,
        name: str,
        content: bytes,
        say: Say,
        now: datetime,
    ) -> TicketFile:
        """Do with the ticket what `say` does, with a file. Raises DocumentRefused."""
        # Whoever may not see it shall not write to the disk.
        self._tickets.show(principal, ticket_id)
        inspected = inspect_document(content)
        attachment_id = uuid_utils.uuid7().hex
        # Before the row, which must never lack its file; one without a row is swept away.
        self._store.write(attachment_id, inspected.content)
        is_kept = False
        try:
            file = say(
                lambda connection, file: _insert(
                    connection, file, attachment_id, shorten_name(name), inspected, now
                )
            )
            is_kept = True
        finally:
            if not is_kept:
                self._store.erase(attachment_id)
        return file

    def list_of(self, principal: Principal, ticket_id: str) -> list[Attachment]:
        """Those of the steps that somebody may see, in their order."""
        file = self._tickets.show(principal, ticket_id).file
        seen = {each.seq for each in file.steps if _is_for(principal, each)}
        query = (
            select(ticket_attachment)
            .where(_columns.ticket_id == ticket_id, _columns.erased_at.is_(None))
            .order_by(_columns.id)
        )
        with self._transactions.read() as connection:
            found = [_attachment_of(row) for row in connection.execute(query)]
        return [each for each in found if each.seq in seen]

    def open(
        self, principal: Principal, ticket_id: str, attachment_id: str
    ) -> tuple[Attachment, str, bytes]:
        """One of them, the enterprise whose it is, and its content."""
        found = [
            each
            for each in self.list_of(principal, ticket_id)
            if each.attachment_id == attachment_id
        ]
        if not found:
            raise NotFound("there is no such file")
        query = (
            select(_columns.sha256, ticket.c.enterprise_id)
            .join(ticket, ticket.c.id == _columns.ticket_id)
            .where(_columns.id == attachment_id)
        )
        with self._transactions.read() as connection:
            row = connection.execute(query).one()
        content = self._store.read(attachment_id)
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), row.sha256):
            raise DocumentFileError("a file of a ticket is not what was uploaded")
        return found[0], row.enterprise_id, content


def shorten_name(name: str) -> str:
    """What a file is called in front of people: of what a browser sends, its last part without the
    ending, which the proved type gives."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, _, suffix = last.rpartition(".")
    stem = stem if stem and len(suffix) <= 5 else last
    printable = "".join(each for each in stem if each.isprintable()).strip()
    return printable[:NAME_CHARACTERS_MAX] or _UNNAMED


def erase_attachments(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """Give the files of all its tickets free; the sweep of the store removes them."""
    of_enterprise = select(ticket.c.id).where(ticket.c.enterprise_id == enterprise_id)
    connection.execute(
        update(ticket_attachment)
        .where(_columns.ticket_id.in_(of_enterprise), _columns.erased_at.is_(None))
        .values(erased_at=now, name=_UNNAMED)
    )


def has_attachments(enterprise_id: Any) -> Any:
    """Whether something of the enterprise that the column names is left."""
    return exists().where(
        ticket.c.enterprise_id == enterprise_id,
        _columns.ticket_id == ticket.c.id,
        _columns.erased_at.is_(None),
    )


def is_kept(connection: Connection, attachment_id: str) -> bool:
    """Whether a file of the store is one of these, and not erased."""
    query = select(_columns.id).where(_columns.id == attachment_id, _columns.erased_at.is_(None))
    return connection.scalar(query) is not None


def _insert(
    connection: Connection,
    file: TicketFile,
    attachment_id: str,
    name: str,
    inspected: InspectedDocument,
    now: datetime,
) -> None:
    of_ticket = select(func.count()).where(_columns.ticket_id == file.ticket_id)
    if (connection.scalar(of_ticket) or 0) >= OF_TICKET_MAX:
        raise Conflict(worded("a ticket has at most %(most)s files", most=OF_TICKET_MAX))
    of_enterprise = (
        select(func.count())
        .select_from(ticket_attachment.join(ticket, ticket.c.id == _columns.ticket_id))
        .where(ticket.c.enterprise_id == file.enterprise_id, _columns.erased_at.is_(None))
    )
    if (connection.scalar(of_enterprise) or 0) >= OF_ENTERPRISE_MAX:
        raise Conflict(
            worded(
                "the tickets of an enterprise have at most %(most)s files", most=OF_ENTERPRISE_MAX
            )
        )
    connection.execute(
        insert(ticket_attachment).values(
            id=attachment_id,
            ticket_id=file.ticket_id,
            seq=len(file.steps),
            name=name,
            media_type=inspected.media_type.value,
            size_bytes=len(inspected.content),
            sha256=hashlib.sha256(inspected.content).hexdigest(),
            created_at=now,
        )
    )


def _is_for(principal: Principal, kept: KeptStep) -> bool:
    return principal.enterprise_id is None or kept.step.action is not TicketAction.NOTE


def _attachment_of(row: Row[Any]) -> Attachment:
    return Attachment(
        row.id, row.ticket_id, row.seq, row.name, MediaType(row.media_type), row.size_bytes
    )
