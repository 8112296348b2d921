"""Admission and the registry of live calls: the CallService of one node."""

import asyncio
from functools import partial

import structlog

from clicktodial.config import CallsSettings
from clicktodial.control.admission import Turns
from clicktodial.control.controller import HOLD_TRIES, CallController, CallDependencies
from clicktodial.control.enterprise_gate import EnterpriseGate
from clicktodial.control.error import (
    CallHasEnded,
    CallNotFound,
    CapabilityMissing,
    CapReached,
    ConditionNotMet,
    MessageNotApproved,
    MessageTooLong,
    NotConnected,
    NotRecorded,
    NumberNotAuthorized,
    Overloaded,
    PairHasCall,
    PartyUnreachable,
    PoolEmpty,
)
from clicktodial.control.message_plan import plan_messages
from clicktodial.control.port import (
    WEB_PHONE_ROUTE,
    StoreConflict,
    StoreError,
    TrunkForecast,
)
from clicktodial.control.service import (
    UNCONDITIONAL,
    BeginCall,
    CallForecast,
    CallProgress,
    LiveCall,
    ReleaseCondition,
)
from clicktodial.domain.application import ALL_CAPABILITIES, Application, Capability
from clicktodial.domain.call import (
    CallPlan,
    CallState,
    CallStateError,
    ReleaseConditionNotMet,
)
from clicktodial.domain.call_input import (
    CallInput,
    ContinueRequested,
    HoldRequested,
    MuteRequested,
    PlatformStopping,
    RecordingPauseRequested,
    ReleaseRequested,
    ServiceWithdrawn,
)
from clicktodial.domain.call_plan import PlannedMessage
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallApi
from clicktodial.domain.identifier import CallId, create_call_id, create_recording_id
from clicktodial.domain.media import Codec
from clicktodial.domain.message import DEFAULT_MESSAGE_LIMITS, MessageLimits
from clicktodial.domain.minutes import Charge
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.protection import Claim
from clicktodial.domain.rating import SECONDS_PER_MINUTE, price_micros
from clicktodial.domain.wording import worded, words_of

log = structlog.get_logger()

# After the last BYE: as long as a recording may take (RECORDING_DEADLINE_S), and a little.
STOP_TIMEOUT_S = 6.0
_FOREIGN_NUMBER = "A number to be shown is not the application's"
_RULES_UNKNOWN = "Whether the callee may be called is not known: the database does not answer"
_OVER = frozenset({CallState.FINISHING, CallState.ENDED})


class LiveCallService:
    """Admits calls, finds the live ones, and ends them all when the node stops."""

    def __init__(
        self,
        needs: CallDependencies,
        settings: CallsSettings,
        *,
        message_limits: MessageLimits = DEFAULT_MESSAGE_LIMITS,
    ) -> None:
        self._needs = needs
        self._settings = settings
        self._message_limits = message_limits
        self._live: dict[CallId, CallController] = {}
        self._gate = EnterpriseGate(needs.clock.monotonic_s)
        self._pair_turns = Turns()
        self._stopping = False
        self._all_over = asyncio.Event()
        self._all_over.set()

    @property
    def live_count(self) -> int:
        return len(self._live)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    async def begin(self, application: Application, request: BeginCall) -> CallId:
        """Admit the call and make it durable, then ring the caller.

        Raises CapabilityMissing, NumberNotAuthorized, MessageNotApproved, MessageTooLong,
        PoolEmpty, CapReached, LimitReached, Overloaded, or what Admission does.
        """
        missing = _missing_capability(application, request)
        if missing is not None:
            raise CapabilityMissing(missing)
        if not _may_show(application, request):
            raise NumberNotAuthorized
        messages = plan_messages(application.messages, request, self._message_limits)
        if self._find_shortage() is not None:
            raise Overloaded
        if request.api is CallApi.CAMARA:
            return await self._begin_sole(application, request, messages)
        return await self._admit(application, request, messages)

    async def _admit(
        self,
        application: Application,
        request: BeginCall,
        messages: tuple[PlannedMessage, ...],
    ) -> CallId:
        return await self._needs.admission.admit(
            application,
            request.caller.e164,
            request.callee.e164,
            partial(self._begin_charged, application, request, messages),
        )

    async def _begin_sole(
        self,
        application: Application,
        request: BeginCall,
        messages: tuple[PlannedMessage, ...],
    ) -> CallId:
        """Begin the one call that the pair may have. Two that ask here at once take turns; of two
        that ask on different nodes the database lets one in."""
        caller, callee = request.caller.e164, request.callee.e164
        self._check_reach(application, request)
        async with self._pair_turns.take(f"{application.app_id} {caller} {callee}"):
            await self._check_pair(application, caller, callee)
            try:
                return await self._admit(application, request, messages)
            except (StoreConflict, Overloaded, PoolEmpty):
                # Whichever was lost: where another node has begun a call of the pair, that is why.
                await self._check_pair(application, caller, callee)
                raise

    def _check_reach(self, application: Application, request: BeginCall) -> None:
        """Raises PartyUnreachable where no trunk can be asked for a party."""
        plan = self._plan(application, request)
        for side in Side:
            number = plan.number(side).e164
            forecast = self._needs.forecaster.forecast(number, plan.preferred_trunk(side))
            if forecast.obstacle:
                raise PartyUnreachable(
                    worded("The %(side)s: %(obstacle)s", side=side, obstacle=forecast.obstacle),
                    side=side,
                )

    async def _check_pair(self, application: Application, caller: str, callee: str) -> None:
        """Raises PairHasCall, and Overloaded where the database does not answer."""
        try:
            open_calls = await self._needs.store.find_open(application.app_id, caller, callee)
        except StoreError as error:
            raise Overloaded from error
        for call_id, is_here in open_calls:
            # Of a call of this node that it is over is known here first.
            progress = self.find_progress(application, call_id)
            if not is_here or (progress is not None and progress.state not in _OVER):
                raise PairHasCall

    async def _begin_charged(
        self,
        application: Application,
        request: BeginCall,
        messages: tuple[PlannedMessage, ...],
        claims: tuple[Claim, ...],
    ) -> CallId:
        """Raises StoreConflict where a claim may hold no more; nothing was begun then."""
        if application.pool_terms is None:
            plan = self._plan(application, request, messages=messages, claims=claims)
            return await self._begin(application, plan, None)
        for _ in range(HOLD_TRIES):
            charge = await self._charge(application, request)
            try:
                plan = self._plan(application, request, charge, messages=messages, claims=claims)
                return await self._begin(application, plan, charge)
            except StoreConflict:
                if claims:
                    raise  # which of the two was lost is not told: both are looked at again
                log.info("call.minutes_gone", enterprise_id=application.enterprise_id)
        raise PoolEmpty

    async def _charge(self, application: Application, request: BeginCall) -> Charge | None:
        needs = self._needs
        try:
            return await needs.minutes.plan(application, request.caller.e164, needs.clock.utc())
        except StoreError as error:
            raise Overloaded from error

    async def _begin(
        self, application: Application, plan: CallPlan, charge: Charge | None
    ) -> CallId:
        """Raises StoreConflict where a claim or the seconds held are there no more."""
        if self._find_shortage() is not None:
            raise Overloaded  # rules or minutes were asked for meanwhile, and others came
        call_id = plan.call_id
        # Last, so that a call which is refused for something else uses nothing up.
        self._gate.enter(
            call_id,
            application.enterprise_id,
            application.limits,
            application.app_id,
            application.own_limits,
        )
        controller = CallController(plan, self._needs, self._on_over, charge)
        self._live[call_id] = controller
        self._all_over.clear()
        try:
            # Shielded: an application that goes away must not stop a call half begun.
            await asyncio.shield(controller.begin())
        except StoreError as error:
            if isinstance(error, StoreConflict) and (plan.claims or charge is not None):
                raise
            log.warning("call.not_stored", call_id=call_id, detail=str(error))
            raise Overloaded from error
        return call_id

    async def forecast(self, application: Application, request: BeginCall) -> CallForecast:
        """What `begin` would come to, without any call. Raises nothing of its own."""
        plan = self._plan(application, request)
        if request.caller_web_phone is None:
            caller = self._needs.forecaster.forecast(request.caller.e164, plan.trunk_to_caller)
        else:
            caller = TrunkForecast(WEB_PHONE_ROUTE)
        callee = self._needs.forecaster.forecast(request.callee.e164, plan.trunk_to_callee)
        obstacles = [
            _missing_capability(application, request),
            None if _may_show(application, request) else _FOREIGN_NUMBER,
            self._find_message_obstacle(application, request),
            self._find_shortage(),
            self._gate.find_obstacle(
                application.enterprise_id,
                application.limits,
                application.app_id,
                application.own_limits,
            ),
            worded("The %(side)s: %(obstacle)s", side=Side.CALLER, obstacle=caller.obstacle)
            if caller.obstacle
            else None,
            worded("The %(side)s: %(obstacle)s", side=Side.CALLEE, obstacle=callee.obstacle)
            if callee.obstacle
            else None,
            *await self._find_rules_against(application, request),
        ]
        charge = None
        try:
            charge = await self._charge(application, request)
        except (PoolEmpty, CapReached, Overloaded) as error:
            obstacles.append(words_of(error))
        plan = self._plan(application, request, charge)
        return CallForecast(
            obstacles=tuple(obstacle for obstacle in obstacles if obstacle),
            caller=caller,
            callee=callee,
            max_duration_s=min(
                plan.max_duration_s, plan.application_max_duration_s or plan.max_duration_s
            ),
            cost_per_minute_micros=caller.cost_per_minute_micros + callee.cost_per_minute_micros,
            billed_s_per_minute=_billed_per_minute(application),
            price_per_minute_micros=_price_per_minute(application, charge),
        )

    def find_progress(self, application: Application, call_id: CallId) -> CallProgress | None:
        """Where the call stands; None where this node has it not in memory, or it is another's."""
        controller = self._live.get(call_id)
        if controller is None or controller.call.plan.app_id != application.app_id:
            return None
        return CallProgress(controller.call.state, controller.call.was_not_set_up)

    async def inspect(self, application: Application, call_id: CallId) -> LiveCall:
        """A live call. Raises CallNotFound or CallHasEnded."""
        controller = await self._find(application, call_id)
        call, conversation = controller.call, controller.call.conversation
        return LiveCall(
            state=call.state,
            muted=conversation.muted,
            held=conversation.held,
            is_recording_paused=conversation.is_recording_paused,
            timeline=controller.timeline,
        )

    async def release(
        self,
        application: Application,
        call_id: CallId,
        condition: ReleaseCondition = UNCONDITIONAL,
    ) -> None:
        """End the call. Raises CallNotFound, CallHasEnded, or ConditionNotMet, and then the call
        goes on."""
        controller = await self._find(application, call_id)
        # The machine decides, in the state in which it acts.
        asked = ReleaseRequested(condition.only_unconnected, condition.after_s)
        try:
            controller.request(asked)
        except ReleaseConditionNotMet as error:
            raise ConditionNotMet(words_of(error)) from error

    async def set_muted(
        self, application: Application, call_id: CallId, side: Side, *, muted: bool
    ) -> None:
        """Keep what that side says from the other and from the recording, or no longer. Raises
        CallNotFound, CallHasEnded or NotConnected."""
        await self._ask_connected(application, call_id, MuteRequested(side, muted))

    async def set_held(
        self, application: Application, call_id: CallId, side: Side, *, held: bool
    ) -> None:
        """Let that side wait, or no longer. Raises as `set_muted`."""
        await self._ask_connected(application, call_id, HoldRequested(side, held))

    async def set_recording_paused(
        self, application: Application, call_id: CallId, *, paused: bool
    ) -> None:
        """Capture nothing for a while, or again. Raises as `set_muted`, and NotRecorded."""
        controller = await self._find(application, call_id)
        if controller.call.plan.recording_id is None:
            raise NotRecorded
        _ask_connected(controller, RecordingPauseRequested(paused))

    async def continue_call(self, application: Application, call_id: CallId) -> None:
        """Lift the application's own maximum duration. Raises CallNotFound or CallHasEnded."""
        (await self._find(application, call_id)).feed(ContinueRequested())

    @property
    def live_enterprises(self) -> list[str]:
        """Those with calls on this node."""
        return self._gate.enterprises

    def end_calls_of(self, enterprise_id: str) -> int:
        """End the calls that the enterprise has on this node; returns how many there were."""
        ended = [self._live[call_id] for call_id in self._gate.calls_of(enterprise_id)]
        for controller in ended:
            controller.feed(ServiceWithdrawn())
        return len(ended)

    async def stop(self) -> None:
        """Take no more calls, wait for the live ones to end, then end what is left."""
        self._stopping = True
        if await self._wait_all_over(self._settings.drain_s):
            return
        for controller in list(self._live.values()):
            controller.feed(PlatformStopping())
        if not await self._wait_all_over(STOP_TIMEOUT_S):
            log.error("calls.left_open", count=len(self._live))

    async def _wait_all_over(self, timeout_s: float) -> bool:
        try:
            await asyncio.wait_for(self._all_over.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def _ask_connected(
        self, application: Application, call_id: CallId, asked: CallInput
    ) -> None:
        _ask_connected(await self._find(application, call_id), asked)

    async def _find_rules_against(
        self, application: Application, request: BeginCall
    ) -> tuple[str, ...]:
        try:
            return await self._needs.admission.find_obstacles(
                application, request.caller.e164, request.callee.e164
            )
        except StoreError as error:
            log.warning("call.rules_unknown", detail=str(error))
            return (_RULES_UNKNOWN,)

    def _find_shortage(self) -> str | None:
        """Why this node takes no call now, or None."""
        if self._stopping:
            return worded("The platform is stopping")
        if len(self._live) >= self._settings.live_max:
            return worded("The platform has no room for another call")
        if not self._needs.relay.has_room():
            return worded("The relay has no room for another call")
        return None

    def _find_message_obstacle(self, application: Application, request: BeginCall) -> str | None:
        """Why the messages that are to follow the call cannot, or None."""
        try:
            plan_messages(application.messages, request, self._message_limits)
        except MessageNotApproved as error:
            return words_of(error)
        except MessageTooLong as error:
            return worded("The message would be too long: %(error)s", error=error)
        return None

    def _plan(
        self,
        application: Application,
        request: BeginCall,
        charge: Charge | None = None,
        *,
        messages: tuple[PlannedMessage, ...] = (),
        claims: tuple[Claim, ...] = (),
    ) -> CallPlan:
        settings, limits = self._settings, application.limits
        options = _options(application, request)
        return CallPlan(
            call_id=create_call_id(),
            app_id=application.app_id,
            sponsor=request.sponsor,
            caller=request.caller,
            callee=request.callee,
            recording_id=create_recording_id() if request.record else None,
            send_direction=request.send_direction,
            caller_ring_timeout_s=_cap(
                options.caller_ring_timeout_s or settings.caller_ring_timeout_s,
                limits.ring_timeout_s_max,
            ),
            callee_ring_timeout_s=_cap(
                options.callee_ring_timeout_s or settings.callee_ring_timeout_s,
                limits.ring_timeout_s_max,
            ),
            max_duration_s=_cap(
                min(settings.max_duration_s, options.max_duration_s or settings.max_duration_s),
                limits.max_duration_s,
            ),
            application_max_duration_s=application.max_duration_s,
            options=options,
            codecs=self._codecs(options),
            transcodes=self._needs.relay.can_transcode,
            trunk_to_caller=_trunk_of(application, options.shown_to_caller, request),
            trunk_to_callee=_trunk_of(application, options.shown_to_callee, request),
            messages=messages,
            claims=claims,
            covered_s=None if charge is None else charge.covered_s,
            api=request.api,
            sink=request.sink,
            once=request.once,
            caller_web_phone=request.caller_web_phone,
        )

    def _codecs(self, options: CallOptions) -> tuple[Codec, ...]:
        """Those in which what must be heard can be played; where there is none, the call ends as
        soon as it comes to that."""
        relay = self._needs.relay
        if options.plays_what_must_be_heard:
            return relay.playable_codecs or relay.codecs
        return relay.codecs

    async def _find(self, application: Application, call_id: CallId) -> CallController:
        controller = self._live.get(call_id)
        if controller is None:
            if await self._needs.store.is_known(call_id, application.app_id):
                raise CallHasEnded
            raise CallNotFound
        if controller.call.plan.app_id != application.app_id:
            raise CallNotFound
        if controller.call.state in _OVER:
            raise CallHasEnded
        return controller

    def _on_over(self, controller: CallController) -> None:
        call_id = controller.call.plan.call_id
        self._live.pop(call_id, None)
        self._gate.leave(call_id)
        if not self._live:
            self._all_over.set()


def _options(application: Application, request: BeginCall) -> CallOptions:
    return application.options if request.options is None else request.options


def _missing_capability(application: Application, request: BeginCall) -> str | None:
    """What the application may not do of that, in words, or None."""
    if application.capabilities is ALL_CAPABILITIES:
        return None
    needed = [Capability.CLICK_TO_DIAL]
    if request.record:
        needed.append(Capability.RECORDING)
    if request.send_direction is not None:
        needed.append(Capability.MESSAGES)
    for capability in needed:
        if capability not in application.capabilities:
            return worded(
                "The application has not the capability %(capability)s", capability=capability
            )
    return None


def _may_show(application: Application, request: BeginCall) -> bool:
    """Whether all numbers that anybody would see are the application's."""
    options = _options(application, request)
    shown = {request.sponsor.e164, options.shown_to_caller, options.shown_to_callee} - {None}
    return shown <= application.sponsors


def _trunk_of(application: Application, shown: str | None, request: BeginCall) -> str | None:
    """The trunk of the number that a side is shown."""
    if not application.trunk_by_number:
        return None
    return application.trunk_by_number.get(shown or request.sponsor.e164)


def _billed_per_minute(application: Application) -> int:
    terms = application.pool_terms
    return 0 if terms is None else terms.tariff.rate(SECONDS_PER_MINUTE)


def _price_per_minute(application: Application, charge: Charge | None) -> int:
    """Of a call that begins now, to the enterprise: nothing while its packages last."""
    if charge is None or not charge.holds:
        return 0
    seconds = _billed_per_minute(application)
    return price_micros(seconds, charge.holds[0].micros_per_minute)


def _cap(value: int, limit: int | None) -> int:
    return value if limit is None else min(value, limit)


def _ask_connected(controller: CallController, asked: CallInput) -> None:
    """For what only joined parties may be asked. Raises NotConnected."""
    try:
        controller.request(asked)
    except CallStateError as error:
        raise NotConnected from error
