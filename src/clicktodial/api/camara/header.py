"""The headers of the CAMARA API: x-correlator, and which content is spoken."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import uuid_utils

from clicktodial.api.camara.error import (
    INVALID_ARGUMENT,
    NOT_ACCEPTABLE,
    UNSUPPORTED_MEDIA_TYPE,
    Refused,
)

CORRELATOR = b"x-correlator"
# The document's pattern, and with it its length.
_CORRELATOR = re.compile(rb"[a-zA-Z0-9\-_:;./<>{}]{0,256}")
_JSON = "application/json"
_ACCEPTING = frozenset({"*/*", "application/*", _JSON})
_QUALITY_NONE = re.compile(r"q=0(?:\.0{0,3})?")
_ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii"})

RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]


def find_correlator(headers: RawHeaders) -> bytes:
    """The client's, or one of our own where it gave none that can be used."""
    given = _correlators(headers)
    if len(given) == 1 and given[0] and _CORRELATOR.fullmatch(given[0]):
        return given[0]
    return str(uuid_utils.uuid4()).encode()


def check_correlator(headers: RawHeaders) -> None:
    """Raises Refused where the client gave one that the pattern forbids, or several."""
    given = _correlators(headers)
    if len(given) > 1 or any(_CORRELATOR.fullmatch(each) is None for each in given):
        raise Refused(INVALID_ARGUMENT, "x-correlator does not match its pattern.")


def _correlators(headers: RawHeaders) -> list[bytes]:
    return [value for name, value in headers if name == CORRELATOR]


def check_accept(headers: RawHeaders) -> None:
    """Raises Refused where the client would take no JSON (RFC 9110 12.5.1)."""
    given = [value.decode("latin-1") for name, value in headers if name == b"accept"]
    ranges = [each.strip() for each in ",".join(given).split(",") if each.strip()]
    if ranges and not any(_accepts_json(each) for each in ranges):
        raise Refused(NOT_ACCEPTABLE)


def _accepts_json(media_range: str) -> bool:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    return name in _ACCEPTING and not any(_QUALITY_NONE.fullmatch(each) for each in parameters)


def check_content_type(headers: RawHeaders) -> None:
    """Raises Refused unless the body is said to be JSON, in the encoding that JSON has."""
    given = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    if len(given) != 1:
        raise Refused(UNSUPPORTED_MEDIA_TYPE)
    name, *parameters = (part.strip().lower() for part in given[0].split(";"))
    if name != _JSON:
        raise Refused(UNSUPPORTED_MEDIA_TYPE)
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "charset" and value.strip('"') not in _ENCODINGS:
            raise Refused(UNSUPPORTED_MEDIA_TYPE)
