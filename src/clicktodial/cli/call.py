"""`clicktodial call`, `calls` and `recording`: calls, as an operator works with them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clicktodial.cli.error import EXIT_REFUSED, CommandError
from clicktodial.cli.option import CallIdArgument, Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import (
    log_to_standard_error,
    open_history,
    read_settings,
    storage_errors,
)

if TYPE_CHECKING:
    from clicktodial.config import Settings
    from clicktodial.domain.application import Application
    from clicktodial.storage.history import CallHistory, CallRecord, EventRecord

calls_app = typer.Typer(no_args_is_help=True, help="Calls, of now and before.")

LIST_DEFAULT = 20
# More than anybody reads in a terminal.
LIST_MAX = 1000
# Several times faster than a person reads, and no load for the database.
_FOLLOW_INTERVAL_S = 0.2

SideArgument = Annotated[
    str, typer.Argument(metavar="caller|callee", help="Which of the two parties.")
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server; default: as the settings say."),
]


def call(
    caller: Annotated[str, typer.Argument(metavar="CALLER", help="Who is rung first.")],
    callee: Annotated[str, typer.Argument(metavar="CALLEE", help="Who is rung then.")],
    *,
    app_id: Annotated[
        str | None, typer.Option("--app-id", help="Default: the only application.")
    ] = None,
    sponsor: Annotated[
        str | None,
        typer.Option("--sponsor", metavar="NUMBER", help="Shown to both; default: its first."),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Record the conversation.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show what happens until the call ends.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ring nobody; tell what would become of it.")
    ] = False,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask the running server for a call between two people."""
    from clicktodial.cli.client import Client, server_address

    settings = read_settings(config)
    application = load_application(settings, app_id)
    client = Client(server_address(settings, url), application)
    body = {"sponsor": sponsor or _first_sponsor(application), "caller": caller, "callee": callee}
    if dry_run:
        _tell_forecast(client.forecast({**body, "record": record}), as_json=as_json)
        return
    call_id = client.begin({**body, "record": int(record)})
    if not follow:
        tell({"call_id": call_id}, f"Call {call_id} has begun.", as_json=as_json)
        return
    if not as_json:
        typer.echo(f"Call {call_id}")
    with open_history(settings) as history:
        record_of_call, events = _follow(history, call_id, is_quiet=as_json)
    if as_json:
        tell(_answer(record_of_call, events), "", as_json=True)


def _tell_forecast(forecast: dict[str, Any], *, as_json: bool) -> None:
    from clicktodial.cli.forecast import describe_forecast

    tell(forecast, describe_forecast(forecast), as_json=as_json)
    if not forecast.get("is_possible"):
        raise typer.Exit(EXIT_REFUSED)


def _follow(
    history: "CallHistory", call_id: str, *, is_quiet: bool
) -> "tuple[CallRecord, list[EventRecord]]":
    """Tell each event as it comes, until the last."""
    from clicktodial.cli.timeline import describe_step
    from clicktodial.domain.call import CallState

    told = 0
    while True:
        record, events = history.call(call_id)
        for event in events[told:]:
            if not is_quiet:
                typer.echo(describe_step(record, event))
        told = len(events)
        if record.state is CallState.ENDED:
            return record, events
        time.sleep(_FOLLOW_INTERVAL_S)


def load_application(settings: "Settings", app_id: str | None) -> "Application":
    """The application named, or the only one there is, secrets in clear. Raises CommandError."""
    log_to_standard_error()
    with storage_errors():
        from clicktodial.domain.identifier import AppId
        from clicktodial.storage.administration import Administration
        from clicktodial.storage.application_row import read_application
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.secret import SecretVault, load_master_key

        administration = Administration.open(settings)
        try:
            found = app_id or _only_app_id([a.app_id for a in administration.list_applications()])
        finally:
            administration.close()
        engine = open_engine(settings.database_url)
        try:
            with engine.connect() as connection:
                vault = SecretVault(load_master_key(settings))
                application = read_application(connection, AppId(found), vault)
        finally:
            engine.dispose()
    if application is None:
        raise CommandError(f"there is no application {found}", kind="NotFound")
    return application


def _only_app_id(app_ids: list[str]) -> str:
    match app_ids:
        case [only]:
            return only
        case []:
            raise CommandError("there is no application: create one with `clicktodial app create`")
        case _:
            raise CommandError(f"there are {len(app_ids)} applications: choose one with --app-id")


def _first_sponsor(application: "Application") -> str:
    if not application.sponsors:
        raise CommandError(
            f"application {application.app_id} may show no number: "
            f"give it one with `clicktodial app add-number {application.app_id} NUMBER`"
        )
    return min(application.sponsors)


@calls_app.command("list")
def list_calls(
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LIST_MAX, help="How many of the newest.")
    ] = LIST_DEFAULT,
    app_id: Annotated[
        str | None, typer.Option("--app-id", help="Of this application only.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List calls, the newest first."""
    with open_history(read_settings(config)) as history:
        calls = history.recent_calls(limit=limit, app_id=app_id)
    from clicktodial.cli.timeline import CALL_HEADINGS, list_row

    text = format_table(
        CALL_HEADINGS, [list_row(each) for each in calls], empty="There are no calls."
    )
    tell(calls, text, as_json=as_json)


@calls_app.command("show")
def show_call(call_id: CallIdArgument, *, config: Config = None, as_json: Json = False) -> None:
    """Show a call: its timeline, why it ended, and its notifications."""
    with open_history(read_settings(config)) as history:
        record, events = history.call(call_id)
    from clicktodial.cli.timeline import describe_call

    tell(_answer(record, events), describe_call(record, events), as_json=as_json)


@calls_app.command("release")
def release(
    call_id: CallIdArgument,
    *,
    only_unconnected: Annotated[
        bool, typer.Option("--only-unconnected", help="Only while the two are not joined.")
    ] = False,
    after_s: Annotated[
        int,
        typer.Option(
            "--after", metavar="SECONDS", min=0, help="Only so long after the joining or begin."
        ),
    ] = 0,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a call, or leave it as it is where the condition does not hold."""
    body: dict[str, object] = {"only_unconnected": only_unconnected, "after_s": after_s}
    _command(call_id, "release", body, "is released", url, config, as_json=as_json)


@calls_app.command("continue")
def proceed(
    call_id: CallIdArgument, *, url: Url = None, config: Config = None, as_json: Json = False
) -> None:
    """Lift the application's own maximum duration from a call."""
    _command(call_id, "continue", {}, "goes on", url, config, as_json=as_json)


@calls_app.command("mute")
def mute(
    call_id: CallIdArgument,
    side: SideArgument,
    *,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep what a side says from the other, and from the recording."""
    _of_side(call_id, "mute", side, "is muted", url, config, as_json=as_json)


@calls_app.command("unmute")
def unmute(
    call_id: CallIdArgument,
    side: SideArgument,
    *,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a side be heard again."""
    _of_side(call_id, "unmute", side, "is heard again", url, config, as_json=as_json)


@calls_app.command("hold")
def hold(
    call_id: CallIdArgument,
    side: SideArgument,
    *,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a side wait, with the audio for that."""
    _of_side(call_id, "hold", side, "is on hold", url, config, as_json=as_json)


@calls_app.command("resume")
def resume(
    call_id: CallIdArgument,
    side: SideArgument,
    *,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let the two hear each other again."""
    _of_side(call_id, "resume", side, "is off hold", url, config, as_json=as_json)


@calls_app.command("pause-recording")
def pause_recording(
    call_id: CallIdArgument, *, url: Url = None, config: Config = None, as_json: Json = False
) -> None:
    """Record nothing for a while; the recording has silence there."""
    text = "is not recorded for now"
    _command(call_id, "pause-recording", {}, text, url, config, as_json=as_json)


@calls_app.command("resume-recording")
def resume_recording(
    call_id: CallIdArgument, *, url: Url = None, config: Config = None, as_json: Json = False
) -> None:
    """Record again."""
    _command(call_id, "resume-recording", {}, "is recorded again", url, config, as_json=as_json)


def _of_side(
    call_id: str,
    verb: str,
    side: str,
    done: str,
    url: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    if side not in ("caller", "callee"):
        raise typer.BadParameter(f"{side!r} is none of: caller, callee")
    text = f"the {side} {done}"
    _command(call_id, verb, {"side": side}, text, url, config, as_json=as_json)


def _command(
    call_id: str,
    verb: str,
    body: dict[str, object],
    done: str,
    url: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Ask the running server, as the application whose call it is."""
    from clicktodial.cli.client import Client, server_address

    settings = read_settings(config)
    with open_history(settings) as history:
        record, _ = history.call(call_id)
    client = Client(server_address(settings, url), load_application(settings, record.app_id))
    client.command(call_id, verb, body)
    answer = {"call_id": call_id, "done": verb, **body}
    tell(answer, f"Call {call_id}: {done}.", as_json=as_json)


def _answer(record: "CallRecord", events: "list[EventRecord]") -> dict[str, object]:
    from clicktodial.storage.explanation import explain_end

    return {"call": record, "explanation": explain_end(record), "events": events}
