"""`clicktodial trunk`: the SIP peers through which calls leave."""

import re
import sys
from dataclasses import asdict, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from clicktodial.cli.option import Address, Config, Json, parse_target
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import open_administration

if TYPE_CHECKING:
    from collections.abc import Callable

    from clicktodial.domain.trunk import Trunk, TrunkCredentials

app = typer.Typer(no_args_is_help=True, help="SIP trunks through which calls leave.")

_MICROS = 1_000_000
_AMOUNT = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)

_Word = TypeVar("_Word", bound=StrEnum)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The trunk's name.")]


Priority = Annotated[
    int | None, typer.Option("--priority", metavar="N", help="Lower is tried first.")
]
Domain = Annotated[
    str | None,
    typer.Option("--domain", metavar="D", help="Host part of its URIs; default: the target's."),
]
AnswerTimeout = Annotated[
    int | None,
    typer.Option(
        "--answer-timeout", metavar="SECONDS", help="Wait for any response before the next one."
    ),
]
Weight = Annotated[
    int | None,
    typer.Option("--weight", metavar="N", help="Its share among trunks of equal priority."),
]
Prefixes = Annotated[
    list[str] | None,
    typer.Option("--prefix", metavar="+N", help="Only such numbers; may be repeated."),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--number-format",
        metavar="e164-plus|e164|national",
        help="How it wants numbers written.",
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="CC", help="The country of its national numbers."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="NAME: VALUE", help="Added to INVITEs; may be repeated."),
]
Rate = Annotated[
    int | None,
    typer.Option("--max-rate", metavar="N", help="New calls a second at most; 0: any."),
]
Channels = Annotated[
    int | None, typer.Option("--max-channels", metavar="N", help="Legs at a time; 0: any.")
]
TransportName = Annotated[
    str | None,
    typer.Option(
        "--transport",
        metavar="udp|tcp|tls|auto",
        help="How it is reached; auto: as its NAPTR and SRV records say.",
    ),
]
TlsName = Annotated[
    str | None,
    typer.Option("--tls-name", metavar="HOST", help="In its certificate; default: the target's."),
]
TlsCa = Annotated[
    str | None,
    typer.Option("--tls-ca", metavar="FILE", help="Whom to trust; default: the system's."),
]
TlsCertificate = Annotated[
    str | None, typer.Option("--tls-certificate", metavar="FILE", help="Ours, in PEM.")
]
TlsKey = Annotated[
    str | None, typer.Option("--tls-key", metavar="FILE", help="The key of our certificate.")
]
SessionExpires = Annotated[
    int | None,
    typer.Option(
        "--session-expires",
        metavar="SECONDS",
        help="A conversation nobody refreshes within that ends; 0: none.",
    ),
]
Username = Annotated[
    str | None,
    typer.Option("--username", metavar="U", help="For digest authentication; empty: none."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Holds the password; - reads input."),
]
Registers = Annotated[
    bool | None,
    typer.Option("--register/--no-register", help="Register its user name with it."),
]
RegistrationExpires = Annotated[
    int | None,
    typer.Option("--register-expires", metavar="SECONDS", help="How long a registration holds."),
]
OptionsInterval = Annotated[
    int | None,
    typer.Option(
        "--options-interval", metavar="SECONDS", help="Between OPTIONS that ask for it; 0: never."
    ),
]
ChargingVector = Annotated[
    bool | None,
    typer.Option(
        "--charging-vector/--no-charging-vector",
        help="It leads into an IMS: P-Charging-Vector, and a tel URI asserted too.",
    ),
]
SignsCalls = Annotated[
    bool | None,
    typer.Option("--sign/--no-sign", help="Sign calls, where there is a certificate (STIR)."),
]
Srtp = Annotated[
    str | None,
    typer.Option("--srtp", metavar="never|required", help="Whether its audio is encrypted."),
]
Codecs = Annotated[
    list[str] | None,
    typer.Option("--codec", metavar="NAME", help="Only such audio; may be repeated."),
]
Cost = Annotated[
    str | None,
    typer.Option(
        "--cost-per-minute", metavar="DECIMAL", help="What a minute of a leg costs, in money."
    ),
]
Privacy = Annotated[
    str | None,
    typer.Option("--privacy", metavar="id;...", help="What Privacy says of a hidden number."),
]


@app.command("add")
def add(
    name: Name,
    *,
    target: Annotated[
        Address,
        typer.Option(
            "--target",
            metavar="HOST[:PORT]",
            parser=parse_target,
            help="Where its SIP is received.",
        ),
    ],
    priority: Priority = None,
    domain: Domain = None,
    answer_timeout_s: AnswerTimeout = None,
    weight: Weight = None,
    prefixes: Prefixes = None,
    number_format: Format = None,
    region: Region = None,
    headers: Headers = None,
    calls_per_second_max: Rate = None,
    channels_max: Channels = None,
    transport: TransportName = None,
    tls_name: TlsName = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    username: Username = None,
    password_file: PasswordFile = None,
    registers: Registers = None,
    registration_expires_s: RegistrationExpires = None,
    options_interval_s: OptionsInterval = None,
    session_expires_s: SessionExpires = None,
    charging_vector: ChargingVector = None,
    signs_calls: SignsCalls = None,
    privacy: Privacy = None,
    srtp: Srtp = None,
    codecs: Codecs = None,
    cost_per_minute: Cost = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a trunk; a running server uses it within a second."""
    from clicktodial.domain.trunk import Trunk

    with open_administration(config) as administration:
        change = _create_change(
            priority=priority,
            domain=domain,
            answer_timeout_s=answer_timeout_s,
            weight=weight,
            prefixes=prefixes,
            number_format=number_format,
            region=region,
            headers=headers,
            calls_per_second_max=calls_per_second_max,
            channels_max=channels_max,
            transport=transport,
            tls={
                "server_name": tls_name,
                "ca_file": tls_ca,
                "certificate_file": tls_certificate,
                "key_file": tls_key,
            },
            credentials=(username, password_file),
            registers=registers,
            registration_expires_s=registration_expires_s,
            options_interval_s=options_interval_s,
            session_expires_s=session_expires_s,
            charging_vector=charging_vector,
            signs_calls=signs_calls,
            privacy=privacy,
            srtp=srtp,
            codecs=codecs,
            cost_per_minute=cost_per_minute,
        )
        trunk = change(Trunk(name=name, host=target.host, port=target.port))
        administration.add_trunk(trunk)
    tell(
        _answer(trunk, enabled=True),
        f"Calls may leave through {name} ({_target_of(trunk)}).",
        as_json=as_json,
    )


@app.command("set")
def set_values(
    name: Name,
    *,
    target: Annotated[
        Address | None,
        typer.Option(
            "--target",
            metavar="HOST[:PORT]",
            parser=parse_target,
            help="Where its SIP is received.",
        ),
    ] = None,
    priority: Priority = None,
    domain: Domain = None,
    answer_timeout_s: AnswerTimeout = None,
    weight: Weight = None,
    prefixes: Prefixes = None,
    number_format: Format = None,
    region: Region = None,
    headers: Headers = None,
    calls_per_second_max: Rate = None,
    channels_max: Channels = None,
    transport: TransportName = None,
    tls_name: TlsName = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    username: Username = None,
    password_file: PasswordFile = None,
    registers: Registers = None,
    registration_expires_s: RegistrationExpires = None,
    options_interval_s: OptionsInterval = None,
    session_expires_s: SessionExpires = None,
    charging_vector: ChargingVector = None,
    signs_calls: SignsCalls = None,
    privacy: Privacy = None,
    srtp: Srtp = None,
    codecs: Codecs = None,
    cost_per_minute: Cost = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change what is given, and nothing else; calls that live go on as they are."""
    with open_administration(config) as administration:
        change = _create_change(
            target=target,
            priority=priority,
            domain=domain,
            answer_timeout_s=answer_timeout_s,
            weight=weight,
            prefixes=prefixes,
            number_format=number_format,
            region=region,
            headers=headers,
            calls_per_second_max=calls_per_second_max,
            channels_max=channels_max,
            transport=transport,
            tls={
                "server_name": tls_name,
                "ca_file": tls_ca,
                "certificate_file": tls_certificate,
                "key_file": tls_key,
            },
            credentials=(username, password_file),
            registers=registers,
            registration_expires_s=registration_expires_s,
            options_interval_s=options_interval_s,
            session_expires_s=session_expires_s,
            charging_vector=charging_vector,
            signs_calls=signs_calls,
            privacy=privacy,
            srtp=srtp,
            codecs=codecs,
            cost_per_minute=cost_per_minute,
        )
        trunk = administration.change_trunk(name, change)
    tell(_answer(trunk), _describe(trunk), as_json=as_json)


@app.command("show")
def show(name: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Show a trunk, all but its password."""
    with open_administration(config) as administration:
        detail = administration.show_trunk(name)
    answer = _answer(detail.trunk, enabled=detail.enabled)
    tell(answer, _describe(detail.trunk, enabled=detail.enabled), as_json=as_json)


def _create_change(
    *,
    target: Address | None = None,
    prefixes: list[str] | None,
    number_format: str | None,
    headers: list[str] | None,
    transport: str | None,
    tls: dict[str, str | None],
    credentials: tuple[str | None, Path | None],
    privacy: str | None,
    srtp: str | None,
    codecs: list[str] | None,
    cost_per_minute: str | None,
    **values: int | str | None,
) -> "Callable[[Trunk], Trunk]":
    """What the options that were given make of a trunk; an empty text or list takes away."""
    from clicktodial.domain.trunk import NumberFormat, SrtpPolicy, Transport
    from clicktodial.storage.trunk_row import parse_header

    changes: dict[str, Any] = {key: each for key, each in values.items() if each is not None}
    if values.get("domain") == "":
        changes["domain"] = None
    if target is not None:
        changes |= {"host": target.host, "port": target.port}
    if prefixes is not None:
        changes["prefixes"] = tuple(prefix for prefix in prefixes if prefix)
    if headers is not None:
        changes["headers"] = tuple(parse_header(header) for header in headers if header)
    if privacy is not None:
        changes["privacy"] = tuple(part.strip().lower() for part in privacy.split(";"))
    if number_format is not None:
        changes["number_format"] = _parse_word(NumberFormat, number_format)
    if transport is not None:
        changes["transport"] = _parse_word(Transport, transport)
    if srtp is not None:
        changes["srtp"] = _parse_word(SrtpPolicy, srtp)
    if codecs is not None:
        changes["codecs"] = tuple(name.upper() for name in codecs if name)
    if cost_per_minute is not None:
        changes["cost_per_minute_micros"] = _parse_cost(cost_per_minute)
    tls_changes = {key: each or None for key, each in tls.items() if each is not None}
    username, password_file = credentials
    password = None if password_file is None else _read_password(password_file)

    def change(trunk: "Trunk") -> "Trunk":
        return replace(
            trunk,
            **changes,
            tls=replace(trunk.tls, **tls_changes),
            credentials=_credentials(trunk, username, password),
        )

    return change


def _parse_word(kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text.lower())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is none of: {', '.join(kind)}") from error


def _parse_cost(text: str) -> int:
    """A decimal amount in millionths, exactly."""
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        raise typer.BadParameter(f"{text!r} is no amount such as 0.0125, of six places at most")
    return int(Decimal(text) * _MICROS)


def _format_cost(micros: int) -> str:
    return f"{(Decimal(micros) / _MICROS).normalize():f}"


def _credentials(
    trunk: "Trunk", username: str | None, password: str | None
) -> "TrunkCredentials | None":
    """Those that the trunk has from now on; an empty password stands for the one it had."""
    from clicktodial.domain.trunk import TrunkCredentials

    known = trunk.credentials
    if username == "":
        return None
    if username is None:
        username = None if known is None else known.username
    if username is None:
        if password is not None:
            raise typer.BadParameter("a password needs --username")
        return None
    if password is None:
        password = "" if known is None else known.password
    return TrunkCredentials(username, password)


def _read_password(path: Path) -> str:
    """The file's first line; never an argument, which every user of the machine could read."""
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read") from error
    return text.split("\n", 1)[0].rstrip("\r")


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List all trunks, in the order in which they are tried."""
    with open_administration(config) as administration:
        details = administration.list_trunks()
    headings = (
        "NAME",
        "TARGET",
        "TRANSPORT",
        "PRIORITY",
        "WEIGHT",
        "PREFIXES",
        "DOMAIN",
        "ENABLED",
    )
    rows = [
        (
            each.trunk.name, _target_of(each.trunk),
            each.trunk.transport, each.trunk.priority, each.trunk.weight,
            " ".join(each.trunk.prefixes), each.trunk.domain, each.enabled,
        )
        for each in details
    ]  # fmt: skip
    text = format_table(headings, rows, empty="There are no trunks.")
    tell([_answer(each.trunk, enabled=each.enabled) for each in details], text, as_json=as_json)


@app.command("remove")
def remove(name: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Remove a trunk; calls that go through it go on."""
    with open_administration(config) as administration:
        administration.remove_trunk(name)
    tell({"name": name, "removed": True}, f"{name} is removed.", as_json=as_json)


@app.command("enable")
def enable(name: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Use a trunk again for new calls."""
    _set_enabled(name, config, enabled=True, as_json=as_json)


@app.command("disable")
def disable(name: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Use a trunk no longer for new calls."""
    _set_enabled(name, config, enabled=False, as_json=as_json)


def _set_enabled(name: str, config: Path | None, *, enabled: bool, as_json: bool) -> None:
    with open_administration(config) as administration:
        administration.set_trunk_enabled(name, enabled=enabled)
    text = f"{name} is {'enabled' if enabled else 'disabled'}."
    tell({"name": name, "enabled": enabled}, text, as_json=as_json)


def _target_of(trunk: "Trunk") -> str:
    return str(Address(trunk.host, trunk.port)) if trunk.port else trunk.host


def _answer(trunk: "Trunk", *, enabled: bool | None = None) -> dict[str, object]:
    answer: dict[str, object] = {
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port or None,
        "transport": trunk.transport,
        "priority": trunk.priority,
        "domain": trunk.domain,
        "answer_timeout_s": trunk.answer_timeout_s,
        "weight": trunk.weight,
        "prefixes": list(trunk.prefixes),
        "number_format": trunk.number_format,
        "region": trunk.region,
        "headers": [": ".join(header) for header in trunk.headers],
        "calls_per_second_max": trunk.calls_per_second_max,
        "channels_max": trunk.channels_max,
        "tls": asdict(trunk.tls),
        "username": None if trunk.credentials is None else trunk.credentials.username,
        "registers": trunk.registers,
        "registration_expires_s": trunk.registration_expires_s,
        "options_interval_s": trunk.options_interval_s,
        "session_expires_s": trunk.session_expires_s,
        "charging_vector": trunk.charging_vector,
        "signs_calls": trunk.signs_calls,
        "privacy": ";".join(trunk.privacy),
        "srtp": trunk.srtp,
        "codecs": list(trunk.codecs),
        "cost_per_minute_micros": trunk.cost_per_minute_micros,
    }
    return answer if enabled is None else answer | {"enabled": enabled}


def _describe(trunk: "Trunk", *, enabled: bool | None = None) -> str:
    fields: list[tuple[str, object]] = [
        ("Name", trunk.name),
        ("Target", _target_of(trunk)),
        ("Transport", trunk.transport),
        ("TLS name", trunk.tls.server_name),
        ("TLS trusts", trunk.tls.ca_file),
        ("TLS certificate", trunk.tls.certificate_file),
        ("TLS key", trunk.tls.key_file),
        ("Priority", trunk.priority),
        ("Weight", trunk.weight),
        ("Prefixes", trunk.prefixes),
        ("Domain", trunk.domain),
        ("Answer timeout (s)", trunk.answer_timeout_s),
        ("Numbers written as", trunk.number_format),
        ("Region", trunk.region),
        ("Headers", [": ".join(header) for header in trunk.headers]),
        ("Calls a second", trunk.calls_per_second_max or None),
        ("Channels", trunk.channels_max or None),
        ("User name", None if trunk.credentials is None else trunk.credentials.username),
        ("Registers for (s)", trunk.registration_expires_s if trunk.registers else None),
        ("OPTIONS every (s)", trunk.options_interval_s or None),
        ("Sessions refreshed within (s)", trunk.session_expires_s or None),
        ("Into an IMS", trunk.charging_vector),
        ("Signs calls", trunk.signs_calls),
        ("Privacy", ";".join(trunk.privacy)),
        ("SRTP", trunk.srtp),
        ("Codecs", trunk.codecs),
        ("Cost a minute", _format_cost(trunk.cost_per_minute_micros)),
    ]
    if enabled is not None:
        fields.append(("Enabled", enabled))
    return format_fields(fields)
