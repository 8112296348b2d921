"""What is kept of a SIP message for whoever looks at a call later: its line, a few headers, what
audio it speaks of. Numbers are masked and hosts left out, since customers read it, too."""

import re

from clicktodial.domain.leg import TracedMessage
from clicktodial.domain.number import mask_number

# Those that tell why, in this order; a long value is cut.
_SHOWN_HEADERS = (
    "from",
    "to",
    "cseq",
    "reason",
    "warning",
    "retry-after",
    "session-expires",
    "user-agent",
    "server",
)
# Of a header as much as a person reads; no call of ours has a hundred headers.
_VALUE_CHARACTERS_MAX = 200
_HEADERS_MAX = 100
# RFC 3261 7.3.3, of those that are shown.
_COMPACT = {"f": "from", "t": "to", "x": "session-expires"}
_NAMES = {"cseq": "CSeq"}
_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE)
_OWN_CALL_ID = b"\r\nCall-ID: "
_NUMBER = re.compile(r"\+?[0-9]{7,20}")
_URI_HOST = re.compile(r"(sips?:(?:[^@;>\s]{1,100}@)?)[^;>\s\"]{1,200}", re.IGNORECASE)
_TAG = re.compile(r";tag=[^;>\s]{1,200}")
_CODEC = re.compile(rb"^a=rtpmap:[0-9]{1,3} ([A-Za-z0-9._-]{1,30})", re.MULTILINE)
_CODECS_MAX = 8


def find_call_id(data: bytes) -> bytes | None:
    """The Call-ID of a message, without parsing it; None where there is none."""
    begin = data.find(_OWN_CALL_ID)
    if begin >= 0:
        end = data.find(b"\r", begin + len(_OWN_CALL_ID))
        return data[begin + len(_OWN_CALL_ID) : end].strip()
    match = _CALL_ID.search(data)
    return None if match is None else match[1].strip()


def trace_message(at_ms: int, data: bytes, *, is_sent: bool) -> TracedMessage:
    """What is kept of that message, which may be anything."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode("utf-8", "replace").split("\r\n", _HEADERS_MAX)
    return TracedMessage(
        at_ms=at_ms,
        is_sent=is_sent,
        line=_clean(line),
        headers=_headers(rest),
        codecs=tuple(dict.fromkeys(name.decode() for name in _CODEC.findall(body)[:_CODECS_MAX])),
        size=len(data),
    )


def _headers(lines: list[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for each in lines:
        name, colon, value = each.partition(":")
        key = name.strip().lower()
        key = _COMPACT.get(key, key)
        if colon and key in _SHOWN_HEADERS:
            found.setdefault(key, _clean(_TAG.sub("", value.strip())))
    return tuple(
        f"{_NAMES.get(key, key.title())}: {found[key]}" for key in _SHOWN_HEADERS if key in found
    )


def _clean(text: str) -> str:
    """Printable, bounded, without numbers and hosts."""
    text = "".join(each if each.isprintable() else " " for each in text[:1_000])
    text = _URI_HOST.sub(r"\1…", text)
    return _NUMBER.sub(lambda match: mask_number(match[0]), text)[:_VALUE_CHARACTERS_MAX]
