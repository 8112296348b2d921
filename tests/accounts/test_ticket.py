"""Tickets over a real database."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from tests.accounts.support import (
    BEA,
    CHIEF,
    DESK,
    NINE,
    NORA,
    OLGA,
    OPERATOR,
    RAY,
    REVIEWER,
    SAM,
    SUE,
    VAULT,
    add_people,
    after,
    create_rosters,
    create_tickets,
    mails,
    new_ticket,
)

from clicktodial.accounts.document_store import DocumentStore
from clicktodial.accounts.erasure import PersonalDataEraser
from clicktodial.accounts.roster import NewShift, Rosters
from clicktodial.accounts.ticket import (
    OPEN_PER_ENTERPRISE_MAX,
    STEPS_MAX,
    STEPS_OF_STAFF,
    TEXT_CHARACTERS_MAX,
    TICKETS_PAGE_MAX,
    TicketFilter,
    Tickets,
)
from clicktodial.accounts.ticket_mail import MAILED_IN_A_ROW_MAX
from clicktodial.accounts.ticket_store import PLATFORM, TicketContact
from clicktodial.domain.call import EndStage
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.roster import Line, Span
from clicktodial.domain.ticket import (
    TicketAction,
    TicketChannel,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.storage import table
from clicktodial.storage.engine import open_engine
from clicktodial.storage.error import (
    AdministrationError,
    Conflict,
    DatabaseUnavailable,
    NotFound,
    NotPermitted,
    SecretUnreadable,
    ValueInvalid,
)
from clicktodial.storage.people_table import audit, mail
from clicktodial.storage.ticket_table import ticket, ticket_step
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def tickets(engine: Engine, transactions: Transactions) -> Tickets:
    add_people(engine)
    return create_tickets(transactions)


@pytest.fixture
def rosters(transactions: Transactions) -> Rosters:
    return create_rosters(transactions)


def add_call(engine: Engine, call_id: str, enterprise_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(table.application).values(
                app_id=f"app-of-{enterprise_id}", enterprise_id=enterprise_id, name="a",
                status="active", secret_encrypted=b"", signing_secret_encrypted=b"",
                allow_private_addresses=False, created_at=NINE,
            )
        )  # fmt: skip
        connection.execute(
            insert(table.call).values(
                id=call_id, node_id="n", app_id=f"app-of-{enterprise_id}", state="ended",
                sponsor_e164="+861052680000", sponsor_written="1", caller_written="2",
                caller_e164="+8613912345673", callee_e164="+8613810268653", callee_written="3",
                begun_at=NINE, ended_at=NINE, duration_s=0, event_count=2, reason="CalleeBusy",
                ended_by="callee", stage=EndStage.CALLING_CALLEE,
            )
        )  # fmt: skip


def actions(tickets: Tickets, ticket_id: str) -> list[TicketAction]:
    return [kept.step.action for kept in tickets.show(SUE, ticket_id).file.steps]


def clear_mails(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(mail))


def test_a_ticket_s_whole_life(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    assert [to for to, _ in mails(engine)] == [DESK]
    tickets.assign(SUE, ticket_id, queue=TicketQueue.SUPPORT, assignee="sue", now=after(1))
    tickets.note(SUE, ticket_id, "A trunk is ill", after(2))
    clear_mails(engine)
    tickets.write(SUE, ticket_id, "Since when?", after(3), is_question=True)
    tickets.write(RAY, ticket_id, "Since nine.", after(60))
    tickets.write(SUE, ticket_id, "We are at it.", after(61))
    tickets.resolve(SUE, ticket_id, "The trunk is back.", after(70))
    tickets.write(OLGA, ticket_id, "No, it is not.", after(71))
    tickets.resolve(SUE, ticket_id, "Now it is.", after(80))
    tickets.close(OLGA, ticket_id, after(90))
    tickets.rate(OLGA, ticket_id, satisfaction=4, text="", now=after(91))
    assert [to for to, _ in mails(engine)] == [
        "olga@example.com",
        "sue@example.com",
        "olga@example.com",
        "olga@example.com",
        "sue@example.com",
        "olga@example.com",
    ]
    assert "Since when?" in mails(engine)[0][1]
    file = tickets.show(OLGA, ticket_id).file
    assert [(kept.step.action, kept.by) for kept in file.steps] == [
        (TicketAction.OPEN, "olga"),
        (TicketAction.ASSIGN, "sue"),
        (TicketAction.NOTE, "sue"),
        (TicketAction.ASK, "sue"),
        (TicketAction.WRITE, "ray"),
        (TicketAction.REPLY, "sue"),
        (TicketAction.RESOLVE, "sue"),
        (TicketAction.REOPEN, "olga"),
        (TicketAction.RESOLVE, "sue"),
        (TicketAction.CLOSE, "olga"),
        (TicketAction.RATE, "olga"),
    ]
    assert [kept.seq for kept in file.steps] == list(range(1, 12))
    assert file.ticket.state is TicketState.CLOSED
    assert (file.ticket.satisfaction, file.ticket.rounds) == (4, 2)
    with pytest.raises(Conflict, match="answered already"):
        tickets.rate(OLGA, ticket_id, satisfaction=5, text="", now=after(92))
    with pytest.raises(Conflict, match="closed"):
        tickets.write(OLGA, ticket_id, "Again", after(93))


def test_row_says_what_the_steps_say(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    tickets.act_on_due(ticket_id, after(31))
    tickets.write(SUE, ticket_id, "Yes", after(32))
    now_so = tickets.show(SUE, ticket_id).file.ticket
    with engine.connect() as connection:
        row = connection.execute(select(ticket)).one()
    assert (row.state, row.level, row.steps) == ("escalated", 2, 4)
    assert row.responded_at == now_so.responded_at == after(32)
    assert (row.is_response_late, row.is_resolution_late) == (True, False)
    assert row.due_at == after(120)


@pytest.mark.on_every_database
def test_deadlines_are_acted_on_once_by_two_nodes(
    tickets: Tickets, transactions: Transactions, database_url: str, engine: Engine
) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    clear_mails(engine)
    engines = [open_engine(database_url, "normal") for _ in range(4)]
    nodes = [create_tickets(Transactions(each)) for each in engines]
    start = threading.Barrier(len(nodes))
    acts: list[int] = []

    def act(node: Tickets) -> None:
        start.wait(timeout=30)
        while True:
            # As the task does: where the others hold the database for too long, once more.
            with suppress(DatabaseUnavailable):
                acts.append(node.act_on_due(ticket_id, after(46)))
                return

    threads = [threading.Thread(target=act, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for each in engines:
        each.dispose()
    assert sorted(acts) == [0, 0, 0, 3]
    assert actions(tickets, ticket_id).count(TicketAction.MISS) == 3
    assert [to for to, _ in mails(engine)] == [CHIEF] * 3  # nobody is on call
    assert tickets.find_due(after(46), 10) == []
    assert create_tickets(transactions).act_on_due(ticket_id, after(47)) == 0


def test_due_is_found_when_it_is_and_not_before(tickets: Tickets) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    assert tickets.find_due(after(14.99), 10) == []
    assert tickets.find_due(after(15), 10) == [ticket_id]
    other = tickets.open(OLGA, new_ticket(), after(1))
    assert tickets.find_due(after(20), 10) == [ticket_id, other]
    assert tickets.find_due(after(20), 1) == [ticket_id]


def test_escalation_goes_to_who_is_on_call(
    tickets: Tickets, rosters: Rosters, engine: Engine
) -> None:
    day = Span(NINE - timedelta(hours=1), NINE + timedelta(hours=12))
    for line, name in ((Line.SECOND, "li"), (Line.SECOND, "wu"), (Line.THIRD, "xu")):
        rosters.add_shift(
            OPERATOR,
            NewShift(
                line=line, name=name, phone="13912345673", email=f"{name}@example.com", span=day
            ),
            NINE,
        )
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    clear_mails(engine)
    tickets.act_on_due(ticket_id, after(15))
    assert sorted(to for to, _ in mails(engine)) == ["li@example.com", "wu@example.com"]
    tickets.act_on_due(ticket_id, after(30))
    tickets.act_on_due(ticket_id, after(45))
    assert [to for to, _ in mails(engine)][2:] == ["xu@example.com", CHIEF]
    assert "100 % of the time for its response" in mails(engine)[2][1]


def test_answer_after_the_deadline_is_late_however_late_the_task(tickets: Tickets) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    tickets.write(SUE, ticket_id, "Sorry", after(31))
    kept = tickets.show(SUE, ticket_id).file.steps
    assert [(each.step.at, each.by) for each in kept[1:]] == [
        (after(15), PLATFORM),
        (after(30), PLATFORM),
        (after(31), "sue"),
    ]
    assert tickets.show(SUE, ticket_id).file.ticket.is_response_late


def test_silence_resolves_and_closes_by_itself(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    tickets.write(SUE, ticket_id, "Which trunk?", after(1), is_question=True)
    clear_mails(engine)
    asked = after(1)
    assert tickets.act_on_due(ticket_id, asked + timedelta(days=14)) == 1
    assert tickets.show(OLGA, ticket_id).file.ticket.state is TicketState.RESOLVED
    assert tickets.act_on_due(ticket_id, asked + timedelta(days=21)) == 1
    assert tickets.show(OLGA, ticket_id).file.ticket.state is TicketState.CLOSED
    assert [to for to, _ in mails(engine)] == ["olga@example.com"] * 2
    assert "not answered" in mails(engine)[0][1]


def test_reopening_in_time_and_too_late(tickets: Tickets) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    tickets.resolve(SUE, ticket_id, "Done", after(1))
    week = timedelta(days=7)
    tickets.reopen(OLGA, ticket_id, "No", after(1) + week - timedelta(seconds=1))
    tickets.resolve(SUE, ticket_id, "Done", after(1) + week)
    with pytest.raises(Conflict, match="closed"):  # though no task has closed it yet
        tickets.reopen(OLGA, ticket_id, "No", after(1) + week + week)


def test_lowering_an_emergency_is_told(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    tickets.escalate(SUE, ticket_id, level=TicketLevel.THIRD_LINE, reason="x", now=after(1))
    with pytest.raises(Conflict):
        tickets.escalate(SUE, ticket_id, level=TicketLevel.THIRD_LINE, reason="x", now=after(1))
    clear_mails(engine)
    tickets.escalate(SUE, ticket_id, level=TicketLevel.NONE, reason="They know", now=after(2))
    assert [to for to, _ in mails(engine)] == ["olga@example.com", CHIEF]
    clear_mails(engine)
    low = TicketPriority.LOW
    tickets.prioritize(SUE, ticket_id, priority=low, reason="A question", now=after(3))
    assert [to for to, _ in mails(engine)] == ["olga@example.com"]
    assert "A question" in mails(engine)[0][1]
    for reason in ("", " \n"):
        with pytest.raises(ValueInvalid):
            tickets.escalate(
                SUE, ticket_id, level=TicketLevel.OPERATOR, reason=reason, now=after(4)
            )


def test_critical_period_moves_deadlines_of_tickets_that_wait(
    tickets: Tickets, rosters: Rosters, engine: Engine
) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    period_id = rosters.add_period(
        OPERATOR, "Spring Festival", Span(after(5), after(1_000)), after(5)
    )
    assert tickets.find_due(after(5), 10) == [ticket_id]
    assert tickets.act_on_due(ticket_id, after(5)) == 0
    assert tickets.find_due(after(9.9), 10) == []
    assert tickets.act_on_due(ticket_id, after(10)) == 1  # 5 minutes, and 5 that count twice
    rosters.end_period(OPERATOR, period_id, after(10))
    assert tickets.act_on_due(ticket_id, after(10)) == 0
    assert tickets.find_due(after(24.9), 10) == []
    assert tickets.act_on_due(ticket_id, after(25)) == 1


def test_emergency_in_a_critical_period_calls_the_second_line_at_once(
    tickets: Tickets, rosters: Rosters, engine: Engine
) -> None:
    day = Span(NINE, after(600))
    rosters.add_period(OPERATOR, "Festival", day, NINE)
    rosters.add_shift(
        OPERATOR,
        NewShift(
            line=Line.SECOND, name="li", phone="13912345673", email="li@example.com", span=day
        ),
        NINE,
    )
    tickets.open(OLGA, new_ticket(), after(1))
    tickets.open(OLGA, new_ticket(priority=TicketPriority.HIGH), after(1))
    assert [to for to, _ in mails(engine)] == [DESK, "li@example.com", DESK]


def test_hotline_ticket_has_a_sealed_contact_who_gets_mail(
    tickets: Tickets, engine: Engine
) -> None:
    contact = TicketContact(name="Li Wei", phone="139 1234 5673", email="Li@Example.com")
    hotline = new_ticket(channel=TicketChannel.HOTLINE_10086_8, contact=contact)
    ticket_id = tickets.open(SUE, hotline, NINE)
    found = tickets.show(SUE, ticket_id).file.contact
    assert found == TicketContact(name="Li Wei", phone="+8613912345673", email="li@example.com")
    with engine.connect() as connection:
        sealed = connection.execute(select(ticket.c.contact_encrypted)).scalar_one()
    assert b"139" not in sealed and b"Li" not in sealed
    assert "139" not in repr(found)
    clear_mails(engine)
    tickets.write(SUE, ticket_id, "Hello", after(1))
    assert [to for to, _ in mails(engine)] == ["li@example.com"]
    nobody = new_ticket(channel=TicketChannel.HOTLINE_10086_8, contact=TicketContact(name="Li"))
    ticket_id = tickets.open(SUE, nobody, NINE)
    clear_mails(engine)
    tickets.write(SUE, ticket_id, "Hello", after(1))
    assert [to for to, _ in mails(engine)] == ["olga@example.com"]  # the owner
    for wrong in (
        TicketContact(name="", phone=None),
        TicketContact(name="x", phone="12"),
        TicketContact(name="x", email="x"),
    ):
        with pytest.raises(ValueInvalid):
            tickets.open(SUE, new_ticket(channel=hotline.channel, contact=wrong), NINE)


def test_call_of_the_enterprise_is_shown_to_staff_and_noted_when_whole(
    tickets: Tickets, engine: Engine
) -> None:
    add_call(engine, "call-1", "acme")
    add_call(engine, "call-2", "brave")
    ticket_id = tickets.open(OLGA, new_ticket(call_id="call-1"), NINE)
    for call_id in ("call-2", "call-3"):
        with pytest.raises(NotFound, match="no call"):
            tickets.open(OLGA, new_ticket(call_id=call_id), NINE)
    shown = tickets.show(SUE, ticket_id).call
    assert shown is not None and shown.callee == "+8613810268653"
    assert tickets.show(OLGA, ticket_id).call is None
    tickets.show_numbers(SUE, ticket_id, after(1), "192.0.2.1")
    for principal in (OLGA, NORA):
        with pytest.raises(NotPermitted):
            tickets.show_numbers(principal, ticket_id, after(1))
    with engine.connect() as connection:
        row = connection.execute(select(audit)).one()
    assert (row.principal, row.operation, row.outcome) == ("sue", "showTicketNumbers", "read")
    assert "call-1" in row.subjects


def test_everybody_sees_their_own(tickets: Tickets) -> None:
    ours = tickets.open(OLGA, new_ticket(), NINE)
    theirs = tickets.open(BEA, new_ticket(enterprise_id="brave"), NINE)
    for principal, seen in (
        (OLGA, {ours}),
        (RAY, {ours}),
        (BEA, {theirs}),
        (NORA, {ours}),
        (SAM, {theirs}),
        (SUE, {ours, theirs}),
        (OPERATOR, {ours, theirs}),
    ):
        assert {each.ticket_id for each in tickets.list_tickets(principal, TicketFilter())} == seen
        for ticket_id in {ours, theirs} - seen:
            with pytest.raises(NotFound):
                tickets.show(principal, ticket_id)
    called = TicketChannel.HOTLINE_10086_8
    for principal, changes in (
        (OLGA, {"enterprise_id": "brave"}),
        (NORA, {"enterprise_id": "brave", "channel": called}),
        (SUE, {"enterprise_id": "nobody", "channel": called}),
    ):
        with pytest.raises(NotFound):
            tickets.open(principal, new_ticket(**changes), NINE)
        which = TicketFilter(enterprise_id=changes["enterprise_id"])
        with pytest.raises(NotFound):
            tickets.list_tickets(principal, which)


ASKS: dict[str, Callable[[Tickets, Principal, str], Any]] = {
    "assign": lambda t, p, i: t.assign(
        p, i, queue=TicketQueue.SUPPORT, assignee=None, now=after(1)
    ),
    "prioritize": lambda t, p, i: t.prioritize(
        p, i, priority=TicketPriority.LOW, reason="x", now=after(1)
    ),
    "escalate": lambda t, p, i: t.escalate(
        p, i, level=TicketLevel.OPERATOR, reason="x", now=after(1)
    ),
    "resolve": lambda t, p, i: t.resolve(p, i, "x", after(1)),
    "note": lambda t, p, i: t.note(p, i, "x", after(1)),
}


@pytest.mark.parametrize("ask", ASKS)
def test_what_is_support_s_is_refused_to_others(tickets: Tickets, ask: str) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    application = Principal(name="a", roles=frozenset({Role.APPLICATION}), enterprise_id="acme")
    others = [OLGA, RAY, REVIEWER, application] + ([NORA] if ask != "note" else [])
    for principal in others:
        with pytest.raises(NotPermitted):
            ASKS[ask](tickets, principal, ticket_id)
    assert actions(tickets, ticket_id) == [TicketAction.OPEN]
    ASKS[ask](tickets, SUE, ticket_id)


def test_account_manager_opens_for_their_customers(tickets: Tickets) -> None:
    manager = new_ticket(channel=TicketChannel.ACCOUNT_MANAGER)
    ticket_id = tickets.open(NORA, manager, NINE)
    tickets.note(NORA, ticket_id, "They called me.", after(1))
    refusals: list[Callable[[], Any]] = [
        lambda: tickets.write(NORA, ticket_id, "x", after(1)),
        lambda: tickets.reopen(NORA, ticket_id, "x", after(1)),
        lambda: tickets.close(NORA, ticket_id, after(1)),
        lambda: tickets.rate(NORA, ticket_id, satisfaction=5, text="", now=after(1)),
    ]
    for refused in refusals:
        with pytest.raises(NotPermitted):
            refused()
    with pytest.raises(ValueInvalid):
        tickets.open(OLGA, manager, NINE)
    with pytest.raises(ValueInvalid):
        tickets.open(SUE, new_ticket(), NINE)
    with pytest.raises(ValueInvalid):
        tickets.open(OLGA, new_ticket(contact=TicketContact(name="x")), NINE)
    with pytest.raises(ValueInvalid):
        tickets.write(OLGA, ticket_id, "x", after(1), is_question=True)


def test_assignee_is_one_of_the_operator_s(tickets: Tickets) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    for wrong in ("olga", "nobody", ""):
        with pytest.raises(ValueInvalid):
            tickets.assign(SUE, ticket_id, queue=TicketQueue.SUPPORT, assignee=wrong, now=after(1))
    tickets.assign(SUE, ticket_id, queue=TicketQueue.SECOND_LINE, assignee=None, now=after(1))
    for name in ("nora.account", "nora@example.com", "nora"):
        file = tickets.assign(
            SUE, ticket_id, queue=TicketQueue.SUPPORT, assignee=name, now=after(1)
        )
        assert file.ticket.assignee == "nora"
    tickets.assign(
        OPERATOR, ticket_id, queue=TicketQueue.SUPPORT, assignee="operator", now=after(1)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": ""},
        {"subject": "a\nb"},
        {"subject": "x" * 201},
        {"text": " "},
        {"text": "x" * (TEXT_CHARACTERS_MAX + 1)},
        {"text": "\x00"},
        {"text": "\u202e"},
    ],
)
def test_what_cannot_be_told_is_refused(tickets: Tickets, changes: dict[str, str]) -> None:
    with pytest.raises(ValueInvalid):
        tickets.open(OLGA, new_ticket(**changes), NINE)
    assert tickets.list_tickets(SUE, TicketFilter()) == []


def test_filters_and_pages(tickets: Tickets) -> None:
    made = [tickets.open(OLGA, new_ticket(priority=priority), NINE) for priority in TicketPriority]
    tickets.assign(SUE, made[1], queue=TicketQueue.THIRD_LINE, assignee="sue", now=after(1))
    tickets.act_on_due(made[0], after(31))

    def found(**which: Any) -> list[str]:
        return [each.ticket_id for each in tickets.list_tickets(SUE, TicketFilter(**which))]

    assert found() == made[::-1]
    assert found(priority=TicketPriority.LOW) == [made[3]]
    assert found(queue=TicketQueue.THIRD_LINE) == found(assignee="sue") == [made[1]]
    assert found(states=frozenset({TicketState.ESCALATED})) == found(is_late=True) == [made[0]]
    assert found(is_late=False) == made[:0:-1]
    with pytest.raises(ValueInvalid):
        tickets.list_tickets(OLGA, TicketFilter(assignee="sue"))
    assert found(enterprise_id="brave") == []
    assert found(enterprise_id="acme") == found()
    page = tickets.list_tickets(SUE, TicketFilter(), limit=2, before=made[2])
    assert [each.ticket_id for each in page] == [made[1], made[0]]
    assert TICKETS_PAGE_MAX == 100


def test_open_tickets_are_counted(tickets: Tickets) -> None:
    late = tickets.open(OLGA, new_ticket(), NINE)
    tickets.act_on_due(late, after(31))
    tickets.open(OLGA, new_ticket(), NINE)
    done = tickets.open(OLGA, new_ticket(), NINE)
    tickets.resolve(SUE, done, "x", after(1))
    opened, breached = tickets.count_open()
    assert opened == {"emergency": 2, "high": 0, "normal": 0, "low": 0}
    assert breached == {"emergency": 1, "high": 0, "normal": 0, "low": 0}


def fill_steps(engine: Engine, count: int) -> None:
    """Give the only ticket, which was just opened, so many steps."""
    with engine.begin() as connection:
        row = connection.execute(select(ticket_step)).mappings().one()
        more = [
            {**row, "seq": seq, "action": "note", "details": "{}"} for seq in range(2, count + 1)
        ]
        connection.execute(insert(ticket_step), more)
        connection.execute(update(ticket).values(steps=count))


def test_ticket_that_a_customer_has_filled_is_resolved_and_closed(
    tickets: Tickets, engine: Engine
) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    fill_steps(engine, STEPS_MAX - STEPS_OF_STAFF - 1)
    tickets.write(OLGA, ticket_id, "x", after(1))
    with pytest.raises(Conflict, match="open another"):
        tickets.write(OLGA, ticket_id, "x", after(1))
    tickets.resolve(SUE, ticket_id, "x", after(2))
    with pytest.raises(Conflict, match="open another"):
        tickets.reopen(OLGA, ticket_id, "x", after(3))
    assert tickets.close(SUE, ticket_id, after(4)).ticket.state is TicketState.CLOSED


def test_limits_of_steps_and_of_open_tickets(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    fill_steps(engine, STEPS_MAX)
    for principal in (OLGA, SUE):
        with pytest.raises(Conflict, match="open another"):
            tickets.write(principal, ticket_id, "x", after(1))
    assert tickets.act_on_due(ticket_id, after(15)) == 1  # the platform's own are few
    with engine.begin() as connection:
        first = connection.execute(select(ticket)).mappings().one()
        copies = [{**first, "id": f"t{number}"} for number in range(OPEN_PER_ENTERPRISE_MAX - 1)]
        connection.execute(insert(ticket), copies)
    with pytest.raises(Conflict, match="open tickets"):
        tickets.open(OLGA, new_ticket(), NINE)
    tickets.open(BEA, new_ticket(enterprise_id="brave"), NINE)


def test_contact_is_erased_with_its_enterprise(
    tickets: Tickets, transactions: Transactions, engine: Engine, tmp_path: Path
) -> None:
    contact = TicketContact(name="Li Wei", phone="13912345673")
    called = new_ticket(channel=TicketChannel.HOTLINE_10086_8, contact=contact)
    ticket_id = tickets.open(SUE, called, NINE)
    day = timedelta(days=1)
    eraser = PersonalDataEraser(transactions, DocumentStore(tmp_path, VAULT), retention=day)
    with engine.begin() as connection:
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == "acme")
            .values(state="cancelled", state_since=NINE)
        )
    eraser.erase_due(NINE + day)
    assert tickets.show(SUE, ticket_id).file.contact is not None
    eraser.erase_due(NINE + day + timedelta(seconds=1))
    assert tickets.show(SUE, ticket_id).file.contact is None


def test_whoever_is_given_a_ticket_is_told(
    tickets: Tickets, rosters: Rosters, engine: Engine
) -> None:
    rosters.add_shift(
        OPERATOR,
        NewShift(
            line=Line.THIRD, name="xu", phone="13912345673", email="xu@example.com",
            span=Span(NINE, after(600)),
        ),
        NINE,
    )  # fmt: skip
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    clear_mails(engine)
    for queue, assignee in (
        (TicketQueue.SUPPORT, "sue"),  # by herself
        (TicketQueue.SUPPORT, None),
        (TicketQueue.SUPPORT, "nora"),
        (TicketQueue.THIRD_LINE, None),
        (TicketQueue.SECOND_LINE, None),  # of which nobody is on call
    ):
        tickets.assign(SUE, ticket_id, queue=queue, assignee=assignee, now=after(1))
    assert [to for to, _ in mails(engine)] == ["nora@example.com", "xu@example.com", DESK]


def test_customer_who_writes_on_and_on_fills_no_outbox(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    for minute in range(10):
        tickets.write(OLGA, ticket_id, "Well?", after(minute))
    assert len(mails(engine)) == MAILED_IN_A_ROW_MAX
    tickets.write(SUE, ticket_id, "Soon", after(11))
    tickets.write(OLGA, ticket_id, "When?", after(12))
    assert [to for to, _ in mails(engine)][-2:] == ["olga@example.com", DESK]


def test_refused_step_leaves_no_trace(tickets: Tickets, engine: Engine) -> None:
    ticket_id = tickets.open(OLGA, new_ticket(), NINE)
    clear_mails(engine)
    with pytest.raises(AdministrationError):
        tickets.close(OLGA, ticket_id, after(1))
    assert actions(tickets, ticket_id) == [TicketAction.OPEN]
    assert mails(engine) == []


def test_contact_of_one_ticket_cannot_stand_in_another(tickets: Tickets, engine: Engine) -> None:
    contact = TicketContact(name="Li Wei")
    hotline = new_ticket(channel=TicketChannel.HOTLINE_4001100868, contact=contact)
    first = tickets.open(SUE, hotline, NINE)
    second = tickets.open(SUE, hotline, NINE)
    with engine.begin() as connection:
        sealed = connection.execute(
            select(ticket.c.contact_encrypted).where(ticket.c.id == first)
        ).scalar_one()
        connection.execute(
            update(ticket).where(ticket.c.id == second).values(contact_encrypted=sealed)
        )
    with pytest.raises(SecretUnreadable):
        tickets.show(SUE, second)
