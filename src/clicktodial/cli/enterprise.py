"""`clicktodial enterprise`: who pays, and whether they may use the service."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import open_administration

if TYPE_CHECKING:
    from clicktodial.domain.application import EnterpriseStatus
    from clicktodial.storage.administration import EnterpriseDetail

app = typer.Typer(no_args_is_help=True, help="Enterprises that own applications.")

EnterpriseId = Annotated[
    str, typer.Argument(metavar="ENTERPRISE", help="The enterprise's identifier.")
]


@app.command("create")
def create(
    enterprise: EnterpriseId,
    *,
    name: Annotated[str | None, typer.Option("--name", help="For people.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create an enterprise."""
    with open_administration(config) as administration:
        administration.create_enterprise(enterprise, name=name)
    answer = {"enterprise_id": enterprise, "name": name or enterprise, "status": "active"}
    tell(answer, f"{enterprise} is active.", as_json=as_json)


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List all enterprises."""
    with open_administration(config) as administration:
        details = administration.list_enterprises()
    rows = [(each.enterprise_id, each.name, each.status) for each in details]
    text = format_table(("ENTERPRISE", "NAME", "STATUS"), rows, empty="There are no enterprises.")
    tell(details, text, as_json=as_json)


@app.command("show")
def show(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Show an enterprise and its limits."""
    with open_administration(config) as administration:
        detail = administration.show_enterprise(enterprise)
    tell(detail, _describe(detail), as_json=as_json)


@app.command("set-limits")
def set_limits(
    enterprise: EnterpriseId,
    *,
    live_calls_max: Annotated[
        int | None,
        typer.Option("--live-calls", metavar="N", help="Calls at a time; 0: any."),
    ] = None,
    calls_per_second_max: Annotated[
        int | None,
        typer.Option("--calls-per-second", metavar="N", help="New calls a second; 0: any."),
    ] = None,
    max_duration_s: Annotated[
        int | None,
        typer.Option("--max-duration", metavar="SECONDS", help="Of a conversation; 0: any."),
    ] = None,
    ring_timeout_s_max: Annotated[
        int | None,
        typer.Option("--ring-timeout", metavar="SECONDS", help="Of either side; 0: any."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change the limits that are given, for the calls of all its applications to come."""
    given = {
        "live_calls_max": live_calls_max,
        "calls_per_second_max": calls_per_second_max,
        "max_duration_s": max_duration_s,
        "ring_timeout_s_max": ring_timeout_s_max,
    }
    # A limit of nothing at all is what suspending is for: 0 takes the limit away.
    changes = {name: value or None for name, value in given.items() if value is not None}
    with open_administration(config) as administration:
        administration.change_limits(enterprise, lambda known: replace(known, **changes))
        detail = administration.show_enterprise(enterprise)
    tell(detail, _describe(detail), as_json=as_json)


def _describe(detail: "EnterpriseDetail") -> str:
    limits = detail.limits
    return format_fields(
        [
            ("Enterprise", detail.enterprise_id),
            ("Name", detail.name),
            ("Status", detail.status),
            ("Calls at a time", limits.live_calls_max),
            ("Calls a second", limits.calls_per_second_max),
            ("Maximum (s)", limits.max_duration_s),
            ("Ringing at most (s)", limits.ring_timeout_s_max),
        ]
    )


@app.command("suspend")
def suspend(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Refuse the requests of all its applications for now."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.SUSPENDED, config, as_json=as_json)


@app.command("resume")
def resume(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Take the requests of its applications again."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.ACTIVE, config, as_json=as_json)


@app.command("cancel")
def cancel(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """End its use of the service."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.CANCELLED, config, as_json=as_json)


def _set_status(
    enterprise: str, status: "EnterpriseStatus", config: Path | None, *, as_json: bool
) -> None:
    with open_administration(config) as administration:
        administration.set_enterprise_status(enterprise, status)
    answer = {"enterprise_id": enterprise, "status": status}
    tell(answer, f"{enterprise} is {status}.", as_json=as_json)
