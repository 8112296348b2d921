"""`clicktodial app`: applications, their numbers, secrets and notification addresses."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import AppId, Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import open_administration, open_oauth

if TYPE_CHECKING:
    from clicktodial.domain.application import ApplicationStatus
    from clicktodial.domain.cause import Side
    from clicktodial.domain.plan import CallOptions, PresenceProof, Ringback
    from clicktodial.storage.administration import Administration, ApplicationDetail

app = typer.Typer(no_args_is_help=True, help="Applications that may ask for calls.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The number to show.")]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private-addresses", help="Notify addresses of private networks and this machine."
    ),
]


@app.command("create")
def create(
    *,
    app_id: Annotated[
        str | None, typer.Option("--app-id", help="The APPID; made when not given.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="The Secretkey; made when not given.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="For people.")] = None,
    enterprise: Annotated[str, typer.Option("--enterprise", help="Whose it is.")] = "default",
    sponsor: Annotated[
        list[str] | None,
        typer.Option("--sponsor", metavar="NUMBER", help="A number to show; may be repeated."),
    ] = None,
    notify_url: Annotated[
        str | None,
        typer.Option("--notify-url", metavar="URL", help="The appServer of notifications."),
    ] = None,
    allow_private_addresses: AllowPrivate = False,
    max_duration_s: Annotated[
        int | None,
        typer.Option("--max-duration", metavar="SECONDS", help="Its own cut-off of calls."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create an application; its secrets are shown this once."""
    with open_administration(config) as administration:
        from clicktodial.storage.administration import NewApplication

        created = administration.create_application(
            NewApplication(
                app_id=app_id,
                secret=secret,
                name=name,
                enterprise_id=enterprise,
                sponsors=tuple(sponsor or ()),
                notify_url=notify_url,
                allow_private_addresses=allow_private_addresses,
                max_duration_s=max_duration_s,
            )
        )
        detail = administration.show_application(created.app_id)
    answer = {
        **_answer(detail),
        "secret": created.secret,
        "signing_secret": created.signing_secret,
    }
    secrets = [("Secret", created.secret), ("Signing secret", created.signing_secret)]
    text = f"{_describe(detail, secrets)}\n\nKeep both secrets now: they are not shown again."
    tell(answer, text, as_json=as_json)


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List all applications."""
    with open_administration(config) as administration:
        details = administration.list_applications()
    headings = ("APPID", "NAME", "ENTERPRISE", "STATUS", "NUMBERS", "NOTIFIED AT")
    rows = [
        (each.app_id, each.name, each.enterprise_id, each.status, each.sponsors, each.notify_url)
        for each in details
    ]
    text = format_table(headings, rows, empty="There are no applications.")
    tell([_answer(each) for each in details], text, as_json=as_json)


@app.command("show")
def show(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """Show an application, all but its secrets."""
    with open_administration(config) as administration:
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("disable")
def disable(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """Refuse its requests; calls that live go on."""
    from clicktodial.domain.application import ApplicationStatus

    _set_status(app_id, ApplicationStatus.DISABLED, config, as_json=as_json)


@app.command("enable")
def enable(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """Take its requests again."""
    from clicktodial.domain.application import ApplicationStatus

    _set_status(app_id, ApplicationStatus.ACTIVE, config, as_json=as_json)


@app.command("rotate-secret")
def rotate_secret(
    app_id: AppId,
    *,
    secret: Annotated[
        str | None, typer.Option("--secret", help="The new Secretkey; made when not given.")
    ] = None,
    grace_s: Annotated[
        int, typer.Option("--grace", metavar="SECONDS", help="For how long the old one works on.")
    ] = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give it a new secret; without a grace the old one is refused within a second."""
    with open_administration(config) as administration:
        created = administration.rotate_secret(app_id, secret=secret, grace_s=grace_s)
    until = created.old_secret_until
    answer = {"app_id": app_id, "secret": created.secret, "old_secret_until": until}
    fields: list[tuple[str, object]] = [("APPID", app_id), ("Secret", created.secret)]
    if until is not None:
        fields.append(("Old one until (UTC)", until))
    tell(answer, format_fields(fields), as_json=as_json)


@app.command("revoke-old-secret")
def revoke_old_secret(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """Refuse, within a second, the secret of before the last rotation."""
    with open_administration(config) as administration:
        administration.revoke_old_secret(app_id)
    answer = {"app_id": app_id, "old_secret_until": None}
    tell(answer, f"{app_id} has one secret.", as_json=as_json)


@app.command("set-allow-list")
def set_allow_list(
    app_id: AppId,
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NETWORK]...", help="In CIDR, or single addresses."),
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take its requests from there alone; without a network from everywhere."""
    with open_administration(config) as administration:
        from clicktodial.storage.application_codec import parse_networks

        administration.set_allow_list(app_id, parse_networks(networks or ()))
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-limits")
def set_limits(
    app_id: AppId,
    *,
    live_calls_max: Annotated[
        int | None,
        typer.Option("--live-calls", metavar="N", help="Calls at a time; 0: any."),
    ] = None,
    calls_per_second_max: Annotated[
        int | None,
        typer.Option("--calls-per-second", metavar="N", help="New calls a second; 0: any."),
    ] = None,
    requests_per_second_max: Annotated[
        int | None,
        typer.Option("--requests-per-second", metavar="N", help="Of any kind; 0: any."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change the limits that are given, within those of its enterprise."""
    given = {
        "live_calls_max": live_calls_max,
        "calls_per_second_max": calls_per_second_max,
        "requests_per_second_max": requests_per_second_max,
    }
    changes = {name: value or None for name, value in given.items() if value is not None}
    with open_administration(config) as administration:
        administration.change_application_limits(app_id, lambda known: replace(known, **changes))
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-capabilities")
def set_capabilities(
    app_id: AppId,
    capabilities: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CAPABILITY]...", help="click-to-dial, recording and messages; all it has."
        ),
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let it use these and no others."""
    from clicktodial.domain.application import Capability

    try:
        wanted = frozenset(Capability(each) for each in capabilities or ())
    except ValueError as error:
        message = f"capabilities are {', '.join(Capability)}"
        raise CommandError(message, kind="ValueInvalid") from error
    with open_administration(config) as administration:
        administration.set_capabilities(app_id, wanted)
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-keys")
def set_keys(
    app_id: AppId,
    *,
    jwks: Annotated[
        Path | None,
        typer.Option("--jwks", metavar="FILE", help="Its public keys, a JWK set."),
    ] = None,
    jwks_uri: Annotated[
        str | None, typer.Option("--jwks-uri", metavar="URI", help="Where it keeps that set.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give it access tokens for assertions that these keys sign; without any, for none."""
    from clicktodial.accounts.oauth_client import ClientKeys
    from clicktodial.accounts.public_key import JWKS_BYTES_MAX

    text = None
    if jwks is not None:
        try:
            with jwks.open(encoding="utf-8") as file:
                text = file.read(JWKS_BYTES_MAX + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{jwks} cannot be read: {error}", kind="FileError") from error
    with open_oauth(config) as oauth:
        oauth.clients.set_keys(app_id, ClientKeys(jwks=text, jwks_uri=jwks_uri))
        detail = oauth.clients.show(app_id)
    keys = [key.kid for key in detail.keys.parse().keys]
    answer = {"app_id": app_id, "jwks_uri": detail.keys.jwks_uri, "keys": keys}
    fields: list[tuple[str, object]] = [
        ("APPID", app_id),
        ("JWKS URI", detail.keys.jwks_uri),
        ("Keys", keys),
    ]
    tell(answer, format_fields(fields), as_json=as_json)


@app.command("set-scopes")
def set_scopes(
    app_id: AppId,
    scopes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCOPE]...", help="All that its tokens allow; all: every scope."),
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let its access tokens allow these and no others, those given out included."""
    from clicktodial.domain.access import ALL_SCOPES, ScopeUnknown, parse_scopes

    try:
        wanted = ALL_SCOPES if scopes == ["all"] else parse_scopes(scopes or ())
    except ScopeUnknown as error:
        raise CommandError(str(error), kind="ValueInvalid") from error
    with open_oauth(config) as oauth:
        oauth.clients.set_scopes(app_id, wanted)
    answer = {"app_id": app_id, "scopes": sorted(wanted)}
    text = format_fields([("APPID", app_id), ("Scopes", sorted(wanted))])
    tell(answer, text, as_json=as_json)


@app.command("rotate-signing-secret")
def rotate_signing_secret(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """Give it a new secret for the signatures of its notifications."""
    with open_administration(config) as administration:
        created = administration.rotate_signing_secret(app_id)
    answer = {"app_id": app_id, "signing_secret": created.signing_secret}
    fields = [("APPID", app_id), ("Signing secret", created.signing_secret)]
    tell(answer, format_fields(fields), as_json=as_json)


@app.command("add-number")
def add_number(
    app_id: AppId, number: Number, *, config: Config = None, as_json: Json = False
) -> None:
    """Let it show a number to both parties."""
    with open_administration(config) as administration:
        e164 = administration.add_sponsor(app_id, number)
    tell({"app_id": app_id, "number": e164}, f"{app_id} may show {e164}.", as_json=as_json)


@app.command("remove-number")
def remove_number(
    app_id: AppId, number: Number, *, config: Config = None, as_json: Json = False
) -> None:
    """Let it show a number no longer."""
    with open_administration(config) as administration:
        e164 = administration.remove_sponsor(app_id, number)
    text = f"{app_id} may show {e164} no longer."
    tell({"app_id": app_id, "number": e164}, text, as_json=as_json)


@app.command("set-notify-url")
def set_notify_url(
    app_id: AppId,
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="The appServer; none stops notifications.")
    ] = None,
    *,
    allow_private_addresses: AllowPrivate = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send its notifications elsewhere, those that wait included."""
    with open_administration(config) as administration:
        administration.set_notify_url(app_id, url, allow_private_addresses=allow_private_addresses)
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-pool-alerts")
def set_pool_alerts(
    app_id: AppId,
    wanted: Annotated[
        bool, typer.Option("--on/--off", help="Whether thresholds are told to its appServer.")
    ] = True,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell its server when the enterprise's minutes run low, or no longer."""
    with open_administration(config) as administration:
        administration.set_pool_alerts(app_id, wanted=wanted)
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-max-duration")
def set_max_duration(
    app_id: AppId,
    seconds: Annotated[
        int | None,
        typer.Argument(metavar="[SECONDS]", help="From the joining; none leaves the platform's."),
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Cut its calls off after so long; Continue lifts it for one call."""
    with open_administration(config) as administration:
        administration.set_max_duration(app_id, seconds)
        detail = administration.show_application(app_id)
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set-options")
def set_options(
    app_id: AppId,
    *,
    shown_to_caller: Annotated[
        str | None,
        typer.Option("--shown-to-caller", metavar="NUMBER", help="Empty: the sponsor."),
    ] = None,
    shown_to_callee: Annotated[
        str | None,
        typer.Option("--shown-to-callee", metavar="NUMBER", help="Empty: the sponsor."),
    ] = None,
    hides_number: Annotated[
        bool | None,
        typer.Option("--hide-number/--show-number", help="Show both parties no number at all."),
    ] = None,
    caller_ring_timeout_s: Annotated[
        int | None,
        typer.Option("--caller-ring-timeout", metavar="SECONDS", help="0: the platform's."),
    ] = None,
    callee_ring_timeout_s: Annotated[
        int | None,
        typer.Option("--callee-ring-timeout", metavar="SECONDS", help="0: the platform's."),
    ] = None,
    max_duration_s: Annotated[
        int | None,
        typer.Option(
            "--max-duration", metavar="SECONDS", help="Not lifted by Continue; 0: the platform's."
        ),
    ] = None,
    warning_before_end_s: Annotated[
        int | None,
        typer.Option("--warn-before-end", metavar="SECONDS", help="Two beeps; 0: no warning."),
    ] = None,
    warning_to: Annotated[
        str | None,
        typer.Option("--warn", metavar="caller|callee|both", help="Who hears the warning."),
    ] = None,
    ringback: Annotated[
        str | None,
        typer.Option(
            "--ringback",
            metavar="tone-or-network|tone|network",
            help="What callers hear while the callee rings.",
        ),
    ] = None,
    announcement: Annotated[
        str | None,
        typer.Option(
            "--announcement", metavar="AUDIO", help="Heard before the joining; empty: none."
        ),
    ] = None,
    announcement_to: Annotated[
        str | None,
        typer.Option("--announce", metavar="caller|callee|both", help="Who hears it."),
    ] = None,
    ringback_audio: Annotated[
        str | None,
        typer.Option("--ringback-audio", metavar="AUDIO", help="Empty: the ringing tone."),
    ] = None,
    warning_audio: Annotated[
        str | None,
        typer.Option("--warning-audio", metavar="AUDIO", help="Empty: two beeps."),
    ] = None,
    presence: Annotated[
        str | None,
        typer.Option(
            "--presence",
            metavar="none|key|machine-detection|key-and-detection",
            help="What shows that a person answered, before the callee is rung.",
        ),
    ] = None,
    presence_audio: Annotated[
        str | None,
        typer.Option("--presence-audio", metavar="AUDIO", help="Empty: three tones."),
    ] = None,
    presence_timeout_s: Annotated[
        int | None,
        typer.Option("--presence-timeout", metavar="SECONDS", help="For the proof."),
    ] = None,
    hold_audio: Annotated[
        str | None,
        typer.Option("--hold-audio", metavar="AUDIO", help="Empty: a quiet tone."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change the options that are given, for its calls to come."""
    audios = {
        "announcement": announcement,
        "ringback_audio": ringback_audio,
        "warning_audio": warning_audio,
        "presence_audio": presence_audio,
        "hold_audio": hold_audio,
    }
    _check_audios(audios, config)
    with open_administration(config) as administration:
        changes: dict[str, Any] = {
            # Nothing is shorter than a second: 0 and an empty text take the option away.
            name: given or None
            for name, given in (
                (
                    "shown_to_caller",
                    shown_to_caller and administration.read_number(shown_to_caller),
                ),
                (
                    "shown_to_callee",
                    shown_to_callee and administration.read_number(shown_to_callee),
                ),
                ("caller_ring_timeout_s", caller_ring_timeout_s),
                ("callee_ring_timeout_s", callee_ring_timeout_s),
                ("max_duration_s", max_duration_s),
                *audios.items(),
            )
            if given is not None
        }
        if hides_number is not None:
            changes["hides_number"] = hides_number
        if warning_before_end_s is not None:
            changes["warning_before_end_s"] = warning_before_end_s
        if warning_to is not None:
            changes["warning_to"] = _parse_sides(warning_to)
        if announcement_to is not None:
            changes["announcement_to"] = _parse_sides(announcement_to)
        if ringback is not None:
            changes["ringback"] = _parse_ringback(ringback)
        if presence is not None:
            changes["presence"] = _parse_presence(presence)
        if presence_timeout_s is not None:
            changes["presence_timeout_s"] = presence_timeout_s
        options = administration.change_options(app_id, lambda known: replace(known, **changes))
    answer = {"app_id": app_id, "options": _options_answer(options)}
    tell(answer, format_fields(_options_fields(options)), as_json=as_json)


def _check_audios(audios: dict[str, str | None], config: Path | None) -> None:
    """A name that is mistyped is to be told now, not by a call that fails."""
    from clicktodial.cli.audio import open_library

    wanted = {name for name in audios.values() if name}
    if not wanted:
        return
    library = open_library(config)
    for name in sorted(wanted):
        if not library.has(name):
            raise CommandError(f"there is no audio {name}", kind="NotFound")


def _read_shown(administration: "Administration", written: str | None) -> str | None:
    return administration.read_number(written) if written else written


def _parse_sides(text: str) -> "frozenset[Side]":
    from clicktodial.domain.cause import Side

    sides = {"both": frozenset(Side)} | {side.value: frozenset({side}) for side in Side}
    if text not in sides:
        raise typer.BadParameter(f"{text!r} is none of: caller, callee, both")
    return sides[text]


def _parse_ringback(text: str) -> "Ringback":
    from clicktodial.domain.plan import Ringback

    try:
        return Ringback(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is none of: {', '.join(Ringback)}") from error


def _parse_presence(text: str) -> "PresenceProof":
    from clicktodial.domain.plan import PresenceProof

    try:
        return PresenceProof(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is none of: {', '.join(PresenceProof)}") from error


def _options_answer(options: "CallOptions") -> dict[str, object]:
    return {
        "shown_to_caller": options.shown_to_caller,
        "shown_to_callee": options.shown_to_callee,
        "hides_number": options.hides_number,
        "caller_ring_timeout_s": options.caller_ring_timeout_s,
        "callee_ring_timeout_s": options.callee_ring_timeout_s,
        "max_duration_s": options.max_duration_s,
        "warning_before_end_s": options.warning_before_end_s,
        "warning_to": sorted(options.warning_to),
        "ringback": options.ringback,
        "announcement": options.announcement,
        "announcement_to": sorted(options.announcement_to),
        "ringback_audio": options.ringback_audio,
        "warning_audio": options.warning_audio,
        "presence": options.presence,
        "presence_audio": options.presence_audio,
        "presence_timeout_s": options.presence_timeout_s,
        "hold_audio": options.hold_audio,
    }


def _options_fields(options: "CallOptions") -> list[tuple[str, object]]:
    return [
        ("Shown to callers", options.shown_to_caller or "the sponsor"),
        ("Shown to callees", options.shown_to_callee or "the sponsor"),
        ("Numbers hidden", options.hides_number),
        ("Caller rings (s)", options.caller_ring_timeout_s),
        ("Callee rings (s)", options.callee_ring_timeout_s),
        ("Maximum (s)", options.max_duration_s),
        ("Warning (s)", options.warning_before_end_s or None),
        ("Warning to", sorted(options.warning_to)),
        ("Ringback", options.ringback),
        ("Announcement", options.announcement),
        ("Announced to", sorted(options.announcement_to)),
        ("Ringback audio", options.ringback_audio),
        ("Warning audio", options.warning_audio),
        ("Presence shown by", options.presence),
        ("Presence audio", options.presence_audio),
        ("Presence within (s)", options.presence_timeout_s),
        ("Hold audio", options.hold_audio),
    ]


def _set_status(
    app_id: str, status: "ApplicationStatus", config: Path | None, *, as_json: bool
) -> None:
    with open_administration(config) as administration:
        administration.set_application_status(app_id, status)
    text = f"{app_id} is {status}."
    tell({"app_id": app_id, "status": status}, text, as_json=as_json)


def _answer(detail: "ApplicationDetail") -> dict[str, object]:
    return {
        "app_id": detail.app_id,
        "name": detail.name,
        "enterprise_id": detail.enterprise_id,
        "status": detail.status,
        "sponsors": detail.sponsors,
        "notify_url": detail.notify_url,
        "allow_private_addresses": detail.allow_private_addresses,
        "pool_alerts": detail.pool_alerts,
        "max_duration_s": detail.max_duration_s,
        "options": _options_answer(detail.options),
        "capabilities": sorted(detail.capabilities),
        "allow_list": [str(network) for network in detail.allow_list],
        "limits": detail.limits,
        "old_secret_until": detail.old_secret_until,
        "created_at": detail.created_at,
    }


def _describe(
    detail: "ApplicationDetail", secrets: list[tuple[str, str | None]] | None = None
) -> str:
    return format_fields(
        [
            ("APPID", detail.app_id),
            ("Name", detail.name),
            ("Enterprise", detail.enterprise_id),
            ("Status", detail.status),
            ("Numbers to show", detail.sponsors),
            ("Notified at", detail.notify_url),
            ("Private addresses", detail.allow_private_addresses),
            ("Told of its pool", detail.pool_alerts),
            ("Own maximum (s)", detail.max_duration_s),
            *_options_fields(detail.options),
            ("May use", sorted(detail.capabilities)),
            ("Asks from", [str(network) for network in detail.allow_list]),
            ("Calls at a time", detail.limits.live_calls_max),
            ("Calls a second", detail.limits.calls_per_second_max),
            ("Requests a second", detail.limits.requests_per_second_max),
            ("Old secret until (UTC)", detail.old_secret_until),
            ("Created (UTC)", detail.created_at),
            *(secrets or ()),
        ]
    )
