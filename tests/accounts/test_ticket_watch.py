"""The task that acts on due deadlines."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, update
from tests.accounts.support import (
    NINE,
    OLGA,
    OPERATOR,
    add_people,
    after,
    create_rosters,
    create_tickets,
    mails,
    new_ticket,
)

from clicktodial.accounts.ticket_watch import TicketWatch
from clicktodial.domain.roster import Span
from clicktodial.domain.ticket import TicketLevel
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions


class Clock:
    """Time as it is told to be."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now


async def test_watch_acts_on_what_is_due_and_takes_stock(
    engine: Engine, transactions: Transactions
) -> None:
    add_people(engine)
    tickets, rosters, clock = create_tickets(transactions), create_rosters(transactions), Clock()
    watch = TicketWatch(tickets, rosters, clock)
    assert watch.open_by_priority() == watch.breached_by_priority() == {}
    first = tickets.open(OLGA, new_ticket(), NINE)
    second = tickets.open(OLGA, new_ticket(), NINE)
    assert await watch.act_on_due() == 0
    clock.now = after(30)
    assert await watch.act_on_due() == 2
    for ticket_id in (first, second):
        assert tickets.show(OPERATOR, ticket_id).file.ticket.level is TicketLevel.THIRD_LINE
    rosters.add_period(OPERATOR, "x", Span(clock.now, clock.now + timedelta(days=1)), clock.now)
    before = len(mails(engine))
    await watch.take_stock()
    assert watch.open_by_priority()["emergency"] == watch.breached_by_priority()["emergency"] == 2
    assert len(mails(engine)) == before + 1  # nobody is on call in that period


async def test_ticket_that_cannot_be_read_holds_up_no_other(
    engine: Engine, transactions: Transactions
) -> None:
    add_people(engine)
    tickets, clock = create_tickets(transactions), Clock()
    watch = TicketWatch(tickets, create_rosters(transactions), clock)
    broken = tickets.open(OLGA, new_ticket(), NINE)
    whole = tickets.open(OLGA, new_ticket(), after(1))
    with engine.begin() as connection:
        connection.execute(
            update(ticket).where(ticket.c.id == broken).values(contact_encrypted=b"nonsense")
        )
    clock.now = after(16)
    with structlog.testing.capture_logs() as logs:
        assert await watch.act_on_due() == 1
    assert [log["event"] for log in logs] == ["ticket.unreadable", "ticket.due"]
    assert tickets.show(OPERATOR, whole).file.ticket.level is TicketLevel.SECOND_LINE
