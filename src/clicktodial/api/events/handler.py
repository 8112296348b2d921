"""`/events/v1`: what was told of an application's calls, and telling it once more."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from clicktodial import __version__
from clicktodial.api.events.admission import Admission
from clicktodial.api.events.openapi import create_document
from clicktodial.api.events.stream import SETTLED_AFTER, EventStreams
from clicktodial.api.events.view import (
    ALERT_SEQ_MAX,
    BASE_PATH,
    BEGINNING,
    PAGE_DEFAULT,
    PAGE_MAX,
    SEQ_MAX,
    AlertPage,
    EventPage,
    ReplayBody,
    parse_cursor,
    render_alert,
    render_cursor,
    render_event,
)
from clicktodial.api.events.view import (
    Replayed as ReplayedView,
)
from clicktodial.api.management.body import decode_body, parse_query
from clicktodial.api.management.problem import (
    BODY_TOO_LONG,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
    PROBLEM_MEDIA_TYPE,
    Refused,
    refused_by,
)
from clicktodial.api.management.route import render_refused
from clicktodial.api.response import start_response
from clicktodial.control.error import ControlError
from clicktodial.control.port import StoreError
from clicktodial.domain.access import AccessScope
from clicktodial.storage.error import StorageError
from clicktodial.storage.event_history import EventHistory, EventPlace
from clicktodial.storage.event_replay import CallReplay, EventReplays, RangeReplay
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX
from clicktodial.web.request import BodyTooLong, ClientDisconnected, read_body
from clicktodial.web.worker import Worker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNeeds:
    """What the API works with."""

    history: EventHistory
    replays: EventReplays
    admission: Admission
    streams: EventStreams
    worker: Worker
    body_bytes_max: int
    utc: Callable[[], datetime]
    token_url: str


def create_event_handlers(needs: EventNeeds) -> list[HTTPRouteHandler | ASGIRouteHandler]:
    """The routes below BASE_PATH."""

    @get(f"{BASE_PATH}/calls/{{call_id:str}}", name="eventsOfCall")
    async def of_call(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _guard(partial(_answer_call, needs, request))

    @get(f"{BASE_PATH}/events", name="events")
    async def since(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _guard(partial(_answer_since, needs, request))

    @get(f"{BASE_PATH}/alerts", name="alerts")
    async def alerts(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _guard(partial(_answer_alerts, needs, request))

    @post(f"{BASE_PATH}/replays", name="replayEvents", status_code=200)
    async def replay(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _guard(partial(_answer_replay, needs, request))

    @asgi(f"{BASE_PATH}/stream", name="eventStream", copy_scope=False)
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "GET":
            raise MethodNotAllowedException(headers={"Allow": "GET"})
        try:
            query = parse_query(scope["query_string"], frozenset({"after"}))
            await needs.streams.serve(scope, receive, send, query.get("after"))
        except (Refused, StoreError) as error:
            refused = error if isinstance(error, Refused) else _translate(error)
            log.info("events.refused", code=refused.problem.code)
            await _send_refused(send, refused)

    return [of_call, since, alerts, replay, stream, _create_document_handler(needs)]


def _create_document_handler(needs: EventNeeds) -> HTTPRouteHandler:
    @functools.cache
    def document() -> bytes:
        # When it is first asked for, as most servers never are.
        return msgspec.json.encode(
            create_document(
                body_bytes_max=needs.body_bytes_max, token_url=needs.token_url, version=__version__
            )
        )

    @get(f"{BASE_PATH}/openapi.json", name="eventsDocument")
    async def openapi() -> Response[bytes]:
        return Response(document(), media_type="application/json")

    return openapi


async def _send_refused(send: Send, refused: Refused) -> None:
    headers = tuple(
        (name.lower().encode(), text.encode()) for name, text in refused.headers.items()
    )
    await start_response(
        send,
        refused.problem.status,
        content_type=PROBLEM_MEDIA_TYPE.encode(),
        content_length=len(refused.body),
        headers=headers,
    )
    await send({"type": "http.response.body", "body": refused.body, "more_body": False})


async def _guard(answer: Callable[[], Awaitable[object]]) -> Response[bytes]:
    try:
        body = await answer()
    except Refused as refused:
        return render_refused(refused, "events")
    except (ControlError, StoreError, StorageError) as error:
        return render_refused(_translate(error), "events")
    except ClientDisconnected:
        return Response(b"", status_code=400, media_type=PROBLEM_MEDIA_TYPE)
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _translate(error: Exception) -> Refused:
    refused = refused_by(error)
    if refused is None:
        raise error
    if refused.problem.status >= 500:
        log.error("events.failed", kind=type(error).__name__, detail=str(error))
    return refused


async def _answer_call(needs: EventNeeds, request: Request[Any, Any, Any]) -> EventPage:
    application = await needs.admission.admit(request.scope, AccessScope.EVENTS_READ)
    query = parse_query(request.scope["query_string"], frozenset({"after", "limit"}))
    after = _read_number(query, "after", low=0, high=SEQ_MAX, default=0)
    limit = _read_number(query, "limit", low=1, high=PAGE_MAX, default=PAGE_DEFAULT)
    call_id = str(request.path_params["call_id"])
    found = None
    if len(call_id) <= IDENTIFIER_CHARACTERS_MAX and call_id.isprintable():
        found = await needs.history.of_call(
            application.app_id, call_id, after_seq=after, limit=limit
        )
    if found is None:
        raise Refused(NOT_FOUND)
    last = found[-1].event.seq if found else after
    return EventPage([render_event(entry) for entry in found], str(last))


async def _answer_since(needs: EventNeeds, request: Request[Any, Any, Any]) -> EventPage:
    application = await needs.admission.admit(request.scope, AccessScope.EVENTS_READ)
    query = parse_query(request.scope["query_string"], frozenset({"after", "limit"}))
    place = parse_cursor(query["after"]) if "after" in query else BEGINNING
    limit = _read_number(query, "limit", low=1, high=PAGE_MAX, default=PAGE_DEFAULT)
    until = needs.utc() - SETTLED_AFTER
    found = await needs.history.since(application.app_id, place, until=until, limit=limit)
    following = found[-1].place if found else place
    return EventPage([render_event(entry) for entry in found], render_cursor(following))


async def _answer_alerts(needs: EventNeeds, request: Request[Any, Any, Any]) -> AlertPage:
    application = await needs.admission.admit(request.scope, AccessScope.EVENTS_READ)
    query = parse_query(request.scope["query_string"], frozenset({"after", "limit"}))
    after = _read_number(query, "after", low=0, high=ALERT_SEQ_MAX, default=0)
    limit = _read_number(query, "limit", low=1, high=PAGE_MAX, default=PAGE_DEFAULT)
    found = await needs.history.alerts(application.app_id, after_seq=after, limit=limit)
    last = found[-1].alert.seq if found else after
    return AlertPage([render_alert(entry) for entry in found], str(last))


async def _answer_replay(needs: EventNeeds, request: Request[Any, Any, Any]) -> object:
    application = await needs.admission.admit(request.scope, AccessScope.EVENTS_REPLAY)
    try:
        raw = await read_body(request.receive, needs.body_bytes_max)
    except BodyTooLong as error:
        raise Refused(BODY_TOO_LONG, is_last=not error.is_drained) from error
    wanted = _read_replay(decode_body(raw, ReplayBody))
    app_id, replays = application.app_id, needs.replays
    if isinstance(wanted, CallReplay):
        done = await needs.worker.run(partial(replays.replay_call, wanted, app_id=app_id))
    else:
        done = await needs.worker.run(partial(replays.replay_range, app_id, wanted))
    log.info("events.replayed", app_id=app_id, count=done.count)
    following = None if done.last is None else render_cursor(done.last)
    return ReplayedView(replayed=done.count, next=following)


def _read_replay(body: ReplayBody) -> CallReplay | RangeReplay:
    of_time = (body.since, body.until, body.after)
    if body.call_id is not None:
        if any(each is not None for each in of_time):
            raise Refused(INVALID_VALUE, "it is of a call or of a time, not of both")
        return CallReplay(call_id=body.call_id, seq=body.seq, with_delivered=body.with_delivered)
    if body.seq is not None or body.until is None or (body.since is None) == (body.after is None):
        raise Refused(INVALID_VALUE, "give call_id, or until with since or after")
    place = (
        parse_cursor(body.after)
        if body.after is not None
        else EventPlace(body.since or body.until, "", 0)
    )
    return RangeReplay(after=place, until=body.until, with_delivered=body.with_delivered)


def _read_number(query: Mapping[str, str], name: str, *, low: int, high: int, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and low <= int(text) <= high):
        raise Refused(INVALID_PARAMETER, f"{name} is a number from {low} to {high}")
    return int(text)
