"""One simulated phone in one call: walks through the steps of its behaviour.

    RINGING --Answer--> ANSWERED --+
       |                           |
       +-- refusal, hang-up, CANCEL, BYE, length limit --> OVER

The phone acts when it is started, when a deadline passes and when its SIP session says something;
time is an argument. It does SIP through a `Line` and RTP through an `AudioStream`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from clicktodial.domain.media import Codec, MediaAddress, MediaDescription
from clicktodial.sandbox.audio import AudioStream
from clicktodial.sandbox.behaviour import (
    Announce,
    Answer,
    Behaviour,
    HangUp,
    PressKey,
    Refuse,
    Ring,
    Step,
    Wait,
)
from clicktodial.sandbox.listener import Earful
from clicktodial.sandbox.report import Report, Reporter, ReportKind
from clicktodial.sandbox.talker import Recital, Talker
from clicktodial.sandbox.voice import create_announcement, create_recital
from clicktodial.sip.event import SessionConfirmed, SessionEnded, SessionEvent
from clicktodial.sip.sdp import serialize_sdp


class PhoneState(StrEnum):
    """Where a phone stands in its call."""

    RINGING = "ringing"
    ANSWERED = "answered"
    OVER = "over"


class Line(Protocol):
    """The phone's end of its SIP session. Commands to a session that is over do nothing."""

    def ring(self, sdp: bytes | None = None) -> None: ...

    def answer(self, sdp: bytes) -> None: ...

    def reject(self, status: int, phrase: str) -> None: ...

    def hang_up(self) -> None: ...


class Studio(Protocol):
    """Where phones get their audio from."""

    def open_stream(self, remote: MediaAddress, codec: Codec, dtmf: Codec | None) -> AudioStream:
        """A stream that listens already. Raises OSError when there is no port."""

    def close_stream(self, stream: AudioStream) -> None: ...

    def create_talker(self, codec: Codec, dtmf: Codec | None, recital: Recital) -> Talker: ...


@dataclass(frozen=True, slots=True)
class PhoneCall:
    """What the phone was called with: `shown` is the number on its display."""

    number: str
    shown: str
    call_id: str
    offer: MediaDescription
    codec: Codec


class Phone:
    """One phone, one call."""

    def __init__(
        self,
        call: PhoneCall,
        behaviour: Behaviour,
        *,
        line: Line,
        studio: Studio,
        report: Reporter,
        call_seconds_max: float,
        on_over: Callable[["Phone"], None],
    ) -> None:
        self.call = call
        self.behaviour = behaviour
        self.state = PhoneState.RINGING
        self._steps: deque[Step] = deque(behaviour.steps)
        self._line = line
        self._studio = studio
        self._report = report
        self._call_seconds_max = call_seconds_max
        self._on_over = on_over
        self._stream: AudioStream | None = None
        self._waiting_until: float | None = None
        self._limit_at = 0.0
        self._answered_at: float | None = None

    def start(self, now: float) -> None:
        """The INVITE is here: take the first steps."""
        if self.state is PhoneState.OVER:
            return
        self._limit_at = now + self._call_seconds_max
        self._walk(now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` must be called; None once the call is over."""
        if self.state is PhoneState.OVER:
            return None
        if self._waiting_until is None:
            return self._limit_at
        return min(self._waiting_until, self._limit_at)

    def handle_timeout(self, now: float) -> None:
        """Go on where the wait is over; end a call that has become too long."""
        if self.state is PhoneState.OVER:
            return
        if now >= self._limit_at:
            self._hang_up("limit", now)
        elif self._waiting_until is not None and now >= self._waiting_until:
            self._waiting_until = None
            self._walk(now)

    def handle(self, event: SessionEvent, now: float) -> None:
        """Take what the session says. A phone acts only on the end; the rest it reports."""
        if self.state is PhoneState.OVER:
            return
        if isinstance(event, SessionConfirmed):
            self._tell(ReportKind.CONFIRMED)
        elif isinstance(event, SessionEnded):
            self._finish(now, by="other", status=event.cause.sip_status, text=event.cause.sip_text)

    def stop(self, now: float) -> None:
        """The carrier shuts down."""
        if self.state is not PhoneState.OVER:
            self._hang_up("carrier", now)

    def take_earful(self) -> Earful | None:
        """What was heard so far; None for a phone that never had audio."""
        return self._stream.listener.snapshot() if self._stream else None

    @property
    def packets_sent(self) -> int:
        """How many RTP packets left."""
        return self._stream.packets_sent if self._stream else 0

    def identity(self) -> dict[str, object]:
        """What every report of this phone says."""
        call = self.call
        return {"phone": call.number, "shown": call.shown, "call": call.call_id}

    # Steps

    def _walk(self, now: float) -> None:
        while self._steps and self._waiting_until is None and self.state is not PhoneState.OVER:
            self._take(self._steps.popleft(), now)

    def _take(self, step: Step, now: float) -> None:
        match step:
            case Wait(seconds):
                self._waiting_until = now + seconds
            case Ring():
                self._line.ring()
                self._tell(ReportKind.RINGING)
            case Announce():
                self._announce(now)
            case Answer(speech):
                self._answer(create_recital(speech, self.call.number, self.call.codec), now)
            case Refuse(status, phrase):
                self._refuse(status, phrase, now)
            case PressKey(key):
                if self._stream is not None and self._stream.press(key):
                    self._tell(ReportKind.PRESSED, key=key)
            case HangUp():
                self._hang_up("phone", now)
            case _:
                assert_never(step)

    def _announce(self, now: float) -> None:
        recital = create_announcement(self.call.number, self.call.codec)
        sdp = self._start_speaking(recital, now)
        if sdp is not None:
            self._line.ring(sdp)
            self._tell(ReportKind.ANNOUNCING)

    def _answer(self, recital: Recital, now: float) -> None:
        sdp = self._start_speaking(recital, now)
        if sdp is None:
            return
        self.state = PhoneState.ANSWERED
        self._answered_at = now
        self._line.answer(sdp)
        self._tell(ReportKind.ANSWERED, codec=self.call.codec.name)

    def _start_speaking(self, recital: Recital, now: float) -> bytes | None:
        """The SDP of a stream that speaks; None where there is no port, and the call is over."""
        call = self.call
        if self._stream is not None:
            self._stream.recite(recital)
        else:
            try:
                self._stream = self._studio.open_stream(
                    call.offer.address, call.codec, call.offer.dtmf
                )
            except OSError:
                self._refuse(503, "Service Unavailable", now)
                return None
            talker = self._studio.create_talker(call.codec, call.offer.dtmf, recital)
            self._stream.speak(talker)
        return serialize_sdp(MediaDescription(self._stream.address, (call.codec,), call.offer.dtmf))

    # Endings

    def _refuse(self, status: int, phrase: str, now: float) -> None:
        self._line.reject(status, phrase)
        self._tell(ReportKind.REFUSED, status=status, text=phrase)
        self._finish(now, by="phone", status=status, text=phrase)

    def _hang_up(self, by: str, now: float) -> None:
        self._line.hang_up()
        self._finish(now, by=by, status=None, text="")

    def _finish(self, now: float, *, by: str, status: int | None, text: str) -> None:
        self.state = PhoneState.OVER
        self._waiting_until = None
        if self._stream is not None:
            self._studio.close_stream(self._stream)
        talked_s = 0.0 if self._answered_at is None else now - self._answered_at
        self._tell(
            ReportKind.ENDED,
            by=by,
            status=status,
            text=text,
            answered=self._answered_at is not None,
            seconds=round(talked_s, 3),
            packets_sent=self.packets_sent,
        )
        self._on_over(self)

    def _tell(self, kind: ReportKind, **details: object) -> None:
        self._report(Report(kind, {**self.identity(), **details}))
