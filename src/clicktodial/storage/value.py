"""Checks of what administrators type. Each raises ValueInvalid and says which value is wrong."""

import re
from urllib.parse import urlsplit

from clicktodial.domain.number import NumberError, mask_number, parse_number
from clicktodial.domain.wording import worded
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.table import NAME_CHARACTERS_MAX, URL_CHARACTERS_MAX

# Longer than any generator makes.
SECRET_CHARACTERS_MAX = 256
# A day, as with the settings.
DURATION_S_MAX = 86_400
# As wide as those of SRV records (RFC 2782).
PRIORITY_MAX = 65_535
# Nobody waits a minute for a trunk's first word.
ANSWER_TIMEOUT_S_MAX = 60
SIP_PORT = 5060

# No colon: an application's identifier stands before one in Basic credentials (RFC 7617 2).
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECRET = re.compile(rf"[\x21-\x7e]{{1,{SECRET_CHARACTERS_MAX}}}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,200}|\[?[0-9A-Fa-f:.]{2,45}\]?")
_AUDIO_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def check_identifier(text: str, what: str) -> str:
    """An identifier: letters, digits, `.`, `_` and `-`, at most 64."""
    if not _IDENTIFIER.fullmatch(text):
        raise ValueInvalid(
            worded("%(what)s must be 1-64 letters, digits, '.', '_' or '-'", what=what)
        )
    return text


def check_name(text: str) -> str:
    """A name for people."""
    if not 0 < len(text) <= NAME_CHARACTERS_MAX or not text.isprintable():
        raise ValueInvalid(
            worded("the name must be 1-%(most)s printable characters", most=NAME_CHARACTERS_MAX)
        )
    return text


def check_audio_name(text: str) -> str:
    """What may be a name in the audio library; whether it is there is the library's to say."""
    if not _AUDIO_NAME.fullmatch(text):
        raise ValueInvalid("the name of an audio is 1-32 small letters, digits and hyphens")
    return text


def check_secret(text: str) -> str:
    """A secret that can stand in Basic credentials."""
    if not _SECRET.fullmatch(text):
        raise ValueInvalid(
            worded(
                "the secret must be 1-%(most)s ASCII characters without spaces",
                most=SECRET_CHARACTERS_MAX,
            )
        )
    return text


def check_sponsor(written: str, region: str) -> str:
    """The number in E.164."""
    try:
        return parse_number(written, region).e164
    except NumberError as error:
        raise ValueInvalid(
            worded("%(number)s is not a telephone number", number=mask_number(written))
        ) from error


def check_notify_url(text: str) -> str:
    """An http or https URL to which notification paths are appended; no slash at its end."""
    if len(text) > URL_CHARACTERS_MAX or not _PRINTABLE.fullmatch(text):
        raise ValueInvalid("the notify URL is too long or has characters that no URL has")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueInvalid("the notify URL cannot be read") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueInvalid("the notify URL must be http://HOST[:PORT][/PATH] or https://...")
    if "@" in parts.netloc:
        raise ValueInvalid("the notify URL must not contain credentials")
    if "?" in text or "#" in text:
        raise ValueInvalid("the notify URL must not contain a query or a fragment")
    return text.rstrip("/")


def check_range(value: int, what: str, *, low: int, high: int) -> int:
    """A whole number between the two, both included."""
    if not low <= value <= high:
        raise ValueInvalid(
            worded("%(what)s must be between %(low)s and %(high)s", what=what, low=low, high=high)
        )
    return value


def check_host(text: str, what: str) -> str:
    """A host name or an address; an IPv6 address with or without its brackets."""
    if not _HOST.fullmatch(text):
        raise ValueInvalid(worded("%(what)s must be a host name or an address", what=what))
    return text


def parse_target(text: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[IPV6]:PORT`; without a port, SIP's own."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(SIP_PORT)
    if not port.isascii() or not port.isdigit() or len(port) > len("65535"):
        raise ValueInvalid("the target must be HOST:PORT")
    host = check_host(host, "the target's host").removeprefix("[").removesuffix("]")
    return host, check_range(int(port), "the target's port", low=1, high=65_535)
