"""Lists of tickets: one's own, and the queue of support."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

from clicktodial.accounts.ticket import TicketFilter
from clicktodial.accounts.ticket_desk import DeskTicket
from clicktodial.domain.principal import CUSTOMER_ROLES
from clicktodial.domain.ticket import OPEN_STATES, TicketChannel, TicketPriority, TicketState
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.support.audience import (
    STAFF,
    TONES,
    WORKERS,
    parse_desk_place,
    render_desk_place,
)
from clicktodial.portal.text import mark

_PAST = frozenset({TicketState.RESOLVED, TicketState.CLOSED})


class Group(StrEnum):
    """Which tickets of the own enterprise."""

    OPEN = "open"
    PAST = "past"


class Desk(StrEnum):
    """Which tickets of the queue."""

    OPEN = "open"
    MINE = "mine"
    LATE = "late"
    PAST = "past"


GROUPS = {Group.OPEN: mark("Open"), Group.PAST: mark("Resolved and closed")}
DESKS = {
    Desk.OPEN: mark("All open"),
    Desk.MINE: mark("Mine"),
    Desk.LATE: mark("Breached"),
    Desk.PAST: mark("Resolved and closed"),
}


class TicketListPages:
    """GET /tickets and /support/queue"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_own(self, visit: Visit) -> Answer:
        """Those of one's own enterprise, the newest first."""
        form = _filter_of(visit)
        group = form.one_of("group", Group, is_required=False)
        states: frozenset[TicketState] = frozenset()
        if group is not None:
            states = OPEN_STATES if group is Group.OPEN else _PAST
        before = parse_identifier(visit.query.get("before"))
        tickets = await self._newest(visit, TicketFilter(states=states), before)
        word = visit.words.look_up
        context = {
            "form": form,
            "group_options": [(each, word(words)) for each, words in GROUPS.items()],
            "is_filtered": group is not None or before is not None,
            "first_href": visit.link("tickets", **{**visit.query, "before": None}),
            "is_first": before is None,
            "next_href": _next_newest(visit, "tickets", tickets),
            "tickets": tickets[:PAGE_SIZE],
            **TONES,
        }
        return View("support/list.html", context, 200 if form.is_valid else 422)

    async def show_queue(self, visit: Visit) -> Answer:
        """All that one sees: what is open, the most pressing first."""
        form, needs, principal = _filter_of(visit), self._needs, visit.principal
        desk = form.one_of("desk", Desk, is_required=False) or Desk.OPEN
        which = _queue_filter(visit, form, desk)
        after = parse_desk_place(visit.query.get("after"))
        before = parse_identifier(visit.query.get("before"))
        if desk is Desk.PAST:
            tickets = await self._newest(visit, which, before)
            next_href = _next_newest(visit, "ticketQueue", tickets)
        else:
            read = partial(
                needs.ticket_desk.list_open,
                principal, which, visit.now, after=after, limit=PAGE_SIZE + 1,
            )  # fmt: skip
            tickets = await needs.worker.run(read)
            next_href = _next_open(visit, tickets)
        shown = tickets[:PAGE_SIZE]

        def name() -> Mapping[str, str]:
            return needs.names.accounts(principal, [each.summary.assignee for each in shown])

        word = visit.words.look_up
        states = _PAST if desk is Desk.PAST else OPEN_STATES
        context = {
            "form": form,
            "desk": desk,
            "tabs": [
                (visit.link("ticketQueue", desk=each), word(words), each is desk)
                for each, words in DESKS.items()
                if each is not Desk.MINE or visit.may(WORKERS)
            ],
            "counts": await needs.worker.run(lambda: needs.ticket_desk.count(principal)),
            "accounts": await needs.worker.run(name),
            "channel_options": [(each, word(label_of(each))) for each in TicketChannel],
            "priority_options": [(each, word(label_of(each))) for each in TicketPriority],
            "state_options": [
                (each, word(label_of(each))) for each in TicketState if each in states
            ],
            "is_filtered": any(visit.query.get(name) for name in ("channel", "priority", "state")),
            "is_first": after is None and before is None,
            "first_href": visit.link(
                "ticketQueue", **{**visit.query, "after": None, "before": None}
            ),
            "next_href": next_href,
            "tickets": shown,
            **TONES,
        }
        return View("support/queue.html", context, 200 if form.is_valid else 422)

    async def watch(self, visit: Visit) -> Watch:
        """All that one sees: whoever has the same sight asks the same."""
        principal, desk = visit.principal, self._needs.ticket_desk
        whose = (principal.enterprise_id, principal.roles, principal.regions)
        return Watch(("tickets", whose), lambda: desk.version(principal))

    async def _newest(
        self, visit: Visit, which: TicketFilter, before: str | None
    ) -> list[DeskTicket]:
        read = partial(
            self._needs.ticket_desk.list_newest,
            visit.principal, which, visit.now, before=before, limit=PAGE_SIZE + 1,
        )  # fmt: skip
        return await self._needs.worker.run(read)

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {"operations": ("listTickets",), "watch": self.watch}
        return [
            Page(
                name="tickets",
                path="/tickets",
                title=mark("Support tickets"),
                roles=CUSTOMER_ROLES,
                show=self.show_own,
                nav=Nav(Section.HELP, 10, "life-buoy"),
                **shared,
            ),
            Page(
                name="ticketQueue",
                path="/support/queue",
                title=mark("Ticket queue"),
                roles=STAFF,
                show=self.show_queue,
                nav=Nav(Section.DESK, 10, "life-buoy"),
                **shared,
            ),
        ]


def _filter_of(visit: Visit) -> Form:
    return Form(visit.words, {name: [value] for name, value in visit.query.items()})


def _queue_filter(visit: Visit, form: Form, desk: Desk) -> TicketFilter:
    state = form.one_of("state", TicketState, is_required=False)
    states = frozenset({state}) if state is not None else frozenset()
    return TicketFilter(
        states=states or (_PAST if desk is Desk.PAST else frozenset()),
        priority=form.one_of("priority", TicketPriority, is_required=False),
        channel=form.one_of("channel", TicketChannel, is_required=False),
        assignee=visit.principal.name if desk is Desk.MINE else None,
        is_late=True if desk is Desk.LATE else None,
    )


def _next_newest(visit: Visit, page: str, tickets: Sequence[DeskTicket]) -> str:
    if len(tickets) <= PAGE_SIZE:
        return ""
    last = tickets[PAGE_SIZE - 1].summary.ticket_id
    return visit.link(page, **{**visit.query, "before": last})


def _next_open(visit: Visit, tickets: Sequence[DeskTicket]) -> str:
    if len(tickets) <= PAGE_SIZE:
        return ""
    place = render_desk_place(tickets[PAGE_SIZE - 1].place)
    return visit.link("ticketQueue", **{**visit.query, "after": place})
