"""The management API over a real database and a fake service, held against its document."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from litestar.types import ASGIApp
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from sqlalchemy import Engine, insert
from tests.api.support import (
    APP_ID,
    DOCUMENT_URI,
    SECRET,
    Answer,
    FakeApplications,
    FakeService,
    HeaderList,
    basic,
    call_app,
)

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.session import TOKEN_PREFIX, LiveSession, Sessions
from clicktodial.accounts.table_import import ImportOrder, TableImport
from clicktodial.api.management.membership import MembershipNeeds
from clicktodial.api.management.people import PeopleNeeds
from clicktodial.api.management.problem import BASE_PATH, PROBLEM_MEDIA_TYPE
from clicktodial.api.management.route import Route
from clicktodial.api.management.support import SupportNeeds
from clicktodial.control.port import TrunkState
from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.quality_timeline import IntervalQuality, QualityInterval
from clicktodial.domain.trunk import Trunk
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.call_quality import encode_timeline
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.quality_table import call_quality

TOKEN = "operator-token-of-a-test"
OTHER_APP_ID = "87654321"
BEGUN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY_BYTES_MAX = 16_384
CALL = {"caller": "8613912345673", "callee": "8613810268653", "sponsor": "01052680000"}

OPERATOR = b"Bearer " + TOKEN.encode()
APPLICATION = basic(APP_ID, SECRET)


class FakeMonitor:
    """Trunks fare as they are told to."""

    def __init__(self) -> None:
        self.states: dict[str, TrunkState] = {}

    def state(self, trunk: Trunk) -> TrunkState:
        """Of that name."""
        nothing = TrunkState(channels=0, is_down=False, is_resting=False, is_registered=None)
        return self.states.get(trunk.name, nothing)


class FakeSessions:
    """People by the tokens that stand for them, before those who really logged in."""

    def __init__(self, real: Sessions) -> None:
        self._real = real
        self.by_token: dict[str, LiveSession] = {}

    def find(self, token: str, now: datetime) -> LiveSession | None:
        """As the real ones do."""
        return self.by_token.get(token) or self._real.find(token, now)

    def log_in(
        self,
        *roles: Role,
        enterprise_id: str | None = None,
        is_former: bool = False,
        **more: Any,
    ) -> bytes:
        """Somebody who may that; returns the Authorization header."""
        name = f"person-{len(self.by_token) + 1}"
        token = f"{TOKEN_PREFIX}token-of-{name}"
        self.by_token[token] = LiveSession(
            f"session-of-{name}",
            Principal(name=name, roles=frozenset(roles), enterprise_id=enterprise_id, **more),
            is_former=is_former,
        )
        return b"Bearer " + token.encode()


class FakeRunner:
    """Keeps files that are to be imported until `run`, in this process's own time."""

    def __init__(self, importing: TableImport) -> None:
        self.has_room = True
        self.waiting: list[tuple[str, ImportOrder, IO[bytes]]] = []
        self._importing = importing

    async def submit(self, order: ImportOrder, file: IO[bytes]) -> str:
        """As the real one does, but for running it."""
        job_id = self._importing.create(order, now=datetime.now(UTC))
        self.waiting.append((job_id, order, file))
        return job_id

    def run(self) -> None:
        """Import all that wait, by the process that reads files."""
        for job_id, order, file in self.waiting:
            self._importing.run(job_id, order, file)
            file.close()
        self.waiting.clear()

    def close(self) -> None:
        """Throw away what waits."""
        for _, _, file in self.waiting:
            file.close()


class ManagementConformance:
    """Holds requests and answers against the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        resource: Resource[Any] = DRAFT202012.create_resource(document)
        self._registry = Registry().with_resource(DOCUMENT_URI, resource).crawl()

    def check(self, method: str, path: str, body: Any, answer: Answer) -> None:
        """Status, headers and body are among what the document has for that operation, and a
        request that was taken is one that it describes."""
        pointer = self.find_operation(method, path)
        if pointer is None:
            responses = ["components", "responses"]
        else:
            responses = [*pointer, "responses"]
            if answer.status < 300 and isinstance(body, dict):
                schema = [*pointer, "requestBody", "content", "application/json", "schema"]
                self.validate(schema, body)
        found = self.resolve(responses).get(str(answer.status))
        assert found is not None, f"{method} {path} does not document {answer.status}"
        assert answer.headers["cache-control"] == "no-store"
        for name, header in found.get("headers", {}).items():
            if header.get("required"):
                assert name.lower() in answer.headers, name
        self._check_content([*responses, str(answer.status)], found, answer)

    def _check_content(self, pointer: list[str], found: Any, answer: Answer) -> None:
        if "content" not in found:
            assert answer.body == b""
            return
        media = answer.headers["content-type"]
        if answer.status < 300 and "application/json" not in found["content"]:
            assert [media.partition(";")[0]] == list(found["content"])
            return
        assert media == ("application/json" if answer.status < 300 else PROBLEM_MEDIA_TYPE)
        self.validate([*pointer, "content", media, "schema"], answer.json)

    def resolve(self, pointer: list[str]) -> Any:
        """The part of the document at that place."""
        part = self.document
        for step in pointer:
            part = part[step]
        return part

    def validate(self, pointer: list[str], value: Any) -> None:
        """Raises ValidationError where the value does not follow the schema at that place."""
        steps = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
        schema = {"$ref": f"{DOCUMENT_URI}#/{quote(steps, safe='/~')}"}
        Draft202012Validator(
            schema, registry=self._registry, format_checker=FormatChecker()
        ).validate(value)

    def find_operation(self, method: str, path: str) -> list[str] | None:
        """Where the document has that operation; None where it has none."""
        if (item := self.document["paths"].get(path)) is not None:
            return ["paths", path, method.lower()] if method.lower() in item else None
        steps = path.split("/")
        for template, item in self.document["paths"].items():
            places = template.split("/")
            if method.lower() in item and len(places) == len(steps):
                fits = (p == s or p.startswith("{") for p, s in zip(places, steps, strict=True))
                if all(fits):
                    return ["paths", template, method.lower()]
        return None


class Clock:
    """The machine's, until it is stopped."""

    def __init__(self) -> None:
        self._stopped_at: datetime | None = None

    def stop(self) -> None:
        """It is now, from now on."""
        self._stopped_at = datetime.now(UTC)

    def utc(self) -> datetime:
        """The time."""
        return self._stopped_at or datetime.now(UTC)


@dataclass
class Management:
    """The application and what stands behind it."""

    app: ASGIApp
    service: FakeService
    applications: FakeApplications
    administration: Administration
    engine: Engine
    library: AudioLibrary
    monitor: FakeMonitor
    conformance: ManagementConformance
    sessions: FakeSessions
    people: PeopleNeeds
    routes: list[Route]
    membership: MembershipNeeds
    runner: FakeRunner
    exports_root: Path
    clock: Clock
    calls: int = field(default=0)
    support: SupportNeeds = field(kw_only=True)

    def utc(self) -> datetime:
        """What the platform takes for now."""
        return self.clock.utc()

    @property
    def audit_log(self) -> AuditLog:
        """What was done."""
        return self.people.audit_log

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        credential: bytes | None = OPERATOR,
        query: str = "",
        chunks: list[bytes] | None = None,
        key: bytes | None = None,
    ) -> Answer:
        """A request below BASE_PATH: a body of JSON, of bytes as they are, or none."""
        headers: HeaderList = [] if credential is None else [(b"authorization", credential)]
        if key is not None:
            headers.append((b"idempotency-key", key))
        if chunks is None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            chunks = [b"" if body is None else raw]
        full = BASE_PATH + path
        answer = await call_app(self.app, method, full, headers, chunks, query=query)
        self.conformance.check(method, full, body, answer)
        return answer

    async def begin(self, **changes: Any) -> CallId:
        """A call that was begun, which the database knows."""
        answer = await self.ask("POST", "/calls", CALL | changes, credential=APPLICATION)
        assert answer.status == 201, answer
        call_id = CallId(answer.json["call_id"])
        add_call(self.engine, call_id, state=CallState.CONNECTED, **NO_END)
        return call_id


NO_END: dict[str, Any] = dict.fromkeys(
    ("ended_at", "reason", "ended_by", "stage", "leg_outcome", "sip_status", "sip_text", "q850")
)
TIMELINE = (
    QualityInterval(10_000, IntervalQuality(500, 0), IntervalQuality(0, 0)),
    QualityInterval(15_500, IntervalQuality(180, 20, 7.0, 31.5, 3.4), IntervalQuality(0, 0)),
)
LEGS = {
    Side.CALLER: LegRecord(
        trunk="main",
        sip_call_id="abc@192.0.2.1",
        placed_at=BEGUN_AT,
        ringing_at=BEGUN_AT + timedelta(seconds=1),
        answered_at=BEGUN_AT + timedelta(seconds=2),
        codec="PCMA",
        quality=SideQuality(990, 10, 2.345, 4.1234, 20.0),
        silence_s=3,
    )
}


def add_call(engine: Engine, call_id: str, **changes: Any) -> None:
    """A call of the application, ended by the callee, with its first and its last event."""
    row = {
        "id": call_id, "node_id": "n", "app_id": APP_ID,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": "+8613810268653", "callee_written": "8613810268653",
        "begun_at": BEGUN_AT, "state": CallState.ENDED, "duration_s": 7, "event_count": 2,
        "connected_at": BEGUN_AT + timedelta(seconds=2),
        "ended_at": BEGUN_AT + timedelta(seconds=9),
        "reason": EndReason.HANG_UP, "ended_by": EndedBy.CALLEE, "stage": EndStage.CONNECTED,
        "leg_outcome": "hung-up", "sip_status": None, "sip_text": "BYE", "q850": 16,
        "reason_header": 'Q.850;cause=16;text="Normal"', "legs": encode_legs(LEGS),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values({**row, **changes}))
        for seq, status in ((1, CallStatus.CALLING_CALLER), (2, CallStatus.DISCONNECTED)):
            event = {
                "call_id": call_id, "seq": seq, "app_id": APP_ID, "status": status,
                "occurred_at": BEGUN_AT, "payload": "{}", "attempts": seq,
                "delivery_state": "delivered" if seq == 1 else "pending",
                "delivered_at": BEGUN_AT if seq == 1 else None,
                "last_error": None if seq == 1 else "HTTP 500",
                "answer_status": 200 if seq == 1 else 500, "answered_at": BEGUN_AT,
                "answer_text": None if seq == 1 else "oops",
            }  # fmt: skip
            connection.execute(insert(table.call_event).values(event))
        if {**row, **changes}["state"] is CallState.ENDED:
            kept = {"call_id": call_id, "intervals": encode_timeline(TIMELINE)}
            connection.execute(insert(call_quality).values(kept))
