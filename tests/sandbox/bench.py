"""A carrier on a free port, and someone who calls its phones."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from clicktodial.domain.media import (
    OFFERED_CODECS,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.sandbox.audio import AudioStream, open_rtp_socket
from clicktodial.sandbox.behaviour import Speech, Timings, create_numbering_plan
from clicktodial.sandbox.carrier import Carrier, CarrierLimits
from clicktodial.sandbox.listener import Heard, Listener
from clicktodial.sandbox.report import Report, ReportKind
from clicktodial.sandbox.talker import Talker
from clicktodial.sandbox.ticker import Ticker
from clicktodial.sandbox.voice import create_recital
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.event import SessionEvent
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.user_agent import Invitation, Session

# Twenty times as fast as life, for all waits and for the audio.
FAST = Timings(answer_s=0.05, late_answer_s=0.4, talk_s=0.25, announcement_s=0.1, key_s=0.1)
_FAST_PACKETS_S = 0.001
# A machine that is busy with other tests makes up for all of it: no test hangs on its pace.
_FAST_CATCH_UP_TICKS = 10_000
CALLER = "8613912345673"


def create_fast_ticker() -> Ticker:
    """A clock for audio that runs twenty times as fast as life."""
    return Ticker(_FAST_PACKETS_S, _FAST_CATCH_UP_TICKS)


class Reports(list[Report]):
    """All reports, and waiting for one that is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def __call__(self, report: Report) -> None:
        self.append(report)
        self._changed.set()

    def kinds(self) -> list[ReportKind]:
        return [report.kind for report in self]

    async def wait_for(self, kind: ReportKind, count: int = 1) -> Report:
        while self.kinds().count(kind) < count:
            self._changed.clear()
            await self._changed.wait()
        return [report for report in self if report.kind is kind][count - 1]


class _Waiter:
    """Looks on every tick whether enough was heard."""

    def __init__(self, listener: Listener, packets: int) -> None:
        self._listener = listener
        self._packets = packets
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tick(self) -> None:
        if self._listener.packets >= self._packets and not self.done.done():
            self.done.set_result(None)

    def skip(self, ticks: int) -> None:
        pass


class DialledCall:
    """A call as the one who dials sees it, with audio of its own."""

    def __init__(self, endpoint: SipEndpoint, ticker: Ticker, codecs: tuple[Codec, ...]) -> None:
        self._endpoint = endpoint
        self._ticker = ticker
        self._session: Session | None = None
        self.events: list[SessionEvent] = []
        self._changed = asyncio.Event()
        self._rtp_socket = open_rtp_socket("127.0.0.1")
        host, port = self._rtp_socket.getsockname()
        self.offer = MediaDescription(MediaAddress(host, port), codecs, TELEPHONE_EVENT)
        self._stream: AudioStream | None = None

    def dial(self, number: str, address: tuple[str, int], *, sdp: bytes | None = None) -> None:
        uri = f"sip:{number}@{address[0]}:{address[1]}"
        body = serialize_sdp(self.offer) if sdp is None else sdp
        invitation = Invitation(uri, uri, "sip:+861052680000@127.0.0.1", address, body)
        self._session = self._endpoint.invite(invitation, self._on_event)

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    def hang_up(self) -> None:
        self._endpoint.hang_up(self.session)

    async def wait_for(self, kind: type[SessionEvent]) -> SessionEvent:
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    return event
            self._changed.clear()
            await self._changed.wait()

    def speak(self, media: MediaDescription, number: str = CALLER) -> Talker:
        """Send the melody of that number there, and listen."""
        codec = media.codecs[0]
        listener = Listener(codec=codec, dtmf=media.dtmf)
        self._stream = AudioStream(self._rtp_socket, media.address, listener)
        recital = create_recital(Speech.MELODY, number, codec)
        talker = Talker(codec=codec, dtmf=media.dtmf, recital=recital, random=random.Random(1))
        self._stream.speak(talker)
        self._ticker.add(self._stream)
        return talker

    @property
    def listener(self) -> Listener:
        assert self._stream is not None
        return self._stream.listener

    async def hear(self, packets: int) -> Heard:
        """What was heard when so many packets have come."""
        waiter = _Waiter(self.listener, packets)
        self._ticker.add(waiter)
        await waiter.done
        self._ticker.remove(waiter)
        return self.listener.snapshot().judge()

    def close(self) -> None:
        if self._stream is not None:
            self._ticker.remove(self._stream)
        self._rtp_socket.close()

    def _on_event(self, event: SessionEvent) -> None:
        self.events.append(event)
        self._changed.set()


class Bench:
    """A carrier, its reports, and calls to it."""

    def __init__(self, carrier: Carrier, reports: Reports, endpoint: SipEndpoint) -> None:
        self.carrier = carrier
        self.reports = reports
        self.endpoint = endpoint
        self._ticker = create_fast_ticker()
        self._calls: list[DialledCall] = []

    def call(
        self,
        number: str,
        *,
        codecs: tuple[Codec, ...] = OFFERED_CODECS,
        sdp: bytes | None = None,
    ) -> DialledCall:
        call = DialledCall(self.endpoint, self._ticker, codecs)
        self._calls.append(call)
        call.dial(number, self.carrier.address, sdp=sdp)
        return call

    def close(self) -> None:
        for call in self._calls:
            call.close()


@asynccontextmanager
async def open_bench(
    *,
    timings: Timings = FAST,
    limits: CarrierLimits | None = None,
    report_sip: bool = False,
    ticker: Ticker | None = None,
) -> AsyncGenerator[Bench]:
    reports = Reports()
    carrier = Carrier(
        report=reports,
        plan=create_numbering_plan(timings),
        limits=limits,
        report_sip=report_sip,
        ticker=ticker or create_fast_ticker(),
    )
    endpoint = SipEndpoint()
    await carrier.start("127.0.0.1", 0)
    await endpoint.start("127.0.0.1", 0)
    bench = Bench(carrier, reports, endpoint)
    try:
        yield bench
    finally:
        bench.close()
        await carrier.close()
        await endpoint.close()
