"""The HTTP application over fakes, and a client that holds every answer against the document."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import quote

from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.types import ASGIApp, HTTPScope, Message
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from clicktodial.api.openapi import create_document
from clicktodial.control.error import (
    CallHasEnded,
    CallNotFound,
    ConditionNotMet,
    NotConnected,
    NotRecorded,
)
from clicktodial.control.once import KeptRequest
from clicktodial.control.port import TrunkForecast
from clicktodial.control.service import (
    UNCONDITIONAL,
    BeginCall,
    CallForecast,
    CallProgress,
    LiveCall,
    ReleaseCondition,
)
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.recording import Recording

APP_ID = AppId("12345678")
SECRET = "S3cret:with:colons"
BODY_BYTES_MAX = 1024
DOCUMENT_URI = "urn:openapi"
BEGIN = "/clicktodial/v1/clicktodialbegin"
RELEASE = "/clicktodial/v1/clicktodialrelease/"
DOWNLOAD = "/clicktodial/v1/recordingdownload/"

HeaderList: TypeAlias = list[tuple[bytes, bytes]]


def create_application(**changes: Any) -> Application:
    """An application that may do everything, with changes."""
    values: dict[str, Any] = {
        "app_id": APP_ID,
        "enterprise_id": "enterprise-1",
        "enterprise_status": EnterpriseStatus.ACTIVE,
        "status": ApplicationStatus.ACTIVE,
        "secret": SECRET,
        "signing_secret": b"signing",
        "sponsors": frozenset({"+861052680000"}),
        "notify_url": "http://127.0.0.1:9000",
        "allow_private_addresses": True,
    }
    return Application(**values | changes)


class FakeService:
    """Keeps the contract of CallService in memory; `error` is raised instead, once set.

    Calls are joined, at once, unless put into `unconnected`.
    """

    def __init__(self) -> None:
        self.unconnected: set[CallId] = set()
        self.recorded: set[CallId] = set()
        self.muted: set[tuple[CallId, Side]] = set()
        self.held: set[tuple[CallId, Side]] = set()
        self.paused: set[CallId] = set()
        self.timelines: dict[CallId, QualityTimeline] = {}
        self.conditions: list[ReleaseCondition] = []
        self.forecasted: list[BeginCall] = []
        self.answer = CallForecast(
            (), TrunkForecast("main", 20_000), TrunkForecast("main", 30_000), 3_600, 50_000
        )
        self.begun: list[tuple[AppId, BeginCall]] = []
        self.calls: dict[CallId, AppId] = {}
        self.ended: set[CallId] = set()
        self.continued: list[CallId] = []
        self.error: Exception | None = None

    async def begin(self, application: Application, request: BeginCall) -> CallId:
        if self.error is not None:
            raise self.error
        self.begun.append((application.app_id, request))
        call_id = CallId(f"{len(self.begun):032x}")
        self.calls[call_id] = application.app_id
        if request.record:
            self.recorded.add(call_id)
        return call_id

    async def forecast(self, application: Application, request: BeginCall) -> CallForecast:
        if self.error is not None:
            raise self.error
        self.forecasted.append(request)
        return self.answer

    def find_progress(self, application: Application, call_id: CallId) -> CallProgress | None:
        if self.calls.get(call_id) != application.app_id or call_id in self.ended:
            return None
        is_joined = call_id not in self.unconnected
        state = CallState.CONNECTED if is_joined else CallState.CALLING_CALLEE
        return CallProgress(state, was_not_set_up=False)

    async def inspect(self, application: Application, call_id: CallId) -> LiveCall:
        self._check(application, call_id)
        is_joined = call_id not in self.unconnected
        return LiveCall(
            CallState.CONNECTED if is_joined else CallState.CALLING_CALLEE,
            frozenset(side for side in Side if (call_id, side) in self.muted),
            frozenset(side for side in Side if (call_id, side) in self.held),
            call_id in self.paused,
            self.timelines.get(call_id, ()),
        )

    async def release(
        self,
        application: Application,
        call_id: CallId,
        condition: ReleaseCondition = UNCONDITIONAL,
    ) -> None:
        self._check(application, call_id)
        self.conditions.append(condition)
        if condition.after_s or (condition.only_unconnected and call_id not in self.unconnected):
            raise ConditionNotMet
        self.ended.add(call_id)

    async def set_muted(
        self, application: Application, call_id: CallId, side: Side, *, muted: bool
    ) -> None:
        self._check_joined(application, call_id)
        (self.muted.add if muted else self.muted.discard)((call_id, side))

    async def set_held(
        self, application: Application, call_id: CallId, side: Side, *, held: bool
    ) -> None:
        self._check_joined(application, call_id)
        (self.held.add if held else self.held.discard)((call_id, side))

    async def set_recording_paused(
        self, application: Application, call_id: CallId, *, paused: bool
    ) -> None:
        self._check_joined(application, call_id)
        if call_id not in self.recorded:
            raise NotRecorded
        (self.paused.add if paused else self.paused.discard)(call_id)

    async def continue_call(self, application: Application, call_id: CallId) -> None:
        self._check(application, call_id)
        self.continued.append(call_id)

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        return self.calls.get(call_id) == app_id

    def _check_joined(self, application: Application, call_id: CallId) -> None:
        self._check(application, call_id)
        if call_id in self.unconnected:
            raise NotConnected

    def _check(self, application: Application, call_id: CallId) -> None:
        if self.error is not None:
            raise self.error
        if self.calls.get(call_id) != application.app_id:
            raise CallNotFound
        if call_id in self.ended:
            raise CallHasEnded


class KeptBegins:
    """Implements KeptRequests on what a FakeService began."""

    def __init__(self, service: FakeService) -> None:
        self._service = service

    async def find(self, app_id: AppId, key_hash: str, now: datetime) -> KeptRequest | None:
        for number, (owner, request) in enumerate(self._service.begun, 1):
            once = request.once
            if once is not None and (owner, once.key_hash) == (app_id, key_hash):
                return KeptRequest(once.request_hash, CallId(f"{number:032x}"), None)
        return None

    async def keep_answer(self, app_id: AppId, key_hash: str, answer: bytes) -> None:
        raise AssertionError("the answers of these APIs follow from the call")


class FakeApplications:
    """Applications in a dictionary."""

    def __init__(self, *applications: Application) -> None:
        self.by_id = {application.app_id: application for application in applications}
        self.asked: list[AppId] = []
        self.error: Exception | None = None
        self.times_refreshed = 0

    async def find(self, app_id: AppId) -> Application | None:
        if self.error is not None:
            raise self.error
        self.asked.append(app_id)
        return self.by_id.get(app_id)


class FakeCatalog:
    """Recordings in a dictionary."""

    def __init__(self) -> None:
        self.recordings: dict[RecordingId, Recording] = {}

    async def add(self, recording: Recording) -> None:
        self.recordings[recording.recording_id] = recording

    async def find(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId
    ) -> Recording | None:
        recording = self.recordings.get(recording_id)
        if recording is None or (recording.call_id, recording.app_id) != (call_id, app_id):
            return None
        return recording


@dataclass
class Answer:
    """An answer as it left the application."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def outcome(self) -> str:
        """`400 0001001 Expected property is missing: APPID`, as the tables have it."""
        return f"{self.status} {self.json['code']} {self.json['description']}"


class Conformance:
    """Holds answers against the OpenAPI document."""

    def __init__(self) -> None:
        self.document = create_document(body_bytes_max=BODY_BYTES_MAX, version="0")
        resource: Resource[Any] = DRAFT202012.create_resource(self.document)
        self._registry = Registry().with_resource(DOCUMENT_URI, resource).crawl()

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Status, headers and body are among what the document has for that route."""
        pointer = self._find_responses(method, path)
        responses = self.resolve(pointer)
        assert str(answer.status) in responses, f"{path} does not document {answer.status}"
        pointer = [*pointer, str(answer.status)]
        response = self.resolve(pointer)
        for name, header in response.get("headers", {}).items():
            if header.get("required"):
                assert name.lower() in answer.headers
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["content-length"]) == len(answer.body)
        self.validate([*pointer, "content", "application/json", "schema"], answer.json)
        if answer.status >= 400:
            examples = response["content"]["application/json"]["examples"].values()
            assert answer.json in [example["value"] for example in examples]

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
        Draft202012Validator(schema, registry=self._registry).validate(value)

    def _find_responses(self, method: str, path: str) -> list[str]:
        for template, item in self.document["paths"].items():
            fixed, _, parameter = template.partition("{")
            if path == template or (parameter and path.startswith(fixed)):
                known = method.lower() if method.lower() in item else "post"
                return ["paths", template, known, "responses"]
        return ["components", "responses"]


@dataclass
class Platform:
    """The application and the fakes behind it."""

    app: Litestar
    service: FakeService
    applications: FakeApplications
    catalog: FakeCatalog
    root: Path
    ready: list[bool]
    hanging: asyncio.Event | None = None
    conformance: Conformance = field(default_factory=Conformance)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: HeaderList | None = None,
        chunks: list[bytes] | None = None,
    ) -> Answer:
        """Drive the application over ASGI; the body comes in the chunks given."""
        return await call_app(self.app, method, path, headers or [], chunks or [b""])

    async def post(
        self,
        path: str,
        body: Any,
        *,
        credential: tuple[str, str] | None = (APP_ID, SECRET),
        headers: HeaderList | None = None,
    ) -> Answer:
        """POST JSON (or bytes as they are) and hold the answer against the document."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = list(headers or [])
        if credential is not None:
            all_headers.append((b"authorization", basic(*credential)))
        answer = await self.request("POST", path, headers=all_headers, chunks=[raw])
        self.conformance.check("POST", path, answer)
        return answer

    async def begin(self) -> CallId:
        """A call that was begun."""
        answer = await self.post(BEGIN, begin_body())
        return CallId(answer.json["result"]["callidentifier"])

    async def add_recording(self, call_id: CallId, content: bytes) -> RecordingId:
        """A recording of that call, published."""
        recording_id = RecordingId(f"{len(self.catalog.recordings) + 1:032x}")
        key = f"{recording_id}.wav"
        (self.root / key).write_bytes(content)
        await self.catalog.add(
            Recording(
                recording_id=recording_id,
                call_id=call_id,
                app_id=APP_ID,
                key=key,
                size_bytes=len(content),
                duration_ms=0,
                sha256="",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
        return recording_id


async def call_app(
    app: ASGIApp,
    method: str,
    path: str,
    headers: HeaderList,
    chunks: Sequence[bytes | None],
    *,
    query: str = "",
) -> Answer:
    """One request over ASGI, as a server would drive it; the client goes away at None."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    incoming: list[Any] = [
        {"type": "http.disconnect"}
        if chunk is None
        else {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    is_answered = asyncio.Event()

    async def receive() -> Any:
        if not incoming:
            await is_answered.wait()
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message["more_body"]:
            is_answered.set()

    await app(cast(HTTPScope, scope), receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert not sent[-1].get("more_body", False)
    answer_headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], answer_headers, body)


def basic(app_id: str, secret: str) -> bytes:
    """The value of an Authorization header."""
    return b"Basic " + base64.b64encode(f"{app_id}:{secret}".encode())


def begin_body(**changes: Any) -> dict[str, Any]:
    """The specification's own request, with changes; a change to None leaves the property out."""
    body = {
        "APPID": APP_ID,
        "sponsor": "01052680000",
        "caller": "8613912345673",
        "callee": "8613810268653",
    } | changes
    return {name: value for name, value in body.items() if value is not None}
