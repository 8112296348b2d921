"""A trunk as a form, and the form as a trunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from clicktodial.domain.media import KNOWN_CODECS
from clicktodial.domain.trunk import (
    PRIVACY_VALUES,
    NumberFormat,
    SrtpPolicy,
    Transport,
    Trunk,
    TrunkCredentials,
    TrunkTls,
)
from clicktodial.portal.form import Form
from clicktodial.portal.text import Words, mark
from clicktodial.storage import trunk_row, value
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.table import NAME_CHARACTERS_MAX

YES = "yes"
# 256 prefixes of 16 characters, and 16 headers of 320.
LINES_CHARACTERS_MAX = 6_000

TRANSPORTS = {
    Transport.UDP: mark("UDP"),
    Transport.TCP: mark("TCP"),
    Transport.TLS: mark("TLS"),
    Transport.AUTO: mark("As DNS says (NAPTR, SRV)"),
}
NUMBER_FORMATS = {
    NumberFormat.E164_PLUS: mark("E.164 with plus: +8613812345678"),
    NumberFormat.E164: mark("E.164 without plus: 8613812345678"),
    NumberFormat.NATIONAL: mark("National: 13812345678, 01052680000"),
}
SRTP_POLICIES = {
    SrtpPolicy.NEVER: mark("Not encrypted (RTP)"),
    SrtpPolicy.REQUIRED: mark("Always encrypted (SRTP)"),
}
# Of the whole numbers: from and to what.
_WHOLES: Mapping[str, tuple[int, int]] = {
    "port": (0, 65_535),
    "priority": (0, value.PRIORITY_MAX),
    "weight": (0, trunk_row.WEIGHT_MAX),
    "answer_timeout_s": (1, value.ANSWER_TIMEOUT_S_MAX),
    "calls_per_second_max": (0, trunk_row.CALLS_PER_SECOND_MAX),
    "channels_max": (0, trunk_row.CHANNELS_MAX),
    "registration_expires_s": (
        trunk_row.REGISTRATION_EXPIRES_S_MIN,
        trunk_row.REGISTRATION_EXPIRES_S_MAX,
    ),
    "options_interval_s": (0, trunk_row.OPTIONS_INTERVAL_S_MAX),
    "session_expires_s": (0, trunk_row.SESSION_EXPIRES_S_MAX),
    "cost_per_minute_micros": (0, trunk_row.COST_PER_MINUTE_MICROS_MAX),
}
_TICKS = ("registers", "charging_vector", "signs_calls")
_TLS_FIELDS = ("server_name", "ca_file", "certificate_file", "key_file")


def values_of(trunk: Trunk) -> dict[str, object]:
    """What the form shows of a trunk; never its password."""
    values: dict[str, object] = {name: getattr(trunk, name) for name in _WHOLES}
    values |= {name: YES if getattr(trunk, name) else None for name in _TICKS}
    values |= {f"tls_{name}": getattr(trunk.tls, name) for name in _TLS_FIELDS}
    return values | {
        "name": trunk.name,
        "host": trunk.host,
        "transport": trunk.transport,
        "domain": trunk.domain,
        "number_format": trunk.number_format,
        "region": trunk.region,
        "srtp": trunk.srtp,
        "username": None if trunk.credentials is None else trunk.credentials.username,
        "prefixes": "\n".join(trunk.prefixes),
        "headers": "\n".join(f"{name}: {text}" for name, text in trunk.headers),
        "codecs": list(trunk.codecs),
        "privacy": list(trunk.privacy),
    }


def read_trunk(form: Form) -> Callable[[Trunk], Trunk]:
    """What the form makes of a trunk; where it is not valid, that is not to be used.

    An empty password stands for the one that there is, where the user name stays.
    """
    wholes = {
        name: form.whole(name, least=least, most=most) for name, (least, most) in _WHOLES.items()
    }
    host = form.text("host", characters_max=NAME_CHARACTERS_MAX)
    transport = form.one_of("transport", Transport)
    number_format = form.one_of("number_format", NumberFormat)
    srtp = form.one_of("srtp", SrtpPolicy)
    region = form.text("region", characters_max=2).upper()
    domain = _optional(form, "domain")
    ticks = {name: form.is_ticked(name) for name in _TICKS}
    tls = TrunkTls(**{name: _optional(form, f"tls_{name}") for name in _TLS_FIELDS})
    prefixes = tuple(_lines(form, "prefixes"))
    headers = tuple(_headers(form))
    codecs = _chosen(form, "codecs", [codec.name for codec in KNOWN_CODECS])
    privacy = _chosen(form, "privacy", PRIVACY_VALUES)
    username = _optional(form, "username")
    password = form.secret(
        "password", is_required=False, characters_max=trunk_row.CREDENTIAL_CHARACTERS_MAX
    )
    if password and username is None:
        form.fail("username", mark("A password needs a user name."))
    if ticks["registers"] and username is None:
        form.fail("username", mark("A trunk that registers needs a user name."))

    def change(trunk: Trunk) -> Trunk:
        credentials = None if username is None else TrunkCredentials(username, password)
        given: dict[str, Any] = {name: each for name, each in wholes.items() if each is not None}
        return replace(
            trunk,
            **(given | ticks),
            host=host,
            transport=transport or trunk.transport,
            number_format=number_format or trunk.number_format,
            srtp=srtp or trunk.srtp,
            region=region,
            domain=domain,
            tls=tls,
            prefixes=prefixes,
            headers=headers,
            codecs=codecs,
            privacy=privacy,
            credentials=credentials,
        )

    return change


def options(labels: Mapping[Any, str], words: Words) -> list[tuple[str, str]]:
    """What a field offers, in somebody's language."""
    return [(each, words.look_up(text)) for each, text in labels.items()]


def _optional(form: Form, name: str) -> str | None:
    most = trunk_row.PATH_CHARACTERS_MAX
    return form.text(name, is_required=False, characters_max=most) or None


def _lines(form: Form, name: str) -> list[str]:
    text = form.text(name, is_required=False, characters_max=LINES_CHARACTERS_MAX)
    return [line.strip() for line in text.split("\n") if line.strip()]


def _headers(form: Form) -> list[tuple[str, str]]:
    try:
        return [trunk_row.parse_header(line) for line in _lines(form, "headers")]
    except ValueInvalid:
        form.fail("headers", mark("Write one header a line, as Name: value."))
        return []


def _chosen(form: Form, name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Those that are ticked, in the order in which they are known. Others were not sent by our
    form, and are left out."""
    return tuple(each for each in known if form.has(name, each))
