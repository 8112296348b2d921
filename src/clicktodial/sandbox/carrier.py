"""A simulated carrier: any number that is dialled is a phone, on real SIP and RTP.

It knows nothing of the platform but what arrives in packets. Every call is bounded in length,
and their number too; what is over is refused with 503, as a carrier does that is full.
"""

import asyncio
import random as random_module
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import structlog

from clicktodial.domain.media import PCMA, PCMU, Codec, MediaAddress, MediaDescription
from clicktodial.domain.number import mask_number
from clicktodial.sandbox.audio import AudioStream, open_rtp_socket
from clicktodial.sandbox.behaviour import NumberingPlan, create_numbering_plan
from clicktodial.sandbox.listener import Earful, Heard, Listener
from clicktodial.sandbox.phone import Phone, PhoneCall, PhoneState
from clicktodial.sandbox.report import Report, Reporter, ReportKind
from clicktodial.sandbox.sip_report import report_message
from clicktodial.sandbox.talker import Recital, Talker
from clicktodial.sandbox.ticker import Ticker
from clicktodial.sip.aio.endpoint import EventHandler, SipEndpoint
from clicktodial.sip.event import IncomingInvite, SessionEvent, SessionOffered
from clicktodial.sip.user_agent import Address, Session, SessionStateError

log = structlog.get_logger()

# E.164 has 15 digits, national prefixes add some; more is no number that anyone dials.
_DIALLED = re.compile(r"\+?[0-9]{3,20}")
_VISUAL_SEPARATORS = re.compile(r"[-.()]")
_NOT_ACCEPTABLE = (488, "Not Acceptable Here")
_USER_AGENT = "clicktodial-sandbox"
_REQUEST_LINE = re.compile(rb"[A-Z]{3,16} sips?:([^@\s]{1,64})@")
# Judging what was heard takes some milliseconds of one thread; when more than this wait, calls
# are counted and not listened to, so that a load test is never held up by its own ears.
_JUDGEMENTS_WAITING_MAX = 64
# A phone listens for a melody after its first full turn, and again until one is recognised.
_FIRST_LISTEN_PACKETS = 125
_NEXT_LISTEN_PACKETS = 75
_LISTENS_MAX = 20


@dataclass(frozen=True, slots=True)
class CarrierLimits:
    """How much the carrier takes on."""

    calls_max: int = 1000
    call_seconds_max: float = 3600.0


class _SipLine:
    """`phone.Line` over a SIP session."""

    def __init__(self, endpoint: SipEndpoint, session: Session) -> None:
        self._endpoint = endpoint
        self._session = session

    def ring(self, sdp: bytes | None = None) -> None:
        self._command(lambda: self._endpoint.ring(self._session, sdp))

    def answer(self, sdp: bytes) -> None:
        self._command(lambda: self._endpoint.answer(self._session, sdp))

    def reject(self, status: int, phrase: str) -> None:
        self._command(lambda: self._endpoint.reject(self._session, status, phrase))

    def hang_up(self) -> None:
        self._endpoint.hang_up(self._session)

    def decide_offer(self, offer: MediaDescription, codec: Codec) -> None:
        """Take a change of the other side's audio that leaves the codec as it was."""
        if codec in offer.codecs:
            self._command(lambda: self._endpoint.accept_offer(self._session, codec))
        else:
            self._command(lambda: self._endpoint.refuse_offer(self._session, *_NOT_ACCEPTABLE))

    def _command(self, command: Callable[[], None]) -> None:
        try:
            command()
        except SessionStateError:
            # A CANCEL was faster; the session's end is on its way to the phone.
            log.debug("carrier.command_late", call=self._session.call_id)


class _Studio:
    """`phone.Studio` over UDP sockets on one ticker."""

    def __init__(self, host: str, ticker: Ticker, random: random_module.Random) -> None:
        self._host = host
        self._ticker = ticker
        self._random = random

    def open_stream(self, remote: MediaAddress, codec: Codec, dtmf: Codec | None) -> AudioStream:
        rtp_socket = open_rtp_socket(self._host)
        stream = AudioStream(rtp_socket, remote, Listener(codec=codec, dtmf=dtmf))
        self._ticker.add(stream)
        return stream

    def close_stream(self, stream: AudioStream) -> None:
        self._ticker.remove(stream)
        stream.close()

    def create_talker(self, codec: Codec, dtmf: Codec | None, recital: Recital) -> Talker:
        return Talker(codec=codec, dtmf=dtmf, recital=recital, random=self._random)


class _Judge:
    """Listens to what phones heard, in a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="carrier-judge")
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        return len(self._waiting) >= _JUDGEMENTS_WAITING_MAX

    def judge(self, earful: Earful, on_judged: Callable[[Heard], None]) -> None:
        """Call back with the judgement; only counts when too many wait."""
        if self.is_busy:
            on_judged(earful.judge(listen=False))
            return
        task = asyncio.create_task(self._judge(earful, on_judged))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _judge(self, earful: Earful, on_judged: Callable[[Heard], None]) -> None:
        loop = asyncio.get_running_loop()
        on_judged(await loop.run_in_executor(self._executor, earful.judge))

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        while self._waiting:
            await asyncio.gather(*self._waiting)
        self._executor.shutdown()


class Carrier:
    """The phones, and the SIP endpoint that they share. `start`, then `close`."""

    def __init__(
        self,
        *,
        report: Reporter,
        plan: NumberingPlan | None = None,
        limits: CarrierLimits | None = None,
        report_sip: bool = False,
        ticker: Ticker | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        """`report_sip` reports every SIP message too; `ticker` is for tests."""
        self._report = report
        self._plan = plan or create_numbering_plan()
        self._limits = limits or CarrierLimits()
        self._endpoint = SipEndpoint(
            user_agent=_USER_AGENT,
            on_invite=self._on_invite,
            on_message=(lambda *message: report_message(report, *message)) if report_sip else None,
            admits=self._admits,
        )
        self._random = random or random_module.Random()
        self._ticker = ticker or Ticker()
        self._judge = _Judge()
        self._calls: dict[Phone, _Handles] = {}
        self._studio: _Studio | None = None
        self.calls_refused = 0

    @property
    def address(self) -> Address:
        """Where SIP is received."""
        return self._endpoint.address

    @property
    def calls(self) -> int:
        """How many calls there are now."""
        return len(self._calls)

    async def start(self, host: str, port: int) -> None:
        """Take calls; port 0 takes any port. Audio is on the same host. Raises OSError."""
        self._studio = _Studio(host, self._ticker, self._random)
        await self._endpoint.start(host, port)

    async def close(self) -> None:
        """Hang up all phones, tell what they heard, and free all ports."""
        now = asyncio.get_running_loop().time()
        for phone in tuple(self._calls):
            phone.stop(now)
        await self._judge.close()
        await self._endpoint.close()

    # Incoming calls

    def _admits(self, datagram: bytes) -> bool:
        """False for a request to a phone that never responds.

        RFC 3261 17.2.1 has every user agent answer 100, and ours does at once; a phone that must
        not even do that has to lose its requests before.
        """
        number = _read_requested_number(datagram)
        if number is None or self._plan.behaviour_of(number).steps:
            return True
        self._report(Report(ReportKind.IGNORED, {"phone": number}))
        return False

    def _on_invite(self, session: Session, invite: IncomingInvite) -> EventHandler:
        line = _SipLine(self._endpoint, session)
        number = read_dialled_number(session.request_user)
        if number is None:
            return self._refuse(line, 404, "Not Found")
        if len(self._calls) >= self._limits.calls_max:
            self.calls_refused += 1
            log.warning("carrier.full", calls=len(self._calls), phone=mask_number(number))
            return self._refuse(line, 503, "Service Unavailable")
        codec = _spoken_codec(invite.offer) if invite.offer else None
        # A delayed offer would need the answer of the ACK; phones here want to know before.
        if invite.offer is None or codec is None:
            return self._refuse(line, *_NOT_ACCEPTABLE)
        call = PhoneCall(number, session.from_user, session.call_id, invite.offer, codec)
        phone = self._create_phone(call, line)
        # The endpoint must have taken the handler before it is given commands.
        start = asyncio.get_running_loop().call_soon(self._drive, phone, phone.start)
        self._calls[phone] = _Handles(step=start)

        def on_event(event: SessionEvent) -> None:
            if isinstance(event, SessionOffered):
                line.decide_offer(event.media, codec)  # a phone talks on with what it speaks
            else:
                self._on_event(phone, event)

        return on_event

    def _refuse(self, line: _SipLine, status: int, phrase: str) -> EventHandler:
        asyncio.get_running_loop().call_soon(line.reject, status, phrase)
        return _ignore

    def _create_phone(self, call: PhoneCall, line: _SipLine) -> Phone:
        assert self._studio is not None
        return Phone(
            call,
            self._plan.behaviour_of(call.number),
            line=line,
            studio=self._studio,
            report=self._report,
            call_seconds_max=self._limits.call_seconds_max,
            on_over=self._on_over,
        )

    # Phones at work

    def _drive(self, phone: Phone, act: Callable[[float], None]) -> None:
        """Let a phone act, then arm its next deadline."""
        loop = asyncio.get_running_loop()
        was_answered = phone.state is PhoneState.ANSWERED
        act(loop.time())
        handles = self._calls.get(phone)
        if handles is None:
            return
        if handles.step is not None:
            handles.step.cancel()
        deadline = phone.next_deadline()
        if deadline is not None:
            handles.step = loop.call_at(deadline, self._drive, phone, phone.handle_timeout)
        if phone.state is PhoneState.ANSWERED and not was_answered:
            handles.listen = loop.call_later(
                self._ticker.interval_s * _FIRST_LISTEN_PACKETS, self._listen, phone, _LISTENS_MAX
            )

    def _on_event(self, phone: Phone, event: SessionEvent) -> None:
        self._drive(phone, lambda now: phone.handle(event, now))

    def _on_over(self, phone: Phone) -> None:
        handles = self._calls.pop(phone, None)
        if handles is not None:
            handles.cancel()
        earful = phone.take_earful()
        if earful is not None:
            self._judge.judge(earful, lambda heard: self._tell_heard(phone, heard))

    def _listen(self, phone: Phone, listens_left: int) -> None:
        earful = phone.take_earful()
        if earful is not None and not self._judge.is_busy:
            self._judge.judge(earful, lambda heard: self._on_listened(phone, listens_left, heard))
        else:
            self._listen_again(phone, listens_left)

    def _on_listened(self, phone: Phone, listens_left: int, heard: Heard) -> None:
        if heard.melodies:
            self._report(
                Report(ReportKind.HEARS, {**phone.identity(), "melody": heard.melodies[-1]})
            )
        else:
            self._listen_again(phone, listens_left)

    def _listen_again(self, phone: Phone, listens_left: int) -> None:
        handles = self._calls.get(phone)
        if handles is not None and listens_left > 0:
            loop = asyncio.get_running_loop()
            handles.listen = loop.call_later(
                self._ticker.interval_s * _NEXT_LISTEN_PACKETS,
                self._listen,
                phone,
                listens_left - 1,
            )

    def _tell_heard(self, phone: Phone, heard: Heard) -> None:
        details = msgspec.to_builtins(heard)
        self._report(Report(ReportKind.HEARD, {**phone.identity(), **details}))


@dataclass(slots=True)
class _Handles:
    step: asyncio.Handle | None = None
    listen: asyncio.Handle | None = None

    def cancel(self) -> None:
        for handle in (self.step, self.listen):
            if handle is not None:
                handle.cancel()


def read_dialled_number(user: str) -> str | None:
    """The digits of a Request-URI's user part, or None for what is no number."""
    # RFC 3966 5.1.1: separators are for the eye; parameters after the number are not dialled.
    dialled = _VISUAL_SEPARATORS.sub("", user.partition(";")[0])
    return dialled.lstrip("+") if _DIALLED.fullmatch(dialled) else None


def _read_requested_number(datagram: bytes) -> str | None:
    """The number in a request's Request-URI, or None; no more of the message is looked at."""
    match = _REQUEST_LINE.match(datagram)
    return read_dialled_number(match[1].decode("ascii", "replace")) if match else None


def _spoken_codec(offer: MediaDescription) -> Codec | None:
    """What the phones here speak, of what is offered in the clear; the caller's preference."""
    if offer.crypto:
        return None
    return next((codec for codec in offer.codecs if codec.name in (PCMA.name, PCMU.name)), None)


def _ignore(_event: SessionEvent) -> None:
    """The end of a call that was refused tells nothing."""
