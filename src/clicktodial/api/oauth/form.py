"""The form of a request to the authorization server (RFC 6749 B), read strictly."""

import re
from urllib.parse import parse_qsl, unquote_plus

from litestar import Request

from clicktodial.api.oauth.error import BODY_TOO_LONG, INVALID_REQUEST, OauthRefused
from clicktodial.web.request import BodyTooLong, find_header, read_body

# An assertion has some 1 000 bytes, a token of another provider up to 8 192.
FORM_BYTES_MAX = 16_384
FIELDS_MAX = 32
_MEDIA_TYPE = re.compile(
    rb'application/x-www-form-urlencoded(?:\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE
)
# Printable ASCII without spaces; a percent sign begins an escape.
_ENCODED = re.compile(rb"(?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})*")


async def read_form(request: Request[object, object, object]) -> dict[str, str]:  # type: ignore[type-var]
    """The parameters, each given once; one without a value is as if it were not there (RFC 6749
    3.2). Raises OauthRefused or ClientDisconnected."""
    content_type = find_header(request.scope["headers"], b"content-type") or b""
    if _MEDIA_TYPE.fullmatch(content_type.strip()) is None:
        raise OauthRefused(INVALID_REQUEST, "the body is application/x-www-form-urlencoded")
    try:
        body = await read_body(request.receive, FORM_BYTES_MAX)
    except BodyTooLong as error:
        raise OauthRefused(
            BODY_TOO_LONG,
            f"a body has at most {FORM_BYTES_MAX} bytes",
            is_last=not error.is_drained,
        ) from error
    return parse_form(body)


def parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a body. Raises OauthRefused."""
    if _ENCODED.fullmatch(body) is None:
        raise OauthRefused(INVALID_REQUEST, "the body is not a form, percent-encoded")
    if not body:
        return {}
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise OauthRefused(INVALID_REQUEST, "the body is not a form of UTF-8") from error
    form: dict[str, str] = {}
    for name, text in pairs:
        if name in form:
            raise OauthRefused(INVALID_REQUEST, "a parameter is given more than once")
        if "\0" in text:
            raise OauthRefused(INVALID_REQUEST, "a parameter holds what no parameter does")
        form[name] = text
    return {name: text for name, text in form.items() if text}


def decode_part(text: str) -> str | None:
    """A client's identifier or password as Basic carries it: encoded as in a form (RFC 6749
    2.3.1). None for what is not UTF-8."""
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return None
