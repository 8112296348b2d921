"""Tickets in the console, without a browser: what is refused, and what nobody else sees."""

import re

import pytest
from tests.accounts.paper import pdf
from tests.portal.client import Answer, Client
from tests.portal.seed.business import card_picture
from tests.portal.world import ACME, World

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.ticket_desk import DeskPlace
from clicktodial.domain.principal import Role
from clicktodial.portal.page import BASE_PATH
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


def test_files_are_attached_listed_and_looked_at(
    owner: Client, support: Client, origin: str, world: World
) -> None:
    ticket_id = open_ticket(owner)
    sent = send_file(owner, f"/tickets/{ticket_id}/messages", "my screen.png", card_picture())
    assert sent.status == 303
    assert send_file(support, f"/tickets/{ticket_id}/notes", "trace.pdf", pdf()).status == 303
    refused = send_file(owner, f"/tickets/{ticket_id}/messages", "a.html", b"<script>")
    assert refused.status == 422
    assert "The file is no PDF, JPEG or PNG." in refused.text
    thread, desk = owner.get(f"/tickets/{ticket_id}"), support.get(f"/support/tickets/{ticket_id}")
    assert "my screen" in thread.text and "trace" not in thread.text
    assert "my screen" in desk.text and "trace" in desk.text
    shown, noted = re.findall(rf"/support(/tickets/{ticket_id}/files/[0-9a-f]+)", desk.text)
    content = owner.get(f"{shown}/content")
    assert (content.status, content.body) == (200, card_picture())
    assert content.headers["content-disposition"] == 'inline; filename="my_screen.png"'
    assert content.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert owner.get(shown).status == support.get(f"/support{noted}").status == 200
    stranger = Client(origin, world.log_in("owner.bravo"))
    for client, path in ((owner, noted), (stranger, shown)):
        assert client.get(path).status == 404
        assert client.get(f"{path}/content").status == 404
    entries = AuditLog(world.transactions).list_entries(limit=20, enterprise_id=ACME)
    assert "ticketFileContent" in {each.operation for each in entries}


def send_file(client: Client, path: str, name: str, content: bytes) -> Answer:
    """A message with a file, as a browser sends it."""
    fields = {"form_token": client.form_token, "text": "See here."}
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{each}"\r\n\r\n{value}\r\n'.encode()
        for each, value in fields.items()
    )
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body += head.encode() + content + b"\r\n--b--\r\n"
    kind = {"Content_Type": "multipart/form-data; boundary=b"}
    return client.ask("POST", BASE_PATH + path, body, kind)
