"""Reading what a request says: its JSON body, strictly, and its query parameters."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from clicktodial.api.management.problem import (
    INVALID_PARAMETER,
    INVALID_VALUE,
    MALFORMED_BODY,
    MISSING_PROPERTY,
    UNKNOWN_PROPERTY,
    Refused,
)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# No request takes more than a handful.
QUERY_PARAMETERS_MAX = 16

# No name and no text has one, and PostgreSQL refuses it.
NUL = "\0"
# As JSON writes it; behind an escaped backslash it is text like any other.
_NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

# What msgspec says: "Expected `int` - at `$.options.max_duration_s`".
_PLACE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def decode_body(body: bytes, kind: type[T]) -> T:
    """The body as that type; of a property given twice the last counts. Raises Refused."""
    try:
        # msgspec checks the encoding only of the strings that it keeps.
        decoded = msgspec.json.decode(body.decode(), type=kind)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from error
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Refused(MALFORMED_BODY) from error
    if _NUL_IN_JSON.search(body):
        raise Refused(INVALID_VALUE, "a text has the character NUL")
    _check_instants(decoded)
    return decoded


def _check_instants(given: object, pointer: str = "") -> None:
    """What its zone puts before the year 1 or behind 9999 is no time that can be reckoned with,
    wherever it stands."""
    match given:
        case datetime():
            try:
                given.astimezone(UTC)
            except OverflowError as error:
                raise Refused(INVALID_VALUE, "it is too far away", pointer=pointer) from error
        case msgspec.Struct():
            names = zip(given.__struct_fields__, given.__struct_encode_fields__, strict=True)
            for attribute, name in names:
                _check_instants(getattr(given, attribute), f"{pointer}/{_escape(name)}")
        case list() | tuple() | set() | frozenset():
            for index, each in enumerate(given):
                _check_instants(each, f"{pointer}/{index}")
        case dict():
            for key, each in given.items():
                _check_instants(each, f"{pointer}/{_escape(str(key))}")


def parse_query(query: bytes, known: Iterable[str]) -> dict[str, str]:
    """The parameters, each known and given once. Raises Refused."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=QUERY_PARAMETERS_MAX,
        )
    except ValueError as error:
        raise Refused(INVALID_PARAMETER, "the parameters cannot be read") from error
    names = [name for name, _ in pairs]
    for name in names:
        if name not in known:
            raise Refused(INVALID_PARAMETER, "there is a parameter that this request has not")
        if names.count(name) > 1:
            raise Refused(INVALID_PARAMETER, f"{name} is given twice")
    if any(NUL in text for _, text in pairs):
        raise Refused(INVALID_PARAMETER, "a parameter has the character NUL")
    return dict(pairs)


def find_word(query: dict[str, str], name: str, words: type[E]) -> E | None:
    """The word that a parameter says, one of those; None where it is not given. Raises Refused."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return words(text)
    except ValueError as error:
        raise Refused(INVALID_PARAMETER, f"{name} is one of {', '.join(words)}") from error


def _refused(message: str) -> Refused:
    """What is wrong, in words, and where: msgspec's message, taken apart."""
    place = _PLACE.search(message)
    pointer = "" if place is None else _pointer(place[1])
    words = message if place is None else message[: place.start()]
    if unknown := _UNKNOWN.match(words):
        return Refused(
            UNKNOWN_PROPERTY,
            "there is no such property here",
            pointer=f"{pointer}/{_escape(unknown[1])}",
        )
    if missing := _MISSING.match(words):
        return Refused(
            MISSING_PROPERTY, f"{missing[1]} is required", pointer=f"{pointer}/{missing[1]}"
        )
    return Refused(INVALID_VALUE, words[:1].lower() + words[1:], pointer=pointer)


def _pointer(path: str) -> str:
    """msgspec's `.a.b[0]` as the JSON Pointer `/a/b/0`."""
    return "".join(f"/{_escape(name or index)}" for name, index in _STEP.findall(path))


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
