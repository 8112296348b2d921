"""The command line. Every command stands in `docs/cli.md`; a test holds the two together.

Imports are late throughout: a command loads only what it works with, and `--help` almost nothing.
Exit codes: 0 done, 1 refused or failed (one sentence says why), 2 used wrongly.
"""

import gc
from pathlib import Path
from typing import Annotated

import typer

import clicktodial
from clicktodial.cli import (
    application,
    audio,
    audit,
    billing,
    call,
    config,
    enterprise,
    event,
    mail,
    membership,
    message,
    number,
    oauth,
    recording,
    roster,
    sandbox,
    ticket,
    trunk,
    user,
    work_order,
)
from clicktodial.cli.error import ReportingGroup
from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import tell
from clicktodial.cli.session import read_settings

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    # A traceback that prints local variables would print secrets.
    pretty_exceptions_enable=False,
    help="Click to Dial: two phones, one business number, one HTTP request.",
)
app.command("call")(call.call)
app.add_typer(call.calls_app, name="calls")
app.add_typer(application.app, name="app")
app.add_typer(oauth.app, name="oauth")
app.add_typer(enterprise.app, name="enterprise")
app.add_typer(number.app, name="number")
app.add_typer(work_order.app, name="work-order")
app.add_typer(user.app, name="user")
app.add_typer(mail.app, name="mail")
app.add_typer(audit.app, name="audit")
app.add_typer(billing.pool_app, name="pool")
app.add_typer(billing.package_app, name="package")
app.add_typer(billing.cap_app, name="cap")
app.add_typer(billing.ledger_app, name="ledger")
app.add_typer(billing.cdr_app, name="cdr")
app.command("statement")(billing.statement)
app.add_typer(membership.member_app, name="member")
app.add_typer(membership.blacklist_app, name="blacklist")
app.add_typer(membership.do_not_call_app, name="do-not-call")
app.add_typer(trunk.app, name="trunk")
app.add_typer(audio.app, name="audio")
app.add_typer(recording.app, name="recording")
app.add_typer(event.app, name="events")
app.add_typer(ticket.app, name="ticket")
app.add_typer(roster.app, name="roster")
app.add_typer(message.template_app, name="template")
app.add_typer(message.messages_app, name="messages")
app.add_typer(config.app, name="config")
app.add_typer(sandbox.app, name="sandbox")


@app.command("serve")
def serve(*, config: Config = None, as_json: Json = False) -> None:
    """Run the server until SIGTERM; one line on standard output tells that it is ready."""
    settings = read_settings(config)
    # What is loaded stays: to look for garbage among it would be a fifth of the start.
    gc.disable()
    from clicktodial.main import run

    gc.freeze()
    gc.enable()
    raise typer.Exit(run(settings))


@app.command("demo")
def demo(
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where its files go.")
    ] = Path("demo-output"),
    keep: Annotated[
        bool | None,
        typer.Option("--keep/--no-keep", help="Leave the server running; default: in a terminal."),
    ] = None,
) -> None:
    """Show one whole call on this machine: two phones, notifications, a recording."""
    from clicktodial.sandbox.demo.run import run_demo

    raise typer.Exit(run_demo(output, keep=keep))


@app.command("version")
def version(*, config: Config = None, as_json: Json = False) -> None:
    """Tell the version."""
    answer = {"version": clicktodial.__version__}
    tell(answer, f"clicktodial {clicktodial.__version__}", as_json=as_json)
