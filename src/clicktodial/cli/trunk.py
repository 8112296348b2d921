"""`clicktodial trunk`: the SIP peers through which calls leave."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Address, Config, Json, parse_target
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import open_administration

if TYPE_CHECKING:
    from clicktodial.storage.administration import TrunkDetail

app = typer.Typer(no_args_is_help=True, help="SIP trunks through which calls leave.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The trunk's name.")]


@app.command("add")
def add(
    name: Name,
    *,
    target: Annotated[
        Address,
        typer.Option(
            "--target", metavar="HOST:PORT", parser=parse_target, help="Where its SIP is received."
        ),
    ],
    transport: Annotated[
        str, typer.Option("--transport", metavar="udp", help="How it is reached.")
    ] = "udp",
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", help="Lower is tried first.")
    ] = 100,
    domain: Annotated[
        str | None,
        typer.Option("--domain", metavar="D", help="Host part of its URIs; default: the target's."),
    ] = None,
    answer_timeout_s: Annotated[
        int,
        typer.Option(
            "--answer-timeout", metavar="SECONDS", help="Wait for any response before the next one."
        ),
    ] = 4,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a trunk; a running server uses it within a second."""
    from clicktodial.domain.trunk import Transport, Trunk

    try:
        chosen = Transport(transport.lower())
    except ValueError as error:
        known = ", ".join(Transport)
        raise typer.BadParameter(f"{transport!r} is none of: {known}") from error
    with open_administration(config) as administration:
        from clicktodial.storage.administration import TrunkDetail

        trunk = Trunk(
            name=name,
            host=target.host,
            port=target.port,
            transport=chosen,
            priority=priority,
            domain=domain,
            answer_timeout_s=answer_timeout_s,
        )
        administration.add_trunk(trunk)
    detail = TrunkDetail(trunk, enabled=True)
    tell(_answer(detail), f"Calls may leave through {name} ({target}).", as_json=as_json)


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List all trunks, in the order in which they are tried."""
    with open_administration(config) as administration:
        details = administration.list_trunks()
    headings = ("NAME", "TARGET", "TRANSPORT", "PRIORITY", "DOMAIN", "TIMEOUT (s)", "ENABLED")
    rows = [
        (
            each.trunk.name, str(Address(each.trunk.host, each.trunk.port)), each.trunk.transport,
            each.trunk.priority, each.trunk.domain, each.trunk.answer_timeout_s, each.enabled,
        )
        for each in details
    ]  # fmt: skip
    text = format_table(headings, rows, empty="There are no trunks.")
    tell([_answer(each) for each in details], text, as_json=as_json)


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


def _answer(detail: "TrunkDetail") -> dict[str, object]:
    trunk = detail.trunk
    return {
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport,
        "priority": trunk.priority,
        "domain": trunk.domain,
        "answer_timeout_s": trunk.answer_timeout_s,
        "enabled": detail.enabled,
    }
