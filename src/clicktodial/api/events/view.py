"""Events as they are answered, and cursors that name their places. The document is made of these
structs."""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from clicktodial.api.management.problem import INVALID_PARAMETER, Refused
from clicktodial.api.management.schema import Strict
from clicktodial.control.delivery import DeliveryAnswer, DeliveryState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult
from clicktodial.notify.signature import message_id
from clicktodial.storage.event_history import AlertEntry, Delivery, EventEntry, EventPlace
from clicktodial.storage.instant import from_millis, to_millis
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX

BASE_PATH = "/events/v1"
# An event has some 700 bytes: a page stays below half a megabyte.
PAGE_MAX = 500
PAGE_DEFAULT = 100
# Far more events than any call has; what is beyond is a mistake.
SEQ_MAX = 1_000_000
# Alerts of all applications are counted together.
ALERT_SEQ_MAX = 999_999_999
_CURSOR = re.compile(r"(\d{1,14})\.([0-9A-Za-z_-]{0,64})\.(\d{1,9})", re.ASCII)
# Before the first event of anybody.
BEGINNING = EventPlace(datetime(1970, 1, 1, tzinfo=UTC), "", 0)


# RFC 3339.
Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class AnswerView(msgspec.Struct, frozen=True):
    """The last answer of the server; `text` is how it began what it said, where it refused."""

    status: int
    at: Time
    text: str | None


class DeliveryView(msgspec.Struct, frozen=True):
    """What became of the event's delivery."""

    state: DeliveryState
    attempts: int
    next_attempt_at: Time | None
    delivered_at: Time | None
    last_error: str | None
    answer: AnswerView | None


class EventView(msgspec.Struct, frozen=True):
    """One event. `id` is the webhook-id of its notification, `cursor` its place."""

    id: str
    cursor: str
    call_id: str
    seq: int
    status: CallStatus
    occurred_at: Time
    sponsor: str
    caller: str
    callee: str
    reason: EndReason | None
    call_duration_s: int | None
    recording_id: str | None
    recording_result: RecordingResult | None
    delivery: DeliveryView


class EventPage(msgspec.Struct, frozen=True):
    """Events in their order; `next` is the cursor of what comes after them."""

    events: list[EventView]
    next: str


class AlertView(msgspec.Struct, frozen=True):
    """An alert of the pool of minutes. `id` is the webhook-id of its notification; seconds are of
    the packages that were valid then."""

    id: str
    seq: int
    occurred_at: Time
    enterprise_id: str
    threshold_percent: int
    used_percent: int
    granted_s: int
    used_s: int
    left_s: int
    delivery: DeliveryView


class AlertPage(msgspec.Struct, frozen=True):
    """Alerts in their order; `next` is the `seq` to go on from."""

    alerts: list[AlertView]
    next: str


class ReplayBody(Strict, frozen=True):
    """What is to be delivered once more: a call's events, or one of them; or those of a time."""

    call_id: Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_CHARACTERS_MAX)] | None = None
    seq: Annotated[int, Meta(ge=1, le=SEQ_MAX)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    after: Annotated[str, Meta(max_length=128)] | None = None
    with_delivered: bool = False


class Replayed(msgspec.Struct, frozen=True):
    """How many wait for delivery again; where there are more, `next` is where to go on."""

    replayed: int
    next: str | None


def render_event(entry: EventEntry) -> EventView:
    """An event as it is answered."""
    event = entry.event
    return EventView(
        id=message_id(event),
        cursor=render_cursor(entry.place),
        call_id=event.call_id,
        seq=event.seq,
        status=event.status,
        occurred_at=render_time(event.occurred_at),
        sponsor=event.sponsor,
        caller=event.caller,
        callee=event.callee,
        reason=event.reason,
        call_duration_s=event.call_duration_s,
        recording_id=event.recording_id,
        recording_result=event.recording_result,
        delivery=_render_delivery(entry.delivery),
    )


def render_alert(entry: AlertEntry) -> AlertView:
    """An alert as it is answered."""
    alert = entry.alert
    return AlertView(
        id=message_id(alert),
        seq=alert.seq,
        occurred_at=render_time(alert.occurred_at),
        enterprise_id=alert.enterprise_id,
        threshold_percent=alert.percent,
        used_percent=alert.used_percent,
        granted_s=alert.granted_s,
        used_s=alert.used_s,
        left_s=alert.left_s,
        delivery=_render_delivery(entry.delivery),
    )


def _render_delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        state=delivery.state,
        attempts=delivery.attempts,
        next_attempt_at=_time_or_none(delivery.next_attempt_at),
        delivered_at=_time_or_none(delivery.delivered_at),
        last_error=delivery.last_error,
        answer=None if delivery.answer is None else _render_answer(delivery.answer),
    )


def _render_answer(answer: DeliveryAnswer) -> AnswerView:
    return AnswerView(answer.status, render_time(answer.at), answer.text)


def render_cursor(place: EventPlace) -> str:
    """The text by which a client names a place."""
    return f"{to_millis(place.occurred_at)}.{place.call_id}.{place.seq}"


def parse_cursor(text: str) -> EventPlace:
    """The inverse. Raises Refused."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise Refused(INVALID_PARAMETER, "a cursor is what an answer called so")
    return EventPlace(from_millis(int(match[1])), match[2], int(match[3]))


def render_time(moment: datetime) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else render_time(moment)
