"""MM7: against a SOAP receiver that validates what it gets, and reports to our own server.

The receiver reads MIME with the standard library's parser and XML with `xmlschema`, neither of
which the driver writes with, against a schema written for these tests (`mm7_submit.xsd` says why).
"""

import asyncio
import base64
import email
import email.policy
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema
from aiohttp import web
from litestar import Litestar
from tests.api.support import call_app
from tests.harness.address import allocate_host
from tests.messaging.support import NOW

from clicktodial.api.message_report import create_report_handlers
from clicktodial.domain.message import Channel, MessageState
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import GatewayReport, OutgoingMessage, Picture
from clicktodial.messaging.mm7 import (
    DOCUMENT_BYTES_MAX,
    NAMESPACE,
    SOAP,
    Mm7Gateway,
    Mm7Settings,
    ReportAddress,
    read_submit_answer,
)
from clicktodial.storage.error import DatabaseUnavailable
from clicktodial.web.client_address import ClientAddresses

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("mm7_submit.xsd")))
# Bytes that a mail program would turn into line ends.
PICTURE = b"GIF89a\r\n\n\r.\r\n\0\xff;"
MESSAGE = OutgoingMessage(
    message_id="0123456789abcdef",
    key="0123456789abcdef",
    channel=Channel.MMS,
    sender="+861052680000",
    recipient="+8613912345673",
    subject="Grüße <&> 😀",
    text='您的通话\nThank you "&" goodbye',
    pictures=(Picture("image/gif", PICTURE), Picture("image/png", b"\x89PNG")),
    queued_at=NOW,
)
SECRET = "a-secret-of-a-test"
ANSWER = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Header><TransactionID xmlns="{NAMESPACE}" '
    'e:mustUnderstand="1">1</TransactionID></e:Header><e:Body>'
    f'<SubmitRsp xmlns="{NAMESPACE}"><MM7Version>6.8.0</MM7Version><Status><StatusCode>{{code}}'
    "</StatusCode><StatusText>So it is</StatusText></Status>{more}</SubmitRsp>"
    "</e:Body></e:Envelope>"
)
TAKEN = ANSWER.format(code=1000, more="<MessageID>mmsc-1</MessageID>")
FAULT = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:Server</faultcode>'
    f'<faultstring>x</faultstring><detail><RSErrorRsp xmlns="{NAMESPACE}"><Status><StatusCode>3001'
    "</StatusCode><StatusText>Later</StatusText></Status></RSErrorRsp></detail></e:Fault></e:Body>"
    "</e:Envelope>"
)
LAUGHS = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>' + ANSWER.format(
    code=1000, more="<MessageID>&lol2;</MessageID>"
)
FILE = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + ANSWER.format(
    code=1000, more="<MessageID>&x;</MessageID>"
)


@dataclass
class Mmsc:
    """Takes SubmitReq, and answers as it is told."""

    answer: tuple[int, str] = (200, TAKEN)
    url: str = ""
    requests: list[EmailMessage] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        assert request.headers["SOAPAction"] == '""'
        self.authorizations.append(request.headers.get("Authorization"))
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        whole = email.message_from_bytes(head + await request.read(), policy=email.policy.HTTP)
        assert isinstance(whole, EmailMessage)
        self.requests.append(whole)
        status, body = self.answer
        return web.Response(status=status, text=body, content_type="text/xml")


@pytest.fixture
async def mmsc() -> AsyncIterator[Mmsc]:
    mmsc = Mmsc()
    application = web.Application()
    application.router.add_post("/mm7", mmsc.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    host = allocate_host()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    mmsc.url = f"http://{host}:{port}/mm7"
    yield mmsc
    await runner.cleanup()


def settings(url: str, **changes: Any) -> Mm7Settings:
    base = Mm7Settings(
        url=url,
        vasp_id="vasp",
        vas_id="vas",
        service_code="gold",
        username="user",
        password="pässword",
        asks_for_reports=True,
        timeout_s=20,
        expires_after=timedelta(days=1),
    )
    return replace(base, **changes)


async def nothing(_: str, __: GatewayReport) -> None:
    raise AssertionError("a report came through the gateway")


@pytest.fixture
async def gateway(mmsc: Mmsc) -> AsyncIterator[Mm7Gateway]:
    gateway = Mm7Gateway(settings(mmsc.url))
    await gateway.start(nothing)
    yield gateway
    await gateway.close()


def parts(message: EmailMessage) -> list[EmailMessage]:
    found = [each for each in message.iter_parts() if isinstance(each, EmailMessage)]
    return found


def envelope(message: EmailMessage) -> ElementTree.Element:
    content = parts(message)[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return ElementTree.fromstring(content)


def text_of(element: ElementTree.Element, path: str) -> str | None:
    return element.findtext(path, namespaces={"m": NAMESPACE})


async def test_submitted_message_is_valid_and_whole(gateway: Mm7Gateway, mmsc: Mmsc) -> None:
    assert gateway.count_parts(MESSAGE) == 1
    receipt = await gateway.send(MESSAGE, 1)
    assert (receipt.gateway_id, receipt.state) == ("mmsc-1", MessageState.SENT)
    (request,) = mmsc.requests
    assert request.get_content_type() == "multipart/related"
    assert request.get_param("type") == "text/xml"
    root, content = parts(request)
    assert request.get_param("start") == root["Content-ID"]
    soap = envelope(request)
    header, body = soap.findall(f"{{{SOAP}}}Header/*") + soap.findall(f"{{{SOAP}}}Body/*")
    for element in (header, body):
        SCHEMA.validate(element)
    assert header.text == MESSAGE.key
    assert header.get(f"{{{SOAP}}}mustUnderstand") == "1"
    assert text_of(body, "m:SenderIdentification/m:SenderAddress/m:Number") == "861052680000"
    assert text_of(body, "m:Recipients/m:To/m:Number") == "8613912345673"
    assert text_of(body, "m:Subject") == MESSAGE.subject
    assert text_of(body, "m:TimeStamp") == "2026-03-04T05:06:07Z"
    assert text_of(body, "m:DeliveryReport") == "true"
    reference = body.find(f"{{{NAMESPACE}}}Content")
    assert reference is not None
    assert f"<{(reference.get('href') or '').removeprefix('cid:')}>" == content["Content-ID"]
    text, *pictures = parts(content)
    # MIME ends lines with CR LF (RFC 2046 4.1.1), and the last one too.
    assert text.get_content().replace("\r\n", "\n") == MESSAGE.text + "\n"
    assert [each.get_content_type() for each in pictures] == ["image/gif", "image/png"]
    assert pictures[0].get_payload(decode=True) == PICTURE
    assert mmsc.authorizations == ["Basic " + base64.b64encode("user:pässword".encode()).decode()]


async def test_each_attempt_has_the_same_transaction(gateway: Mm7Gateway, mmsc: Mmsc) -> None:
    await gateway.send(MESSAGE, 1)
    await gateway.send(MESSAGE, 1)
    first, second = (envelope(request) for request in mmsc.requests)
    assert ElementTree.tostring(first) == ElementTree.tostring(second)


async def test_what_xml_cannot_hold_is_left_out(gateway: Mm7Gateway, mmsc: Mmsc) -> None:
    await gateway.send(replace(MESSAGE, subject="a\0b\x0b\ufffe]]>"), 1)
    body = envelope(mmsc.requests[0]).find(f"{{{SOAP}}}Body/*")
    assert body is not None
    assert text_of(body, "m:Subject") == "a b  ]]>"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, ANSWER.format(code=2001, more="")), MessageRefused),
        ((200, ANSWER.format(code=4004, more="")), MessageRefused),
        ((200, ANSWER.format(code=3002, more="")), GatewayUnavailable),
        ((500, FAULT), GatewayUnavailable),
        ((500, TAKEN), GatewayUnavailable),
        ((503, "busy"), GatewayUnavailable),
        ((302, TAKEN), GatewayUnavailable),
        ((200, ""), GatewayUnavailable),
        ((200, "<html/>"), GatewayUnavailable),
        ((200, LAUGHS), GatewayUnavailable),
        ((200, FILE), GatewayUnavailable),
        ((200, "<a>" * 20_000), GatewayUnavailable),
        ((200, TAKEN + " " * (DOCUMENT_BYTES_MAX + 1)), GatewayUnavailable),
    ],
)
async def test_answer_that_is_no_success_is_an_error(
    gateway: Mm7Gateway, mmsc: Mmsc, answer: tuple[int, str], error: type[Exception]
) -> None:
    mmsc.answer = answer
    with pytest.raises(error):
        await gateway.send(MESSAGE, 1)


async def test_mmsc_that_is_away_is_unavailable() -> None:
    gateway = Mm7Gateway(settings(f"http://{allocate_host()}:9/"))
    await gateway.start(nothing)
    with pytest.raises(GatewayUnavailable):
        await gateway.send(MESSAGE, 1)
    await gateway.close()


async def test_mmsc_that_never_answers_is_unavailable(mmsc: Mmsc) -> None:
    held = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(hold, allocate_host(), 0)
    host, port = server.sockets[0].getsockname()[:2]
    gateway = Mm7Gateway(settings(f"http://{host}:{port}/", timeout_s=0.05))
    await gateway.start(nothing)
    with pytest.raises(GatewayUnavailable, match="timeout"):
        await gateway.send(MESSAGE, 1)
    await gateway.close()
    held.set()
    server.close()
    await server.wait_closed()


def test_success_without_an_identifier_is_taken() -> None:
    # Another attempt would send a second message.
    receipt = read_submit_answer(200, ANSWER.format(code=1000, more="").encode())
    assert receipt.gateway_id == ""


# Reports

REPORT = (
    f'<env:Envelope xmlns:env="{SOAP}"><env:Header><TransactionID xmlns="{NAMESPACE}" '
    'env:mustUnderstand="1">10000001</TransactionID></env:Header><env:Body>'
    f'<DeliveryReportReq xmlns="{NAMESPACE}"><MM7Version>6.8.0</MM7Version>'
    "<MessageID>mmsc-1</MessageID><Recipient><Number>8613912345673</Number></Recipient>"
    "<Sender><Number>861052680000</Number></Sender><Date>2026-03-04T05:06:08Z</Date>"
    "<MMStatus>{status}</MMStatus><StatusText>Text</StatusText></DeliveryReportReq>"
    "</env:Body></env:Envelope>"
)
XML = ((b"content-type", b"text/xml"), (b"host", b"localhost"))


class Receiver:
    """Our server's part for reports."""

    def __init__(
        self, *sources: str, error: Exception | None = None, proxies: tuple[str, ...] = ()
    ) -> None:
        self.reports: list[tuple[str, GatewayReport]] = []
        self._error = error
        address = ReportAddress(SECRET, tuple(map(ip_network, sources)))
        handlers = create_report_handlers(address, self._on_report, ClientAddresses(proxies))
        self.app = Litestar(handlers, logging_config=None)

    async def _on_report(self, gateway: str, report: GatewayReport) -> None:
        if self._error is not None:
            raise self._error
        self.reports.append((gateway, report))

    async def post(
        self, body: str, *, secret: str = SECRET, headers: Any = XML
    ) -> tuple[int, bytes]:
        path = f"/messages/mm7/{secret}"
        answer = await call_app(self.app, "POST", path, list(headers), [body.encode()])
        return answer.status, answer.body


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Retrieved", MessageState.DELIVERED),
        ("Expired", MessageState.EXPIRED),
        ("Rejected", MessageState.FAILED),
        ("Indeterminate", MessageState.SENT),
        ("Forwarded", MessageState.SENT),
    ],
)
async def test_report_is_taken_and_answered(status: str, state: MessageState) -> None:
    receiver = Receiver("127.0.0.0/8")
    code, answer = await receiver.post(REPORT.replace("{status}", status))
    assert code == 200
    assert receiver.reports == [("mm7", GatewayReport("mmsc-1", state, f"{status} Text"))]
    told = ElementTree.fromstring(answer)
    assert told.findtext(f"{{{SOAP}}}Header/{{{NAMESPACE}}}TransactionID") == "10000001"
    path = f"{{{SOAP}}}Body/{{{NAMESPACE}}}DeliveryReportRsp/{{{NAMESPACE}}}Status/"
    assert told.findtext(path + f"{{{NAMESPACE}}}StatusCode") == "1000"


async def test_report_in_a_multipart_body_is_taken() -> None:
    receiver = Receiver()
    body = "--b\r\nContent-Type: text/xml\r\n\r\n" + REPORT.replace("{status}", "Retrieved")
    headers = (
        (b"content-type", b'multipart/related; type="text/xml"; boundary="b"'),
        (b"host", b"localhost"),
    )
    code, _ = await receiver.post(body + "\r\n--b--\r\n", headers=headers)
    assert code == 200
    assert len(receiver.reports) == 1


MULTIPART = ((b"content-type", b"multipart/related; boundary=b0"), (b"host", b"localhost"))


async def test_report_beside_others_is_found_and_decoded() -> None:
    receiver = Receiver()
    report = base64.encodebytes(REPORT.replace("{status}", "Retrieved").encode()).decode()
    body = (
        "of no part\n--b0\nContent-Type: text/plain\n\nx\n--b00\n--b0\n"
        f"Content-Type: text/xml\nContent-Transfer-Encoding: base64\n\n{report}--b0--\n"
    )
    code, _ = await receiver.post(body, headers=MULTIPART)
    assert code == 200
    assert [report.gateway_id for _, report in receiver.reports] == ["mmsc-1"]


@pytest.mark.parametrize(
    "body",
    [
        "".join(
            f"--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{depth + 1}\r\n\r\n"
            for depth in range(1_000)
        ),
        "--b0\r\nContent-Type: text/xml" + "(" * 30_000 + "\r\n\r\n<a/>\r\n--b0--",
        "--b0\r\nContent-Type: text/xml" + ";" * 65_000 + "\r\n\r\n<a/>\r\n--b0--",
        "--b0\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: "
        + "(" * 30_000
        + "\r\n\r\n<a/>\r\n--b0--",
        "--b0\r\n\r\n" * 6_000,
    ],
)
async def test_body_made_to_keep_us_busy_is_refused_at_once(body: str) -> None:
    began = time.process_time()
    code, _ = await Receiver().post(body, headers=MULTIPART)
    assert code == 400
    # Calls wait for it; each took up to a minute, or none of it was caught.
    assert time.process_time() - began < 5


async def test_multipart_body_without_a_boundary_is_refused() -> None:
    headers = ((b"content-type", b"multipart/related"), (b"host", b"localhost"))
    assert (await Receiver().post("x", headers=headers))[0] == 400


async def test_reporter_who_is_not_known_finds_nothing() -> None:
    body = REPORT.replace("{status}", "Retrieved")
    for receiver, secret in (
        (Receiver(), "another-secret-of-a-test"),
        (Receiver(), "\u00e4"),
        (Receiver("192.0.2.0/24", "2001:db8::/32"), SECRET),
    ):
        code, _ = await receiver.post(body, secret=secret)
        assert code == 404
        assert receiver.reports == []


async def test_reporter_behind_a_proxy_is_known_by_what_the_proxy_saw() -> None:
    body = REPORT.replace("{status}", "Retrieved")
    for proxies, forwarded, status in (
        (("127.0.0.1",), b"203.0.113.5, 192.0.2.7", 200),
        (("127.0.0.1",), b"192.0.2.7, 203.0.113.5", 404),  # what the sender wrote is on the left
        ((), b"192.0.2.7", 404),  # a proxy that is not trusted
    ):
        receiver = Receiver("192.0.2.0/24", proxies=proxies)
        code, _ = await receiver.post(body, headers=(*XML, (b"x-forwarded-for", forwarded)))
        assert code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("<a/>", 400),
        ("<!DOCTYPE a>" + REPORT.replace("{status}", "Retrieved"), 400),
        (REPORT.replace("<MessageID>mmsc-1</MessageID>", ""), 400),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + REPORT.replace("{status}", "&b;"), 400),
        ("<a>" * 20_000, 400),
        ("x" * (DOCUMENT_BYTES_MAX + 1), 413),
        ("--b\r\n\r\n--b--", 400),
    ],
)
async def test_what_is_no_report_is_refused(body: str, status: int) -> None:
    receiver = Receiver()
    code, _ = await receiver.post(body)
    assert code == status
    assert receiver.reports == []


async def test_report_while_the_database_is_away_is_to_come_again() -> None:
    receiver = Receiver(error=DatabaseUnavailable())
    code, _ = await receiver.post(REPORT.replace("{status}", "Retrieved"))
    assert code == 503


def test_without_a_secret_there_is_no_such_path() -> None:
    assert create_report_handlers(None, nothing, ClientAddresses()) == []
