"""The event history of an application: read, followed, told once more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from litestar import Litestar
from sqlalchemy import insert, text, update
from tests.api.support import SECRET, FakeApplications, basic, create_application
from tests.harness.address import allocate_host
from tests.storage.support import APP_ID, NODE_ID, NOW, create_call, create_event

from clicktodial.api.bearer import AccessGrant, TokenInvalid
from clicktodial.api.events.admission import Admission
from clicktodial.api.events.handler import EventNeeds, create_event_handlers
from clicktodial.api.events.openapi import create_document
from clicktodial.api.events.stream import STREAMS_OF_APPLICATION_MAX, EventStreams
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.server import HttpServer
from clicktodial.domain.access import AccessScope
from clicktodial.domain.application import ApplicationStatus
from clicktodial.domain.event import CallStatus
from clicktodial.domain.identifier import AppId
from clicktodial.storage import event_replay, table
from clicktodial.storage.billing_table import pool_notice
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.event_history import EventHistory
from clicktodial.storage.event_replay import EventReplays
from clicktodial.storage.transaction import Transactions
from clicktodial.web.worker import Worker

OTHER_APP = AppId("87654321")
STATUSES = list(CallStatus)


class Tokens:
    """Access tokens that name their scope."""

    async def verify(self, token: str) -> AccessGrant:
        if token not in list(AccessScope):
            raise TokenInvalid
        return AccessGrant(APP_ID, frozenset({token}), datetime.max.replace(tzinfo=UTC))


def _validate(method: str, path: str, response: aiohttp.ClientResponse, answer: Any) -> None:
    """Raises where the document does not have that answer."""
    path = "/calls/{call_id}" if path.startswith("/calls/") else path.partition("?")[0]
    document = create_document(body_bytes_max=1_024, token_url="", version="0")
    operation = document["paths"][f"/events/v1{path}"][method.lower()]
    told = operation["responses"][str(response.status)]
    schema = told["content"][response.content_type]["schema"]
    Draft202012Validator({**schema, **document}).validate(answer)


@dataclass
class Rig:
    """The API over real connections, on a database of the test."""

    database: Database
    applications: FakeApplications
    streams: EventStreams
    base: str
    session: aiohttp.ClientSession
    now: datetime = NOW + timedelta(hours=1)

    def utc(self) -> datetime:
        return self.now

    async def add_call(self, *, app_id: AppId = APP_ID, events: int = 4, after_s: float = 0) -> str:
        """A call with so many events, a second apart, of so long after NOW."""
        call = create_call(app_id=app_id)
        told = [
            replace(
                create_event(call, seq, STATUSES[seq - 1]),
                occurred_at=NOW + timedelta(seconds=after_s + seq),
            )
            for seq in range(1, events + 1)
        ]
        await SqlCallStore(self.database, node_id=NODE_ID).create(call, told)
        return call.plan.call_id

    async def ask(
        self, path: str, body: Any = None, *, token: str | None = None, app_id: str = APP_ID
    ) -> tuple[int, Any]:
        """A request with v1's credential, or with a token."""
        credential = basic(app_id, SECRET).decode() if token is None else f"Bearer {token}"
        headers = {"Authorization": credential}
        method = "GET" if body is None else "POST"
        url = f"{self.base}/events/v1{path}"
        async with self.session.request(method, url, headers=headers, json=body) as response:
            answer = await response.json()
            _validate(method, path, response, answer)
            return response.status, answer

    @asynccontextmanager
    async def follow(self, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """A stream."""
        all_headers = {"Authorization": basic(APP_ID, SECRET).decode(), **headers}
        url = f"{self.base}/events/v1/stream"
        async with self.session.get(url, headers=all_headers) as response:
            yield response

    def set_delivery(self, call_id: str, state: str) -> None:
        """What became of the call's events."""
        with self.database.engine.begin() as connection:
            connection.execute(
                update(table.call_event)
                .where(table.call_event.c.call_id == call_id)
                .values(
                    delivery_state=state,
                    attempts=3,
                    last_error="HTTP 503",
                    delivered_at=NOW,
                    answer_status=503,
                    answered_at=NOW,
                    answer_text="busy",
                )
            )

    def deliveries(self) -> list[tuple[str, int]]:
        """Of all events, in order."""
        query = "SELECT delivery_state, attempts FROM call_event ORDER BY occurred_at, call_id, seq"
        with self.database.engine.connect() as connection:
            return [(state, attempts) for state, attempts in connection.execute(text(query))]


@pytest_asyncio.fixture
async def rig(database_url: str) -> AsyncIterator[Rig]:
    database = Database(database_url, durability="normal")
    database.open()
    other = create_application(app_id=OTHER_APP)
    applications = FakeApplications(create_application(), other)
    history, worker = EventHistory(database), Worker()
    admission = Admission(applications, Tokens(), RequestGate())
    made: list[Rig] = []

    def utc() -> datetime:
        return made[0].now

    streams = EventStreams(history, admission, utc, poll_interval_s=0.02, heartbeat_s=0.1)
    needs = EventNeeds(
        history=history,
        replays=EventReplays(Transactions(database.engine)),
        admission=admission,
        streams=streams,
        worker=worker,
        body_bytes_max=1_024,
        utc=utc,
        token_url="https://platform.example/oauth/token",
    )
    server = HttpServer(
        Litestar(create_event_handlers(needs), openapi_config=None, logging_config=None)
    )
    await server.start(allocate_host(), 0)
    host, port = server.address
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        made.append(Rig(database, applications, streams, f"http://{host}:{port}", session))
        yield made[0]
    await streams.close()
    await server.close()
    await worker.close()
    await database.close()


async def read_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next of a stream: its fields; a heartbeat has none."""
    fields: dict[str, str] = {}
    while (line := (await response.content.readline()).decode().rstrip("\n")) != "":
        name, _, value = line.partition(": ")
        if name.rstrip(":"):
            fields[name] = value
    return fields


async def read_status(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next that is an event."""
    while "event" not in (fields := await read_event(response)):
        pass
    return fields


# Reading


async def test_events_of_a_call_are_told_in_order_with_their_delivery(rig: Rig) -> None:
    call_id = await rig.add_call()
    rig.set_delivery(call_id, "given_up")
    status, page = await rig.ask(f"/calls/{call_id}")
    assert status == 200
    assert [event["seq"] for event in page["events"]] == [1, 2, 3, 4]
    assert page["next"] == "4"
    first = page["events"][0]
    assert first["id"] == f"{call_id}-1"
    assert (first["status"], first["caller"]) == ("CallingCaller", "8613912345673")
    assert first["occurred_at"] == "2026-03-04T05:06:08.890Z"
    assert first["delivery"] == {
        "state": "given_up",
        "attempts": 3,
        "next_attempt_at": None,
        "delivered_at": "2026-03-04T05:06:07.890Z",
        "last_error": "HTTP 503",
        "answer": {"status": 503, "at": "2026-03-04T05:06:07.890Z", "text": "busy"},
    }
    _, rest = await rig.ask(f"/calls/{call_id}?after=2&limit=1")
    assert [event["seq"] for event in rest["events"]] == [3]
    _, none = await rig.ask(f"/calls/{call_id}?after=4")
    assert none == {"events": [], "next": "4"}


@pytest.mark.on_every_database
async def test_events_of_an_application_come_in_pages_each_once(rig: Rig) -> None:
    calls = [await rig.add_call(after_s=after_s) for after_s in (0, 0, 10)]
    await rig.add_call(app_id=OTHER_APP)
    seen: list[str] = []
    path = "/events?limit=5"
    while True:
        _, page = await rig.ask(path)
        if not page["events"]:
            break
        seen += [event["id"] for event in page["events"]]
        path = f"/events?limit=5&after={page['next']}"
    assert len(seen) == len(set(seen)) == 12
    assert {each.rpartition("-")[0] for each in seen} == set(calls)
    for call_id in calls:
        assert [each for each in seen if each.startswith(call_id)] == [
            f"{call_id}-{seq}" for seq in range(1, 5)
        ]
    _, theirs = await rig.ask("/events", app_id=OTHER_APP)
    assert len(theirs["events"]) == 4


async def test_events_are_told_when_nothing_earlier_can_come(rig: Rig) -> None:
    await rig.add_call(events=2)
    rig.now = NOW + timedelta(seconds=3)
    assert [event["seq"] for event in (await rig.ask("/events"))[1]["events"]] == []
    rig.now += timedelta(milliseconds=1)
    assert [event["seq"] for event in (await rig.ask("/events"))[1]["events"]] == [1]


async def test_who_asks_and_for_what_is_looked_at(rig: Rig) -> None:
    call_id = await rig.add_call()
    theirs = await rig.add_call(app_id=OTHER_APP)
    for path in (f"/calls/{theirs}", "/calls/none", "/calls/" + "x" * 65):
        assert (await rig.ask(path))[0] == 404
    assert (await rig.ask(f"/calls/{call_id}", token=AccessScope.EVENTS_READ))[0] == 200
    status, problem = await rig.ask("/events", token=AccessScope.CALLS_READ)
    assert (status, problem["code"]) == (403, "not-permitted")
    assert (await rig.ask("/events", token="unknown"))[0] == 401
    status, _ = await rig.ask("/replays", {"call_id": call_id}, token=AccessScope.EVENTS_READ)
    assert status == 403
    async with rig.session.get(f"{rig.base}/events/v1/stream") as response:
        assert response.status == 401
        assert "WWW-Authenticate" in response.headers
    rig.applications.by_id[APP_ID] = create_application(status=ApplicationStatus.DISABLED)
    assert (await rig.ask("/events"))[1]["code"] == "application-disabled"


async def test_parameters_that_are_none_are_refused(rig: Rig) -> None:
    call_id = await rig.add_call()
    for path in (
        "/events?after=x",
        "/events?after=1.2",
        "/events?limit=0",
        "/events?limit=501",
        "/events?limit=%C2%B2",
        "/events?limit=1&limit=1",
        "/events?other=1",
        f"/calls/{call_id}?after=-1",
        "/stream?after=x",
        "/stream?other=1",
    ):
        status, problem = await rig.ask(path)
        assert (status, problem["code"]) == (400, "invalid-parameter"), path


# Replaying


@pytest.mark.on_every_database
async def test_call_one_event_and_a_time_are_told_once_more(rig: Rig) -> None:
    first, second = await rig.add_call(), await rig.add_call(after_s=100)
    rig.set_delivery(first, "given_up")
    rig.set_delivery(second, "delivered")
    kept, waiting = [("given_up", 3), ("delivered", 3)], ("pending", 0)
    assert (await rig.ask("/replays", {"call_id": second}))[1] == {"replayed": 0, "next": None}
    assert (await rig.ask("/replays", {"call_id": first, "seq": 2}))[1]["replayed"] == 1
    assert rig.deliveries() == [kept[0], waiting, *[kept[0]] * 2, *[kept[1]] * 4]
    assert (await rig.ask("/replays", {"call_id": first}))[1]["replayed"] == 3
    since, until = NOW + timedelta(seconds=102), NOW + timedelta(seconds=104)
    span = {"since": since.isoformat(), "until": until.isoformat()}
    assert (await rig.ask("/replays", span))[1]["replayed"] == 0
    _, told = await rig.ask("/replays", span | {"with_delivered": True})
    assert told == {"replayed": 2, "next": None}
    assert rig.deliveries() == [*[waiting] * 4, kept[1], waiting, waiting, kept[1]]
    _, page = await rig.ask(f"/calls/{first}")
    assert [event["delivery"]["answer"] for event in page["events"]] == [None] * 4


async def test_long_time_is_told_once_more_by_parts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_replay, "REPLAYED_MAX", 3)
    call_id = await rig.add_call()
    rig.set_delivery(call_id, "given_up")
    until = {"until": (NOW + timedelta(hours=1)).isoformat()}
    _, told = await rig.ask("/replays", until | {"since": NOW.isoformat()})
    assert told["replayed"] == 3
    _, told = await rig.ask("/replays", until | {"after": told["next"]})
    assert told == {"replayed": 1, "next": None}
    assert rig.deliveries() == [("pending", 0)] * 4


async def test_replay_that_cannot_be_is_refused(rig: Rig) -> None:
    theirs = await rig.add_call(app_id=OTHER_APP)
    rig.set_delivery(theirs, "given_up")
    assert (await rig.ask("/replays", {"call_id": theirs}))[0] == 404
    now = NOW.isoformat()
    for body in (
        {},
        {"seq": 1},
        {"since": now},
        {"until": now},
        {"since": now, "after": "1.x.1", "until": now},
        {"since": now, "until": now},
        {"call_id": theirs, "since": now, "until": now},
        {"since": "2026-01-01T00:00:00", "until": now},
        {"call_id": "x", "seq": 0},
        {"call_id": "x" * 65},
    ):
        status, problem = await rig.ask("/replays", body)
        assert (status, problem["code"]) == (400, "invalid-value"), body
    assert rig.deliveries() == [("given_up", 3)] * 4


# Following


@pytest.mark.on_every_database
async def test_stream_tells_new_events_and_goes_on_where_it_ended(rig: Rig) -> None:
    async with rig.follow() as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert (await read_event(response))["retry"] == "1000"
        call_id = await rig.add_call(after_s=3_600)
        rig.now += timedelta(seconds=4, milliseconds=1)
        told = [await read_status(response) for _ in range(2)]
    assert [json.loads(each["data"])["id"] for each in told] == [f"{call_id}-1", f"{call_id}-2"]
    rig.now += timedelta(seconds=60)
    async with rig.follow(**{"Last-Event-ID": told[0]["id"]}) as response:
        told = [await read_status(response) for _ in range(3)]
    assert [json.loads(each["data"])["seq"] for each in told] == [2, 3, 4]


async def test_silent_stream_has_a_heartbeat(rig: Rig) -> None:
    async with rig.follow() as response:
        await read_event(response)
        assert await read_event(response) == {}


async def test_streams_are_bounded_and_free_their_place(rig: Rig) -> None:
    streams = [rig.follow() for _ in range(STREAMS_OF_APPLICATION_MAX)]
    opened = [await stream.__aenter__() for stream in streams]
    assert {response.status for response in opened} == {200}
    async with rig.follow() as response:
        assert response.status == 503
        assert (await response.json())["code"] == "limit-reached"
    for response, stream in zip(opened, streams, strict=True):
        response.close()
        await stream.__aexit__(None, None, None)
    async with asyncio.timeout(30):
        while True:  # the server hears of it a little later
            async with rig.follow() as response:
                if response.status == 200:
                    break


async def test_stream_ends_with_the_node_and_with_the_application(rig: Rig) -> None:
    async with rig.follow() as response:
        await read_event(response)
        rig.applications.by_id[APP_ID] = create_application(status=ApplicationStatus.DISABLED)
        assert (await response.content.read()).strip(b":\n") == b""
    rig.applications.by_id[APP_ID] = create_application()
    async with rig.follow() as response:
        await read_event(response)
        await rig.streams.close()
        assert (await response.content.read()).strip(b":\n") == b""


async def test_alerts_of_the_pool_are_told_with_what_became_of_them(rig: Rig) -> None:
    columns = ("enterprise_id", "percent", "used_percent", "granted_s", "used_s")
    rows = [
        {
            "app_id": app_id,
            "payload": json.dumps(dict(zip(columns, ("acme", percent, 95, 100, 95), strict=True))),
            "created_at": NOW,
            "delivery_state": "given_up",
            "attempts": 3,
            "last_error": "HTTP 401",
            "answer_status": 401,
            "answered_at": NOW,
            "answer_text": "who?",
        }
        for app_id, percent in ((APP_ID, 80), (OTHER_APP, 80), (APP_ID, 90))
    ]
    with rig.database.engine.begin() as connection:
        connection.execute(insert(pool_notice), rows)
    _, page = await rig.ask("/alerts")
    first, second = page["alerts"]
    assert (first["threshold_percent"], second["threshold_percent"]) == (80, 90)
    assert (first["enterprise_id"], first["left_s"]) == ("acme", 5)
    assert first["id"] == f"pool-{APP_ID}-{first['seq']}"
    told = first["delivery"]
    assert (told["state"], told["attempts"], told["answer"]["text"]) == ("given_up", 3, "who?")
    assert page["next"] == str(second["seq"])
    _, rest = await rig.ask(f"/alerts?after={first['seq']}&limit=1")
    assert rest["alerts"] == [second]
    assert (await rig.ask("/alerts?after=-1"))[0] == 400
    assert (await rig.ask("/alerts", token=AccessScope.EVENTS_REPLAY))[0] == 403
