"""The use cases of a call, as the APIs call them."""

from dataclasses import dataclass
from typing import Protocol

from clicktodial.control.port import TrunkForecast
from clicktodial.domain.application import Application
from clicktodial.domain.call import CallState, SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallApi
from clicktodial.domain.idempotency import OnceClaim
from clicktodial.domain.identifier import CallId, WebPhoneId
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.sink import EventSink


@dataclass(frozen=True, slots=True)
class BeginCall:
    """What an application asks for, validated. `caller_web_phone` is as in CallPlan."""

    sponsor: PhoneNumber
    caller: PhoneNumber
    callee: PhoneNumber
    record: bool = False
    send_direction: SendDirection | None = None
    options: CallOptions | None = None  # None: the application's
    api: CallApi = CallApi.V1
    sink: EventSink | None = None
    once: OnceClaim | None = None
    caller_web_phone: WebPhoneId | None = None


@dataclass(frozen=True, slots=True)
class ReleaseCondition:
    """The call is released only where all of it holds, and else goes on as it was.

    `only_unconnected`: the parties are not joined. `after_s`: so many seconds have passed since
    the joining, or since begin in a call that is not joined.
    """

    only_unconnected: bool = False
    after_s: int = 0


UNCONDITIONAL = ReleaseCondition()


@dataclass(frozen=True, slots=True)
class CallForecast:
    """What would become of a call that is begun now. `obstacles` say in words why it would be
    refused or fail; none where it may be placed.

    `cost_per_minute_micros` is that of both legs to the operator, in millionths of the currency.
    A minute of conversation takes `billed_s_per_minute` of the enterprise's pool, and costs the
    enterprise `price_per_minute_micros` besides where its packages are used up.
    """

    obstacles: tuple[str, ...]
    caller: TrunkForecast
    callee: TrunkForecast
    max_duration_s: int
    cost_per_minute_micros: int
    billed_s_per_minute: int = 0
    price_per_minute_micros: int = 0

    @property
    def is_possible(self) -> bool:
        return not self.obstacles


@dataclass(frozen=True, slots=True)
class LiveCall:
    """What only memory knows of a call that lives."""

    state: CallState
    muted: frozenset[Side]
    held: frozenset[Side]
    is_recording_paused: bool
    timeline: QualityTimeline = ()


@dataclass(frozen=True, slots=True)
class CallProgress:
    """Where a call stands that this node still has in memory; `was_not_set_up` as in
    domain.call_plan."""

    state: CallState
    was_not_set_up: bool


class CallService(Protocol):
    """What an API may do with calls."""

    async def begin(self, application: Application, request: BeginCall) -> CallId:
        """Admit the call and make it durable, then ring the caller.

        Raises CapabilityMissing, NumberNotAuthorized, MessageNotApproved, MessageTooLong,
        PoolEmpty, CapReached, LimitReached, Overloaded, or what Admission does; of an API that
        gives a pair one call at a time, PairHasCall or PartyUnreachable too.
        """

    async def forecast(self, application: Application, request: BeginCall) -> CallForecast:
        """What `begin` would come to, without any call. Raises nothing of its own."""

    async def inspect(self, application: Application, call_id: CallId) -> LiveCall:
        """A live call. Raises CallNotFound or CallHasEnded."""

    def find_progress(self, application: Application, call_id: CallId) -> CallProgress | None:
        """Where the call stands; None where this node has it not in memory, or it is another's.
        Never waits."""

    async def release(
        self,
        application: Application,
        call_id: CallId,
        condition: ReleaseCondition = UNCONDITIONAL,
    ) -> None:
        """End the call. Raises CallNotFound, CallHasEnded, or ConditionNotMet, and then the call
        goes on."""

    async def set_muted(
        self, application: Application, call_id: CallId, side: Side, *, muted: bool
    ) -> None:
        """Keep what that side says from the other and from the recording, or no longer. Raises
        CallNotFound, CallHasEnded or NotConnected."""

    async def set_held(
        self, application: Application, call_id: CallId, side: Side, *, held: bool
    ) -> None:
        """Let that side wait: it hears the hold prompt, and neither hears the other. Raises as
        `set_muted`."""

    async def set_recording_paused(
        self, application: Application, call_id: CallId, *, paused: bool
    ) -> None:
        """Capture nothing for a while; the recording has silence there. Raises as `set_muted`,
        and NotRecorded."""

    async def continue_call(self, application: Application, call_id: CallId) -> None:
        """Lift the application's own maximum duration. Raises CallNotFound or CallHasEnded."""
