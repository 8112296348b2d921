"""`clicktodial enterprise`: who pays, and whether they may use the service."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import note_done, open_administration, open_business

if TYPE_CHECKING:
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


Reason = Annotated[
    str, typer.Option("--reason", help="Why; kept with the work order, and told to the customer.")
]
RunningCalls = Annotated[
    str | None,
    typer.Option(
        "--calls",
        metavar="at-once|when-ended",
        help="When its running calls end; default: as business.running_calls says.",
    ),
]


@app.command("suspend")
def suspend(
    enterprise: EnterpriseId,
    *,
    reason: Reason,
    calls: RunningCalls = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Refuse the requests of all its applications for now."""
    _change(enterprise, "suspend", reason, calls, config, as_json=as_json)


@app.command("resume")
def resume(
    enterprise: EnterpriseId,
    *,
    reason: Reason,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take the requests of its applications again."""
    _change(enterprise, "resume", reason, None, config, as_json=as_json)


@app.command("cancel")
def cancel(
    enterprise: EnterpriseId,
    *,
    reason: Reason,
    calls: RunningCalls = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End its use of the service, for good."""
    _change(enterprise, "cancel", reason, calls, config, as_json=as_json)


def _change(
    enterprise: str,
    command: str,
    reason: str,
    calls: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Ask for it and approve it as the operator; nothing where it is so already."""
    from clicktodial.accounts.enterprise_change import NewChange
    from clicktodial.domain.enterprise import CallPolicy, EnterpriseState
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.work_order import WorkOrderKind

    if calls is not None and calls not in list(CallPolicy):
        raise typer.BadParameter(f"{calls!r} is not at-once or when-ended")
    policy = None if calls is None else CallPolicy(calls)
    # What is so already: a status would not tell a prospect from a customer who is suspended.
    kind, so_already = {
        "suspend": (
            WorkOrderKind.SUSPENSION,
            {EnterpriseState.SUSPENDED, EnterpriseState.CANCELLING_SUSPENDED},
        ),
        "resume": (
            WorkOrderKind.RESUMPTION,
            {EnterpriseState.ACTIVE, EnterpriseState.CANCELLING},
        ),
        "cancel": (WorkOrderKind.CANCELLATION, {EnterpriseState.CANCELLED}),
    }[command]
    with open_business(config) as cases:
        enterprises = cases.business.enterprises
        if enterprises.show(OPERATOR_PRINCIPAL, enterprise).state not in so_already:
            change = cases.business.changes.request_change(
                OPERATOR_PRINCIPAL,
                enterprise,
                NewChange(kind=kind, reason=reason, calls=policy),
                decides=True,
                now=datetime.now(UTC),
            )
            note_done(
                cases.audit_log,
                f"enterprise {command}",
                {"enterprise_id": enterprise, "change_id": change.change_id},
                enterprise_id=enterprise,
            )
        found = enterprises.show(OPERATOR_PRINCIPAL, enterprise)
    answer = {"enterprise_id": enterprise, "status": found.status, "state": found.state}
    tell(answer, f"{enterprise} is {found.state}.", as_json=as_json)
