"""What the use cases need of the outside world. Adapters implement these; main.py joins them.

All of it runs on one event loop. A callback given to a port is called on that loop, never from
another thread and never before the call that registered it has returned.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from clicktodial.domain.application import Application
from clicktodial.domain.call import Call
from clicktodial.domain.cause import EndReason, LegCause, Side
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId, WebPhoneId
from clicktodial.domain.leg import CallQuality, TracedMessage
from clicktodial.domain.media import Codec, MediaAddress, MediaDescription, SrtpKey
from clicktodial.domain.minutes import Charge, Hold
from clicktodial.domain.plan import AnswerVerdict as AnswerVerdict
from clicktodial.domain.plan import Prompt
from clicktodial.domain.protection import CallFacts, Claim, RulesInForce
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.recording import Recording
from clicktodial.domain.trunk import Trunk

# Telephony

# Whose leg it is.
LegOwner: TypeAlias = tuple[CallId, Side]
# What a leg to a browser has for a trunk.
WEB_PHONE_ROUTE = "browser"


@dataclass(frozen=True, slots=True)
class LegPlan:
    """One leg to dial. Numbers are E.164 with plus; `shown` is all that the party may see, and
    not even that where `hides_number`.

    `ring_timeout_s` is told to the network, so that a phone stops by itself should the order to
    stop be lost. `offer` may list more codecs than a trunk takes, and keys that only a trunk of
    SRTP is told. The trunk that is preferred, as the number shown belongs to it, is tried first.
    `owner` is for a tracer. Where there is a `web_phone`, that browser is the party, in the place
    of whoever has the number.
    """

    destination: str
    shown: str
    offer: MediaDescription
    hides_number: bool = False
    ring_timeout_s: int | None = None
    preferred_trunk: str | None = None
    owner: LegOwner | None = None
    web_phone: WebPhoneId | None = None


@dataclass(frozen=True, slots=True)
class Ringing:
    """The phone rings (180, or 183 without audio)."""


@dataclass(frozen=True, slots=True)
class EarlyMedia:
    """A provisional response described audio."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class Answered:
    """200 came, was acknowledged, and its answer is usable."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class Offered:
    """The answered party describes its audio anew: another address, another codec, hold, or back
    from it.

    `answer_offer` or `refuse_offer` is owed within `decide_within_s`; no second one comes before
    that. `media` lists every codec that it would take, preferred first.
    """

    media: MediaDescription
    decide_within_s: float


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """What was offered with `reoffer` is answered, and holds from now on."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """What was offered with `reoffer` was refused, for good; the session is as it was before."""

    sip_status: int


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """The answered party pressed a key, told by SIP INFO: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """The answered party's audio is as described from now on; nothing is owed."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is over by the other side's or the network's doing; nothing follows."""

    cause: LegCause


LegEvent: TypeAlias = (
    Ringing
    | EarlyMedia
    | Answered
    | Offered
    | OfferAnswered
    | OfferRefused
    | DigitReceived
    | MediaChanged
    | Ended
)


class Leg(Protocol):
    """An outgoing leg in the telephony adapter's hands."""

    @property
    def trunk_name(self) -> str | None: ...

    @property
    def sip_call_id(self) -> str | None: ...

    def hang_up(self, *, q850: int | None = None) -> None:
        """End it in any state (CANCEL, BYE, or both when they cross). No event follows.

        `q850` is told to the network as the reason (RFC 3326)."""

    def reoffer(self, media: MediaDescription) -> None:
        """Offer other audio to the answered party (re-INVITE); OfferAnswered or OfferRefused
        follows, unless the leg ends. Waits where an offer of either side is open; one of ours at a
        time."""

    def answer_offer(self, codec: Codec) -> bool:
        """Take what Offered told, with that codec of it from now on. False, and nothing happens,
        where the leg, or the wait, is over."""

    def refuse_offer(self) -> None:
        """Refuse it; the leg stays as it was. Nothing happens as above."""


class Telephony(Protocol):
    """Places legs through the trunks, with fail-over before ringing."""

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> Leg: ...


@dataclass(frozen=True, slots=True)
class TrunkForecast:
    """What would become of a leg that is placed now: its trunk, or why there is none."""

    trunk_name: str | None
    cost_per_minute_micros: int = 0
    obstacle: str = ""


class TrunkForecaster(Protocol):
    """Looks at the trunks without using them."""

    def forecast(self, destination: str, preferred_trunk: str | None = None) -> TrunkForecast:
        """For an E.164 number with plus. Never waits."""


@dataclass(frozen=True, slots=True)
class TrunkState:
    """How a trunk fares on this node. `channels` are its legs now.

    One that `is_down` does not answer when it is asked; others go before one that `is_resting`,
    since it failed lately or does not know us. `is_registered` is None where it does not register.
    """

    channels: int
    is_down: bool
    is_resting: bool
    is_registered: bool | None


class TrunkMonitor(Protocol):
    """Knows how trunks fare."""

    def state(self, trunk: Trunk) -> TrunkState:
        """Of a trunk, whether or not it is used. Never waits."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How an application server takes what it is told, by this node. While its breaker `is_open`,
    it is only asked now and then whether it is there again; `waiting` are the notifications in
    memory."""

    origin: str
    is_open: bool
    waiting: int


# Media


@dataclass(frozen=True, slots=True)
class RelayState:
    """How a relay fares. One that `is_up` may be drained, and take no more calls; `sessions` are
    those of this node, and `sessions_max` is None where it is not bounded by itself."""

    name: str
    is_up: bool
    takes_calls: bool
    sessions: int
    sessions_max: int | None


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """A key was pressed, told by RFC 4733 telephone-event: one of 0-9, *, #, A-D. Once a press."""

    digit: str


@dataclass(frozen=True, slots=True)
class AnswerJudged:
    """Machine detection came to its verdict; told at most once a listening."""

    verdict: AnswerVerdict


Heard: TypeAlias = DigitHeard | AnswerJudged


class RelayError(Exception):
    """The relay could not do what was asked."""


class RelaySession(Protocol):
    """The relay of one call. Commands take effect in the order given."""

    async def local_address(self, side: Side) -> MediaAddress:
        """The address to offer to that side; stable for the session. Raises RelayError."""

    async def set_remote(self, side: Side, media: MediaDescription) -> None:
        """Send that side's audio there. Raises RelayError."""

    async def local_crypto(self, side: Side) -> tuple[SrtpKey, ...]:
        """The keys to offer to that side, stable for the session; none where the relay knows no
        SRTP. A remote description that bears a key makes that side's stream SRTP. Raises
        RelayError."""

    async def play(
        self, side: Side, prompt: Prompt, on_end: Callable[[], None] | None = None
    ) -> None:
        """Play to that side in place of whatever it would hear; replaces a prompt that plays.

        `on_end` is called once when a prompt that does not repeat was heard to its end, and not
        when it is stopped or replaced. The side's remote media must be set. Raises RelayError.
        """

    async def stop_playing(self, side: Side) -> None:
        """Nothing happens where nothing plays. Raises RelayError."""

    async def listen(
        self, side: Side, on_heard: Callable[[Heard], None], *, judges_answer: bool
    ) -> None:
        """Tell of keys and, where it `judges_answer`, of who seems to speak there, until
        `stop_listening`. The side's remote media must be set. Raises RelayError."""

    async def stop_listening(self, side: Side) -> None:
        """Nothing happens where nobody listens. Raises RelayError."""

    async def set_muted(self, side: Side, *, muted: bool) -> None:
        """Whether what that side says is kept from the other, and from the recording. What is
        played to either side is heard all the same. Raises RelayError."""

    async def set_patient(self, *, patient: bool) -> None:
        """Whether silence of both sides is no reason to tell `on_dead`: a party holds the other,
        and may send nothing for long. Raises RelayError."""

    async def start_recording(self) -> None:
        """Capture what both sides send from now on. Raises RelayError."""

    async def pause_recording(self) -> None:
        """Capture nothing until `resume_recording`; the recording has silence for as long.
        Raises RelayError."""

    async def resume_recording(self) -> None:
        """Nothing happens where it is not paused. Raises RelayError."""

    async def quality(self) -> CallQuality:
        """What came from both sides since the session opened, and how it fared since this was
        asked last. Raises RelayError."""

    async def close(self) -> "Capture | None":
        """Release all; returns what was captured when recording had been started."""


class Relay(Protocol):
    """Opens relay sessions."""

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> RelaySession:
        """A session with ports of its own; `on_dead(detail)` is called at most once, when no
        packet has come from either side for the configured time. Raises RelayError."""

    def has_room(self) -> bool:
        """Whether another session may be opened within the configured limits."""

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """What it carries by its settings, preferred first."""

    @property
    def playable_codecs(self) -> tuple[Codec, ...]:
        """Those of `codecs` in which a side can be played to; the others are for calls of which
        no side needs to hear a prompt."""

    @property
    def can_transcode(self) -> bool:
        """Whether the two sides may speak different codecs."""


# Recording


@dataclass(frozen=True, slots=True)
class Capture:
    """What the relay wrote of one call: a capture file per side; None where no packet came.

    `started_at` is when the capture began, in seconds since 1970; None where nobody knows, and
    then the earliest packet counts. A capture that was paused may go on in other files, each
    `continued` by none.
    """

    caller_path: str | None
    callee_path: str | None
    started_at: float | None = None
    continued: tuple["Capture", ...] = ()

    @property
    def caller_paths(self) -> tuple[str, ...]:
        """The caller's files, in order."""
        return tuple(each.caller_path for each in self._parts if each.caller_path is not None)

    @property
    def callee_paths(self) -> tuple[str, ...]:
        """The callee's files, in order."""
        return tuple(each.callee_path for each in self._parts if each.callee_path is not None)

    @property
    def _parts(self) -> tuple["Capture", ...]:
        return (self, *self.continued)


@dataclass(frozen=True, slots=True)
class RecordingOutcome:
    """What became of a recording, and for how many whole seconds of it each side said nothing;
    None where there is no recording."""

    result: RecordingResult
    caller_silence_s: int | None = None
    callee_silence_s: int | None = None


class Recorder(Protocol):
    """Makes an audio file of a capture, stores it and records that it did."""

    async def finish(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId, capture: Capture
    ) -> RecordingOutcome:
        """Runs in the background until published; never raises for a bad capture."""


class RecordingCatalog(Protocol):
    """Which recordings exist, durably."""

    async def add(self, recording: Recording) -> None:
        """Durable on return; adding the same again changes nothing."""

    async def find(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId
    ) -> Recording | None: ...


# Storage


class StoreError(Exception):
    """The database did not take a write in time."""


class StoreConflict(StoreError):
    """The database refused the write: the row exists, or another process changed it."""


class FoundCall(NamedTuple):
    """A call in the database; `is_here` where this node placed it."""

    call_id: CallId
    is_here: bool


class CallStore(Protocol):
    """Where calls and their events are made durable, in the order given per call."""

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Insert the call's row and its first events in one transaction, count its plan's claims
        and hold what its charge says. StoreError when the writer is overloaded or the database
        fails; StoreConflict where a claim or the seconds are not there any more."""

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Change the call's row and append the events in one transaction. What the row will
        say is taken from `call` before this returns. Retried until it succeeds.

        The terminal event settles what the call holds. Without events, after the terminal one,
        it changes what is kept of the legs."""

    def extend(self, call: Call, more: Sequence[Hold]) -> asyncio.Future[None]:
        """Hold more for a connected call, and add it to its charge. StoreConflict where the
        seconds are not there any more, or the call is over for another process."""

    def keep_timeline(self, call_id: CallId, timeline: QualityTimeline) -> asyncio.Future[None]:
        """Keep how a call sounded, of which there is a row. Nobody need wait for it."""

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        """Whether that application ever had that call."""

    async def find_open(self, app_id: AppId, caller: str, callee: str) -> list[FoundCall]:
        """The application's calls between these E.164 numbers, of whatever node, that the
        database does not know to be over. Raises StoreError."""


class Notifier(Protocol):
    """Delivers events that are durable already."""

    def publish(self, events: Sequence[StatusEvent]) -> None: ...


class FactsReader(Protocol):
    """Knows of the parties of a call what is kept of them."""

    async def read(
        self, rules: RulesInForce, enterprise_id: str, caller: str, callee: str, now: datetime
    ) -> CallFacts:
        """What those rules need of these E.164 numbers, in one read. Raises StoreError."""


Make: TypeAlias = Callable[[tuple[Claim, ...]], Awaitable[CallId]]


class Admission(Protocol):
    """Whether who is to be called may be called by that caller, so often, now."""

    async def admit(self, application: Application, caller: str, callee: str, make: Make) -> CallId:
        """Have `make` make the call with the claims that it must be made durable with; made
        again, judged anew, where it raises StoreConflict.

        Raises what `make` does, and before that PartyBlacklisted, CallerNotMember,
        CalleeNotToBeCalled, CalleeInQuietHours, CalleeCalledTooOften, CapReached or Overloaded.
        """

    async def find_obstacles(
        self, application: Application, caller: str, callee: str
    ) -> tuple[str, ...]:
        """All that stands against the call, in words. Raises StoreError."""


class NoAdmission:
    """Everybody may call everybody."""

    async def admit(self, application: Application, caller: str, callee: str, make: Make) -> CallId:
        """See Admission."""
        return await make(())

    async def find_obstacles(
        self, application: Application, caller: str, callee: str
    ) -> tuple[str, ...]:
        """See Admission."""
        return ()


class Minutes(Protocol):
    """Knows what is left in the pools. Looks only: the store holds, and may find it gone."""

    async def plan(self, application: Application, caller: str, now: datetime) -> Charge | None:
        """What a call of that caller (E.164 with plus) is to hold; None where it is free.

        Raises PoolEmpty or CapReached where it may not begin, and StoreError."""

    async def plan_more(self, charge: Charge, now: datetime) -> tuple[Hold, ...]:
        """What it may hold besides, to go on; nothing where nothing is left. Raises
        StoreError."""


class NoMinutes:
    """Every call is free."""

    async def plan(self, application: Application, caller: str, now: datetime) -> Charge | None:
        """See Minutes."""
        return None

    async def plan_more(self, charge: Charge, now: datetime) -> tuple[Hold, ...]:
        """See Minutes."""
        return ()


OnTraced: TypeAlias = Callable[[Mapping[Side, tuple[TracedMessage, ...]]], None]


class SignalTracer(Protocol):
    """Keeps what passed between us and the networks, for whoever looks at a call later."""

    def finish(self, call_id: CallId, reason: EndReason | None, on_traced: OnTraced) -> None:
        """The call is over: tell what was kept of it, in a while, if it is wanted."""


class NoTracer:
    """Nothing is kept."""

    def finish(self, call_id: CallId, reason: EndReason | None, on_traced: OnTraced) -> None:
        """See SignalTracer."""


class Applications(Protocol):
    """Looks applications up, from memory where it can."""

    async def find(self, app_id: AppId) -> Application | None: ...


class Clock(Protocol):
    """Both clocks, so that tests can hold them."""

    def monotonic_s(self) -> float: ...

    def utc(self) -> datetime: ...
