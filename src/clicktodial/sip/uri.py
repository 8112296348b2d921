"""What routing needs of SIP URIs and of the header values around them.

sipmessage parses URIs by the letter of RFC 3261, which has no host named `node1` or `my_host`;
networks do. So addresses to send to are read here, leniently, and echoed as they came.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from clicktodial.domain.trunk import Transport, TrunkTls

Address: TypeAlias = tuple[str, int]


class Flow(NamedTuple):
    """A connection over TCP or TLS, named by its far end.

    `tls` says what the far end must prove and what we prove; None for TCP, and for what was
    accepted rather than opened.
    """

    host: str
    port: int
    transport: Transport = Transport.TCP
    tls: TrunkTls | None = None


# Where a message goes or came from: over UDP an address, else a connection.
Hop: TypeAlias = Address | Flow

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
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

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, or ""."""
        for parameter in self.parameters.lower().split(";"):
            name, _, value = parameter.partition("=")
            if name.strip() == "transport":
                return value.strip()
        return ""


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


def hop_of_uri(text: str, peer: Hop) -> Hop:
    """Where a request for that URI goes.

    The engine resolves no names and speaks one address family, that of the peer that is known to
    answer: it stands in for a target that is a name, of the other family, or unreadable. What
    came over TLS goes back over TLS, whatever the URI says: nothing may lay a call bare.
    """
    parts = parse_uri(text)
    if parts is None or not is_ip_literal(parts.host):
        return peer
    if (":" in parts.host) != (":" in peer[0]):
        return peer
    if not isinstance(peer, Flow):
        address = parts.host, parts.port or DEFAULT_PORT
        return Flow(*address) if parts.transport == "tcp" else address
    if peer.transport is Transport.TLS:
        return peer._replace(host=parts.host, port=parts.port or DEFAULT_TLS_PORT)
    address = parts.host, parts.port or DEFAULT_PORT
    return address if parts.transport == "udp" else Flow(*address)


def transport_of(hop: Hop) -> Transport:
    """How messages travel to that hop."""
    return hop.transport if isinstance(hop, Flow) else Transport.UDP


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
