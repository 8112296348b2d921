"""Trunks: the SIP peers through which legs leave."""

from dataclasses import dataclass, field
from enum import StrEnum


class Transport(StrEnum):
    """How a trunk is reached. AUTO asks NAPTR and SRV (RFC 3263), and is UDP without an answer."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    AUTO = "auto"


class NumberFormat(StrEnum):
    """How a trunk wants numbers written."""

    E164_PLUS = "e164-plus"  # +8613812345678
    E164 = "e164"  # 8613812345678
    NATIONAL = "national"  # of `Trunk.region`: 013812345678; E164 of other regions


class ReliableProvisional(StrEnum):
    """How a trunk is asked for 100rel (RFC 3262)."""

    OFF = "off"
    SUPPORTED = "supported"
    REQUIRED = "required"


class SrtpPolicy(StrEnum):
    """Whether audio with a trunk is encrypted (RTP/SAVP, keys by RFC 4568)."""

    OFF = "off"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class TrunkCredentials:
    """What a trunk is answered with when it asks for digest authentication."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrunkTls:
    """Files in PEM form. Without `ca_file` the system's authorities are trusted; the certificate
    is ours, for trunks that ask for one."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """One SIP peer.

    A lower `priority` is tried first; among equal ones `weight` shares the calls. `port` 0 means
    that SRV, or else the transport's default, decides. `domain` is the host part of the request
    URI and of our identity there; it defaults to the trunk's own host. `answer_timeout_s` bounds
    the wait for any response at all before the next trunk is tried. `prefixes` are beginnings
    of E.164 numbers with plus, the longest that fits wins over shorter ones of the same priority;
    none fits every number. Of the limits, 0 is none.
    """

    name: str
    host: str
    port: int
    transport: Transport = Transport.UDP
    priority: int = 100
    domain: str | None = None
    answer_timeout_s: int = 4
    weight: int = 1
    prefixes: tuple[str, ...] = ()
    number_format: NumberFormat = NumberFormat.E164_PLUS
    region: str = "CN"
    headers: tuple[tuple[str, str], ...] = ()
    calls_per_second_max: int = 0
    channels_max: int = 0
    credentials: TrunkCredentials | None = None
    registers: bool = False
    registration_expires_s: int = 600
    options_interval_s: int = 30  # 0: its health is not asked for
    session_expires_s: int = 1800  # RFC 4028; 0: no session timer is asked for
    reliable_provisional: ReliableProvisional = ReliableProvisional.SUPPORTED
    charging_vector: bool = False  # P-Charging-Vector, as an IMS application server sets it
    signs_calls: bool = False  # Identity (RFC 8224), where the node has a certificate
    srtp: SrtpPolicy = SrtpPolicy.OFF
    codecs: tuple[str, ...] = ()  # names that it may be offered; none: what the node offers
    tls: TrunkTls = TrunkTls()
