"""Customers' documents: uploaded by kind, checked, sealed, read by few and only with a trace."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, func, insert, select, update

from clicktodial.accounts.customer_data import (
    READING_ROLES,
    WRITING_ROLES,
    note_reading,
    read_customer_data,
)
from clicktodial.accounts.document_content import InspectedDocument, MediaType, inspect_document
from clicktodial.accounts.document_store import DocumentFileError, DocumentStore
from clicktodial.accounts.scope import require_visible
from clicktodial.domain.customer import SEVERAL_MAX, DocumentKind, find_missing, is_single
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage.business_table import document
from clicktodial.storage.error import Conflict, NotFound, NotPermitted
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

# All that was ever uploaded for an enterprise and is still on disk: enough for every kind and a
# dozen tries, and some 500 MB at most.
DOCUMENTS_ON_DISK_MAX = 64
_columns = document.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document. One that `is_current` counts; others are kept as part of a review."""

    document_id: str
    enterprise_id: str
    kind: DocumentKind
    media_type: MediaType
    size_bytes: int
    sha256: str
    uploaded_by: str
    uploaded_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class DocumentContent:
    """A document, opened."""

    document: Document
    content: bytes = field(repr=False)


class Documents:
    """What people do with documents. All methods raise AdministrationError and DocumentFileError;
    `upload` DocumentRefused, too."""

    def __init__(
        self, transactions: Transactions, vault: SecretVault, store: DocumentStore
    ) -> None:
        self._transactions = transactions
        self._vault = vault
        self._store = store

    def upload(
        self,
        principal: Principal,
        enterprise_id: str,
        *,
        kind: DocumentKind,
        content: bytes,
        now: datetime,
    ) -> Document:
        """Take a document up; a card's side replaces the one before."""
        if not principal.has_any(WRITING_ROLES):
            raise NotPermitted
        with self._transactions.read() as connection:
            self._require_open(connection, principal, enterprise_id)
        inspected = inspect_document(content)
        document_id = uuid_utils.uuid7().hex
        # Before the row: a row whose file is missing would be worse than a file without a row,
        # which the retention's sweep removes.
        self._store.write(document_id, inspected.content)
        is_kept = False
        try:
            replaced = self._insert(principal, enterprise_id, document_id, kind, inspected, now)
            is_kept = True
        finally:
            if not is_kept:
                self._store.erase(document_id)
        for each in replaced:
            self._erase(each, now)
        with self._transactions.read() as connection:
            return _document_of(_find(connection, document_id))

    def list_documents(
        self, principal: Principal, enterprise_id: str
    ) -> tuple[list[Document], tuple[str, ...]]:
        """Those that count, and the names of data and documents that are still missing."""
        if not principal.has_any(READING_ROLES):
            raise NotPermitted
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            documents = read_current_documents(connection, enterprise_id)
            data = read_customer_data(connection, self._vault, enterprise_id).data
        return documents, find_missing(data, {each.kind for each in documents})

    def describe(
        self, principal: Principal, enterprise_id: str, ids: Sequence[str]
    ) -> list[Document]:
        """Those of an enterprise, as they were reviewed once, by kind; without what was erased."""
        if not principal.has_any(READING_ROLES):
            raise NotPermitted
        query = select(document).where(
            _columns.enterprise_id == enterprise_id,
            _columns.id.in_(ids),
            _columns.erased_at.is_(None),
        )
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            found = [_document_of(row) for row in connection.execute(query)]
        order = list(DocumentKind)
        return sorted(found, key=lambda each: (order.index(each.kind), each.document_id))

    def open(
        self,
        principal: Principal,
        enterprise_id: str,
        document_id: str,
        *,
        purpose: str,
        now: datetime,
    ) -> DocumentContent:
        """Its content, once the reading is noted."""
        if not principal.has_any(READING_ROLES):
            raise NotPermitted
        with self._transactions.change(concerns_calls=False) as connection:
            row = _require(connection, principal, enterprise_id, document_id)
            if row.erased_at is not None or (row.removed_at and row.reviewed_at is None):
                raise NotFound(
                    worded("there is no document %(document_id)s", document_id=document_id)
                )
            note_reading(
                connection,
                principal,
                "readDocument",
                {"document_id": document_id},
                enterprise_id,
                purpose=purpose,
                now=now,
            )
        content = self._store.read(document_id)
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), row.sha256):
            raise DocumentFileError("a document is not what was uploaded")
        return DocumentContent(_document_of(row), content)

    def remove(
        self, principal: Principal, enterprise_id: str, document_id: str, *, now: datetime
    ) -> None:
        """Take it away before a review; what was reviewed once stays until all is erased."""
        if not principal.has_any(WRITING_ROLES):
            raise NotPermitted
        with self._transactions.change(concerns_calls=False) as connection:
            row = _require(connection, principal, enterprise_id, document_id)
            enterprise = require_visible(connection, principal, enterprise_id)
            if EnterpriseState(enterprise.state) is not EnterpriseState.PROSPECT:
                raise Conflict(worded("the enterprise is %(state)s", state=enterprise.state))
            if row.removed_at is not None:
                raise NotFound(
                    worded("there is no document %(document_id)s", document_id=document_id)
                )
            _set_removed(connection, [document_id], by=principal.name, now=now)
        if row.reviewed_at is None:
            self._erase(document_id, now)

    def _require_open(
        self, connection: Connection, principal: Principal, enterprise_id: str
    ) -> None:
        row = require_visible(connection, principal, enterprise_id)
        if EnterpriseState(row.state) in (EnterpriseState.IN_REVIEW, EnterpriseState.CANCELLED):
            raise Conflict(worded("the enterprise is %(state)s", state=EnterpriseState(row.state)))
        on_disk = select(func.count()).where(
            _columns.enterprise_id == enterprise_id, _columns.erased_at.is_(None)
        )
        if connection.scalars(on_disk).one() >= DOCUMENTS_ON_DISK_MAX:
            raise Conflict(
                worded("an enterprise has at most %(most)s documents", most=DOCUMENTS_ON_DISK_MAX)
            )

    def _insert(
        self,
        principal: Principal,
        enterprise_id: str,
        document_id: str,
        kind: DocumentKind,
        inspected: InspectedDocument,
        now: datetime,
    ) -> list[str]:
        """Returns those of which the files are needed no longer."""
        row = {
            "id": document_id,
            "enterprise_id": enterprise_id,
            "kind": kind.value,
            "media_type": inspected.media_type.value,
            "size_bytes": len(inspected.content),
            "sha256": hashlib.sha256(inspected.content).hexdigest(),
            "uploaded_by": principal.name,
            "uploaded_at": now,
        }
        with self._transactions.change(concerns_calls=False) as connection:
            self._require_open(connection, principal, enterprise_id)
            before = [
                each
                for each in read_current_documents(connection, enterprise_id)
                if each.kind is kind
            ]
            replaced = [each.document_id for each in before] if is_single(kind) else []
            if len(before) - len(replaced) >= SEVERAL_MAX:
                raise Conflict(
                    worded("there are %(most)s documents of that kind already", most=SEVERAL_MAX)
                )
            _set_removed(connection, replaced, by=principal.name, now=now)
            connection.execute(insert(document).values(row))
            unreviewed = select(_columns.id).where(
                _columns.id.in_(replaced), _columns.reviewed_at.is_(None)
            )
            return list(connection.scalars(unreviewed))

    def _erase(self, document_id: str, now: datetime) -> None:
        """The file first: where that fails, the retention's task tries again."""
        self._store.erase(document_id)
        with self._transactions.change(concerns_calls=False) as connection:
            set_erased(connection, document_id, now)


def read_current_documents(connection: Connection, enterprise_id: str) -> list[Document]:
    """Those that count, by kind and time."""
    query = (
        select(document)
        .where(_columns.enterprise_id == enterprise_id, _columns.removed_at.is_(None))
        .order_by(_columns.kind, _columns.id)
    )
    return [_document_of(row) for row in connection.execute(query)]


def set_reviewed(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """Those that count are part of a review from now on."""
    connection.execute(
        update(document)
        .where(_columns.enterprise_id == enterprise_id, _columns.removed_at.is_(None))
        .where(_columns.reviewed_at.is_(None))
        .values(reviewed_at=now)
    )


def set_erased(connection: Connection, document_id: str, now: datetime) -> None:
    """Its file is gone."""
    connection.execute(update(document).where(_columns.id == document_id).values(erased_at=now))


def _set_removed(connection: Connection, ids: list[str], *, by: str, now: datetime) -> None:
    change = update(document).where(_columns.id.in_(ids))
    connection.execute(change.values(removed_by=by, removed_at=now))


def _find(connection: Connection, document_id: str) -> Row[Any]:
    row = connection.execute(select(document).where(_columns.id == document_id)).first()
    if row is None:
        raise NotFound(worded("there is no document %(document_id)s", document_id=document_id))
    return row


def _require(
    connection: Connection, principal: Principal, enterprise_id: str, document_id: str
) -> Row[Any]:
    require_visible(connection, principal, enterprise_id)
    row = _find(connection, document_id)
    if row.enterprise_id != enterprise_id:
        raise NotFound(worded("there is no document %(document_id)s", document_id=document_id))
    return row


def _document_of(row: Row[Any]) -> Document:
    return Document(
        document_id=row.id,
        enterprise_id=row.enterprise_id,
        kind=DocumentKind(row.kind),
        media_type=MediaType(row.media_type),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        uploaded_by=row.uploaded_by,
        uploaded_at=row.uploaded_at,
        is_current=row.removed_at is None,
    )
