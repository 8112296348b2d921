"""Tickets and the roster on the command line."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from tests.cli.conftest import Command

from clicktodial.accounts.roster import NewShift
from clicktodial.accounts.ticket import NewTicket
from clicktodial.cli.session import open_support
from clicktodial.config import load_settings
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.roster import Line, Span
from clicktodial.domain.ticket import TicketCategory, TicketChannel, TicketPriority
from clicktodial.storage.engine import open_engine
from clicktodial.storage.people_table import person

OWNER = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")


@pytest.fixture
def ticket_id(command: Command) -> str:
    """A ticket of an enterprise, and somebody of support."""
    command.run("enterprise", "create", "acme")
    now = datetime.now(UTC)
    new = NewTicket(
        enterprise_id="acme",
        subject="No calls",
        text="Since nine.\nAll of them.",
        channel=TicketChannel.PORTAL,
        category=TicketCategory.FAULT,
        priority=TicketPriority.HIGH,
    )
    engine = open_engine(load_settings(command.config_path).database_url)
    with engine.begin() as connection:
        connection.execute(
            insert(person).values(
                id="id-of-sue", account="sue", email="sue@example.com", roles="support",
                regions="", state="active", password_hash="", is_totp_on=False, totp_step=0,
                created_at=now,
            )
        )  # fmt: skip
    engine.dispose()
    with open_support(command.config_path) as support:
        return support.tickets.open(OWNER, new, now)


def test_ticket_is_worked_on(command: Command, ticket_id: str) -> None:
    assert command.run_json("ticket", "assign", ticket_id, "--to", "sue")["state"] == "assigned"
    command.run("ticket", "reply", ticket_id, "Hm", "--note")
    asked = command.run_json("ticket", "reply", ticket_id, "When?", "--question")
    assert asked == {"ticket_id": ticket_id, "state": "waiting-for-customer"}
    assert "is resolved" in command.run("ticket", "resolve", ticket_id, "Mended")
    answer = command.run_json("ticket", "show", ticket_id)
    assert [each["action"] for each in answer["history"]] == [
        "open", "assign", "note", "ask", "resolve",
    ]  # fmt: skip
    assert answer["assignee"] == "id-of-sue"
    assert answer["level"] == "none"
    text = command.run("ticket", "show", ticket_id)
    assert "    All of them." in text and "Escalated to" in text


def test_tickets_are_listed_and_filtered(command: Command, ticket_id: str) -> None:
    assert ticket_id in command.run("ticket", "list")
    for options, count in (
        (("--priority", "high"), 1),
        (("--priority", "low"), 0),
        (("--state", "new", "--enterprise", "acme"), 1),
        (("--assignee", "sue"), 0),
        (("--late",), 0),
    ):
        assert len(command.run_json("ticket", "list", *options)) == count, options
    assert command.run("ticket", "list", "--state", "closed").strip() == "There are no tickets."


def test_what_cannot_be_is_told(command: Command, ticket_id: str) -> None:
    command.run("ticket", "list", "--state", "odd", code=2)
    command.run("ticket", "assign", ticket_id, "--queue", "odd", code=2)
    command.run("ticket", "reply", ticket_id, "x", "--note", "--question", code=2)
    refused = command.run_json("ticket", "assign", ticket_id, "--to", "nobody", code=1)
    assert refused["error"]["kind"] == "ValueInvalid"
    refused = command.run_json("ticket", "show", "nothing", code=1)
    assert refused["error"]["kind"] == "NotFound"


def test_roster_shows_shifts_and_gaps(command: Command) -> None:
    now = datetime.now(UTC)
    new = NewShift(
        line=Line.SECOND, name="Li Wei", phone="13912345673", email="li@example.com",
        span=Span(now - timedelta(hours=1), now + timedelta(days=1)),
    )  # fmt: skip
    command.run("roster", "show")
    with open_support(command.config_path) as support:
        support.rosters.add_shift(OPERATOR_PRINCIPAL, new, now)
    text = command.run("roster", "show", "--days", "2")
    assert "Li Wei" in text and text.count("NOBODY") == 2
    second, third = command.run_json("roster", "show")
    assert (len(second["shifts"]), len(third["gaps"])) == (1, 1)
    command.run("roster", "show", "--days", "367", code=2)
