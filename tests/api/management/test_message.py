"""Templates and messages over the management API."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import APPLICATION, OTHER_APP_ID, Management, add_call
from tests.api.support import APP_ID

from clicktodial.domain.principal import Role
from clicktodial.messaging.picture import PICTURE_BYTES_MAX
from clicktodial.storage.message_table import message, message_mailbox

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATH = f"/applications/{APP_ID}/templates"
BODY = {"text": "Thank you from {enterprise} and {who}", "values": {"who": "Ann"}}
GIF = b"GIF89a" + bytes(20) + b";"


@pytest.fixture
async def management(create_management: CreateManagement) -> Management:
    return create_management(enterprise_id="default")


async def approved(management: Management, **changes: Any) -> dict[str, Any]:
    """A template in use."""
    made = (await management.ask("POST", PATH, BODY | changes)).json
    submitted = await management.ask("POST", f"{PATH}/{made['template_id']}/review")
    assert submitted.json["state"] == "in-review"
    reviewer = management.sessions.log_in(Role.REVIEWER)
    path = f"/work-orders/{submitted.json['work_order_id']}/decide"
    decided = await management.ask("POST", path, {"approved": True}, credential=reviewer)
    assert decided.status == 200, decided
    shown: dict[str, Any] = (await management.ask("GET", f"{PATH}/{made['template_id']}")).json
    return shown


async def failed(management: Management, *message_ids: str) -> None:
    """Messages that failed, of one template."""
    template = await approved(management)
    with management.engine.begin() as connection:
        for message_id in message_ids:
            add = {
                "id": message_id,
                "call_id": f"call-of-{message_id}",
                "app_id": APP_ID,
                "side": "caller",
                "template_id": template["template_id"],
                "only_connected": True,
                "state": "failed",
                "created_at": NOW,
                "queued_at": NOW,
                "next_attempt_at": NOW,
                "attempts": 7,
                "text": "Thank you",
                "subject": "",
            }
            connection.execute(insert(message).values(add))


async def test_template_is_written_and_reviewed(management: Management) -> None:
    made = await management.ask("POST", PATH, BODY)
    assert made.status == 201
    assert made.headers["location"].endswith(f"{PATH}/{made.json['template_id']}")
    template = await approved(management)
    assert (template["state"], template["version"]) == ("approved", 2)
    listed = await management.ask("GET", PATH, credential=APPLICATION)
    assert [each["state"] for each in listed.json["templates"]] == ["approved", "draft"]
    retired = await management.ask("POST", f"{PATH}/{template['template_id']}/retirement")
    assert retired.json["state"] == "retired"
    again = await management.ask("POST", f"{PATH}/{template['template_id']}/retirement")
    assert (again.status, again.json["code"]) == (409, "conflict")


async def test_pictures_are_put_on_and_taken_off(management: Management) -> None:
    made = (await management.ask("POST", PATH, BODY | {"channel": "mms", "subject": "Hi"})).json
    path = f"{PATH}/{made['template_id']}/pictures"
    added = await management.ask("POST", path, GIF)
    assert added.json["pictures"] == ["image/gif"]
    refused = await management.ask("POST", path, b"<svg/>")
    assert (refused.status, refused.json["code"]) == (400, "invalid-value")
    long = await management.ask("POST", path, bytes(PICTURE_BYTES_MAX + 1))
    assert (long.status, long.json["code"]) == (413, "body-too-long")
    removed = await management.ask("DELETE", path)
    assert removed.json["pictures"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": "{nobody}"}, "invalid-value"),
        ({"text": "x" * 2_001}, "invalid-value"),
        ({"text": "x" * 1_000}, "invalid-value"),
        ({"text": "Hi", "recipient": "all"}, "invalid-value"),
        ({"text": "Hi", "more": 1}, "unknown-property"),
        ({}, "missing-property"),
    ],
)
async def test_template_that_cannot_be_sent_is_refused(
    management: Management, body: dict[str, Any], code: str
) -> None:
    answer = await management.ask("POST", PATH, body)
    assert (answer.status, answer.json["code"]) == (400, code)


async def test_messages_are_listed_page_after_page_and_sent_anew(management: Management) -> None:
    for message_id in ("m1", "m2", "m3"):
        add_call(management.engine, f"call-of-{message_id}")
    await failed(management, "m1", "m2", "m3")
    first = await management.ask("GET", "/messages", query="limit=2&state=failed")
    assert [each["message_id"] for each in first.json["messages"]] == ["m3", "m2"]
    assert first.json["messages"][0]["number"] == "+8613*******73"
    rest = await management.ask("GET", "/messages", query=f"limit=2&cursor={first.json['next']}")
    assert [each["message_id"] for each in rest.json["messages"]] == ["m1"]
    assert rest.json["next"] is None
    of_call = await management.ask("GET", "/messages", query="call_id=call-of-m2")
    assert [each["message_id"] for each in of_call.json["messages"]] == ["m2"]
    replayed = await management.ask("POST", "/messages/m2/replay")
    assert (replayed.json["state"], replayed.json["attempts"]) == ("queued", 0)
    again = await management.ask("POST", "/messages/m2/replay")
    assert (again.status, again.json["code"]) == (409, "conflict")
    shown = await management.ask("GET", "/messages/m1")
    assert (shown.json["parts"], shown.json["reports"]) == ([], [])
    wrong = await management.ask("GET", "/messages", query="state=lost")
    assert (wrong.status, wrong.json["code"]) == (400, "invalid-parameter")


async def test_mailbox_is_read_by_the_operator_alone(management: Management) -> None:
    add_call(management.engine, "call-of-m1")
    await failed(management, "m1")
    arrived = {
        "message_id": "m1",
        "arrived_at": NOW,
        "recipient": "+8613912345673",
        "sender": "+861052680000",
        "channel": "sms",
        "subject": "",
        "text": "Thank you",
        "pictures": 0,
    }
    with management.engine.begin() as connection:
        connection.execute(insert(message_mailbox).values(arrived))
    answer = await management.ask("GET", "/mailbox")
    assert [each["recipient"] for each in answer.json["messages"]] == ["+8613*******73"]
    owner = management.sessions.log_in(Role.OWNER, enterprise_id="default")
    for credential in (APPLICATION, owner):
        refused = await management.ask("GET", "/mailbox", credential=credential)
        assert refused.status == 403


async def test_what_is_anothers_is_not_found(management: Management) -> None:
    add_call(management.engine, "call-of-m1")
    await failed(management, "m1")
    template_id = (await management.ask("GET", PATH)).json["templates"][0]["template_id"]
    stranger = management.sessions.log_in(Role.OWNER, enterprise_id="other")
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, BODY),
        ("GET", f"{PATH}/{template_id}", None),
        ("POST", f"{PATH}/{template_id}/review", None),
        ("POST", f"{PATH}/{template_id}/retirement", None),
        ("POST", f"{PATH}/{template_id}/pictures", GIF),
        ("DELETE", f"{PATH}/{template_id}/pictures", None),
        ("GET", "/messages/m1", None),
        ("POST", "/messages/m1/replay", None),
    ):
        answer = await management.ask(method, path, body, credential=stranger)
        assert answer.status == 404, path
    assert (await management.ask("GET", "/messages", credential=stranger)).json["messages"] == []
    # A program sees itself alone, even within its enterprise.
    other = f"/applications/{OTHER_APP_ID}/templates"
    assert (await management.ask("GET", other, credential=APPLICATION)).status == 404
    query = f"app_id={OTHER_APP_ID}"
    answer = await management.ask("GET", "/messages", credential=APPLICATION, query=query)
    assert answer.status == 404


async def test_reader_reads_and_changes_nothing(management: Management) -> None:
    reader = management.sessions.log_in(Role.READER, enterprise_id="default")
    assert (await management.ask("GET", PATH, credential=reader)).status == 200
    assert (await management.ask("POST", PATH, BODY, credential=reader)).status == 403
