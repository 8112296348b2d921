"""What a call is to be, fixed at its begin, and what is kept of its end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clicktodial.domain.cause import EndReason, LegCause, LegOutcome, Side
from clicktodial.domain.event import CallApi
from clicktodial.domain.idempotency import OnceClaim
from clicktodial.domain.identifier import AppId, CallId, RecordingId, WebPhoneId
from clicktodial.domain.media import OFFERED_CODECS, Codec
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import DEFAULT_OPTIONS, CallOptions
from clicktodial.domain.protection import Claim
from clicktodial.domain.sink import EventSink


class SendDirection(StrEnum):
    """To whom a message goes after the call (click-to-dial-v1 4.2)."""

    MO = "MO"
    MT = "MT"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """A message that is to follow a call. Its template is the one that was in use at begin."""

    message_id: str
    side: Side
    template_id: str
    only_connected: bool


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What was asked for, with the limits that hold for this call; fixed at begin.

    `application_max_duration_s` is the application's own cut-off, which Continue lifts;
    `max_duration_s` is the platform's, which nothing lifts. Both count from the joining.
    `covered_s` is how long the minutes last that are held at begin; None where the call is free.
    `codecs` may be offered, preferred first; unless the relay `transcodes`, both sides speak one.
    `trunk_to_*` is the trunk that the number shown to that side belongs to, where one is known.
    There is no such call unless its `claims` still hold when it is made durable, and nobody was
    quicker with what it claims `once`. Of an `api` that
    lets a pair have but one call at a time there is none where the pair has one.
    `caller_web_phone` is a browser that stands in for the caller: it is rung, not the number.
    """

    call_id: CallId
    app_id: AppId
    sponsor: PhoneNumber
    caller: PhoneNumber
    callee: PhoneNumber
    recording_id: RecordingId | None
    send_direction: SendDirection | None
    caller_ring_timeout_s: int
    callee_ring_timeout_s: int
    max_duration_s: int
    application_max_duration_s: int | None = None
    options: CallOptions = DEFAULT_OPTIONS
    codecs: tuple[Codec, ...] = OFFERED_CODECS
    transcodes: bool = False
    trunk_to_caller: str | None = None
    trunk_to_callee: str | None = None
    messages: tuple[PlannedMessage, ...] = ()
    claims: tuple[Claim, ...] = ()
    covered_s: int | None = None
    api: CallApi = CallApi.V1
    sink: EventSink | None = None
    once: OnceClaim | None = None
    caller_web_phone: WebPhoneId | None = None

    def shown(self, side: Side) -> str:
        """The number that side is shown, E.164 with plus."""
        return self.options.shown_to(side) or self.sponsor.e164

    def preferred_trunk(self, side: Side) -> str | None:
        """The trunk to try first on that side."""
        return self.trunk_to_caller if side is Side.CALLER else self.trunk_to_callee

    def web_phone(self, side: Side) -> WebPhoneId | None:
        """The browser to ring on that side, in the place of its number."""
        return self.caller_web_phone if side is Side.CALLER else None

    def number(self, side: Side) -> PhoneNumber:
        """The number to dial on that side."""
        return self.caller if side is Side.CALLER else self.callee

    def ring_timeout_s(self, side: Side) -> int:
        """How long that side may take from being dialled to answering."""
        return self.caller_ring_timeout_s if side is Side.CALLER else self.callee_ring_timeout_s


class EndStage(StrEnum):
    """How far a call had come when it ended."""

    CALLING_CALLER = "calling-caller"
    CALLING_CALLEE = "calling-callee"
    CONNECTED = "connected"


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """Why, by whom and how far: kept with every call that ended."""

    reason: EndReason
    by: EndedBy
    stage: EndStage
    cause: LegCause | None
    at: datetime


def was_not_set_up(
    stage: EndStage, by: EndedBy, outcome: LegOutcome | None, *, was_dialled: bool
) -> bool:
    """Whether a call ended before the two were joined, by no doing of theirs or the application's:
    the platform failed, or no trunk could be asked for the caller.

    `outcome` is None where the process died that had the call; `was_dialled` tells whether the
    caller's leg ever left.
    """
    if stage is EndStage.CONNECTED:
        return False
    if by is EndedBy.PLATFORM:
        return outcome in (None, LegOutcome.FAILED)
    return by is EndedBy.CALLER and outcome is LegOutcome.FAILED and not was_dialled
