"""Tickets in the console, without a browser: what is refused, and what nobody else sees."""

import pytest
from tests.portal.client import Client
from tests.portal.world import ACME, World

from clicktodial.accounts.ticket_desk import DeskPlace
from clicktodial.domain.principal import Role
from clicktodial.portal.support.audience import parse_desk_place, render_desk_place

NEW = {
    "subject": "Numbers are shown wrong",
    "text": "Since today.",
    "category": "number",
    "priority": "high",
}


@pytest.fixture
def owner(origin: str, world: World) -> Client:
    return Client(origin, world.tokens[Role.OWNER])


@pytest.fixture
def support(origin: str, world: World) -> Client:
    return Client(origin, world.tokens[Role.SUPPORT])


def open_ticket(owner: Client, **changes: str) -> str:
    """A new one; its identifier."""
    answer = owner.post("/tickets", {**NEW, **changes})
    assert answer.status == 303
    return answer.headers["location"].rpartition("/")[2]


def test_ticket_is_refused_at_its_fields(owner: Client) -> None:
    answer = owner.post("/tickets", {**NEW, "subject": "", "priority": "at once"})
    assert answer.status == 422 and "2 fields need another look." in answer.text
    unknown = owner.post("/tickets", {**NEW, "call_id": "f" * 32})
    assert unknown.status == 422
    assert "There is no such call of this enterprise." in unknown.text
    assert "Since today." in unknown.text


def test_whoever_called_has_a_ticket_by_support(support: Client) -> None:
    called = {
        **NEW, "enterprise_id": ACME, "channel": "10086-8", "contact_name": "Ms Wang",
        "contact_phone": "13912345678",
    }  # fmt: skip
    location = support.post("/tickets", called).headers["location"]
    path = location.removeprefix("/console")
    assert "+8613*******78" in support.get(path).text
    assert "+8613912345678" in support.get(f"{path}/numbers").text
    assert support.post("/tickets", {**called, "enterprise_id": "nobody"}).status == 422


def test_ticket_goes_its_way(owner: Client, support: Client) -> None:
    ticket_id = open_ticket(owner)
    path = f"/tickets/{ticket_id}"
    for action, fields in (
        ("notes", {"text": "Seen before."}),
        ("escalation", {"level": "1", "escalation_reason": "A trunk."}),
        ("priority", {"priority": "emergency", "priority_reason": "All of them."}),
        ("messages", {"text": "Which ones?", "is_question": "yes"}),
    ):
        assert support.post(f"{path}/{action}", fields).status == 303, action
    seen, known = owner.get(path).text, support.get(f"/support{path}").text
    assert "Which ones?" in seen and "All of them." in seen
    for hidden in ("Seen before.", "A trunk.", "support.staff"):
        assert hidden not in seen and (hidden in known or hidden == "support.staff")
    assert owner.post(f"{path}/messages", {"text": "The first two."}).status == 303
    assert support.post(f"{path}/resolution", {"text": "Done."}).status == 303
    assert owner.post(f"{path}/satisfaction", {"satisfaction": "5"}).status == 303
    assert owner.post(f"{path}/reopen", {"text": "Not quite."}).status == 303
    # What is open is not closed by a word; and nothing is sent without one.
    assert owner.post(f"{path}/close").status == 422
    assert owner.post(f"{path}/messages", {"text": " "}).status == 422


def test_operator_keeps_the_roster(origin: str, world: World) -> None:
    operator = Client(origin, world.tokens[Role.OPERATOR])
    shift = {
        "line": "third-line", "name": "Qian Yi", "phone": "13912345673",
        "email": "qian.yi@example.com", "shift_from": "2990-01-01T08:00",
        "shift_until": "2990-01-01T16:00",
    }  # fmt: skip
    assert operator.post("/support/roster/shifts", shift).status == 303
    for wrong in ("2990-01-01T07:00", "2990-02-30T07:00", "tomorrow"):
        answer = operator.post("/support/roster/shifts", {**shift, "shift_until": wrong})
        assert answer.status == 422 and "Qian Yi" in answer.text


@pytest.mark.parametrize("text", [None, "", "5", "x-1", "-1-a", "5-", "5-../a", "9" * 20 + "-a"])
def test_cursor_of_others_is_none(text: str | None) -> None:
    assert parse_desk_place(text) is None


def test_cursor_of_ours_is_read() -> None:
    place = DeskPlace(1_700_000_000_000, "a1")
    assert parse_desk_place(render_desk_place(place)) == place
