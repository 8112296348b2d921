"""Reading SIP messages: sipmessage's parser inside bounds, and what every message must have.

sipmessage reads the start-line. The headers are split here, into a table by name: each message is
asked for eight of them, and sipmessage compares names one by one. Here also stands what a datagram
from anyone needs besides: limits, folded lines, white space before colons, the headers without
which nothing can be answered (RFC 3261 8.1.1), and the length of the body (RFC 3261 18.3). A
request that can be answered but not obeyed is kept, with its `defect`.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from sipmessage import URI, Message, Request, Response
from sipmessage.message import COMPACT_FORMS

from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.uri import DEFAULT_PORT, parse_uri, split_values

# What fits into a UDP datagram at all.
MESSAGE_BYTES_MAX = 65_535
# Headers of real calls stay below 8 KiB, with Record-Route and SDP-like extensions included.
HEAD_BYTES_MAX = 32_768
HEADER_LINE_BYTES_MAX = 8_192
HEADERS_MAX = 256
# CSeq is below 2**31 by RFC 3261 8.1.1.5; peers that count unsigned are let through.
CSEQ_MAX = 2**32 - 1
# RFC 3261 8.1.1.7
MAGIC_COOKIE = "z9hG4bK"
# Phrases end in logs and call records.
PHRASE_CHARACTERS_MAX = 128
_REASON_CHARACTERS_MAX = 256
_Q850_MAX = 127

_BRANCH = re.compile(r";\s*branch\s*=\s*([^\s;,\"]+)", re.IGNORECASE)
_TAG = re.compile(r";\s*tag\s*=\s*([^\s;,>\"]+)", re.IGNORECASE)
_CSEQ = re.compile(r"([0-9]{1,10})\s+([^\s]+)")
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*[A-Za-z0-9.-]+\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;,\[\]\"]+)"
    r"(?:\s*:\s*(?P<port>[0-9]{1,5}))?\s*"
    r"(?P<parameters>;.*)?",
    re.IGNORECASE,
)
_Q850 = re.compile(r"Q\.850\s*;[^,]*?cause\s*=\s*([0-9]{1,3})", re.IGNORECASE)
_FOLD = re.compile(rb"\r\n[ \t]+")
_SPACE_BEFORE_COLON = re.compile(rb"(?m)^([^\s:]+)[ \t]+:")
_REQUEST_LINE = re.compile(rb"([!-~]{1,64}) +([^\r\n]*?) +SIP/([0-9]{1,3}\.[0-9]{1,3}) *")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_STAND_IN_URI: Final = b"sip:invalid"
_COMPACT_NAMES = {short: name.lower() for short, name in COMPACT_FORMS.items()}

# By name in lower case; the values as they stand on their lines, in order.
_Headers = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Defect:
    """Why a request is refused although it can be answered."""

    status: int
    phrase: str


BAD_REQUEST_URI = Defect(400, "Bad Request-URI")
UNSUPPORTED_SCHEME = Defect(416, "Unsupported URI Scheme")
UNSUPPORTED_VERSION = Defect(505, "Version Not Supported")
BODY_TOO_SHORT = Defect(400, "Content-Length Exceeds Body")
METHOD_MISMATCH = Defect(400, "CSeq Method Mismatch")


class SipMessage:
    """One message from a peer, with what every message has already taken out.

    `status` is 0 for a request. `method` of a response is that of its CSeq. Tags are "" where
    there is none.
    """

    __slots__ = (
        "_headers",
        "body",
        "branch",
        "call_id",
        "cseq",
        "defect",
        "from_header",
        "from_tag",
        "method",
        "phrase",
        "status",
        "to_header",
        "to_tag",
        "uri",
        "via_headers",
    )

    def __init__(self, start: Request | Response, headers: _Headers, body: bytes) -> None:
        self._headers = headers
        self.body = body
        self.defect: Defect | None = None
        self.via_headers = headers.get("via", [])
        if not self.via_headers:
            raise MalformedMessage("no Via")
        branch = _BRANCH.search(self.via_headers[0])
        self.branch = branch[1] if branch else ""
        self.from_header = self._single("From")
        self.to_header = self._single("To")
        self.from_tag = tag_of(self.from_header)
        self.to_tag = tag_of(self.to_header)
        self.call_id = self._single("Call-ID")
        cseq = _CSEQ.fullmatch(self._single("CSeq"))
        if cseq is None or int(cseq[1]) > CSEQ_MAX:
            raise MalformedMessage("bad CSeq")
        self.cseq = int(cseq[1])
        self.uri: URI | None
        if isinstance(start, Response):
            self._take_status_line(start, cseq[2])
        else:
            self._take_request_line(start, cseq[2])
        self._cut_body()

    def _take_status_line(self, message: Response, method: str) -> None:
        if not 100 <= message.code <= 699:
            raise MalformedMessage("bad status")
        self.status = message.code
        self.phrase = message.phrase
        self.method = method
        self.uri = None

    def _take_request_line(self, message: Request, method: str) -> None:
        self.status = 0
        self.phrase = ""
        self.method = message.method
        self.uri = message.uri
        if not _TOKEN.fullmatch(self.method):
            raise MalformedMessage("bad method")
        if method != self.method:
            self.defect = METHOD_MISMATCH

    def _cut_body(self) -> None:
        lengths = self._headers.get("content-length")
        if not lengths:
            return  # RFC 3261 18.3: the body then ends with the datagram
        text = lengths[0]
        if len(lengths) > 1 or not text.isdecimal() or not text.isascii() or len(text) > 9:
            raise MalformedMessage("bad Content-Length")
        length = int(text)
        if length < len(self.body):
            self.body = self.body[:length]
        elif length > len(self.body):
            # RFC 3261 18.3: such a request is refused, such a response discarded.
            if self.status:
                raise MalformedMessage("body is too short")
            self.defect = BODY_TOO_SHORT

    def _single(self, name: str) -> str:
        values = self._headers.get(name.lower(), ())
        if len(values) != 1 or not values[0]:
            raise MalformedMessage(f"not exactly one {name}")
        return values[0]

    def get(self, name: str) -> str:
        """The first value of that header, or ""."""
        values = self._headers.get(name.lower())
        return values[0] if values else ""

    def get_lines(self, name: str) -> list[str]:
        """Every value of that header as it stands on its line, commas and all."""
        return self._headers.get(name.lower(), [])

    def get_values(self, name: str) -> list[str]:
        """The single values of a comma-separated header, in order."""
        values = self._headers.get(name.lower())
        return split_values(values) if values else []

    def get_count(self, name: str) -> int | None:
        """A header that is a small number; None where there is none, -1 where it is garbage."""
        values = self._headers.get(name.lower())
        if not values:
            return None
        text = values[0]
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else -1


def parse_message(data: bytes) -> SipMessage:
    """Read one datagram. Raises MalformedMessage, and nothing else, for what is no message."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise MalformedMessage("too long")
    # RFC 3261 7.5: empty lines before the start-line are ignored.
    data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    head = data[:end]
    if end <= 0:
        raise MalformedMessage("no end of the headers")
    _check_limits(head)
    # Folding, and space before a colon, are legal and so rare that only they are paid for.
    folded = b"\r\n " in head or b"\r\n\t" in head or b" :" in head or b"\t:" in head
    defect: Defect | None = None
    try:
        start, headers = _parse_head(_unfold(head) if folded else head)
    except (ValueError, TypeError):
        # TypeError: sipmessage passes a URI's parameters as keywords, `self` among them.
        start, headers, defect = _parse_repaired(_unfold(head))
    result = SipMessage(start, headers, data[end + 4 :])
    if defect is not None:
        result.defect = defect
    return result


def _check_limits(head: bytes) -> None:
    if len(head) > HEAD_BYTES_MAX:
        raise MalformedMessage("headers are too long")
    lines = head.count(b"\r\n")
    if lines > HEADERS_MAX:
        raise MalformedMessage("too many headers")
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        raise MalformedMessage("bare line end")
    if len(head) > HEADER_LINE_BYTES_MAX and any(
        len(line) > HEADER_LINE_BYTES_MAX for line in head.split(b"\r\n")
    ):
        raise MalformedMessage("a header is too long")


def _parse_head(head: bytes) -> tuple[Request | Response, _Headers]:
    """The start-line, as a message without headers, and the headers. Raises as sipmessage does,
    and ValueError for a line that is no header."""
    start_line, _, rest = head.partition(b"\r\n")
    start = Message.parse(start_line + b"\r\n\r\n")
    headers: _Headers = {}
    for line in rest.decode().split("\r\n") if rest else ():
        name, value = line.split(":", 1)
        name = name.lower()
        headers.setdefault(_COMPACT_NAMES.get(name, name), []).append(value.strip())
    return start, headers


def _unfold(head: bytes) -> bytes:
    """The head with every header on one line (RFC 3261 7.3.1) and in valid UTF-8."""
    head = _FOLD.sub(b" ", head)
    head = _SPACE_BEFORE_COLON.sub(rb"\1:", head)
    # A phrase or display name in another charset is no reason to lose the call.
    return head.decode("utf-8", "replace").encode()


def _parse_repaired(head: bytes) -> tuple[Request | Response, _Headers, Defect | None]:
    """Read a head whose start-line sipmessage refuses, as far as it can be answered."""
    start_line, _, rest = head.partition(b"\r\n")
    defect: Defect | None = None
    uri: URI | None = None
    request_line = _REQUEST_LINE.fullmatch(start_line)
    if request_line is not None:
        uri, defect = _read_request_uri(request_line[2].decode("utf-8", "replace"))
        if request_line[3] != b"2.0":
            defect = UNSUPPORTED_VERSION
        head = b"%b %b SIP/2.0\r\n%b" % (request_line[1], _STAND_IN_URI, rest)
    elif start_line.startswith(b"SIP/2.0 ") and start_line.count(b" ") == 1:
        # A status-line that ends after the status: the space before an empty phrase is missing.
        head = b"%b \r\n%b" % (start_line, rest)
    try:
        start, headers = _parse_head(head)
    except (ValueError, TypeError) as error:
        raise MalformedMessage(str(error)) from error
    if uri is not None and isinstance(start, Request):
        start.uri = uri
    return start, headers, defect


def _read_request_uri(text: str) -> tuple[URI | None, Defect | None]:
    parts = parse_uri(text)
    if parts is not None:
        user = unquote(parts.user) if parts.user else None
        return URI(scheme="sip", host=parts.host, user=user, port=parts.port), None
    scheme, colon, _ = text.partition(":")
    if colon and _TOKEN.fullmatch(scheme) and scheme.lower() not in ("sip", "sips", "tel"):
        return None, UNSUPPORTED_SCHEME
    return None, BAD_REQUEST_URI


def tag_of(value: str) -> str:
    """The tag of a From or To value, or ""."""
    match = _TAG.search(value, value.rfind(">") + 1)
    return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Via:
    """The topmost Via of a request. `asks_rport` is RFC 3581's."""

    host: str
    port: int
    asks_rport: bool
    text: str  # as received, without received and rport


_RECEIVED_OR_RPORT = re.compile(r";\s*(?:received|rport)\s*(?:=\s*[^;\s]*)?\s*(?=;|$)", re.I)
_RPORT = re.compile(r";\s*rport\s*(?:=[^;]*)?(?=;|$)", re.I)


def top_via(request: SipMessage) -> tuple[Via, list[str]]:
    """The topmost Via and the values below it, as they came. Raises MalformedMessage."""
    first, *more = split_values(request.via_headers[:1]) or [""]
    match = _VIA.fullmatch(first)
    if match is None:
        raise MalformedMessage("bad Via")
    port = int(match["port"]) if match["port"] else DEFAULT_PORT
    if not 0 < port <= 65_535:
        raise MalformedMessage("bad Via port")
    text = _RECEIVED_OR_RPORT.sub("", first)
    asks_rport = _RPORT.search(match["parameters"] or "") is not None
    via = Via(match["host"].strip("[]"), port, asks_rport, text)
    return via, [*more, *request.via_headers[1:]]


def q850_of(message: SipMessage) -> int | None:
    """The Q.850 cause of the Reason headers (RFC 3326), or None."""
    for value in message.get_values("Reason"):
        match = _Q850.match(value[:_REASON_CHARACTERS_MAX])
        if match is not None and int(match[1]) <= _Q850_MAX:
            return int(match[1])
    return None


def reason_header_of(message: SipMessage) -> str:
    """The Reason headers (RFC 3326) as they came, bounded and fit for logs and records."""
    return _printable(", ".join(message.get_values("Reason")), _REASON_CHARACTERS_MAX)


def printable_phrase(phrase: str) -> str:
    """A peer's phrase, fit for logs and records."""
    return _printable(phrase, PHRASE_CHARACTERS_MAX)


def _printable(text: str, characters_max: int) -> str:
    return "".join(c for c in text[:characters_max] if c.isprintable()).strip()
