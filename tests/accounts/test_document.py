"""Customers' data and documents."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.accounts.business import (
    DATA,
    ID_NUMBER,
    MANAGER,
    NOW,
    PAPERS,
    PURPOSE,
    REVIEWER,
    SOUTH_MANAGER,
    SUPPORT,
    Business,
    owner_of,
)
from tests.accounts.paper import jpeg, pdf, png

from clicktodial.accounts import document as document_module
from clicktodial.accounts.audit import READ, AuditLog
from clicktodial.accounts.customer_data import CHANGE_PURPOSE, PURPOSE_CHARACTERS_MAX
from clicktodial.accounts.document_content import DocumentRefused, MediaType
from clicktodial.accounts.document_store import DocumentFileError
from clicktodial.domain.customer import (
    DATA_FIELDS,
    REQUIRED_DOCUMENTS,
    SEVERAL_MAX,
    DocumentKind,
)
from clicktodial.domain.principal import CUSTOMER_ROLES, Principal, Role
from clicktodial.storage.business_table import customer_data
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault

FRONT = DocumentKind.HANDLER_ID_FRONT


@pytest.fixture
def prospect(business: Business) -> str:
    return business.enter().enterprise_id


def files(business: Business) -> list[Path]:
    return [path for path in business.root.rglob("*") if path.is_file()]


def test_data_are_kept_as_they_are_checked(business: Business, prospect: str) -> None:
    owner = owner_of(prospect)
    kept = business.data.change(owner, prospect, {"handler_phone": "010-5268 0000"}, now=NOW)
    assert (kept.data.handler_phone, kept.version) == ("+861052680000", 1)
    kept = business.data.change(
        owner, prospect, {"certificate_number": " 9111ab ", "handler_name": "Li"}, now=NOW
    )
    assert (kept.data.certificate_number, kept.data.handler_phone) == ("9111AB", "+861052680000")
    assert (kept.version, kept.changed_by, kept.changed_at) == (2, owner.name, NOW)
    kept = business.data.change(owner, prospect, {"handler_name": ""}, now=NOW)
    assert kept.data.handler_name == ""


def test_data_changed_by_two_at_once_are_not_lost(business: Business, prospect: str) -> None:
    business.data.change(MANAGER, prospect, {"legal_name": "A"}, version=0, now=NOW)
    with pytest.raises(Conflict):
        business.data.change(MANAGER, prospect, {"legal_name": "B"}, version=0, now=NOW)
    business.data.change(MANAGER, prospect, {"legal_name": "B"}, version=1, now=NOW)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("legal_name", "x" * 201),
        ("legal_name", "a\tb"),
        ("certificate_number", "12"),
        ("certificate_number", "12/34"),
        ("representative_id_number", "110105194912310021"),
        ("handler_id_number", "x" * 33),
        ("handler_email", "nobody"),
        ("handler_phone", "nobody"),
        ("shoe_size", "42"),
    ],
)
def test_unusable_data_are_refused_and_not_repeated(
    business: Business, prospect: str, name: str, text: str
) -> None:
    with pytest.raises(ValueInvalid) as refused:
        business.data.change(MANAGER, prospect, {name: text}, now=NOW)
    assert text not in str(refused.value)


def test_data_are_sealed_and_each_reading_is_noted(business: Business, prospect: str) -> None:
    business.data.change(owner_of(prospect), prospect, DATA, now=NOW)
    with business.transactions.read() as connection:
        sealed = connection.scalars(select(customer_data.c.data_encrypted)).one()
    assert ID_NUMBER.encode() not in sealed
    kept = business.data.read(REVIEWER, prospect, purpose=" to review ", now=NOW)
    assert kept.data.representative_id_number == ID_NUMBER
    assert ID_NUMBER not in repr(kept) + str(kept.data)
    [entry] = AuditLog(business.transactions).list_entries(limit=10, enterprise_id=prospect)
    assert (entry.principal, entry.operation) == ("rita", "readCustomerData")
    assert entry.subjects["purpose"] == "to review"


def test_change_that_answers_all_is_noted_as_a_reading(business: Business, prospect: str) -> None:
    """Or one that changes nothing would read them without a trace."""
    business.data.change(owner_of(prospect), prospect, DATA, now=NOW)
    kept = business.data.change(MANAGER, prospect, {}, now=NOW)
    assert kept.data.representative_id_number == ID_NUMBER
    [entry] = AuditLog(business.transactions).list_entries(limit=10, enterprise_id=prospect)
    assert (entry.principal, entry.operation, entry.outcome) == (
        MANAGER.name,
        "readCustomerData",
        READ,
    )
    assert entry.subjects["purpose"] == CHANGE_PURPOSE


def test_staff_says_what_it_reads_for(business: Business, prospect: str) -> None:
    for purpose in ("", " ", "x" * (PURPOSE_CHARACTERS_MAX + 1), "a\nb"):
        with pytest.raises(ValueInvalid):
            business.data.read(REVIEWER, prospect, purpose=purpose, now=NOW)
    business.data.read(REVIEWER, prospect, purpose="x" * PURPOSE_CHARACTERS_MAX, now=NOW)
    business.data.read(owner_of(prospect), prospect, purpose="", now=NOW)


def test_document_is_read_as_it_was_uploaded(business: Business, prospect: str) -> None:
    owner = owner_of(prospect)
    uploaded = business.documents.upload(owner, prospect, kind=FRONT, content=png(), now=NOW)
    assert (uploaded.kind, uploaded.media_type) == (FRONT, MediaType.PNG)
    assert (uploaded.size_bytes, uploaded.uploaded_by) == (len(png()), owner.name)
    opened = business.documents.open(
        REVIEWER, prospect, uploaded.document_id, purpose=PURPOSE, now=NOW
    )
    assert opened.content == png()
    [entry] = AuditLog(business.transactions).list_entries(limit=10, enterprise_id=prospect)
    assert (entry.principal, entry.operation) == ("rita", "readDocument")
    assert entry.subjects == {"document_id": uploaded.document_id, "purpose": PURPOSE}


def test_link_in_the_place_of_a_document_is_not_followed(
    business: Business, prospect: str, tmp_path: Path
) -> None:
    uploaded = business.documents.upload(MANAGER, prospect, kind=FRONT, content=png(), now=NOW)
    [path] = business.root.glob("*/*")
    path.symlink_to(path.rename(tmp_path / "elsewhere"))
    with pytest.raises(DocumentFileError):
        business.documents.open(MANAGER, prospect, uploaded.document_id, purpose=PURPOSE, now=NOW)


def test_document_lies_sealed_and_for_nobody_else(business: Business, prospect: str) -> None:
    business.documents.upload(MANAGER, prospect, kind=FRONT, content=png(), now=NOW)
    [path] = files(business)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert b"PNG" not in path.read_bytes()


def test_file_that_was_exchanged_does_not_open(business: Business, prospect: str) -> None:
    first, second = (
        business.documents.upload(
            MANAGER, prospect, kind=DocumentKind.OTHER, content=content, now=NOW
        ).document_id
        for content in (png(), pdf())
    )
    paths = {path.stem: path for path in files(business)}
    paths[first].write_bytes(paths[second].read_bytes())
    with pytest.raises(Exception, match="changed"):
        business.documents.open(MANAGER, prospect, first, purpose=PURPOSE, now=NOW)
    business.store.write(first, pdf())
    with pytest.raises(DocumentFileError, match="not what was uploaded"):
        business.documents.open(MANAGER, prospect, first, purpose=PURPOSE, now=NOW)
    paths[second].unlink()
    with pytest.raises(DocumentFileError):
        business.documents.open(MANAGER, prospect, second, purpose=PURPOSE, now=NOW)


@pytest.mark.parametrize("document_id", ["../../etc/passwd", "a" * 31, "A" * 32, ""])
def test_store_opens_nothing_but_documents(business: Business, document_id: str) -> None:
    for use in (business.store.read, business.store.erase):
        with pytest.raises(DocumentFileError):
            use(document_id)


def test_new_side_of_a_card_takes_the_place_of_the_old(business: Business, prospect: str) -> None:
    upload = business.documents.upload
    first = upload(MANAGER, prospect, kind=FRONT, content=png(), now=NOW)
    second = upload(MANAGER, prospect, kind=FRONT, content=jpeg(), now=NOW)
    documents, _ = business.documents.list_documents(MANAGER, prospect)
    assert [each.document_id for each in documents] == [second.document_id]
    assert [path.stem for path in files(business)] == [second.document_id]
    with pytest.raises(NotFound):
        business.documents.open(MANAGER, prospect, first.document_id, purpose=PURPOSE, now=NOW)


def test_refused_document_leaves_nothing(business: Business, prospect: str) -> None:
    with pytest.raises(DocumentRefused):
        business.documents.upload(MANAGER, prospect, kind=FRONT, content=b"GIF89a", now=NOW)
    assert files(business) == []
    assert business.documents.list_documents(MANAGER, prospect)[0] == []


def test_there_are_so_many_of_a_kind(
    business: Business, prospect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(kind: DocumentKind = DocumentKind.OTHER) -> None:
        business.documents.upload(MANAGER, prospect, kind=kind, content=pdf(), now=NOW)

    for _ in range(SEVERAL_MAX):
        upload()
    with pytest.raises(Conflict, match=f"{SEVERAL_MAX} documents of that kind"):
        upload()
    assert len(files(business)) == SEVERAL_MAX
    monkeypatch.setattr(document_module, "DOCUMENTS_ON_DISK_MAX", SEVERAL_MAX)
    with pytest.raises(Conflict, match="at most"):
        upload(DocumentKind.CERTIFICATE)


def test_document_is_removed_before_the_review(business: Business, prospect: str) -> None:
    document_id = business.documents.upload(
        MANAGER, prospect, kind=FRONT, content=png(), now=NOW
    ).document_id
    business.documents.remove(MANAGER, prospect, document_id, now=NOW)
    assert files(business) == []
    with pytest.raises(NotFound):
        business.documents.remove(MANAGER, prospect, document_id, now=NOW)


def test_what_is_missing_is_told(business: Business, prospect: str) -> None:
    _, missing = business.documents.list_documents(MANAGER, prospect)
    assert missing == (*DATA_FIELDS, *REQUIRED_DOCUMENTS)
    business.fill(prospect)
    assert business.documents.list_documents(MANAGER, prospect)[1] == ()
    business.data.change(MANAGER, prospect, {"legal_name": ""}, now=NOW)
    assert business.documents.list_documents(MANAGER, prospect)[1] == ("legal_name",)


def uses(business: Business, prospect: str) -> dict[str, Callable[[Principal], Any]]:
    """All that can be done with data and documents."""
    document_id = business.documents.upload(
        MANAGER, prospect, kind=FRONT, content=png(), now=NOW
    ).document_id
    return {
        "read data": lambda p: business.data.read(p, prospect, purpose=PURPOSE, now=NOW),
        "list": lambda p: business.documents.list_documents(p, prospect),
        "open": lambda p: business.documents.open(
            p, prospect, document_id, purpose=PURPOSE, now=NOW
        ),
        "change data": lambda p: business.data.change(p, prospect, {}, now=NOW),
        "upload": lambda p: business.documents.upload(
            p, prospect, kind=DocumentKind.OTHER, content=pdf(), now=NOW
        ),
        "remove": lambda p: business.documents.remove(p, prospect, document_id, now=NOW),
    }


def test_papers_are_for_few(business: Business, prospect: str) -> None:
    others = [owner_of(prospect, role) for role in CUSTOMER_ROLES - {Role.OWNER}]
    for name, use in uses(business, prospect).items():
        for principal in (SUPPORT, *others):
            with pytest.raises(NotPermitted):
                use(principal)
        for principal in (owner_of("another"), SOUTH_MANAGER):
            with pytest.raises(NotFound):
                use(principal)
        if name in ("read data", "list", "open"):
            use(REVIEWER)
        else:
            with pytest.raises(NotPermitted):
                use(REVIEWER)
        use(MANAGER)


def test_document_of_another_enterprise_is_not_there(business: Business, prospect: str) -> None:
    other = business.enter().enterprise_id
    document_id = business.documents.upload(
        MANAGER, other, kind=FRONT, content=png(), now=NOW
    ).document_id
    with pytest.raises(NotFound):
        business.documents.open(MANAGER, prospect, document_id, purpose=PURPOSE, now=NOW)
    with pytest.raises(NotFound):
        business.documents.remove(MANAGER, prospect, document_id, now=NOW)


def test_papers_stay_as_they_are_while_they_are_reviewed(business: Business, prospect: str) -> None:
    business.fill(prospect)
    documents, _ = business.documents.list_documents(MANAGER, prospect)
    business.reviews.submit(MANAGER, prospect, now=NOW)
    with pytest.raises(Conflict):
        business.data.change(MANAGER, prospect, DATA, now=NOW)
    with pytest.raises(Conflict):
        business.documents.upload(MANAGER, prospect, kind=FRONT, content=png(), now=NOW)
    with pytest.raises(Conflict):
        business.documents.remove(MANAGER, prospect, documents[0].document_id, now=NOW)


def test_what_was_reviewed_is_kept_when_it_is_replaced(business: Business, prospect: str) -> None:
    business.fill(prospect)
    order = business.reviews.submit(MANAGER, prospect, now=NOW).order
    business.work_orders.decide(
        REVIEWER, order.work_order_id, approved=False, reason="blurred", now=NOW
    )
    before = {each.kind: each for each in business.documents.list_documents(MANAGER, prospect)[0]}
    business.documents.upload(MANAGER, prospect, kind=FRONT, content=jpeg(), now=NOW)
    opened = business.documents.open(
        REVIEWER, prospect, before[FRONT].document_id, purpose=PURPOSE, now=NOW
    )
    assert (opened.content, opened.document.is_current) == (PAPERS[FRONT], False)


def test_vault_of_another_key_opens_nothing(business: Business, prospect: str) -> None:
    business.data.change(MANAGER, prospect, DATA, now=NOW)
    other = replace(business)
    other.data._vault = SecretVault(bytes(31) + b"\x01")
    with pytest.raises(Exception, match="another master key"):
        other.data.read(MANAGER, prospect, purpose=PURPOSE, now=NOW)


def test_documents_of_a_review_are_described_also_when_replaced(
    business: Business, prospect: str
) -> None:
    owner = owner_of(prospect)
    certificate = business.documents.upload(
        owner, prospect, kind=DocumentKind.CERTIFICATE, content=pdf(), now=NOW
    )
    business.fill(prospect)
    with pytest.raises(NotFound):
        business.documents.describe(SOUTH_MANAGER, prospect, [certificate.document_id])
    with pytest.raises(NotPermitted):
        business.documents.describe(SUPPORT, prospect, [certificate.document_id])
    front = next(
        each for each in business.documents.list_documents(owner, prospect)[0] if each.kind is FRONT
    )
    order = business.reviews.submit(owner, prospect, now=NOW).order
    business.work_orders.decide(
        REVIEWER, order.work_order_id, approved=False, reason="blurred", now=NOW
    )
    business.documents.upload(owner, prospect, kind=FRONT, content=png(), now=NOW)
    ids = [front.document_id, certificate.document_id, "none"]
    described = business.documents.describe(REVIEWER, prospect, ids)
    assert [each.document_id for each in described] == ids[1::-1]
    assert [each.is_current for each in described] == [True, False]
    another = business.enter().enterprise_id
    assert business.documents.describe(REVIEWER, another, ids) == []
