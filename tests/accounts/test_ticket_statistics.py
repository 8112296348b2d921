"""How quick support was, over a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from tests.accounts.support import (
    NINE,
    OLGA,
    OPERATOR,
    SUE,
    add_people,
    after,
    create_tickets,
    new_ticket,
)

from clicktodial.accounts.ticket_statistics import SPAN_DAYS_MAX, AssigneeBreaches, TicketStatistics
from clicktodial.domain.roster import Span
from clicktodial.domain.ticket import TicketPriority, TicketQueue
from clicktodial.storage.error import NotPermitted, ValueInvalid
from clicktodial.storage.transaction import Transactions


def test_statistics_by_priority_and_who_breached(
    engine: Engine, transactions: Transactions
) -> None:
    add_people(engine)
    tickets = create_tickets(transactions)
    quick = tickets.open(OLGA, new_ticket(), NINE)
    tickets.write(SUE, quick, "x", after(10))
    tickets.resolve(SUE, quick, "x", after(30))
    tickets.rate(OLGA, quick, satisfaction=5, text="", now=after(31))
    slow = tickets.open(OLGA, new_ticket(), NINE)
    tickets.assign(SUE, slow, queue=TicketQueue.SUPPORT, assignee="sue", now=after(1))
    tickets.write(SUE, slow, "x", after(40))
    tickets.open(OLGA, new_ticket(), NINE - timedelta(days=1))  # before the time that is asked
    low = tickets.open(OLGA, new_ticket(priority=TicketPriority.LOW), NINE)

    told = TicketStatistics(transactions).tell(OPERATOR, Span(NINE, NINE + timedelta(days=1)))
    emergency, high, _, lowest = told.priorities
    assert [each.priority for each in told.priorities] == list(TicketPriority)
    assert (emergency.opened, high.opened, lowest.opened) == (2, 0, 1)
    response, resolution = emergency.response, emergency.resolution
    assert (response.count, response.average_s, response.longest_s) == (2, 1_500, 2_400)
    assert (response.breached, resolution.breached) == (1, 0)
    assert (resolution.count, resolution.average_s) == (1, 1_800)
    assert (emergency.satisfaction, lowest.satisfaction) == (5.0, None)
    assert lowest.response.average_s is None
    assert told.assignees == [AssigneeBreaches(queue="support", assignee="sue", breached=1)]
    assert [each.ticket_id for each in told.breached] == [slow]
    assert low not in [each.ticket_id for each in told.breached]


def test_statistics_are_the_operator_s_and_bounded(transactions: Transactions) -> None:
    statistics = TicketStatistics(transactions)
    for principal in (OLGA, SUE):
        with pytest.raises(NotPermitted):
            statistics.tell(principal, Span(NINE, after(1)))
    for days in (0, SPAN_DAYS_MAX + 1):
        with pytest.raises(ValueInvalid):
            statistics.tell(OPERATOR, Span(NINE, NINE + timedelta(days=days)))
