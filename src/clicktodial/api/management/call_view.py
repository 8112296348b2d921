"""Calls as the management API answers them."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from clicktodial.api.management.schema import Instant, Strict
from clicktodial.control.delivery import DeliveryAnswer, DeliveryState
from clicktodial.control.port import TrunkForecast
from clicktodial.control.service import CallForecast, LiveCall
from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.domain.quality_timeline import INTERVALS_MAX, IntervalQuality, QualityTimeline
from clicktodial.storage.explanation import explain_end
from clicktodial.storage.history import CallRecord, EventRecord

_Micros = Annotated[int, Meta(ge=0, description="In millionths of the currency.")]
_Seconds = Annotated[int, Meta(ge=0, description="Whole seconds from joining to ending.")]


class BegunCall(Strict, frozen=True):
    """A call that was begun: it is stored, and the caller's phone is about to ring."""

    call_id: str


class ReplayedNotifications(Strict, frozen=True):
    """How many notifications of a call wait again."""

    count: int


class ForecastLeg(Strict, frozen=True):
    """What would become of one leg: its trunk, or in words why there is none."""

    trunk: str | None
    cost_per_minute_micros: _Micros
    obstacle: str | None


class Forecast(Strict, frozen=True):
    """What would become of a call that is begun now; `obstacles` say in words why not."""

    is_possible: bool
    obstacles: list[str]
    caller: ForecastLeg
    callee: ForecastLeg
    max_duration_s: int
    cost_per_minute_micros: Annotated[
        int, Meta(ge=0, description="Of both legs to the operator, in millionths of the currency.")
    ]
    billed_s_per_minute: Annotated[
        int, Meta(ge=0, description="What a minute takes of the enterprise's pool, in seconds.")
    ]
    price_per_minute_micros: Annotated[
        int, Meta(ge=0, description="What it costs the enterprise besides: overage.")
    ]


class CallSummary(Strict, frozen=True):
    """A call in a list. Numbers are E.164; of a call that lives, `reason` is null."""

    call_id: str
    state: CallState
    sponsor: str
    caller: str
    callee: str
    begun_at: Instant
    connected_at: Instant | None
    ended_at: Instant | None
    duration_s: _Seconds
    reason: EndReason | None


class CallPage(Strict, frozen=True):
    """Calls, the newest first; `next` is the cursor of the page after, null on the last."""

    calls: list[CallSummary]
    next: str | None


class CallEndView(Strict, frozen=True):
    """Why a call ended: who ended it, how far it had come, and what the network said.

    `reason` is that of v1; `reason_header` is the network's own Reason header (RFC 3326) as it
    came, `q850` an ITU-T Q.850 cause. `explanation` says it in one sentence.
    """

    reason: EndReason
    by: EndedBy | None
    stage: EndStage | None
    outcome: LegOutcome | None
    sip_status: int | None
    sip_text: str | None
    q850: int | None
    reason_header: str | None
    explanation: str


class AnswerView(Strict, frozen=True):
    """What the application's server answered last; `text` is how it began what it said, where it
    refused."""

    status: int
    at: Instant
    text: str | None


class EventView(Strict, frozen=True):
    """A status event of a call, and what became of its notification."""

    seq: int
    status: CallStatus
    occurred_at: Instant
    delivery: DeliveryState
    attempts: int
    next_attempt_at: Instant | None
    delivered_at: Instant | None
    last_error: str | None
    answer: AnswerView | None


class QualityView(Strict, frozen=True):
    """What came from a side: packets, of which `packets_lost` never came, jitter (RFC 3550) on
    average, the round trip to it, and ITU-T G.107's estimate of how the other side heard it."""

    packets: int
    packets_lost: int
    loss: Annotated[float, Meta(ge=0, le=1, description="The part that was lost.")]
    jitter_ms: float
    round_trip_ms: float | None
    mos: Annotated[float, Meta(ge=1, le=5, description="1.0-4.5.")] | None


class IntervalSideView(Strict, frozen=True):
    """What came from a side in an interval, as in `QualityView`; null of what nobody knows. Where
    nothing came there is nothing to judge: `mos` is null."""

    packets: int
    packets_lost: int
    loss: Annotated[float, Meta(ge=0, le=1, description="The part that was lost.")]
    jitter_ms: float | None
    round_trip_ms: float | None
    mos: Annotated[float, Meta(ge=1, le=5, description="1.0-4.5, of this interval.")] | None


class QualityIntervalView(Strict, frozen=True):
    """Both sides in an interval."""

    begins_at: Instant
    ends_at: Instant
    caller: IntervalSideView
    callee: IntervalSideView


class QualityTimelineView(Strict, frozen=True):
    """How a call sounded from one moment to the next, in order: `media.quality_interval_s` each,
    and longer ones in a long call. Empty for a call that was over sooner than two of them, for one
    that another node carries now, and where they are not kept any more."""

    intervals: Annotated[list[QualityIntervalView], Meta(max_length=INTERVALS_MAX)]


class LegView(Strict, frozen=True):
    """One leg: the trunk that it took last and its Call-ID there, its codec, when it got on, how
    it sounded, and how long a recorded side said nothing."""

    trunk: str | None
    sip_call_id: str | None
    codec: str | None
    is_encrypted: bool
    placed_at: Instant | None
    ringing_at: Instant | None
    answered_at: Instant | None
    quality: QualityView | None
    silence_s: int | None


class LegsView(Strict, frozen=True):
    """Both legs; null for one that was never placed."""

    caller: LegView | None
    callee: LegView | None


class RecordingView(Strict, frozen=True):
    """The recording of a call; `result` is that of v1, null while it is not known."""

    recording_id: str
    result: str | None


class LiveView(Strict, frozen=True):
    """What holds of a call that lives."""

    muted: list[Side]
    held: list[Side]
    is_recording_paused: bool


class CallView(Strict, frozen=True):
    """All of a call. `live` is null when it has ended, `end` while it lives."""

    call_id: str
    state: CallState
    sponsor: str
    caller: str
    callee: str
    begun_at: Instant
    connected_at: Instant | None
    ended_at: Instant | None
    duration_s: _Seconds
    recording: RecordingView | None
    end: CallEndView | None
    legs: LegsView
    events: list[EventView]
    live: LiveView | None


def render_summary(call: CallRecord) -> CallSummary:
    """A call in a list."""
    return CallSummary(
        call_id=call.call_id,
        state=call.state,
        sponsor=call.sponsor,
        caller=call.caller,
        callee=call.callee,
        begun_at=call.begun_at,
        connected_at=call.connected_at,
        ended_at=call.ended_at,
        duration_s=call.duration_s,
        reason=call.reason,
    )


def render_call(call: CallRecord, events: list[EventRecord], live: LiveCall | None) -> CallView:
    """All of it; memory knows the state of a live call before the database does."""
    recording = None
    if call.recording_id is not None:
        recording = RecordingView(recording_id=call.recording_id, result=call.recording_result)
    return CallView(
        call_id=call.call_id,
        state=call.state if live is None else live.state,
        sponsor=call.sponsor,
        caller=call.caller,
        callee=call.callee,
        begun_at=call.begun_at,
        connected_at=call.connected_at,
        ended_at=call.ended_at,
        duration_s=call.duration_s,
        recording=recording,
        end=_render_end(call),
        legs=LegsView(
            caller=_render_leg(call.legs.get(Side.CALLER)),
            callee=_render_leg(call.legs.get(Side.CALLEE)),
        ),
        events=[_render_event(event) for event in events],
        live=None if live is None else _render_live(live),
    )


def render_timeline(call: CallRecord, timeline: QualityTimeline) -> QualityTimelineView:
    """Of a call that was joined; of another there is none."""
    if call.connected_at is None:
        return QualityTimelineView(intervals=[])
    views: list[QualityIntervalView] = []
    for each in timeline:
        views.append(
            QualityIntervalView(
                begins_at=views[-1].ends_at if views else call.connected_at,
                ends_at=call.connected_at + timedelta(milliseconds=each.until_ms),
                caller=_render_side(each.caller),
                callee=_render_side(each.callee),
            )
        )
    return QualityTimelineView(intervals=views)


def render_forecast(forecast: CallForecast) -> Forecast:
    """The answer of a dry run."""
    return Forecast(
        is_possible=forecast.is_possible,
        obstacles=[str(each) for each in forecast.obstacles],
        caller=_render_forecast_leg(forecast.caller),
        callee=_render_forecast_leg(forecast.callee),
        max_duration_s=forecast.max_duration_s,
        cost_per_minute_micros=forecast.cost_per_minute_micros,
        billed_s_per_minute=forecast.billed_s_per_minute,
        price_per_minute_micros=forecast.price_per_minute_micros,
    )


def _render_forecast_leg(leg: TrunkForecast) -> ForecastLeg:
    return ForecastLeg(
        trunk=leg.trunk_name,
        cost_per_minute_micros=leg.cost_per_minute_micros,
        obstacle=str(leg.obstacle) or None,
    )


def _render_end(call: CallRecord) -> CallEndView | None:
    explanation = explain_end(call)
    if call.reason is None or explanation is None:
        return None
    return CallEndView(
        reason=call.reason,
        by=call.ended_by,
        stage=call.stage,
        outcome=call.leg_outcome,
        sip_status=call.sip_status,
        sip_text=call.sip_text,
        q850=call.q850,
        reason_header=call.reason_header,
        explanation=explanation,
    )


def _render_event(event: EventRecord) -> EventView:
    return EventView(
        seq=event.seq,
        status=event.status,
        occurred_at=event.occurred_at,
        delivery=event.delivery_state,
        attempts=event.attempts,
        next_attempt_at=event.next_attempt_at,
        delivered_at=event.delivered_at,
        last_error=event.last_error,
        answer=None if event.answer is None else _render_answer(event.answer),
    )


def _render_answer(answer: DeliveryAnswer) -> AnswerView:
    return AnswerView(status=answer.status, at=answer.at, text=answer.text)


def _render_leg(leg: LegRecord | None) -> LegView | None:
    if leg is None:
        return None
    return LegView(
        trunk=leg.trunk,
        sip_call_id=leg.sip_call_id,
        codec=leg.codec,
        is_encrypted=leg.is_encrypted,
        placed_at=leg.placed_at,
        ringing_at=leg.ringing_at,
        answered_at=leg.answered_at,
        quality=None if leg.quality is None else _render_quality(leg.quality),
        silence_s=leg.silence_s,
    )


def _render_quality(quality: SideQuality) -> QualityView:
    return QualityView(
        packets=quality.packets,
        packets_lost=quality.packets_lost,
        loss=round(quality.loss, 4),
        jitter_ms=round(quality.jitter_ms, 2),
        round_trip_ms=_round_or_none(quality.round_trip_ms),
        mos=_round_or_none(quality.mos),
    )


def _render_side(side: IntervalQuality) -> IntervalSideView:
    return IntervalSideView(
        packets=side.packets,
        packets_lost=side.packets_lost,
        loss=round(side.loss, 4),
        jitter_ms=_round_or_none(side.jitter_ms),
        round_trip_ms=_round_or_none(side.round_trip_ms),
        mos=_round_or_none(side.mos),
    )


def _round_or_none(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _render_live(live: LiveCall) -> LiveView:
    return LiveView(
        muted=sorted(live.muted),
        held=sorted(live.held),
        is_recording_paused=live.is_recording_paused,
    )
