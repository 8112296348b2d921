"""The JSON bodies of the CAMARA API: what a program sends, held to the document strictly."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clicktodial.api.camara.error import (
    INVALID_ARGUMENT,
    INVALID_PHONE_NUMBER,
    OUT_OF_RANGE,
    SAME_CALLER_CALLEE,
    Refused,
)
from clicktodial.domain.number import NumberError, PhoneNumber, parse_number
from clicktodial.domain.sink import EventSink, SinkToken

# The document's own.
SINK_CHARACTERS_MAX = 2_048
TOKEN_CHARACTERS_MAX = 4_096
TIME_CHARACTERS_MAX = 64
# With a plus, no region is asked for; one must be given nevertheless.
_NO_REGION = "ZZ"
_NUMBER_CHARACTERS_MAX = 16  # the document's maxLength: a plus and fifteen digits
_SCHEMES = ("http", "https")
_HOST_CHARACTERS_MAX = 253  # RFC 1035 2.3.4
# RFC 3986 2: the characters of a URI, each percent sign before two digits.
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)
# What a header may carry (RFC 9110 5.5): a token with anything else would be another header.
_VISIBLE_ASCII = frozenset(map(chr, range(0x21, 0x7F)))


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body "that contain[s] properties not declared in this specification, at any nesting
    level" is refused."""


class Party(_Strict, frozen=True):
    """Caller and Callee."""

    number: str


class Credential(_Strict, frozen=True, rename="camel"):
    """SinkCredential, of which kind it may be; the properties of both kinds are known."""

    credential_type: Literal["ACCESSTOKEN", "PRIVATE_KEY_JWT"]
    access_token: Annotated[str, Meta(max_length=TOKEN_CHARACTERS_MAX)] | UnsetType = UNSET
    access_token_expires_utc: Annotated[str, Meta(max_length=TIME_CHARACTERS_MAX)] | UnsetType = (
        UNSET
    )
    access_token_type: Literal["bearer"] | UnsetType = UNSET


class CreateCallBody(_Strict, frozen=True, rename="camel"):
    """CreateCallRequest."""

    caller: Party
    callee: Party
    sink: Annotated[str, Meta(max_length=SINK_CHARACTERS_MAX)] | UnsetType = UNSET
    sink_credential: Credential | UnsetType = UNSET
    recording_enabled: bool = False


_decoder = msgspec.json.Decoder(CreateCallBody)


def decode_create(raw: bytes) -> CreateCallBody:
    """The body. Raises Refused where it does not follow the document."""
    try:
        # msgspec checks the encoding only of the strings that it keeps.
        return _decoder.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise Refused(INVALID_ARGUMENT, "The body is not UTF-8.") from error
    except RecursionError as error:
        raise Refused(INVALID_ARGUMENT, "The body is nested too deeply.") from error
    except msgspec.DecodeError as error:
        # It names the property by its path, and says nothing of what the value was.
        raise Refused(INVALID_ARGUMENT, f"{error}.") from error


def parse_parties(body: CreateCallBody) -> tuple[PhoneNumber, PhoneNumber]:
    """Caller and callee. Raises Refused."""
    caller, callee = _parse_number(body.caller.number), _parse_number(body.callee.number)
    if caller.e164 == callee.e164:
        raise Refused(SAME_CALLER_CALLEE)
    return caller, callee


def _parse_number(text: str) -> PhoneNumber:
    if not text.startswith("+") or len(text) > _NUMBER_CHARACTERS_MAX:
        raise Refused(INVALID_PHONE_NUMBER)
    try:
        number = parse_number(text, _NO_REGION)
    except NumberError as error:
        raise Refused(INVALID_PHONE_NUMBER) from error
    # "In order to be globally unique it has to be formatted in international format": a number
    # with separators, or with the national zero behind its country, is another text.
    if number.e164 != text:
        raise Refused(INVALID_PHONE_NUMBER)
    return number


def parse_sink(body: CreateCallBody, now: datetime) -> EventSink | None:
    """Where the call's events go; None where nowhere. Raises Refused."""
    token = None
    if not isinstance(body.sink_credential, UnsetType):
        token = _parse_credential(body.sink_credential, now)
    if isinstance(body.sink, UnsetType):
        return None
    return EventSink(_check_sink(body.sink), token)


def _check_sink(text: str) -> str:
    if not _URI.fullmatch(text):
        raise Refused(INVALID_ARGUMENT, "sink is not a URI.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Refused(INVALID_ARGUMENT, "sink is not a URI.") from error
    host = parts.hostname
    if parts.scheme not in _SCHEMES or not host or len(host) > _HOST_CHARACTERS_MAX or port == 0:
        raise Refused(INVALID_ARGUMENT, "sink must be an http or https URI with a host.")
    if "@" in parts.netloc:
        raise Refused(INVALID_ARGUMENT, "sink must not contain credentials: see sinkCredential.")
    if "#" in text:
        raise Refused(INVALID_ARGUMENT, "sink must not contain a fragment.")
    return text


def _parse_credential(credential: Credential, now: datetime) -> SinkToken:
    if credential.credential_type != "ACCESSTOKEN":
        raise Refused(
            INVALID_ARGUMENT, "sinkCredential.credentialType: only ACCESSTOKEN is supported here."
        )
    value, expires = credential.access_token, credential.access_token_expires_utc
    for name, given in (
        ("accessToken", value),
        ("accessTokenExpiresUtc", expires),
        ("accessTokenType", credential.access_token_type),
    ):
        if isinstance(given, UnsetType):
            raise Refused(INVALID_ARGUMENT, f"sinkCredential.{name} is required.")
    assert not isinstance(value, UnsetType)
    assert not isinstance(expires, UnsetType)
    if not value or not _VISIBLE_ASCII.issuperset(value):
        raise Refused(INVALID_ARGUMENT, "sinkCredential.accessToken is not a bearer token.")
    expires_at = _parse_time(expires)
    if expires_at <= now:
        raise Refused(OUT_OF_RANGE, "sinkCredential.accessTokenExpiresUtc is in the past.")
    return SinkToken(value, expires_at)


def _parse_time(text: str) -> datetime:
    """Of RFC 3339; it "must have time zone"."""
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError, ValueError):
        pass
    raise Refused(
        INVALID_ARGUMENT,
        "sinkCredential.accessTokenExpiresUtc is not an RFC 3339 time with a time zone.",
    )
