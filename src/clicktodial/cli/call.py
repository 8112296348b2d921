"""`clicktodial call`, `calls`, `events` and `recording`: calls, as an operator works with them."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import CallIdArgument, Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import (
    log_to_standard_error,
    open_administration,
    open_history,
    read_settings,
    storage_errors,
)

if TYPE_CHECKING:
    from clicktodial.config import Settings
    from clicktodial.domain.application import Application
    from clicktodial.storage.history import CallHistory, CallRecord, EventRecord

calls_app = typer.Typer(no_args_is_help=True, help="Calls, of now and before.")
events_app = typer.Typer(no_args_is_help=True, help="Status notifications.")

LIST_DEFAULT = 20
LIST_MAX = 1000
# Several times faster than a person reads, and no load for the database.
_FOLLOW_INTERVAL_S = 0.2

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


def _answer(record: "CallRecord", events: "list[EventRecord]") -> dict[str, object]:
    from clicktodial.storage.explanation import explain_end

    return {"call": record, "explanation": explain_end(record), "events": events}


@events_app.command("replay")
def replay(call_id: CallIdArgument, *, config: Config = None, as_json: Json = False) -> None:
    """Deliver again those notifications of a call that were given up."""
    with open_history(read_settings(config)) as history:
        history.call(call_id)
    with open_administration(config) as administration:
        count = administration.replay_notifications(call_id)
    text = f"{count} notifications of call {call_id} wait to be delivered again."
    tell({"call_id": call_id, "revived": count}, text, as_json=as_json)
