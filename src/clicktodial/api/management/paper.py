"""`/enterprises/{enterprise_id}/data` and `/documents`: who a customer is, and what shows it."""

from dataclasses import asdict
from typing import Annotated, Any

from litestar.types import Receive
from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.customer_data import READING_ROLES, WRITING_ROLES, KeptData
from clicktodial.accounts.document import Document
from clicktodial.accounts.document_content import (
    DOCUMENT_BYTES_MAX,
    DocumentRefused,
    MediaType,
)
from clicktodial.api.management.business import (
    ENTERPRISE,
    PURPOSE,
    BusinessNeeds,
    parse_word,
)
from clicktodial.api.management.problem import (
    BODY_TOO_LONG,
    CONFLICT,
    DOCUMENT_REFUSED,
    INVALID_VALUE,
    NOT_FOUND,
    OVERLOADED,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict, given_fields
from clicktodial.domain.customer import CustomerData, DocumentKind
from clicktodial.storage.table import NAME_CHARACTERS_MAX
from clicktodial.web.request import ClientDisconnected

# Each is held in memory while it is checked and sealed.
DOCUMENT_UPLOADS_MAX = 4
_RETRY_AFTER_S = 5
_Text = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
_Given = _Text | UnsetType
_DOCUMENT = Parameter("document_id", "The document.", {"type": "string"}, example="0" * 32)
_KIND = Parameter(
    "kind",
    "What it is.",
    {"type": "string", "enum": [kind.value for kind in DocumentKind]},
    example=DocumentKind.OTHER.value,
)


class CustomerDataView(Strict, frozen=True):
    """Who a customer is; an empty text is what is not known yet."""

    legal_name: str
    certificate_number: str
    representative_name: str
    representative_id_number: str
    representative_phone: str
    handler_name: str
    handler_id_number: str
    handler_email: str
    handler_phone: str


class CustomerDataKept(Strict, frozen=True):
    """The data, and who changed them last. `version` grows with each change."""

    data: CustomerDataView
    version: int
    changed_by: str | None
    changed_at: Instant | None


class CustomerDataChange(Strict, frozen=True):
    """The data that change; an empty text takes something away. With `version`, only where it is
    still that one."""

    legal_name: _Given = UNSET
    certificate_number: _Given = UNSET
    representative_name: _Given = UNSET
    representative_id_number: _Given = UNSET
    representative_phone: _Given = UNSET
    handler_name: _Given = UNSET
    handler_id_number: _Given = UNSET
    handler_email: _Given = UNSET
    handler_phone: _Given = UNSET
    version: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class DocumentView(Strict, frozen=True):
    """A document. One that is not `is_current` was replaced, and is kept as part of a review."""

    document_id: str
    kind: DocumentKind
    media_type: MediaType
    size_bytes: int
    sha256: str
    uploaded_by: str
    uploaded_at: Instant
    is_current: bool


class DocumentList(Strict, frozen=True):
    """The documents that count, and the names of data and documents that are `missing`."""

    documents: list[DocumentView]
    missing: list[str]


class DocumentOpened(Strict, frozen=True):
    """A document and its content."""

    document: DocumentView
    content: bytes


class PaperResource:
    """Data and documents of customers."""

    def __init__(self, needs: BusinessNeeds) -> None:
        self._data = needs.business.data
        self._documents = needs.business.documents
        self._worker = needs.worker
        self._uploads = 0

    async def read_data(self, ask: Ask) -> CustomerDataKept:
        """GET of the data"""
        enterprise_id, purpose = ask.path["enterprise_id"], ask.query.get("purpose", "")
        kept = await self._worker.run(
            lambda: self._data.read(ask.principal, enterprise_id, purpose=purpose, now=ask.now)
        )
        return _render_kept(kept)

    async def change_data(self, ask: Ask) -> CustomerDataKept:
        """PATCH of the data"""
        enterprise_id = ask.path["enterprise_id"]
        given = given_fields(await ask.read(CustomerDataChange))
        version: int | None = given.pop("version", None)
        kept = await self._worker.run(
            lambda: self._data.change(
                ask.principal, enterprise_id, given, version=version, now=ask.now
            )
        )
        return _render_kept(kept)

    async def list_documents(self, ask: Ask) -> DocumentList:
        """GET of the documents"""
        enterprise_id = ask.path["enterprise_id"]
        documents, missing = await self._worker.run(
            lambda: self._documents.list_documents(ask.principal, enterprise_id)
        )
        return DocumentList(
            documents=[_render_document(each) for each in documents], missing=list(missing)
        )

    async def upload(self, ask: Ask) -> Created:
        """POST of a document: the body is the file"""
        enterprise_id = ask.path["enterprise_id"]
        kind = parse_word(ask.query, "kind", DocumentKind)
        if self._uploads >= DOCUMENT_UPLOADS_MAX:
            raise Refused(OVERLOADED, retry_after_s=_RETRY_AFTER_S)
        self._uploads += 1
        try:
            content = await _read_file(ask.receive)
            document = await self._worker.run(
                lambda: self._documents.upload(
                    ask.principal, enterprise_id, kind=kind, content=content, now=ask.now
                )
            )
        except DocumentRefused as error:
            raise Refused(DOCUMENT_REFUSED, str(error)) from error
        finally:
            self._uploads -= 1
        place = f"/enterprises/{enterprise_id}/documents/{document.document_id}"
        return Created(_render_document(document), place)

    async def open(self, ask: Ask) -> DocumentOpened:
        """GET of one document"""
        enterprise_id, document_id = ask.path["enterprise_id"], ask.path["document_id"]
        opened = await self._worker.run(
            lambda: self._documents.open(
                ask.principal,
                enterprise_id,
                document_id,
                purpose=ask.query.get("purpose", ""),
                now=ask.now,
            )
        )
        return DocumentOpened(document=_render_document(opened.document), content=opened.content)

    async def remove(self, ask: Ask) -> None:
        """DELETE of one document"""
        enterprise_id, document_id = ask.path["enterprise_id"], ask.path["document_id"]
        await self._worker.run(
            lambda: self._documents.remove(ask.principal, enterprise_id, document_id, now=ask.now)
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Customer data"}
        of_enterprise = shared | {"parameters": (ENTERPRISE,)}
        of_document = shared | {"parameters": (ENTERPRISE, _DOCUMENT)}
        data = "/enterprises/{enterprise_id}/data"
        documents = "/enterprises/{enterprise_id}/documents"
        return [
            Route(
                name="readCustomerData",
                method="GET",
                path=data,
                summary="Read who a customer is",
                about="Names, numbers of papers, telephones. The reading is noted.",
                roles=READING_ROLES,
                handle=self.read_data,
                answer=CustomerDataKept,
                query=(PURPOSE,),
                problems=(NOT_FOUND, INVALID_VALUE),
                **of_enterprise,
            ),
            Route(
                name="changeCustomerData",
                method="PATCH",
                path=data,
                summary="Fill in who a customer is",
                about="Until the review; afterwards by a modification.",
                roles=WRITING_ROLES,
                handle=self.change_data,
                body=CustomerDataChange,
                body_example={"legal_name": "Acme Limited", "handler_phone": "13912345673"},
                answer=CustomerDataKept,
                problems=(NOT_FOUND, INVALID_VALUE, CONFLICT),
                **of_enterprise,
            ),
            Route(
                name="listDocuments",
                method="GET",
                path=documents,
                summary="List a customer's documents",
                about="And what is missing for the review.",
                roles=READING_ROLES,
                handle=self.list_documents,
                answer=DocumentList,
                problems=(NOT_FOUND,),
                **of_enterprise,
            ),
            Route(
                name="uploadDocument",
                method="POST",
                path=documents,
                summary="Upload a document",
                about="The body is the file: a PDF, JPEG or PNG by its content, of at most "
                f"{DOCUMENT_BYTES_MAX} bytes. It is encrypted. A side of a card replaces the one "
                "before.",
                roles=WRITING_ROLES,
                handle=self.upload,
                body=bytes,
                media="application/octet-stream",
                answer=DocumentView,
                status=201,
                query=(_KIND,),
                problems=(NOT_FOUND, CONFLICT, BODY_TOO_LONG, DOCUMENT_REFUSED),
                **of_enterprise,
            ),
            Route(
                name="openDocument",
                method="GET",
                path=documents + "/{document_id}",
                summary="Read a document",
                about="Its content in base64, so that no browser shows it by mistake. The "
                "reading is noted.",
                roles=READING_ROLES,
                handle=self.open,
                answer=DocumentOpened,
                query=(PURPOSE,),
                problems=(NOT_FOUND, INVALID_VALUE),
                **of_document,
            ),
            Route(
                name="removeDocument",
                method="DELETE",
                path=documents + "/{document_id}",
                summary="Take a document away",
                about="Before the review. What was reviewed once stays on record until all data "
                "of the enterprise are erased.",
                roles=WRITING_ROLES,
                handle=self.remove,
                status=204,
                problems=(NOT_FOUND, CONFLICT),
                **of_document,
            ),
        ]


def render_data(data: CustomerData) -> CustomerDataView:
    """As they are answered."""
    return CustomerDataView(**asdict(data))


async def _read_file(receive: Receive) -> bytes:
    """The whole body, however small its pieces are. Raises Refused or ClientDisconnected."""
    content, has_more = bytearray(), True
    while has_more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        content += message["body"]
        has_more = message["more_body"]
        if len(content) > DOCUMENT_BYTES_MAX:
            # What is still to come is not read: it may be without end.
            raise Refused(
                BODY_TOO_LONG,
                f"a document has at most {DOCUMENT_BYTES_MAX} bytes",
                is_last=has_more,
            )
    return bytes(content)


def _render_kept(kept: KeptData) -> CustomerDataKept:
    return CustomerDataKept(
        data=render_data(kept.data),
        version=kept.version,
        changed_by=kept.changed_by,
        changed_at=kept.changed_at,
    )


def _render_document(document: Document) -> DocumentView:
    return DocumentView(
        document_id=document.document_id,
        kind=document.kind,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256,
        uploaded_by=document.uploaded_by,
        uploaded_at=document.uploaded_at,
        is_current=document.is_current,
    )
