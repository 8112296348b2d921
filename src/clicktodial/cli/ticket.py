"""`clicktodial ticket`: what customers ask of support."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import open_support

if TYPE_CHECKING:
    from clicktodial.accounts.ticket import TicketView
    from clicktodial.accounts.ticket_store import KeptStep, TicketFile
    from clicktodial.cli.session import Support

app = typer.Typer(no_args_is_help=True, help="Support tickets.")

TicketId = Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's identifier.")]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="What there is to say.")]

_Word = TypeVar("_Word", bound=StrEnum)


@app.command("list")
def list_all(
    *,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only those in this state.")
    ] = None,
    priority: Annotated[
        str | None, typer.Option("--priority", metavar="PRIORITY", help="Only those as urgent.")
    ] = None,
    assignee: Annotated[
        str | None, typer.Option("--assignee", metavar="USER", help="Only those of this user.")
    ] = None,
    enterprise: Annotated[
        str | None, typer.Option("--enterprise", metavar="ENTERPRISE", help="Only its own.")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="Only those that missed a target.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List tickets, the newest first, at most 100."""
    from clicktodial.accounts.ticket import TicketFilter
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.ticket import TicketPriority, TicketState

    which = TicketFilter(
        states=frozenset() if state is None else frozenset({_word(TicketState, state)}),
        priority=None if priority is None else _word(TicketPriority, priority),
        assignee=assignee,
        enterprise_id=enterprise,
        is_late=True if late else None,
    )
    with open_support(config) as support:
        tickets = support.tickets.list_tickets(OPERATOR_PRINCIPAL, which)
    rows = [
        (
            each.ticket_id,
            each.priority,
            each.state,
            each.enterprise_id,
            each.assignee or each.queue,
            "late" if each.is_response_late or each.is_resolution_late else "",
            each.opened_at,
            each.subject,
        )
        for each in tickets
    ]
    headings = ("TICKET", "PRIORITY", "STATE", "ENTERPRISE", "WITH", "LATE", "OPENED", "SUBJECT")
    tell(tickets, format_table(headings, rows, empty="There are no tickets."), as_json=as_json)


@app.command("show")
def show(ticket: TicketId, *, config: Config = None, as_json: Json = False) -> None:
    """Show a ticket, its history and why its call ended."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    with open_support(config) as support:
        view = support.tickets.show(OPERATOR_PRINCIPAL, ticket)
    tell(_answer(view), _describe(view), as_json=as_json)


@app.command("reply")
def reply(
    ticket: TicketId,
    text: Text,
    *,
    question: Annotated[
        bool, typer.Option("--question", help="Wait for the customer's answer.")
    ] = False,
    note: Annotated[
        bool, typer.Option("--note", help="Keep it among the operator's people.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write to the customer, who gets a mail; or make a note."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL as operator

    if question and note:
        raise typer.BadParameter("--question and --note exclude each other")

    def write(support: "Support") -> "TicketFile":
        now = datetime.now(UTC)
        if note:
            return support.tickets.note(operator, ticket, text, now)
        return support.tickets.write(operator, ticket, text, now, is_question=question)

    _change(write, config, as_json=as_json)


@app.command("assign")
def assign(
    ticket: TicketId,
    *,
    queue: Annotated[
        str,
        typer.Option("--queue", metavar="QUEUE", help="support, second-line or third-line."),
    ] = "support",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="USER", help="One of the operator's people, by account."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a ticket to a queue, or to somebody in person."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.ticket import TicketQueue

    chosen = _word(TicketQueue, queue)
    _change(
        lambda support: support.tickets.assign(
            OPERATOR_PRINCIPAL, ticket, queue=chosen, assignee=to, now=datetime.now(UTC)
        ),
        config,
        as_json=as_json,
    )


@app.command("resolve")
def resolve(ticket: TicketId, text: Text, *, config: Config = None, as_json: Json = False) -> None:
    """Tell the customer how it was resolved."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    _change(
        lambda support: support.tickets.resolve(
            OPERATOR_PRINCIPAL, ticket, text, datetime.now(UTC)
        ),
        config,
        as_json=as_json,
    )


def _change(
    change: Callable[["Support"], "TicketFile"], config: Path | None, *, as_json: bool
) -> None:
    with open_support(config) as support:
        file = change(support)
    answer = {"ticket_id": file.ticket_id, "state": file.ticket.state}
    tell(answer, f"{file.ticket_id} is {file.ticket.state}.", as_json=as_json)


def _word(kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(kind)}") from error


def _answer(view: "TicketView") -> dict[str, Any]:
    from clicktodial.domain.ticket import TicketClock, reach_target
    from clicktodial.storage.explanation import explain_end

    file, ticket = view.file, view.file.ticket
    return {
        "ticket_id": file.ticket_id,
        "enterprise_id": file.enterprise_id,
        "subject": file.subject,
        "channel": file.channel,
        "category": file.category,
        "priority": ticket.priority,
        "state": ticket.state,
        "level": _level(ticket.level),
        "queue": ticket.queue,
        "assignee": ticket.assignee,
        "response_due_at": reach_target(ticket, TicketClock.RESPONSE, file.timetable),
        "resolution_due_at": reach_target(ticket, TicketClock.RESOLUTION, file.timetable),
        "is_response_late": ticket.is_response_late,
        "is_resolution_late": ticket.is_resolution_late,
        "satisfaction": ticket.satisfaction,
        "call_id": file.call_id,
        "call_explanation": None if view.call is None else explain_end(view.call),
        "history": [_step(kept) for kept in file.steps],
    }


def _step(kept: "KeptStep") -> dict[str, Any]:
    return {
        "seq": kept.seq,
        "at": kept.step.at,
        "by": kept.by,
        "action": kept.step.action,
        "text": kept.text,
    }


def _level(level: Any) -> str:
    return str(level.name).lower().replace("_", "-")


def _describe(view: "TicketView") -> str:
    answer = _answer(view)
    names = {
        "ticket_id": "Ticket",
        "enterprise_id": "Enterprise",
        "subject": "Subject",
        "channel": "Channel",
        "category": "Category",
        "priority": "Priority",
        "state": "State",
        "level": "Escalated to",
        "queue": "Queue",
        "assignee": "Assignee",
        "response_due_at": "Response due",
        "resolution_due_at": "Resolution due",
        "call_id": "Call",
        "call_explanation": "It ended",
    }
    lines = [format_fields([(label, answer[name]) for name, label in names.items()]), ""]
    for kept in view.file.steps:
        lines.append(f"{kept.step.at:%Y-%m-%d %H:%M:%S}  {kept.by}  {kept.step.action}")
        lines.extend(f"    {line}" for line in kept.text.splitlines())
    return "\n".join(lines)
