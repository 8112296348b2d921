"""What routing needs of SIP URIs and of the header values around them.

sipmessage parses URIs by the letter of RFC 3261, which has no host named `node1` or `my_host`;
networks do. So addresses to send to are read here, leniently, and echoed as they came.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]

DEFAULT_PORT = 5060
# A list header names proxies or contacts of one call; more than this is an attack, not a path.
LIST_VALUES_MAX = 32

_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):"
    r"(?:(?P<user>[^@<>\s]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;?@<>\[\]\"]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>;[^?<>\s]*)?"
    r"(?:\?[^<>\s]*)?"
)
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_SIP_SCHEMES = frozenset({"sip", "sips"})


@dataclass(frozen=True, slots=True)
class UriParts:
    """A SIP URI taken apart. `host` is without brackets; `user` is as written, or None."""

    user: str | None
    host: str
    port: int | None
    parameters: str

    @property
    def is_loose_router(self) -> bool:
        """Whether the URI bears `lr` (RFC 3261 19.1.1)."""
        names = self.parameters.lower().split(";")
        return any(name.partition("=")[0].strip() == "lr" for name in names)


def parse_uri(text: str) -> UriParts | None:
    """Take a SIP or SIPS URI apart; None for anything else."""
    match = _URI.fullmatch(text)
    if match is None or match["scheme"].lower() not in _SIP_SCHEMES:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port <= 65_535:
        return None
    return UriParts(match["user"], match["host"].strip("[]"), port, match["parameters"] or "")


def is_ip_literal(host: str) -> bool:
    """Whether datagrams can be sent to that host without asking a resolver."""
    if ":" not in host:
        return _IPV4.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def address_of_uri(text: str, fallback: Address) -> Address:
    """Where a request for that URI goes over UDP.

    The engine resolves no names and speaks one address family, that of `fallback`, the peer
    that is known to answer: it stands in for a target that is a name, of the other family, or
    unreadable.
    """
    parts = parse_uri(text)
    if parts is None or not is_ip_literal(parts.host):
        return fallback
    if (":" in parts.host) != (":" in fallback[0]):
        return fallback
    return parts.host, parts.port or DEFAULT_PORT


def bracket_host(host: str) -> str:
    """The host as URIs and Via spell it."""
    return f"[{host}]" if ":" in host else host


def uri_of(value: str) -> str:
    """The URI within a From, To, Contact or Route value (name-addr or addr-spec)."""
    start = value.rfind("<")
    if start < 0:
        return value.partition(";")[0].strip()
    return value[start + 1 :].partition(">")[0].strip()


def split_values(values: list[str]) -> list[str]:
    """The single values of a comma-separated header, in order; at most LIST_VALUES_MAX."""
    single: list[str] = []
    for value in values:
        if "," in value:
            single.extend(_split_outside_quotes(value))
        else:
            single.append(value.strip())
    return [value for value in single if value][:LIST_VALUES_MAX]


def _split_outside_quotes(value: str) -> list[str]:
    parts: list[str] = []
    start = 0
    quoted = bracketed = escaped = False
    for position, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            bracketed = character == "<"
        elif character == "," and not bracketed:
            parts.append(value[start:position].strip())
            start = position + 1
    parts.append(value[start:].strip())
    return parts
