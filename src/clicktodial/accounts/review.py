"""The qualification review: submitted when all is there, decided by a work order, with a snapshot
of what was reviewed. click-to-dial-v1 2, "Enterprise Qualification Review"."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import uuid_utils
from sqlalchemy import Connection, Row, insert, select

from clicktodial.accounts.activation import open_activation
from clicktodial.accounts.customer_data import (
    READING_ROLES,
    WRITING_ROLES,
    note_reading,
    read_customer_data,
)
from clicktodial.accounts.document import read_current_documents, set_reviewed
from clicktodial.accounts.notice import tell_customer
from clicktodial.accounts.scope import require_visible
from clicktodial.accounts.work_order import (
    find_last_work_order,
    find_live_work_order,
    open_work_order,
    read_work_order,
    withdraw_work_order,
)
from clicktodial.domain.customer import CustomerData, find_missing
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.storage.business_table import qualification_review
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import Conflict, NotFound, NotPermitted
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

_columns = qualification_review.c
_APPROVED = """Your documents were reviewed and approved.

Your account manager now opens the service for you.
"""
_REJECTED = """Your documents were reviewed, and cannot be approved as they are:

{reason}

Please correct them and submit them again.
"""


class ReviewedDocument(msgspec.Struct, frozen=True):
    """A document as it was reviewed."""

    document_id: str
    kind: str
    sha256: str


class Snapshot(msgspec.Struct, frozen=True):
    """What was reviewed, as it was when it was submitted."""

    data: CustomerData
    documents: tuple[ReviewedDocument, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A review and its work order. `snapshot` is None once it was erased."""

    order: WorkOrder
    submitted_at: datetime
    snapshot: Snapshot | None = field(default=None, repr=False)


class Reviews:
    """What people do with reviews, and the handler of their work orders. All methods raise
    AdministrationError."""

    def __init__(self, transactions: Transactions, vault: SecretVault) -> None:
        self._transactions = transactions
        self._vault = vault

    def submit(self, principal: Principal, enterprise_id: str, *, now: datetime) -> Review:
        """Ask for the review; after a rejection this is the resubmission. Raises Conflict while
        something is missing, and says what."""
        if not principal.has_any(WRITING_ROLES):
            raise NotPermitted
        with self._transactions.change() as connection:
            enterprise = require_visible(connection, principal, enterprise_id)
            snapshot = self._take_snapshot(connection, enterprise_id)
            move_enterprise(connection, enterprise_id, EnterpriseMove.SUBMIT, now=now)
            set_reviewed(connection, enterprise_id, now)
            last = find_last_work_order(
                connection, kind=WorkOrderKind.QUALIFICATION, subject_id=enterprise_id
            )
            was_rejected = last is not None and last.outcome is WorkOrderState.REJECTED
            order_id = open_work_order(
                connection,
                kind=WorkOrderKind.QUALIFICATION,
                enterprise_id=enterprise_id,
                opened_by=principal.name,
                subject_id=enterprise_id,
                details={"documents": str(len(snapshot.documents))},
                now=now,
                previous_id=last.work_order_id if last is not None and was_rejected else None,
                assignee=enterprise.account_manager,
            )
            row = self._insert(connection, enterprise_id, order_id, snapshot, now)
            return Review(read_work_order(connection, order_id), row["submitted_at"])

    def withdraw(
        self, principal: Principal, enterprise_id: str, *, reason: str, now: datetime
    ) -> Review:
        """Take it back before it is decided, to correct something."""
        if not principal.has_any(WRITING_ROLES):
            raise NotPermitted
        with self._transactions.change() as connection:
            require_visible(connection, principal, enterprise_id)
            order = find_live_work_order(
                connection, kind=WorkOrderKind.QUALIFICATION, subject_id=enterprise_id
            )
            if order is None:
                raise Conflict("nothing is in review")
            withdraw_work_order(
                connection, order.work_order_id, by=principal.name, why=reason, now=now
            )
            move_enterprise(connection, enterprise_id, EnterpriseMove.WITHDRAW, now=now)
            return self._read_last(connection, enterprise_id)

    def show(self, principal: Principal, enterprise_id: str) -> Review:
        """The newest, without its snapshot. Raises NotFound where there was none."""
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return self._read_last(connection, enterprise_id)

    def open_snapshot(
        self, principal: Principal, work_order_id: str, *, purpose: str, now: datetime
    ) -> Review:
        """What was reviewed by that work order, once the reading is noted."""
        if not principal.has_any(READING_ROLES):
            raise NotPermitted
        with self._transactions.change(concerns_calls=False) as connection:
            query = select(qualification_review).where(_columns.work_order_id == work_order_id)
            row = connection.execute(query).first()
            if row is None:
                raise NotFound(
                    worded("there is no work order %(work_order_id)s", work_order_id=work_order_id)
                )
            require_visible(connection, principal, row.enterprise_id)
            subjects = {"work_order_id": work_order_id}
            note_reading(
                connection,
                principal,
                "readReviewSnapshot",
                subjects,
                row.enterprise_id,
                purpose=purpose,
                now=now,
            )
            return Review(
                read_work_order(connection, work_order_id), row.submitted_at, self._open(row)
            )

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """Approved, its activation begins; rejected, it may be corrected and submitted again."""
        is_approved = order.outcome is WorkOrderState.APPROVED
        move = EnterpriseMove.APPROVE if is_approved else EnterpriseMove.REJECT
        move_enterprise(connection, order.enterprise_id, move, now=now)
        if is_approved:
            open_activation(connection, order.enterprise_id, by=by.name, now=now)
        tell_customer(
            connection,
            self._vault,
            order.enterprise_id,
            subject="Your qualification was reviewed",
            text=_APPROVED if is_approved else _REJECTED.format(reason=order.reason),
            now=now,
        )
        return True

    def _take_snapshot(self, connection: Connection, enterprise_id: str) -> Snapshot:
        data = read_customer_data(connection, self._vault, enterprise_id).data
        documents = read_current_documents(connection, enterprise_id)
        missing = find_missing(data, {each.kind for each in documents})
        if missing:
            raise Conflict(worded("missing: %(names)s", names=missing))
        reviewed = (
            ReviewedDocument(each.document_id, each.kind.value, each.sha256) for each in documents
        )
        return Snapshot(data, tuple(reviewed))

    def _insert(
        self,
        connection: Connection,
        enterprise_id: str,
        order_id: str,
        snapshot: Snapshot,
        now: datetime,
    ) -> dict[str, Any]:
        review_id = uuid_utils.uuid7().hex
        row = {
            "id": review_id,
            "enterprise_id": enterprise_id,
            "work_order_id": order_id,
            "snapshot_encrypted": self._vault.seal(
                msgspec.json.encode(snapshot), _place(review_id)
            ),
            "submitted_at": now,
        }
        connection.execute(insert(qualification_review).values(row))
        return row

    def _read_last(self, connection: Connection, enterprise_id: str) -> Review:
        query = select(qualification_review).where(_columns.enterprise_id == enterprise_id)
        row = connection.execute(query.order_by(_columns.id.desc()).limit(1)).first()
        if row is None:
            raise NotFound("nothing was submitted for review")
        return Review(read_work_order(connection, row.work_order_id), row.submitted_at)

    def _open(self, row: Row[Any]) -> Snapshot | None:
        if row.snapshot_encrypted is None:
            return None
        opened = self._vault.open(row.snapshot_encrypted, _place(row.id))
        return msgspec.json.decode(opened, type=Snapshot)


def _place(review_id: str) -> str:
    return f"qualification_review/snapshot/{review_id}"
