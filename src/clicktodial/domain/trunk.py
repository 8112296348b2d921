"""Trunks: the SIP peers through which legs leave."""

from dataclasses import dataclass, field
from enum import StrEnum

import phonenumbers


class Transport(StrEnum):
    """How a trunk is reached."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    AUTO = "auto"  # what the name's NAPTR or SRV records say (RFC 3263 4.1); without any, UDP


class SrtpPolicy(StrEnum):
    """Whether media to and from a trunk is encrypted, with keys in its SDP (RFC 4568)."""

    NEVER = "never"
    REQUIRED = "required"  # RTP/SAVP; a leg for which the relay has no keys goes elsewhere


PRIVACY_VALUES = ("id", "user", "header", "session", "critical")  # RFC 3323 4.2, RFC 3325 9.3


class NumberFormat(StrEnum):
    """How a trunk wants numbers written."""

    E164_PLUS = "e164-plus"  # +8613812345678
    E164 = "e164"  # 8613812345678
    NATIONAL = "national"  # 13812345678, 01052680000; numbers of other countries as E164_PLUS


@dataclass(frozen=True, slots=True)
class TrunkCredentials:
    """What a trunk is answered with when it asks for digest authentication."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrunkTls:
    """What a trunk over TLS must prove, and what we prove to it. Paths are those of PEM files.

    `server_name` must be in its certificate; default: its host. `ca_file`
    holds whom we trust; default: whom the system trusts.
    """

    server_name: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """One SIP peer.

    A `port` of 0 is the one that DNS names (RFC 3263), or else the transport's own. A lower
    `priority` is tried first; among equal ones `weight` shares the calls. `domain` is the host
    part of the request URI and of our identity there; it defaults to the trunk's own host.
    `answer_timeout_s` bounds the wait for any response at all before the next trunk is tried.
    `prefixes` are beginnings of E.164 numbers with plus, and the longest that fits wins; none fits
    every number. `region` is an ISO 3166 country. `headers` are added to each INVITE. Of the
    limits, 0 is none.

    One that `registers` is told every so often that we are there (RFC 3261 10), asking it to
    remember that for `registration_expires_s`. Every `options_interval_s` it is asked whether it
    is there; 0 never. With `charging_vector` it leads into an IMS, and we are an application server
    there. `signs_calls` where the node has a certificate. `privacy` is what a Privacy header says
    of a number that is hidden: some of PRIVACY_VALUES. Within `session_expires_s` both
    ends of a conversation are to hear of each other (RFC 4028); 0 where that is not asked for.
    `codecs` are the names of those that may be offered there, none for any. What a minute of a leg
    costs the operator, in millionths of the currency, is told by a dry run.
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
    tls: TrunkTls = TrunkTls()
    registers: bool = False
    registration_expires_s: int = 600
    options_interval_s: int = 30
    charging_vector: bool = False
    signs_calls: bool = True
    privacy: tuple[str, ...] = ("id",)
    session_expires_s: int = 1_800
    srtp: SrtpPolicy = SrtpPolicy.NEVER
    codecs: tuple[str, ...] = ()
    cost_per_minute_micros: int = 0

    def match_length(self, destination: str) -> int | None:
        """How much of the number (E.164 with plus) a prefix of the trunk covers; 0 where it has
        no prefixes, None where none fits."""
        if not self.prefixes:
            return 0
        lengths = [len(prefix) for prefix in self.prefixes if destination.startswith(prefix)]
        return max(lengths, default=None)

    def format_number(self, number: str) -> str:
        """The number (E.164 with plus) as this trunk writes it."""
        match self.number_format:
            case NumberFormat.E164_PLUS:
                return number
            case NumberFormat.E164:
                return number.removeprefix("+")
            case NumberFormat.NATIONAL:
                return _format_nationally(number, self.region)


def _format_nationally(number: str, region: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    if parsed.country_code != phonenumbers.country_code_for_region(region):
        return number
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return phonenumbers.normalize_digits_only(national)
