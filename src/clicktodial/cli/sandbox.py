"""`clicktodial sandbox`: phones and an application server to try the platform with."""

import asyncio
import gc
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import Address, Config, Json, parse_address
from clicktodial.cli.session import log_to_standard_error

_ANY_HTTP = Address("127.0.0.1", 0)

app = typer.Typer(no_args_is_help=True, help="Simulated phones, and a sample application server.")

Events = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Append the lines to this file as well."),
]


@app.command("carrier")
def carrier(
    *,
    sip: Annotated[
        Address,
        typer.Option(
            "--sip", metavar="HOST:PORT", parser=parse_address, help="Where SIP is received."
        ),
    ],
    events: Events = None,
    report_sip: Annotated[
        bool, typer.Option("--report-sip", help="Tell every SIP message too.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a simulated carrier: every number is a phone. What happens is told in JSON lines."""
    from clicktodial.sandbox.process import run_carrier

    _run(run_carrier(sip.host, sip.port, events=events, report_sip=report_sip))


@app.command("app")
def sample_app(
    *,
    http: Annotated[
        Address,
        typer.Option(
            "--http", metavar="HOST:PORT", parser=parse_address, help="Where HTTP is received."
        ),
    ],
    app_id: Annotated[
        str | None, typer.Option("--app-id", help="Refuse notifications of another APPID.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="Refuse another Secretkey.")
    ] = None,
    signing_secret: Annotated[
        str | None, typer.Option("--signing-secret", help="Refuse another signature.")
    ] = None,
    events: Events = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a sample application server. Each notification is told as a line of JSON."""
    from clicktodial.sandbox.app import Expectations
    from clicktodial.sandbox.process import run_app

    expect = Expectations(app_id=app_id, secret=secret, signing_secret=signing_secret)
    _run(run_app(http.host, http.port, events=events, expect=expect))


@app.command("run")
def run_all(
    *,
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="A new one, for its files.")
    ],
    http: Annotated[
        Address,
        typer.Option(
            "--http", metavar="HOST:PORT", parser=parse_address, help="Where HTTP is received."
        ),
    ] = _ANY_HTTP,
    app_id: Annotated[str, typer.Option("--app-id", help="The APPID.")] = "12345678",
    secret: Annotated[
        str | None, typer.Option("--secret", help="The Secretkey; made when not given.")
    ] = None,
    sponsor: Annotated[
        str, typer.Option("--sponsor", metavar="NUMBER", help="The number to show.")
    ] = "01052680000",
    notify_url: Annotated[
        str | None,
        typer.Option("--notify-url", metavar="URL", help="The appServer of notifications."),
    ] = None,
    is_fast: Annotated[
        bool, typer.Option("--fast", help="Phones that answer after 0.2 s, for tests.")
    ] = False,
    is_attached: Annotated[
        bool, typer.Option("--attached", help="End when standard input does.")
    ] = False,
    events: Events = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run all of it in one process: server, phones, an application. A line of JSON tells how it is
    reached."""
    # As `serve` has it: what is loaded stays.
    gc.disable()
    from clicktodial.cli.playground import PlaygroundExists, PlaygroundPlan, run_playground

    gc.freeze()
    gc.enable()
    from clicktodial.config import ConfigError
    from clicktodial.control.port import StoreError
    from clicktodial.storage.error import StorageError

    plan = PlaygroundPlan(
        directory=directory,
        host=http.host,
        http_port=http.port,
        app_id=app_id,
        secret=secret,
        sponsor=sponsor,
        notify_url=notify_url,
        is_fast=is_fast,
        is_attached=is_attached,
        events=events,
    )
    try:
        run_playground(plan)
    except (ConfigError, PlaygroundExists, StorageError, StoreError) as error:
        raise CommandError(str(error), kind=type(error).__name__) from error
    except OSError as error:
        raise CommandError(error.strerror or str(error), kind="AddressError") from error


def _run(process: Coroutine[None, None, None]) -> None:
    from clicktodial.sandbox.app import SigningSecretError

    log_to_standard_error()
    try:
        asyncio.run(process)
    except SigningSecretError as error:
        raise CommandError("the signing secret must be whsec_ and base64") from error
    except OSError as error:
        raise CommandError(error.strerror or str(error), kind="AddressError") from error
