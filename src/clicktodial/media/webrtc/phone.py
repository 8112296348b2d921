"""Browsers that wait for their call, and the leg that a call sees of one.

    open --a call claims it--> CONNECTING --first packet--> ANSWERED
      |                            |                            |
      +-- nobody does in time -----+-- no packet in time -------+-- no packet any more --> over

A browser that was claimed belongs to that leg and is closed with it. It counts as answered when
audio comes from it and not before: a person behind a firewall that lets nothing through would
hear nobody. A page that is closed says nothing; its audio stops.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from clicktodial.control.port import (
    WEB_PHONE_ROUTE,
    Answered,
    Ended,
    Leg,
    LegEvent,
    LegPlan,
    OfferAnswered,
    OfferRefused,
    RelayError,
    Ringing,
    Telephony,
)
from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.identifier import WebPhoneId
from clicktodial.domain.media import Codec, MediaAddress, MediaDescription
from clicktodial.media.webrtc.error import (
    NoRoomForWebPhone,
    OfferUnusable,
    WebPhoneInUse,
)
from clicktodial.media.webrtc.gateway import WebGateway, WebSession
from clicktodial.media.webrtc.sdp import create_answer, parse_offer

log = structlog.get_logger()

# The call is begun in the same request: the database may be slow, and nothing else.
CLAIM_TIMEOUT_S = 15.0
# ICE and DTLS take some 0.3 s; a browser gives up ICE after 15 s without an answer.
CONNECT_TIMEOUT_S = 15.0
_CONNECT_POLL_S = 0.05
# A browser sends fifty packets a second, silence too; a network may stall for some seconds.
SILENT_MAX_S = 8.0
_WATCH_S = 2.0
_NOT_ACCEPTABLE = 488
NOT_CONNECTED_CAUSE = LegCause(LegOutcome.FAILED, None, "The browser did not connect", 27)
LEFT_CAUSE = LegCause(LegOutcome.HUNG_UP, None, "The browser went away", 16)
GONE_CAUSE = LegCause(LegOutcome.FAILED, None, "The browser waits no longer", 31)
CODEC_CAUSE = LegCause(LegOutcome.FAILED, _NOT_ACCEPTABLE, "No codec of the browser", 65)


@dataclass(slots=True, eq=False, kw_only=True)
class WebPhone:
    """One browser, for one call. `answer` is what it is to be told (SDP)."""

    phone_id: WebPhoneId
    owner: str
    session: WebSession
    codec: Codec
    dtmf: Codec | None
    answer: str
    unclaimed: asyncio.TimerHandle | None = None


class WebPhones:
    """All browsers of this node that are, or wait to be, in a call: one of each person."""

    def __init__(self, gateway: WebGateway, carried: tuple[Codec, ...]) -> None:
        """`carried` is what calls may speak, preferred first."""
        self._gateway = gateway
        self._carried = carried
        # A person that is being let in has None.
        self._by_owner: dict[str, WebPhone | None] = {}
        self._waiting: dict[WebPhoneId, WebPhone] = {}
        self._legs: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    async def open(self, owner: str, offer: str) -> WebPhone:
        """Let the browser of that person in, for a call that is begun at once. Raises
        WebPhoneError."""
        described = parse_offer(offer)
        codec = next((each for each in self._carried if each in described.codecs), None)
        if codec is None:
            raise OfferUnusable("The browser offers no codec that the platform carries.")
        if owner in self._by_owner:
            raise WebPhoneInUse
        phone_id = WebPhoneId(secrets.token_hex(16))
        self._by_owner[owner] = None
        try:
            session = await self._gateway.open(phone_id, described, codec)
        except RelayError as error:
            del self._by_owner[owner]
            log.warning("webrtc.refused", error=str(error))
            raise NoRoomForWebPhone from error
        except BaseException:
            del self._by_owner[owner]
            raise
        phone = WebPhone(
            phone_id=phone_id,
            owner=owner,
            session=session,
            codec=codec,
            dtmf=described.dtmf,
            answer=create_answer(described, session.facing, codec),
        )
        self._by_owner[owner] = self._waiting[phone_id] = phone
        loop = asyncio.get_running_loop()
        phone.unclaimed = loop.call_later(CLAIM_TIMEOUT_S, self.drop, phone)
        return phone

    def drop(self, phone: WebPhone) -> None:
        """There is no call for it after all; nothing happens where one has claimed it."""
        if self._waiting.pop(phone.phone_id, None) is not None:
            self.leave(phone)

    async def close(self) -> None:
        """Nobody waits any more, and no leg lives. Before the gateway closes."""
        for leg in self._legs:
            leg.cancel()
        for phone in [*self._by_owner.values()]:
            if phone is not None:
                self._waiting.pop(phone.phone_id, None)
                self.leave(phone)
        tasks = [*self._legs, *self._closings]
        if tasks:
            await asyncio.wait(tasks)

    # For legs

    def claim(self, phone_id: WebPhoneId) -> WebPhone | None:
        """It is that leg's now, which has to `leave`; None where it waits no more."""
        phone = self._waiting.pop(phone_id, None)
        if phone is not None and phone.unclaimed is not None:
            phone.unclaimed.cancel()
        return phone

    def leave(self, phone: WebPhone) -> None:
        """It is in no call any more: its person may come again."""
        if phone.unclaimed is not None:
            phone.unclaimed.cancel()
        if self._by_owner.get(phone.owner) is phone:
            del self._by_owner[phone.owner]
        _own(phone.session.close(), self._closings)

    def run_leg(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that `close` cancels."""
        return _own(work, self._legs)

    async def point(self, phone: WebPhone, address: MediaAddress) -> None:
        """Send its audio there. Raises RelayError."""
        await phone.session.point(self._gateway.find_remote(address))

    def describe(self, phone: WebPhone) -> MediaDescription:
        """What it is to the call's relay: a phone at the gateway."""
        address = MediaAddress(self._gateway.own_host, phone.session.plain_port)
        return MediaDescription(address, (phone.codec,), phone.dtmf)


class WebTelephony:
    """Implements control.port.Telephony: browsers here, all others through trunks."""

    def __init__(self, trunks: Telephony, phones: WebPhones) -> None:
        self._trunks = trunks
        self._phones = phones

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> Leg:
        """See control.port.Telephony."""
        if plan.web_phone is None:
            return self._trunks.place(plan, on_event)
        return WebLeg(self._phones, plan.web_phone, plan, on_event)


class WebLeg:
    """Implements control.port.Leg."""

    def __init__(
        self,
        phones: WebPhones,
        phone_id: WebPhoneId,
        plan: LegPlan,
        on_event: Callable[[LegEvent], None],
    ) -> None:
        self._phones = phones
        self._phone_id = phone_id
        self._plan = plan
        self._on_event = on_event
        self._phone = phones.claim(phone_id)
        self._is_over = False
        self._task = phones.run_leg(self._run())

    @property
    def trunk_name(self) -> str:
        """What stands in the place of a trunk."""
        return WEB_PHONE_ROUTE

    @property
    def sip_call_id(self) -> str:
        """What stands in the place of a Call-ID."""
        return self._phone_id

    def hang_up(self, *, q850: int | None = None) -> None:
        """See control.port.Leg. The page sees that its call is over."""
        self._is_over = True
        self._task.cancel()
        self._leave()

    def reoffer(self, media: MediaDescription) -> None:
        """See control.port.Leg. The gateway changes nothing: it agrees to what it has."""
        asyncio.get_running_loop().call_soon(self._answer_reoffer, media)

    def answer_offer(self, codec: Codec) -> bool:
        """See control.port.Leg. A browser makes no second offer."""
        return False

    def refuse_offer(self) -> None:
        """See control.port.Leg."""

    def _answer_reoffer(self, media: MediaDescription) -> None:
        phone = self._phone
        if self._is_over or phone is None:
            return
        if phone.codec in media.codecs:
            self._on_event(OfferAnswered(self._phones.describe(phone)))
        else:
            self._on_event(OfferRefused(_NOT_ACCEPTABLE))

    async def _run(self) -> None:
        phone = self._phone
        if phone is None:
            self._end(GONE_CAUSE)
            return
        if phone.codec not in self._plan.offer.codecs:
            self._end(CODEC_CAUSE)
            return
        try:
            await self._phones.point(phone, self._plan.offer.address)
            self._on_event(Ringing())
            if not await self._wait_connected(phone.session):
                self._end(NOT_CONNECTED_CAUSE)
                return
            self._on_event(Answered(self._phones.describe(phone)))
            await self._wait_silent(phone.session)
            self._end(LEFT_CAUSE)
        except RelayError as error:
            log.warning("webrtc.failed", error=str(error))
            self._end(NOT_CONNECTED_CAUSE)

    async def _wait_connected(self, session: WebSession) -> bool:
        """Whether audio came in time."""
        give_up_at = asyncio.get_running_loop().time() + CONNECT_TIMEOUT_S
        while not await session.count_packets():
            if asyncio.get_running_loop().time() >= give_up_at:
                return False
            await asyncio.sleep(_CONNECT_POLL_S)
        return True

    async def _wait_silent(self, session: WebSession) -> None:
        """Return when no audio has come for too long."""
        loop = asyncio.get_running_loop()
        count, heard_at = 0, loop.time()
        while loop.time() - heard_at < SILENT_MAX_S:
            await asyncio.sleep(_WATCH_S)
            before, count = count, await session.count_packets()
            if count != before:
                heard_at = loop.time()

    def _end(self, cause: LegCause) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._leave()
        self._on_event(Ended(cause))

    def _leave(self) -> None:
        phone, self._phone = self._phone, None
        if phone is not None:
            self._phones.leave(phone)


def _own(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
