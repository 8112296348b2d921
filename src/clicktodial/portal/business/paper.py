"""Who a customer is, and the documents that prove it: filled in by the customer or the account
manager, read by few, each reading noted."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from clicktodial.accounts.customer_data import (
    READING_ROLES,
    WRITING_ROLES,
    KeptData,
    check_customer_data,
)
from clicktodial.accounts.document import Document
from clicktodial.accounts.document_content import (
    DOCUMENT_BYTES_MAX,
    DocumentRefused,
    MediaType,
)
from clicktodial.accounts.enterprise import Enterprise
from clicktodial.domain.customer import (
    DATA_FIELDS,
    REQUIRED_DOCUMENTS,
    DocumentKind,
    is_single,
)
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.portal.business.common import MANAGERS, PURPOSE, place_of, tone_of
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.shown_file import ACCEPTED, ShownFile, answer_file
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid

# Of a work order that somebody comes from.
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
DATA_LABELS: Mapping[str, str] = {
    "legal_name": mark("Legal name"),
    "certificate_number": mark("Number of the business licence"),
    "representative_name": mark("Legal representative"),
    "representative_id_number": mark("ID number of the legal representative"),
    "representative_phone": mark("Telephone of the legal representative"),
    "handler_name": mark("Handler"),
    "handler_id_number": mark("ID number of the handler"),
    "handler_email": mark("Email of the handler"),
    "handler_phone": mark("Telephone of the handler"),
}
DATA_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (mark("About the enterprise"), ("legal_name", "certificate_number")),
    (
        mark("Legal representative"),
        ("representative_name", "representative_id_number", "representative_phone"),
    ),
    (mark("Handler"), ("handler_name", "handler_id_number", "handler_email", "handler_phone")),
)
HINTS: Mapping[DocumentKind, str] = {
    DocumentKind.CERTIFICATE: mark("A scan or a photo of the whole licence, with its stamp."),
    DocumentKind.REPRESENTATIVE_ID_FRONT: mark("The side with the portrait."),
    DocumentKind.REPRESENTATIVE_ID_BACK: mark("The side with the emblem and the dates."),
    DocumentKind.HANDLER_ID_FRONT: mark("The side with the portrait."),
    DocumentKind.HANDLER_ID_BACK: mark("The side with the emblem and the dates."),
    DocumentKind.OTHER: mark("A letter of authority, or whatever else belongs to it."),
}
_WRONG = (
    ("telephone number", mark("This is no telephone number.")),
    ("NAME@HOST", mark("This is no email address.")),
    ("check character", mark("The last character does not belong to this number: look again.")),
    ("letters, digits", mark("Enter 4 to 32 letters, digits or hyphens.")),
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for documents of a kind, and what is in it."""

    kind: DocumentKind
    hint: str
    documents: list[Document]
    is_required: bool
    is_single: bool


def slots_of(documents: list[Document]) -> list[Slot]:
    """One for each kind, in their order."""
    return [
        Slot(
            kind,
            HINTS[kind],
            [each for each in documents if each.kind is kind],
            kind in REQUIRED_DOCUMENTS,
            is_single(kind),
        )
        for kind in DocumentKind
    ]


def read_data_form(form: Form, region: str, *, prefix: str = "") -> dict[str, str]:
    """The customer data of a form, each field with what is wrong with it."""
    given = {name: form.text(prefix + name, is_required=False) for name in DATA_FIELDS}
    for name, text in given.items():
        try:
            check_customer_data({name: text}, region)
        except ValueInvalid as error:
            words = next((words for part, words in _WRONG if part in str(error)), "")
            form.fail(prefix + name, words or mark("This does not fit."))
    return given


class PaperPages:
    """GET /enterprises/{enterprise_id}/papers, and what is filled in there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Data and documents."""
        return await self._view(visit, None, "")

    async def _view(self, visit: Visit, form: Form | None, refused: str) -> Answer:
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        business = self._needs.business

        def read() -> tuple[Enterprise, KeptData, list[Document], tuple[str, ...]]:
            enterprise = business.enterprises.show(principal, enterprise_id)
            kept = business.data.read(principal, enterprise_id, purpose=PURPOSE, now=visit.now)
            documents, missing = business.documents.list_documents(principal, enterprise_id)
            return enterprise, kept, documents, missing

        enterprise, kept, documents, missing = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        may_write = visit.may(WRITING_ROLES)
        is_open = enterprise.state is EnterpriseState.PROSPECT
        if form is None:
            form = visit.form(**asdict(kept.data), version=kept.version)
        return View(
            "business/papers.html",
            {
                **place_of(visit, enterprise),
                "enterprise": enterprise,
                "form": form,
                "refused": refused,
                "values": asdict(kept.data),
                "may_hold": visit.may(MANAGERS),
                "kept": kept,
                "groups": DATA_GROUPS,
                "labels": DATA_LABELS,
                "slots": slots_of(documents),
                "missing": missing,
                "may_change_data": may_write and is_open,
                "may_upload": may_write
                and enterprise.state not in (EnterpriseState.IN_REVIEW, EnterpriseState.CANCELLED),
                "may_remove": may_write and is_open,
                "accepted": ACCEPTED,
                "bytes_max": DOCUMENT_BYTES_MAX,
                "tone": tone_of,
                "pdf": MediaType.PDF,
            },
            422 if refused or not form.is_valid else 200,
        )

    async def change(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/data"""
        form = await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        given = read_data_form(form, self._needs.default_region)
        version = form.whole("version", least=0, most=10**9)
        if not form.is_valid:
            return await self._view(visit, form, "")
        try:
            await self._needs.worker.run(
                lambda: self._needs.business.data.change(
                    principal, enterprise_id, given, version=version, now=visit.now
                )
            )
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
            return await self._view(visit, form, "")
        return Redirect(self._here(visit), toast=visit.gettext("Saved."))

    async def upload(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/documents"""
        form = await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        kind, upload = form.one_of("kind", DocumentKind), form.upload("file")
        if kind is None or upload is None:
            return await self._view(visit, None, form.error("file") or form.error("kind"))
        if upload.size > DOCUMENT_BYTES_MAX:
            return await self._view(visit, None, visit.gettext("The file is larger than 8 MB."))
        content = await asyncio.to_thread(upload.file.read, DOCUMENT_BYTES_MAX + 1)
        try:
            await self._needs.worker.run(
                lambda: self._needs.business.documents.upload(
                    principal, enterprise_id, kind=kind, content=content, now=visit.now
                )
            )
        except (DocumentRefused, Conflict) as error:
            return await self._view(visit, None, visit.explain(error))
        return Redirect(self._here(visit), toast=visit.gettext("Uploaded."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/documents/{document_id}/remove"""
        await visit.read_form()
        enterprise_id, document_id = visit.path["enterprise_id"], visit.path["document_id"]
        visit.notes.enterprise_id = enterprise_id
        await self._needs.worker.run(
            lambda: self._needs.business.documents.remove(
                visit.principal, enterprise_id, document_id, now=visit.now
            )
        )
        return Redirect(self._here(visit), toast=visit.gettext("Taken away."))

    def _here(self, visit: Visit) -> str:
        return visit.link("papers", enterprise_id=visit.path["enterprise_id"])

    async def view(self, visit: Visit) -> Answer:
        """GET one document in a page of its own, with the way to those beside it."""
        enterprise_id, document_id = visit.path["enterprise_id"], visit.path["document_id"]
        principal, documents = visit.principal, self._needs.business.documents
        order_id = visit.query.get("work_order", "")
        order_id = order_id if _IDENTIFIER.fullmatch(order_id) else ""

        def read() -> tuple[Enterprise, list[Document], list[Document]]:
            enterprise = self._needs.business.enterprises.show(principal, enterprise_id)
            found = documents.describe(principal, enterprise_id, [document_id])
            current, _ = documents.list_documents(principal, enterprise_id)
            return enterprise, found, current

        enterprise, found, current = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        if not found:
            raise NotFound
        document = found[0]
        ids = [each.document_id for each in current]
        place = ids.index(document_id) if document_id in ids else None

        def to(name: str, which: str = document_id, **more: str) -> str:
            return visit.link(name, enterprise_id=enterprise_id, document_id=which, **more)

        def beside(step: int) -> str:
            if place is None or not 0 <= place + step < len(ids):
                return ""
            return to("document_view", ids[place + step], **_order_of(order_id))

        shown = ShownFile(
            title=visit.words.look_up(label_of(document.kind)),
            media_type=document.media_type,
            content=to("document_content"),
            save=to("document"),
            before=beside(-1),
            after=beside(1),
            place=1 if place is None else place + 1,
            count=1 if place is None else len(ids),
        )
        context = {
            **place_of(visit, enterprise),
            "enterprise": enterprise,
            "document": document,
            "shown": shown,
            "work_order_id": order_id,
        }
        return View("business/document.html", context, has_frame=shown.is_pdf)

    async def save(self, visit: Visit) -> Answer:
        """GET one document, to be saved."""
        return await self._open(visit, is_shown=False)

    async def content(self, visit: Visit) -> Answer:
        """GET one document, to stand in its page."""
        return await self._open(visit, is_shown=True)

    async def _open(self, visit: Visit, *, is_shown: bool) -> Answer:
        """The use case notes who reads it, before it is read."""
        enterprise_id, document_id = visit.path["enterprise_id"], visit.path["document_id"]
        opened = await self._needs.worker.run(
            lambda: self._needs.business.documents.open(
                visit.principal,
                enterprise_id,
                document_id,
                purpose=PURPOSE,
                now=visit.now,
            )
        )
        document = opened.document
        return answer_file(
            opened.content, document.media_type, document.kind.value, is_shown=is_shown
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        path = "/enterprises/{enterprise_id}"
        return [
            Page(
                name="papers",
                path=path + "/papers",
                title=mark("Data and documents"),
                roles=READING_ROLES,
                show=self.show,
                operations=("readCustomerData", "listDocuments"),
            ),
            Page(
                name="document",
                path=path + "/documents/{document_id}",
                title=mark("Document"),
                roles=READING_ROLES,
                show=self.save,
                operations=("openDocument",),
                is_file=True,
            ),
            Page(
                name="document_content",
                path=path + "/documents/{document_id}/content",
                title=mark("Document"),
                roles=READING_ROLES,
                show=self.content,
                operations=("openDocument",),
                is_file=True,
            ),
            Page(
                name="document_view",
                path=path + "/documents/{document_id}/view",
                title=mark("Document"),
                roles=READING_ROLES,
                show=self.view,
                operations=("listDocuments",),
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/enterprises/{enterprise_id}"
        return [
            Action(
                operation="changeCustomerData",
                path=path + "/data",
                roles=WRITING_ROLES,
                handle=self.change,
            ),
            Action(
                operation="uploadDocument",
                path=path + "/documents",
                roles=WRITING_ROLES,
                handle=self.upload,
                file_bytes_max=DOCUMENT_BYTES_MAX,
            ),
            Action(
                operation="removeDocument",
                path=path + "/documents/{document_id}/remove",
                roles=WRITING_ROLES,
                handle=self.remove,
            ),
        ]


def _order_of(work_order_id: str) -> dict[str, str]:
    return {"work_order": work_order_id} if work_order_id else {}
