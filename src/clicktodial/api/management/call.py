"""`/calls`: an application's calls, with all that may be wished for one and done with it."""

from dataclasses import replace
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.api.idempotency import KeyMalformed, find_key_hash, hash_request
from clicktodial.api.management.call_view import (
    BegunCall,
    CallPage,
    CallView,
    Forecast,
    QualityTimelineView,
    ReplayedNotifications,
    render_call,
    render_forecast,
    render_summary,
    render_timeline,
)
from clicktodial.api.management.option import OptionsChange, check_audios, parse_options
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_cursor,
    parse_limit,
    render_cursor,
)
from clicktodial.api.management.problem import (
    CALL_ENDED,
    CAP_REACHED,
    CONDITION_NOT_MET,
    IDEMPOTENCY_KEY_REUSED,
    INVALID_PARAMETER,
    INVALID_VALUE,
    LIMIT_REACHED,
    MESSAGE_NOT_APPROVED,
    MESSAGE_TOO_LONG,
    MISSING_PROPERTY,
    NOT_CONNECTED,
    NOT_FOUND,
    NOT_RECORDED,
    NUMBER_NOT_AUTHORIZED,
    POOL_EMPTY,
    RULE_PROBLEMS,
    Problem,
    Refused,
)
from clicktodial.api.management.route import (
    Ask,
    Created,
    Parameter,
    Route,
    check_active,
    require_sight,
)
from clicktodial.api.management.schema import Identifier, Strict, WrittenNumber
from clicktodial.api.management.worker import Worker
from clicktodial.api.v1.mapping import IDENTIFIER_PATTERN, parse_call_id
from clicktodial.control.error import CallHasEnded, CallNotFound
from clicktodial.control.once import OnceBegin, OnceBegins
from clicktodial.control.port import Applications
from clicktodial.control.service import BeginCall, CallService, LiveCall, ReleaseCondition
from clicktodial.control.sponsor_choice import SponsorChooser
from clicktodial.domain.application import Application
from clicktodial.domain.call import SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.number import NumberError, PhoneNumber, parse_number
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.principal import Role
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.storage.error import NotFound
from clicktodial.storage.event_replay import CallReplay, EventReplays
from clicktodial.storage.history import CallHistory
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX
from clicktodial.storage.options_codec import audios_of, check_options
from clicktodial.storage.value import DURATION_S_MAX

_AppId = Annotated[
    Identifier,
    Meta(description="Whose call it is; required of people, and known of a program."),
]


class BeginBody(Strict, frozen=True):
    """A call that is wished. Of `options`, those that are not given are the application's own."""

    caller: Annotated[WrittenNumber, Meta(description="Who is rung first.")]
    callee: Annotated[WrittenNumber, Meta(description="Who is rung then; another number.")]
    sponsor: (
        Annotated[
            WrittenNumber,
            Meta(
                description="What both see; one that the application may show. Without it one of "
                "a pool is chosen."
            ),
        ]
        | UnsetType
    ) = UNSET
    pool: (
        Annotated[
            Identifier,
            Meta(
                description="The pool to choose of; by default the only one, or the one named "
                "`default`."
            ),
        ]
        | UnsetType
    ) = UNSET
    callee_city: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=CITY_CHARACTERS_MAX,
                description="Where the callee is, of whose city the number is to be; by default "
                "what the callee's number says.",
            ),
        ]
        | UnsetType
    ) = UNSET
    record: Annotated[bool, Meta(description="Whether the conversation is recorded.")] = False
    send_direction: (
        Annotated[
            SendDirection,
            Meta(
                description="To whom a message goes after the call, by its approved template: MO "
                "the caller, MT the callee, BOTH each of them. Without it to nobody."
            ),
        ]
        | UnsetType
    ) = UNSET
    options: OptionsChange | UnsetType = UNSET
    app_id: _AppId | UnsetType = UNSET


class ReleaseBody(Strict, frozen=True):
    """The call is released only where all of it holds, and else goes on as it was."""

    only_unconnected: Annotated[bool, Meta(description="The parties are not joined.")] = False
    after_s: Annotated[
        int,
        Meta(
            ge=0,
            le=DURATION_S_MAX,
            description="So many seconds have passed since the joining, or since begin in a call "
            "that is not joined.",
        ),
    ] = 0


class SideBody(Strict, frozen=True):
    """Which party is meant."""

    side: Side


class CallResource:
    """Calls: of the application that asks, or of one that whoever asks may see."""

    def __init__(
        self,
        service: CallService,
        applications: Applications,
        history: CallHistory,
        library: AudioLibrary,
        worker: Worker,
        chooser: SponsorChooser,
        replays: EventReplays,
        *,
        region: str,
        once: OnceBegins | None = None,
    ) -> None:
        """Without `once`, Idempotency-Key means nothing."""
        self._once = once
        self._chooser = chooser
        self._replays = replays
        self._service = service
        self._applications = applications
        self._history = history
        self._library = library
        self._worker = worker
        self._region = region

    async def begin(self, ask: Ask) -> Created:
        """POST"""
        application, request = await self._read_request(ask)
        key_hash = _find_key(ask)
        if key_hash is None or self._once is None:
            return _begun(await self._service.begin(application, request))
        how = OnceBegin(
            lambda claim: self._service.begin(application, replace(request, once=claim)),
            _render_call_id,
            keeps_answer=False,
        )
        # The number of a pool is chosen anew each time: what was asked for counts, not what came
        # of it.
        request_hash = hash_request("beginCall", ask.raw_body)
        answer = await self._once.answer(application.app_id, key_hash, request_hash, how)
        return _begun(CallId(answer.body.decode()), is_replayed=answer.is_replayed)

    async def forecast(self, ask: Ask) -> Forecast:
        """POST .../forecast"""
        application, request = await self._read_request(ask, is_trial=True)
        return render_forecast(await self._service.forecast(application, request))

    async def list_all(self, ask: Ask) -> CallPage:
        """GET of all"""
        limit, before = parse_limit(ask.query), parse_cursor(ask.query)
        app_id = (await self._named(ask, ask.query.get("app_id"), INVALID_PARAMETER)).app_id
        # One more than is shown tells whether there is another page.
        calls = await self._worker.run(
            lambda: self._history.recent_calls(limit=limit + 1, app_id=app_id, before=before)
        )
        has_more = len(calls) > limit
        return CallPage(
            calls=[render_summary(call) for call in calls[:limit]],
            next=render_cursor(calls[limit - 1].place) if has_more else None,
        )

    async def show(self, ask: Ask) -> CallView:
        """GET of one"""
        call_id = _call_id(ask)
        try:
            call, events = await self._worker.run(lambda: self._history.call(call_id))
        except NotFound as error:
            raise CallNotFound from error
        application = await self._owner(ask, call.app_id)
        return render_call(call, events, await self._inspect(application, call_id))

    async def show_quality(self, ask: Ask) -> QualityTimelineView:
        """GET .../quality"""
        call_id = _call_id(ask)
        try:
            call, kept = await self._worker.run(lambda: self._history.timeline(call_id))
        except NotFound as error:
            raise CallNotFound from error
        application = await self._owner(ask, call.app_id)
        live = await self._inspect(application, call_id)
        return render_timeline(call, kept if live is None else live.timeline)

    async def release(self, ask: Ask) -> None:
        """POST .../release"""
        body = await ask.read(ReleaseBody, or_empty=ReleaseBody())
        condition = ReleaseCondition(only_unconnected=body.only_unconnected, after_s=body.after_s)
        await self._service.release(*await self._find(ask), condition)

    async def proceed(self, ask: Ask) -> None:
        """POST .../continue"""
        await self._service.continue_call(*await self._find(ask))

    async def mute(self, ask: Ask) -> None:
        """POST .../mute"""
        await self._set_muted(ask, muted=True)

    async def unmute(self, ask: Ask) -> None:
        """POST .../unmute"""
        await self._set_muted(ask, muted=False)

    async def hold(self, ask: Ask) -> None:
        """POST .../hold"""
        await self._set_held(ask, held=True)

    async def resume(self, ask: Ask) -> None:
        """POST .../resume"""
        await self._set_held(ask, held=False)

    async def pause_recording(self, ask: Ask) -> None:
        """POST .../pause-recording"""
        await self._service.set_recording_paused(*await self._find(ask), paused=True)

    async def resume_recording(self, ask: Ask) -> None:
        """POST .../resume-recording"""
        await self._service.set_recording_paused(*await self._find(ask), paused=False)

    async def replay(self, ask: Ask) -> ReplayedNotifications:
        """POST .../notifications/replay"""
        _, call_id = await self._find_stored(ask)
        replay = CallReplay(call_id=call_id)
        replayed = await self._worker.run(lambda: self._replays.replay_call(replay))
        return ReplayedNotifications(count=replayed.count)

    async def _set_muted(self, ask: Ask, *, muted: bool) -> None:
        side = (await ask.read(SideBody)).side
        await self._service.set_muted(*await self._find(ask), side, muted=muted)

    async def _set_held(self, ask: Ask, *, held: bool) -> None:
        side = (await ask.read(SideBody)).side
        await self._service.set_held(*await self._find(ask), side, held=held)

    async def _find(self, ask: Ask) -> tuple[Application, CallId]:
        """The call of the path, with the application whose it is. Raises CallNotFound."""
        call_id = _call_id(ask)
        application = ask.identity.application
        if application is not None:
            # Whether the call is its own, the service knows.
            return application, call_id
        return await self._find_stored(ask)

    async def _find_stored(self, ask: Ask) -> tuple[Application, CallId]:
        """The same, where the service is not asked. Raises CallNotFound."""
        call_id = _call_id(ask)
        app_id = await self._worker.run(lambda: self._history.application_of(call_id))
        if app_id is None:
            raise CallNotFound
        return await self._owner(ask, app_id), call_id

    async def _owner(self, ask: Ask, app_id: str) -> Application:
        """The application whose a call is, where its calls are of the asker's business. Raises
        CallNotFound."""
        own = ask.identity.application
        application = own or await self._applications.find(AppId(app_id))
        if application is None or application.app_id != app_id:
            raise CallNotFound
        require_sight(ask, application.enterprise_id)
        return application

    async def _named(
        self, ask: Ask, app_id: str | None, problem: Problem, pointer: str | None = None
    ) -> Application:
        """The application that people name, or that a program is. Raises Refused, with `problem`
        where people name none."""
        own = ask.identity.application
        if own is not None and app_id in (None, own.app_id):
            return own
        if app_id is None:
            raise Refused(problem, "app_id is required of people", pointer=pointer)
        application = None if own else await self._applications.find(AppId(app_id))
        if application is None:
            raise Refused(NOT_FOUND, "there is no such application")
        require_sight(ask, application.enterprise_id)
        return application

    async def _inspect(self, application: Application, call_id: CallId) -> LiveCall | None:
        try:
            return await self._service.inspect(application, call_id)
        except (CallHasEnded, CallNotFound):
            # It ended, just now perhaps, or lives on another node.
            return None

    async def _read_request(
        self, ask: Ask, *, is_trial: bool = False
    ) -> tuple[Application, BeginCall]:
        body = await ask.read(BeginBody)
        app_id = None if isinstance(body.app_id, UnsetType) else body.app_id
        application = await self._named(ask, app_id, MISSING_PROPERTY, "/app_id")
        check_active(application)
        caller = self._parse_number(body.caller, "/caller")
        callee = self._parse_number(body.callee, "/callee")
        # However the two are written: a phone cannot be joined with itself.
        if caller.e164 == callee.e164:
            raise Refused(INVALID_VALUE, "it is the caller's number too", pointer="/callee")
        return application, BeginCall(
            sponsor=self._sponsor(application, body, callee, is_trial=is_trial),
            caller=caller,
            callee=callee,
            record=body.record,
            send_direction=None
            if isinstance(body.send_direction, UnsetType)
            else body.send_direction,
            options=await self._merge(application, body.options),
        )

    def _sponsor(
        self, application: Application, body: BeginBody, callee: PhoneNumber, *, is_trial: bool
    ) -> PhoneNumber:
        """The number that is asked for, or one of a pool."""
        pool = None if isinstance(body.pool, UnsetType) else body.pool
        city = None if isinstance(body.callee_city, UnsetType) else body.callee_city
        if not isinstance(body.sponsor, UnsetType):
            if pool is not None or city is not None:
                raise Refused(INVALID_VALUE, "there is nothing to choose", pointer="/sponsor")
            return self._parse_number(body.sponsor, "/sponsor")
        if not application.pools and pool is None:
            raise Refused(
                MISSING_PROPERTY,
                "sponsor is required of an application without pools",
                pointer="/sponsor",
            )
        chosen = self._chooser.choose(
            application, callee, pool_name=pool, city=city, is_trial=is_trial
        )
        if chosen is None:
            raise Refused(
                INVALID_VALUE,
                "the application has no such pool, or the pool has no number",
                pointer="/pool",
            )
        return chosen

    async def _merge(
        self, application: Application, change: OptionsChange | UnsetType
    ) -> CallOptions | None:
        """The application's options with those of the request over them."""
        if isinstance(change, UnsetType):
            return None
        given = parse_options(change, region=self._region, pointer="/options")
        options = replace(application.options, **given)
        for name in ("shown_to_caller", "shown_to_callee"):
            if given.get(name) is not None and given[name] not in application.sponsors:
                raise Refused(NUMBER_NOT_AUTHORIZED, pointer=f"/options/{name}")
        check_options(options, application.sponsors)
        new = set(audios_of(options)) - set(audios_of(application.options))
        if new:
            await self._worker.run(lambda: check_audios(self._library, sorted(new)))
        return options

    def _parse_number(self, written: str, pointer: str) -> PhoneNumber:
        try:
            return parse_number(written, self._region)
        except NumberError as error:
            raise Refused(INVALID_VALUE, "it is not a telephone number", pointer=pointer) from error

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._begin_routes(), *self._read_routes(), *self._command_routes()]

    def _begin_routes(self) -> list[Route]:
        problems = (INVALID_VALUE, NUMBER_NOT_AUTHORIZED, NOT_FOUND)
        return [
            Route(
                name="beginCall",
                method="POST",
                path="/calls",
                summary="Begin a call",
                about="The caller's phone rings, then the callee's, and the two are joined. The "
                "answer comes when the call is stored, before any phone rings; what becomes of it "
                "is told by the notifications of v1. With an Idempotency-Key it may be sent twice, "
                "and begins one call.",
                handle=self.begin,
                body=BeginBody,
                body_example=_BEGIN | {"record": True, "options": {"presence": "key"}},
                answer=BegunCall,
                answer_example=BegunCall(call_id=_EXAMPLE_ID),
                status=201,
                problems=(
                    *problems,
                    MESSAGE_NOT_APPROVED,
                    MESSAGE_TOO_LONG,
                    POOL_EMPTY,
                    CAP_REACHED,
                    *RULE_PROBLEMS,
                    IDEMPOTENCY_KEY_REUSED,
                    LIMIT_REACHED,
                ),
                **_CHANGING,
            ),
            Route(
                name="forecastCall",
                method="POST",
                path="/calls/forecast",
                summary="Ask what would become of a call",
                about="A dry run: whether the two may be called now, through which trunks, at "
                "what cost, and if not, why. Nothing is stored, and no phone rings.",
                handle=self.forecast,
                body=BeginBody,
                body_example=_BEGIN,
                answer=Forecast,
                answer_example=_FORECAST,
                problems=problems,
                changes=False,
                **_CHANGING,
            ),
        ]

    def _read_routes(self) -> list[Route]:
        return [
            Route(
                name="listCalls",
                method="GET",
                path="/calls",
                summary="List calls",
                about="Of one application, the newest first. A program need not name its own.",
                handle=self.list_all,
                answer=CallPage,
                query=(*PAGE_PARAMETERS, _APP_ID_PARAMETER),
                problems=(INVALID_PARAMETER, NOT_FOUND),
                **_READING,
            ),
            Route(
                name="showCall",
                method="GET",
                path="/calls/{call_id}",
                summary="Read a call",
                about="Everything that is known of it: its state, its events and what became of "
                "their notifications, why it ended, and how each leg went.",
                handle=self.show,
                answer=CallView,
                parameters=_OF_CALL,
                problems=(NOT_FOUND,),
                **_READING,
            ),
            Route(
                name="showCallQuality",
                method="GET",
                path="/calls/{call_id}/quality",
                summary="Read how a call sounded",
                about="Of each side, from one moment to the next, of a call that goes on too: what "
                "came, what was lost, and what the other side would say of it.",
                handle=self.show_quality,
                answer=QualityTimelineView,
                parameters=_OF_CALL,
                problems=(NOT_FOUND,),
                **_READING,
            ),
        ]

    def _command_routes(self) -> list[Route]:
        joined: dict[str, Any] = _COMMAND | {"problems": (NOT_FOUND, CALL_ENDED, NOT_CONNECTED)}
        of_side = joined | {"body": SideBody, "body_example": {"side": "caller"}}
        recorded = joined | {"problems": (NOT_FOUND, CALL_ENDED, NOT_CONNECTED, NOT_RECORDED)}
        return [
            Route(
                name="releaseCall",
                path="/calls/{call_id}/release",
                summary="Release a call",
                about="In whatever state it is, or only under a condition.",
                handle=self.release,
                body=ReleaseBody,
                is_body_optional=True,
                body_example={"only_unconnected": True},
                problems=(NOT_FOUND, CALL_ENDED, CONDITION_NOT_MET),
                **_COMMAND,
            ),
            Route(
                name="continueCall",
                path="/calls/{call_id}/continue",
                summary="Let a call go on",
                about="Lifts the application's own maximum duration, and nothing else.",
                handle=self.proceed,
                problems=(NOT_FOUND, CALL_ENDED),
                **_COMMAND,
            ),
            Route(
                name="muteSide",
                path="/calls/{call_id}/mute",
                summary="Mute a side",
                about="What it says is kept from the other and from the recording.",
                handle=self.mute,
                **of_side,
            ),
            Route(
                name="unmuteSide",
                path="/calls/{call_id}/unmute",
                summary="Mute a side no longer",
                about="It is heard and recorded again.",
                handle=self.unmute,
                **of_side,
            ),
            Route(
                name="holdSide",
                path="/calls/{call_id}/hold",
                summary="Put a side on hold",
                about="It hears `hold_audio`, and neither hears the other.",
                handle=self.hold,
                **of_side,
            ),
            Route(
                name="resumeSide",
                path="/calls/{call_id}/resume",
                summary="Take a side off hold",
                about="The two hear each other again.",
                handle=self.resume,
                **of_side,
            ),
            Route(
                name="pauseRecording",
                path="/calls/{call_id}/pause-recording",
                summary="Pause the recording",
                about="Nothing is captured meanwhile; the recording has silence there.",
                handle=self.pause_recording,
                **recorded,
            ),
            Route(
                name="resumeRecording",
                path="/calls/{call_id}/resume-recording",
                summary="Resume the recording",
                about="Captures again.",
                handle=self.resume_recording,
                **recorded,
            ),
            Route(
                name="replayNotifications",
                path="/calls/{call_id}/notifications/replay",
                summary="Send notifications again",
                about="Those of the call that were given up wait again, as if never tried.",
                handle=self.replay,
                answer=ReplayedNotifications,
                answer_example=ReplayedNotifications(count=1),
                problems=(NOT_FOUND,),
                **(_COMMAND | {"status": 200, "is_recorded": False}),
            ),
        ]


def _find_key(ask: Ask) -> str | None:
    try:
        return find_key_hash(ask.headers)
    except KeyMalformed as error:
        raise Refused(INVALID_VALUE, str(error)) from error


async def _render_call_id(call_id: CallId) -> bytes:
    return call_id.encode()


def _begun(call_id: CallId, *, is_replayed: bool = False) -> Created:
    return Created(BegunCall(call_id=call_id), f"/calls/{call_id}", is_replayed)


def _call_id(ask: Ask) -> CallId:
    call_id = parse_call_id(ask.path["call_id"])
    if call_id is None:
        raise CallNotFound
    return call_id


_EXAMPLE_ID = "019a3f6e8b5c7d2e9f00112233445566"
_BEGIN = {"caller": "8613912345673", "callee": "8613810268653", "sponsor": "01052680000"}
_FORECAST = {
    "is_possible": True,
    "obstacles": [],
    "caller": {"trunk": "main", "cost_per_minute_micros": 20_000, "obstacle": None},
    "callee": {"trunk": "main", "cost_per_minute_micros": 20_000, "obstacle": None},
    "max_duration_s": 14_400,
    "cost_per_minute_micros": 40_000,
    "billed_s_per_minute": 60,
    "price_per_minute_micros": 0,
}
_OF_CALL = (
    Parameter(
        "call_id",
        "What the begin was answered with.",
        {"type": "string", "pattern": IDENTIFIER_PATTERN},
        example=_EXAMPLE_ID,
    ),
)
_APP_ID_PARAMETER = Parameter(
    "app_id",
    "Whose calls; required of people, and known of a program.",
    {"type": "string", "maxLength": 64},
    example="12345678",
)
_CHANGERS = frozenset({Role.APPLICATION, Role.OWNER, Role.DEVELOPER})
_READERS = _CHANGERS | {Role.READER, Role.SUPPORT, Role.OPERATOR}
_CHANGING: dict[str, Any] = {"tag": "Calls", "roles": _CHANGERS, "is_recorded": True}
_READING: dict[str, Any] = {"tag": "Calls", "roles": _READERS, "is_access": True}
_COMMAND: dict[str, Any] = _CHANGING | {"method": "POST", "status": 204, "parameters": _OF_CALL}
