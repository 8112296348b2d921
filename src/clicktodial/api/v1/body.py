"""The JSON bodies of v1: from bytes to the properties of an operation, nothing checked yet."""

from typing import Any, TypeVar

import msgspec


class RequestBody(msgspec.Struct):
    """What every request has. Values are as JSON gave them; null and missing are both None.

    The properties are untyped because the specification's errors have an order: what is
    missing is told before what is wrong. Unknown properties are ignored.
    """

    app_id: Any = msgspec.field(name="APPID", default=None)


class BeginBody(RequestBody):
    """The body of clicktodialbegin."""

    sponsor: Any = None
    caller: Any = None
    callee: Any = None
    record: Any = None
    send_direction: Any = msgspec.field(name="sendDirection", default=None)


class ReleaseBody(RequestBody):
    """The body of clicktodialrelease."""

    operation: Any = None


class DownloadBody(RequestBody):
    """The body of recordingdownload."""

    recording_id: Any = msgspec.field(name="recordingId", default=None)


BodyT = TypeVar("BodyT", bound=RequestBody)


def decode_body(body: bytes, decoder: msgspec.json.Decoder[BodyT]) -> BodyT | None:
    """The properties; None where the bytes are not one JSON object in UTF-8.

    Of a property given twice the last counts (RFC 8259 4 leaves it open); since a body is
    decoded once, what was checked is what is used.
    """
    try:
        # msgspec checks the encoding only of the strings that it keeps.
        return decoder.decode(body.decode())
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
