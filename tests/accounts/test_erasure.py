"""The end of personal data."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.accounts.business import (
    MANAGER,
    NOW,
    PURPOSE,
    RETENTION,
    Business,
)
from tests.accounts.paper import png

from clicktodial.accounts.document_store import DocumentFileError
from clicktodial.accounts.enterprise_change import Modification, NewChange
from clicktodial.accounts.erasure import ORPHAN_AFTER
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.administration import Administration
from clicktodial.storage.business_table import (
    customer_data,
    document,
    enterprise_change,
    intention,
    qualification_review,
)
from clicktodial.storage.error import NotFound

DUE = NOW + RETENTION + timedelta(seconds=1)


def files(business: Business) -> list[Path]:
    return [path for path in business.root.rglob("*") if path.is_file()]


@pytest.fixture
def cancelled(business: Business) -> str:
    """One that had a service, and a modification of it."""
    enterprise_id = business.create_active()
    for kind, modification in (
        (WorkOrderKind.MODIFICATION, Modification(data={"legal_name": "Other"})),
        (WorkOrderKind.CANCELLATION, None),
    ):
        new = NewChange(kind=kind, reason="r", modification=modification)
        business.changes.request_change(MANAGER, enterprise_id, new, decides=True, now=NOW)
    return enterprise_id


def test_data_are_kept_until_their_day(business: Business, cancelled: str) -> None:
    assert business.eraser.erase_due(NOW + RETENTION) == 0
    assert len(files(business)) == 5
    assert business.data.read(MANAGER, cancelled, purpose=PURPOSE, now=NOW).version == 2


def test_nothing_sealed_is_left_after_it(business: Business, cancelled: str) -> None:
    other = business.enter().enterprise_id
    business.fill(other)
    [(document_id, *_), *_] = business.documents.list_documents(MANAGER, cancelled)
    assert business.eraser.erase_due(DUE) == 5
    assert business.data.read(MANAGER, cancelled, purpose=PURPOSE, now=NOW).version == 0
    with business.transactions.read() as connection:
        where = customer_data.c.enterprise_id == cancelled
        assert connection.scalars(select(func.count()).where(where)).one() == 0
        for column in (
            qualification_review.c.snapshot_encrypted,
            enterprise_change.c.changes_encrypted,
        ):
            assert set(connection.scalars(select(column))) == {None}
        contacts = select(intention.c.contact_encrypted)
        left = connection.scalars(contacts.where(intention.c.enterprise_id == cancelled)).one()
        assert left == b""
        erased = select(document.c.erased_at).where(document.c.enterprise_id == cancelled)
        assert set(connection.scalars(erased)) == {DUE}
    with pytest.raises(NotFound):
        business.documents.open(
            MANAGER, cancelled, document_id.document_id, purpose=PURPOSE, now=NOW
        )
    shown = business.intentions.show(
        MANAGER, business.intentions.list_intentions(MANAGER)[0].intention_id, now=NOW
    )
    assert shown.contact is None
    # The other's are all there.
    assert len(files(business)) == 5
    assert business.documents.list_documents(MANAGER, other)[1] == ()
    assert business.eraser.erase_due(DUE) == 0


def test_file_that_could_not_be_erased_is_tried_again(
    business: Business, cancelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise DocumentFileError("the disk is read-only")

    with monkeypatch.context() as patched:
        patched.setattr(business.store, "erase", fail)
        assert business.eraser.erase_due(DUE) == 0
    assert len(files(business)) == 5
    assert business.eraser.erase_due(DUE) == 5
    assert files(business) == []


def test_file_without_a_row_is_removed_once_no_upload_can_be_its(business: Business) -> None:
    enterprise_id = business.enter().enterprise_id
    kept = business.documents.upload(
        MANAGER, enterprise_id, kind=DocumentKind.OTHER, content=png(), now=NOW
    ).document_id
    orphan, young = "0" * 32, "1" * 32
    for document_id in (orphan, young):
        business.store.write(document_id, png())
    draft = business.root / kept[-2:] / f".{kept}.0123456789abcdef"
    draft.write_bytes(b"half")
    before = (NOW - ORPHAN_AFTER).timestamp()
    for path in files(business):
        os.utime(path, (before - 1, before - 1))
    os.utime(business.root / young[-2:] / f"{young}.sealed", (before + 1, before + 1))
    assert business.eraser.erase_due(NOW) == 2
    assert sorted(path.stem for path in files(business)) == sorted([kept, young])


def test_what_was_asked_for_in_vain_is_erased_where_it_is_all_there_is(
    business: Business, administration: Administration
) -> None:
    """Of an enterprise that the operator made by hand, which has no data of its own."""
    asked = Modification(data={"handler_phone": "13912345673"})
    for kind, modification in (
        (WorkOrderKind.MODIFICATION, asked),
        (WorkOrderKind.CANCELLATION, None),
    ):
        new = NewChange(kind=kind, reason="r", modification=modification)
        decides = kind is WorkOrderKind.CANCELLATION
        business.changes.request_change(OPERATOR_PRINCIPAL, "acme", new, decides=decides, now=NOW)
    for now, is_left in ((NOW + RETENTION, True), (DUE, False)):
        business.eraser.erase_due(now)
        with business.transactions.read() as connection:
            sealed = connection.scalars(select(enterprise_change.c.changes_encrypted)).all()
        assert any(sealed) is is_left
