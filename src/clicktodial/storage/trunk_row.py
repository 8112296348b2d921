"""Trunks as administrators give them: checked, and as the columns of a row."""

import re
from typing import Any

import phonenumbers

from clicktodial.domain.media import KNOWN_CODECS
from clicktodial.domain.trunk import (
    PRIVACY_VALUES,
    NumberFormat,
    SrtpPolicy,
    Transport,
    Trunk,
    TrunkTls,
)
from clicktodial.domain.wording import worded
from clicktodial.storage import value
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.options_codec import encode_trunk_settings

# Shares of a thousandth are as fine as anybody sets. All trunks are read with every change, so
# their lists are short.
WEIGHT_MAX = 1_000
PREFIXES_MAX = 256
HEADERS_MAX = 16
HEADER_CHARACTERS_MAX = 256
# Above what one node places and carries; a typing error must not read as "no limit".
CALLS_PER_SECOND_MAX = 10_000
CHANNELS_MAX = 100_000
CREDENTIAL_CHARACTERS_MAX = 128
PATH_CHARACTERS_MAX = 1_024
# Shorter ones would be more REGISTERs than calls. Registrars grant an hour; a day is rare.
REGISTRATION_EXPIRES_S_MIN = 60
REGISTRATION_EXPIRES_S_MAX = 86_400
OPTIONS_INTERVAL_S_MAX = 3_600
SESSION_EXPIRES_S_MAX = 86_400
# A hundred units of whatever currency a minute: satellites cost less.
COST_PER_MINUTE_MICROS_MAX = 100_000_000

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
# What the user agent writes itself: a second one would break the dialog, the routing or the body.
_OWN_HEADERS = frozenset(
    {
        *("via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m"),
        *("max-forwards", "route", "record-route", "content-length", "l", "content-type", "c"),
        *("authorization", "proxy-authorization", "require", "supported", "k", "allow"),
        *("user-agent", "expires", "p-asserted-identity", "privacy", "reason", "date"),
        *("identity", "y", "p-charging-vector", "proxy-require"),
    }
)


def check_trunk(trunk: Trunk) -> dict[str, Any]:
    """Its columns, but for the password and whether it is enabled. Raises ValueInvalid."""
    value.check_identifier(trunk.name, "the trunk's name")
    _check_settings(trunk)
    return {
        "name": trunk.name,
        "host": value.check_host(trunk.host, "the trunk's host"),
        "port": value.check_range(trunk.port, "the port", low=0, high=65_535),
        "transport": Transport(trunk.transport).value,
        "priority": value.check_range(
            trunk.priority, "the priority", low=0, high=value.PRIORITY_MAX
        ),
        "domain": trunk.domain and value.check_host(trunk.domain, "the trunk's domain"),
        "answer_timeout_s": value.check_range(
            trunk.answer_timeout_s, "the answer timeout", low=1, high=value.ANSWER_TIMEOUT_S_MAX
        ),
        "settings": encode_trunk_settings(trunk),
    }


def parse_header(text: str) -> tuple[str, str]:
    """`Name: value`. Raises ValueInvalid."""
    name, colon, content = text.partition(":")
    if not colon:
        raise ValueInvalid("a header must be NAME: VALUE")
    return name.strip(), content.strip()


def _check_settings(trunk: Trunk) -> None:
    value.check_range(trunk.weight, "the weight", low=0, high=WEIGHT_MAX)
    value.check_range(
        trunk.calls_per_second_max, "the calls per second", low=0, high=CALLS_PER_SECOND_MAX
    )
    value.check_range(trunk.channels_max, "the channels", low=0, high=CHANNELS_MAX)
    NumberFormat(trunk.number_format)
    if not phonenumbers.country_code_for_region(trunk.region):
        raise ValueInvalid("the region must be an ISO 3166 country of two capital letters")
    if len(trunk.prefixes) > PREFIXES_MAX:
        raise ValueInvalid(worded("there can be at most %(most)s prefixes", most=PREFIXES_MAX))
    if not all(_PREFIX.fullmatch(prefix) for prefix in trunk.prefixes):
        raise ValueInvalid("a prefix must be the beginning of a number in E.164, such as +8613")
    _check_headers(trunk.headers)
    _check_tls(trunk.tls)
    _check_media(trunk)
    _check_exchange(trunk)
    if trunk.credentials is not None:
        _check_credential(trunk.credentials.username, "the user name")
        _check_credential(trunk.credentials.password, "the password")


def _check_media(trunk: Trunk) -> None:
    """What audio it is offered, and what that costs."""
    SrtpPolicy(trunk.srtp)
    known = [codec.name for codec in KNOWN_CODECS]
    if not set(trunk.codecs) <= set(known) or len(set(trunk.codecs)) != len(trunk.codecs):
        raise ValueInvalid(worded("a codec must be one of: %(names)s", names=known))
    value.check_range(
        trunk.cost_per_minute_micros,
        "the cost of a minute in millionths",
        low=0,
        high=COST_PER_MINUTE_MICROS_MAX,
    )


def _check_exchange(trunk: Trunk) -> None:
    """What it is asked and told besides calls, and of numbers that are hidden."""
    value.check_range(
        trunk.registration_expires_s,
        "the registration's seconds",
        low=REGISTRATION_EXPIRES_S_MIN,
        high=REGISTRATION_EXPIRES_S_MAX,
    )
    value.check_range(
        trunk.options_interval_s, "the OPTIONS interval", low=0, high=OPTIONS_INTERVAL_S_MAX
    )
    if trunk.session_expires_s:
        # RFC 4028 5; above a day nobody would be found out in time.
        value.check_range(
            trunk.session_expires_s, "the session's expiry", low=90, high=SESSION_EXPIRES_S_MAX
        )
    if trunk.registers and trunk.credentials is None:
        raise ValueInvalid("a trunk that registers needs a user name, which is what registers")
    privacy = trunk.privacy
    if not set(privacy) <= set(PRIVACY_VALUES) or len(set(privacy)) != len(privacy):
        raise ValueInvalid(worded("privacy must be some of: %(names)s", names=PRIVACY_VALUES))
    if "id" not in privacy:
        # The trunk is told the number in P-Asserted-Identity, which only "id" keeps from the party.
        raise ValueInvalid("privacy must have id, or the trunk may show the number")


def _check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    if len(headers) > HEADERS_MAX:
        raise ValueInvalid(worded("there can be at most %(most)s headers", most=HEADERS_MAX))
    for name, content in headers:
        if not _TOKEN.fullmatch(name) or not 0 < len(content) <= HEADER_CHARACTERS_MAX:
            raise ValueInvalid(
                worded(
                    "a header must be NAME: VALUE, the value of 1-%(most)s characters",
                    most=HEADER_CHARACTERS_MAX,
                )
            )
        if not content.isprintable():
            raise ValueInvalid("a header's value must be printable")
        if name.lower() in _OWN_HEADERS:
            raise ValueInvalid(
                worded("the header %(name)s is written by the platform itself", name=name)
            )


def _check_tls(tls: TrunkTls) -> None:
    """Whether the files are there is seen when they are used: by the server, not by us."""
    if tls.server_name is not None:
        value.check_host(tls.server_name, "the TLS name")
    if bool(tls.certificate_file) != bool(tls.key_file):
        raise ValueInvalid("a TLS certificate and its key go together")
    for path in (tls.ca_file, tls.certificate_file, tls.key_file):
        if path is None:
            continue
        if not path.startswith("/") or len(path) > PATH_CHARACTERS_MAX or not path.isprintable():
            raise ValueInvalid("a TLS file must be an absolute path")


def _check_credential(text: str, what: str) -> None:
    if not 0 < len(text) <= CREDENTIAL_CHARACTERS_MAX or not text.isprintable():
        raise ValueInvalid(
            worded(
                "%(what)s must be 1-%(most)s printable characters",
                what=what,
                most=CREDENTIAL_CHARACTERS_MAX,
            )
        )
