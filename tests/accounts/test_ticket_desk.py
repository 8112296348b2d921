"""Lists of tickets with their clocks, over a real database."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update
from tests.accounts.support import (
    BEA,
    NINE,
    NORA,
    OLGA,
    OPERATOR,
    POLICY,
    SAM,
    SUE,
    add_people,
    after,
    create_tickets,
    new_ticket,
)
from tests.harness.plan import read_plans

from clicktodial.accounts.ticket import TicketFilter, Tickets
from clicktodial.accounts.ticket_desk import DeskCounts, DeskTicket, TicketDesk
from clicktodial.domain.principal import Principal
from clicktodial.domain.ticket import (
    TicketChannel,
    TicketClock,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.domain.ticket_clock import ClockState
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

ANY = TicketFilter()


@pytest.fixture
def tickets(engine: Engine) -> Tickets:
    add_people(engine)
    return create_tickets(Transactions(engine))


@pytest.fixture
def desk(engine: Engine) -> TicketDesk:
    return TicketDesk(Transactions(engine), POLICY.hours)


def ids(found: Sequence[DeskTicket]) -> list[str]:
    return [each.summary.ticket_id for each in found]


def test_what_is_due_next_stands_first_in_pages(tickets: Tickets, desk: TicketDesk) -> None:
    calm = tickets.open(OLGA, new_ticket(priority=TicketPriority.LOW), NINE)
    pressing = tickets.open(OLGA, new_ticket(), after(1))
    other = tickets.open(BEA, new_ticket(enterprise_id="brave"), after(2))
    over = tickets.open(OLGA, new_ticket(), after(3))
    tickets.resolve(SUE, over, "Done.", after(4))
    first = desk.list_open(SUE, ANY, after(5), limit=2)
    assert ids(first) == [pressing, other]
    rest = desk.list_open(SUE, ANY, after(5), after=first[-1].place, limit=2)
    assert ids(rest) == [calm]
    assert ids(desk.list_newest(SUE, ANY, after(5))) == [over, other, pressing, calm]
    assert ids(desk.list_newest(SUE, ANY, after(5), before=other)) == [pressing, calm]


@pytest.mark.on_every_database
def test_open_tickets_come_in_pages_in_which_each_is_once(
    engine: Engine, tickets: Tickets, desk: TicketDesk
) -> None:
    opened = [tickets.open(OLGA, new_ticket(), after(minute // 2)) for minute in range(6)]
    with engine.begin() as connection:
        # As those are with which nothing more can become due.
        connection.execute(update(ticket).where(ticket.c.id.in_(opened[3:])).values(due_at=None))
    found, place = list[DeskTicket](), None
    while page := desk.list_open(SUE, ANY, after(9), after=place, limit=2):
        found += page
        place = page[-1].place
    assert ids(found) == [*opened[3:], *opened[:3]]
    plans = read_plans(engine, lambda: desk.list_open(SUE, ANY, after(9), after=found[3].place))
    assert "Seq Scan" not in plans[0]
    if engine.dialect.name == "sqlite":
        assert "INDEX ticket_pressing (due_at>?)" in plans[0]
        assert "TEMP B-TREE" not in plans[0]


@pytest.mark.parametrize(
    ("principal", "expected"), [(OLGA, "acme"), (BEA, "brave"), (NORA, "acme"), (SAM, "brave")]
)
def test_nobody_sees_what_is_anothers(
    tickets: Tickets, desk: TicketDesk, principal: Principal, expected: str
) -> None:
    tickets.open(OLGA, new_ticket(), NINE)
    tickets.open(BEA, new_ticket(enterprise_id="brave"), NINE)
    for found in (
        desk.list_open(principal, ANY, after(1)),
        desk.list_newest(principal, ANY, after(1)),
    ):
        assert [each.summary.enterprise_id for each in found] == [expected]
        assert found[0].enterprise_name == expected
    assert desk.count(principal).opened == 1


def test_clock_is_that_of_the_response_until_there_is_one(
    tickets: Tickets, desk: TicketDesk
) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    (waits,) = desk.list_open(SUE, ANY, after(10))
    assert (waits.clock.clock, waits.clock.state) == (TicketClock.RESPONSE, ClockState.RUNNING)
    assert waits.clock.due_at == after(30)
    assert waits.clock.used_percent == 33
    (late,) = desk.list_open(SUE, ANY, after(31))
    assert (late.clock.state, late.clock.due_at) == (ClockState.MISSED, None)
    tickets.write(SUE, ticket_id, "We look at it.", after(20))
    (answered,) = desk.list_open(SUE, ANY, after(31))
    assert (answered.clock.clock, answered.clock.due_at) == (TicketClock.RESOLUTION, after(240))
    tickets.write(SUE, ticket_id, "Since when?", after(40), is_question=True)
    (asked,) = desk.list_open(SUE, ANY, after(600))
    assert (asked.clock.state, asked.clock.used) == (
        ClockState.STANDING,
        timedelta(minutes=40),
    )
    tickets.resolve(SUE, ticket_id, "Done.", after(610))
    (resolved,) = desk.list_newest(SUE, ANY, after(900))
    assert resolved.clock.state is ClockState.KEPT


def test_desk_is_narrowed_and_counted(tickets: Tickets, desk: TicketDesk) -> None:
    mine = tickets.open(OLGA, new_ticket(), NINE)
    called = tickets.open(
        SUE,
        new_ticket(channel=TicketChannel.HOTLINE_10086_8, priority=TicketPriority.NORMAL),
        NINE,
    )
    tickets.assign(SUE, mine, queue=TicketQueue.SUPPORT, assignee="sue", now=after(40))
    assert ids(desk.list_open(SUE, TicketFilter(assignee="sue"), after(41))) == [mine]
    assert ids(desk.list_open(SUE, TicketFilter(is_late=True), after(41))) == [mine]
    hotline = TicketFilter(channel=TicketChannel.HOTLINE_10086_8)
    assert ids(desk.list_open(SUE, hotline, after(41))) == [called]
    states = TicketFilter(states=frozenset({TicketState.NEW}))
    assert ids(desk.list_open(SUE, states, after(41))) == [called]
    assert desk.count(OPERATOR) == DeskCounts(opened=2, late=1, emergencies=1, unassigned=1)


def test_version_changes_with_each_step(tickets: Tickets, desk: TicketDesk) -> None:
    empty = desk.version(OLGA)
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    opened, of_one = desk.version(OLGA), desk.version(OLGA, ticket_id)
    assert opened != empty and desk.version(BEA, ticket_id) != of_one
    tickets.write(OLGA, ticket_id, "Hello?", after(1))
    assert desk.version(OLGA) != opened and desk.version(OLGA, ticket_id) != of_one
