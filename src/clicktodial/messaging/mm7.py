"""MM7 between us and an operator's MMSC: SOAP with attachments (3GPP TS 23.140, REL-6-MM7-1-4).

We submit; its delivery reports come to our own HTTP server, where `api/message_report.py` reads
them with what stands here. What either sends is hostile until read: no document type, no entities,
bounded in size, and taken by local names, since MMSCs differ in the namespace's version.
"""

import email.policy
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage, MIMEPart
from email.parser import BytesHeaderParser
from ipaddress import IPv4Network, IPv6Network
from xml.etree import ElementTree

import aiohttp
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from clicktodial.domain.message import MessageState
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import (
    GatewayReceipt,
    GatewayReport,
    OnReport,
    OutgoingMessage,
)
from clicktodial.notify.sender import USER_AGENT

MM7 = "mm7"
NAMESPACE = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MM7_VERSION = "6.8.0"
# An answer or a report is a page of XML; more is none.
DOCUMENT_BYTES_MAX = 65_536
# A report is its root; some MMSCs may put an attachment or two beside it.
REPORT_PARTS_MAX = 8
CONNECTIONS_MAX = 100
# TS 23.140 8.7.8.3.
SUCCESS_CODES = frozenset({"1000"})
_TEMPORARY_CODES = frozenset({"3"})  # 3xxx: the MMSC's own fault; by their first digit
_XML_TYPE = "text/xml; charset=utf-8"
# RFC 2046 5.1.1: 70 characters at most.
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATE_BY_STATUS = {
    "retrieved": MessageState.DELIVERED,
    "delivered": MessageState.DELIVERED,
    "expired": MessageState.EXPIRED,
    "rejected": MessageState.FAILED,
    "unreachable": MessageState.FAILED,
    "unrecognised": MessageState.FAILED,
}
_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)

ElementTree.register_namespace("env", SOAP)
ElementTree.register_namespace("mm7", NAMESPACE)


class DocumentUnreadable(ValueError):
    """The document is no SOAP message of MM7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mm7Settings:
    """The MMSC, and who we are to it. `asks_for_reports` where there is a path for them."""

    url: str
    vasp_id: str
    vas_id: str
    service_code: str | None
    username: str | None
    password: str
    asks_for_reports: bool
    timeout_s: float
    expires_after: timedelta


@dataclass(frozen=True, slots=True)
class ReportAddress:
    """Where delivery reports come to: the last part of the path, and from where they may."""

    secret: str
    sources: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A DeliveryReportReq. `transaction_id` is answered with."""

    transaction_id: str
    report: GatewayReport


class Mm7Gateway:
    """Implements messaging.gateway.MessageGateway over HTTP."""

    name = MM7

    def __init__(self, settings: Mm7Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def start(self, on_report: OnReport) -> None:
        """Make the pool of connections; reports come over HTTP, not through here."""
        settings = self._settings
        headers = {}
        if settings.username is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(
                settings.username, settings.password, encoding="utf-8"
            )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            headers=headers,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def count_parts(self, message: OutgoingMessage) -> int:
        """One request a message."""
        return 1

    async def send(self, message: OutgoingMessage, number: int) -> GatewayReceipt:
        """SubmitReq. Its TransactionID is the message's key, the same at each attempt: an MMSC
        that compares them knows the second from the first; none is bound to."""
        assert self._session is not None  # start() came before
        headers, body = render_submit(message, self._settings)
        try:
            async with self._session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await _read_bounded(response)
                status = response.status
        except _NETWORK_ERRORS as error:
            raise GatewayUnavailable(_describe(error)) from error
        return read_submit_answer(status, answer)


def _describe(error: Exception) -> str:
    """What went wrong, in a line for the operator."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error}"
    return f"{type(error).__name__}: {error}"


def render_submit(message: OutgoingMessage, settings: Mm7Settings) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a SubmitReq: the envelope, and the content it refers to."""
    whole = EmailMessage(policy=email.policy.SMTP)
    whole["Content-Type"] = 'multipart/related; type="text/xml"; start="<envelope>"'
    for part in (_create_root(message, settings), _create_content(message)):
        whole.attach(part)  # type: ignore[arg-type] # a MIMEPart is what it is made for
    _, _, body = whole.as_bytes().partition(b"\r\n\r\n")
    headers = {
        "Content-Type": str(whole["Content-Type"]),  # with the boundary, since it was rendered
        "SOAPAction": '""',
        "User-Agent": USER_AGENT,
        "Accept": "text/xml",
    }
    return headers, body


def _create_root(message: OutgoingMessage, settings: Mm7Settings) -> MIMEPart:
    root = MIMEPart(policy=email.policy.SMTP)
    envelope = _render_envelope(message, settings).decode("ascii")
    root.set_content(envelope, subtype="xml", charset="utf-8", cte="7bit")
    root["Content-ID"] = "<envelope>"
    return root


def _create_content(message: OutgoingMessage) -> MIMEPart:
    content = MIMEPart(policy=email.policy.SMTP)
    content["Content-Type"] = "multipart/mixed"
    content["Content-ID"] = "<content>"
    text = MIMEPart(policy=email.policy.SMTP)
    text.set_content(message.text, charset="utf-8", cte="base64")
    text["Content-ID"] = "<text>"
    content.attach(text)
    for position, picture in enumerate(message.pictures, 1):
        part = MIMEPart(policy=email.policy.SMTP)
        kind, _, subtype = picture.media_type.partition("/")
        part.set_content(picture.content, maintype=kind, subtype=subtype, cte="base64")
        part["Content-ID"] = f"<picture-{position}>"
        content.attach(part)
    return content


def read_submit_answer(status: int, answer: bytes) -> GatewayReceipt:
    """What a SubmitRsp or a fault says. Raises GatewayUnavailable or MessageRefused."""
    try:
        document = _parse(answer)
    except DocumentUnreadable as error:
        raise GatewayUnavailable(f"HTTP {status}, and no MM7 answer") from error
    code = _text_of(document, "StatusCode")
    told = f"{code or status} {_text_of(document, 'StatusText') or ''}".strip()
    if code in SUCCESS_CODES and status == 200 and _find(document, "SubmitRsp") is not None:
        gateway_id = _text_of(document, "MessageID")
        if not gateway_id:
            # It has the message all the same: another attempt would send a second one.
            return GatewayReceipt("")
        return GatewayReceipt(gateway_id)
    if code is None or code[:1] in _TEMPORARY_CODES or code in SUCCESS_CODES:
        raise GatewayUnavailable(told)
    raise MessageRefused(told)


def read_delivery_report(content_type: str, body: bytes) -> DeliveryReport:
    """A DeliveryReportReq, alone or as the root of a multipart body. Raises DocumentUnreadable."""
    document = _parse(_find_root(content_type, body))
    request = _find(document, "DeliveryReportReq")
    gateway_id = None if request is None else _text_of(request, "MessageID")
    status = None if request is None else _text_of(request, "MMStatus")
    if request is None or not gateway_id or not status:
        raise DocumentUnreadable("no DeliveryReportReq with MessageID and MMStatus")
    state = _STATE_BY_STATUS.get(status.lower(), MessageState.SENT)
    detail = " ".join(filter(None, (status, _text_of(request, "StatusText"))))
    transaction_id = _text_of(document, "TransactionID") or ""
    return DeliveryReport(transaction_id, GatewayReport(gateway_id, state, detail))


def render_report_answer(transaction_id: str) -> tuple[str, bytes]:
    """The content type and body of a DeliveryReportRsp: we have it."""
    envelope, body = _create_envelope(transaction_id)
    answer = _add(body, "DeliveryReportRsp")
    _add(answer, "MM7Version", MM7_VERSION)
    status = _add(answer, "Status")
    _add(status, "StatusCode", "1000")
    _add(status, "StatusText", "Success")
    return _XML_TYPE, _serialize(envelope)


def _render_envelope(message: OutgoingMessage, settings: Mm7Settings) -> bytes:
    envelope, body = _create_envelope(message.key)
    request = _add(body, "SubmitReq")
    _add(request, "MM7Version", MM7_VERSION)
    sender = _add(request, "SenderIdentification")
    _add(sender, "VASPID", settings.vasp_id)
    _add(sender, "VASID", settings.vas_id)
    _add(_add(sender, "SenderAddress"), "Number", message.sender.removeprefix("+"))
    to = _add(_add(request, "Recipients"), "To")
    _add(to, "Number", message.recipient.removeprefix("+"))
    if settings.service_code is not None:
        _add(request, "ServiceCode", settings.service_code)
    _add(request, "MessageClass", "Informational")
    _add(request, "TimeStamp", _format_instant(message.queued_at))
    _add(request, "ExpiryDate", _format_instant(message.queued_at + settings.expires_after))
    _add(request, "DeliveryReport", "true" if settings.asks_for_reports else "false")
    _add(request, "Priority", "Normal")
    if message.subject:
        _add(request, "Subject", message.subject)
    _add(request, "Content", href="cid:content", allowAdaptations="true")
    return _serialize(envelope)


def _create_envelope(transaction_id: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    envelope = ElementTree.Element(f"{{{SOAP}}}Envelope")
    header = ElementTree.SubElement(envelope, f"{{{SOAP}}}Header")
    transaction = _add(header, "TransactionID", transaction_id)
    transaction.set(f"{{{SOAP}}}mustUnderstand", "1")
    return envelope, ElementTree.SubElement(envelope, f"{{{SOAP}}}Body")


def _add(
    parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    # XML 1.0 2.2: what a document cannot hold, not even escaped.
    element.text = None if text is None else _UNFIT.sub(" ", text)
    return element


def _serialize(envelope: ElementTree.Element) -> bytes:
    # In ASCII with references, so that no transport can harm it.
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(envelope)


def _format_instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _find_root(content_type: str, body: bytes) -> bytes:
    if not content_type.lower().startswith("multipart/") or body.lstrip().startswith(b"<"):
        return body
    for part in _split_multipart(content_type, body):
        # Headers alone, and by the old policy: whoever nests parts a thousand deep overflows the
        # stack of the whole parser, and the newer policies take a minute for some headers.
        head = BytesHeaderParser(policy=email.policy.compat32).parsebytes(part)
        if head.get_content_type() in ("text/xml", "application/xml", "application/soap+xml"):
            payload = head.get_payload(decode=True)
            if isinstance(payload, bytes):
                return payload
    raise DocumentUnreadable("no part of it is XML")


def _split_multipart(content_type: str, body: bytes) -> list[bytes]:
    """The first parts, REPORT_PARTS_MAX at most."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise DocumentUnreadable("a multipart body has a boundary")
    # RFC 2046 5.1.1; a delimiter may be the first line, too.
    dashed = re.escape(b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace"))
    delimiter = rb"\r?\n" + dashed + rb"(?:--)?[ \t]*(?=\r?\n|$)"
    _, *parts = re.split(delimiter, b"\n" + body, maxsplit=REPORT_PARTS_MAX + 1)
    return [part.partition(b"\n")[2] for part in parts[:REPORT_PARTS_MAX]]


def _parse(document: bytes) -> ElementTree.Element:
    if len(document) > DOCUMENT_BYTES_MAX:
        raise DocumentUnreadable("the document is too long")
    try:
        parsed: ElementTree.Element = fromstring(document, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DocumentUnreadable(str(error)) from error
    return parsed


def _find(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((each for each in element.iter() if each.tag.rpartition("}")[2] == name), None)


def _text_of(element: ElementTree.Element, name: str) -> str | None:
    found = _find(element, name)
    return None if found is None or found.text is None else found.text.strip()


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    answer = b""
    while not response.content.at_eof() and len(answer) <= DOCUMENT_BYTES_MAX:
        answer += await response.content.readany()
    if not response.content.at_eof():
        response.close()
    return answer
