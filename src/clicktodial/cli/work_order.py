"""`clicktodial work-order`: what customers ask for, decided by the operator."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import note_done, open_business

if TYPE_CHECKING:
    from clicktodial.domain.work_order import WorkOrder

app = typer.Typer(no_args_is_help=True, help="What customers ask for, and its decisions.")

WorkOrderId = Annotated[
    str, typer.Argument(metavar="WORK_ORDER", help="The work order's identifier.")
]
# More than anybody reads in a terminal.
LISTED_MAX = 100


@app.command("list")
def list_orders(
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only those of that kind.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Only those of that region.")
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="The archived ones, too.")] = False,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="WORK_ORDER", help="Those behind that one."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List work orders, oldest first."""
    from clicktodial.accounts.work_order import WorkOrderFilter
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.work_order import WorkOrderKind, WorkOrderState

    if kind is not None and kind not in list(WorkOrderKind):
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(WorkOrderKind)}")
    states = frozenset(WorkOrderState)
    which = WorkOrderFilter(
        kinds=frozenset() if kind is None else frozenset({WorkOrderKind(kind)}),
        states=states if is_all else states - {WorkOrderState.ARCHIVED},
        region=region,
    )
    with open_business(config) as cases:
        orders = cases.business.work_orders.list_orders(
            OPERATOR_PRINCIPAL, which, after=after, limit=LISTED_MAX
        )
    rows = [
        (each.work_order_id, each.kind, each.enterprise_id, each.state, each.opened_at)
        for each in orders
    ]
    headings = ("WORK ORDER", "KIND", "ENTERPRISE", "STATE", "OPENED")
    tell(orders, format_table(headings, rows, empty="There are none."), as_json=as_json)


@app.command("show")
def show(work_order: WorkOrderId, *, config: Config = None, as_json: Json = False) -> None:
    """Show a work order and its history."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    with open_business(config) as cases:
        order, steps = cases.business.work_orders.show(OPERATOR_PRINCIPAL, work_order)
    rows = [(step.at, step.action, step.by, step.why) for step in steps]
    history = format_table(("WHEN", "WHAT", "WHO", "WHY"), rows, empty="")
    answer = {"work_order": order, "steps": steps}
    tell(answer, f"{_describe(order)}\n\n{history}", as_json=as_json)


@app.command("decide")
def decide(
    work_order: WorkOrderId,
    *,
    is_approved: Annotated[bool, typer.Option("--approve/--reject", help="How it is decided.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; a rejection needs it.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Approve or reject a work order, and have that carried out."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    with open_business(config) as cases:
        order = cases.business.work_orders.decide(
            OPERATOR_PRINCIPAL,
            work_order,
            approved=is_approved,
            reason=reason,
            now=datetime.now(UTC),
        )
        note_done(
            cases.audit_log,
            "work-order decide",
            {"work_order_id": work_order},
            enterprise_id=order.enterprise_id,
        )
    tell(order, f"{work_order} is {order.outcome}.", as_json=as_json)


def _describe(order: "WorkOrder") -> str:
    return format_fields(
        [
            ("Work order", order.work_order_id),
            ("Kind", order.kind),
            ("Enterprise", order.enterprise_id),
            ("State", order.state),
            ("Outcome", order.outcome),
            ("Assignee", order.assignee),
            ("Reason", order.reason),
            ("Resubmits", order.previous_id),
            *(sorted(order.details.items())),
        ]
    )
