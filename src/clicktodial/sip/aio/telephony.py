"""control.port.Telephony over SIP trunks, with fail-over before ringing.

A leg is tried on one trunk after the other until one says something about the party. The next
trunk is tried where a trunk

- carries as many legs, or as many a second, as it may, or
- takes none of the codecs that are offered, or wants SRTP where there are no keys to offer, or
- sent no response at all within its `answer_timeout_s` (the last one is waited for as long as
  RFC 3261 does, 64*T1), or its name has no address, or
- failed before any sign of ringing, early media or an answer, by its own fault (trunk_fault.py).

A trunk whose name leads to several places (RFC 3263) is tried at one after the other, while they
are silent or answer 503, before the next trunk is.

Everything else is the leg's end: nobody is rung twice. An attempt that was given up is cancelled
as soon as its trunk wakes up, and hung up should it answer.

A trunk that was silent, or failed several times in a row, is tried after the others for a while.
"""

import asyncio
import random as random_module
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from clicktodial.control.port import (
    Answered,
    DigitReceived,
    EarlyMedia,
    Ended,
    Leg,
    LegEvent,
    LegPlan,
    MediaChanged,
    OfferAnswered,
    Offered,
    OfferRefused,
    Ringing,
    TrunkForecast,
)
from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.media import Codec, MediaDescription
from clicktodial.domain.number import mask_number
from clicktodial.domain.trunk import Transport, Trunk
from clicktodial.domain.wording import worded
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.aio.tracer import SipTracer
from clicktodial.sip.event import (
    SessionAnswered,
    SessionDigit,
    SessionEarlyMedia,
    SessionEnded,
    SessionEvent,
    SessionMediaChanged,
    SessionOfferAnswered,
    SessionOffered,
    SessionOfferRefused,
    SessionRinging,
    SessionTrying,
)
from clicktodial.sip.identity import Identity, IdentityWriter
from clicktodial.sip.location import Location, Target, order_locations
from clicktodial.sip.outgoing import NO_RESPONSE_CAUSE
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.trunk_fault import is_trunk_fault
from clicktodial.sip.trunk_media import create_offer, trunk_codecs
from clicktodial.sip.trunk_selection import TrunkStates, order_trunks
from clicktodial.sip.uri import DEFAULT_PORT, DEFAULT_TLS_PORT, bracket_host, is_ip_literal
from clicktodial.sip.user_agent import Flow, Hop, Invitation, Session, SessionStateError

log = structlog.get_logger()

_SERVICE_UNAVAILABLE = 503
# So many trunks are named in an obstacle; who has more looks at their list.
_NAMED_MAX = 8
_NOT_ACCEPTABLE = (488, "Not Acceptable Here")
NO_TRUNK_CAUSE = LegCause(LegOutcome.FAILED, _SERVICE_UNAVAILABLE, "No trunk", 38)
FULL_CAUSE = LegCause(LegOutcome.FAILED, _SERVICE_UNAVAILABLE, "Trunk limit reached", 42)
UNRESOLVED_CAUSE = LegCause(LegOutcome.FAILED, _SERVICE_UNAVAILABLE, "Trunk not resolved", 38)


class TrunkTelephony:
    """Places legs through trunks, as their order, weights and limits say."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        trunks: Callable[[], Sequence[Trunk]],
        resolver: TargetResolver | None = None,
        random: random_module.Random | None = None,
        identities: IdentityWriter | None = None,
        tracer: SipTracer | None = None,
    ) -> None:
        """`trunks` is asked anew for every leg. `random` shares calls by weight. The endpoint's
        messages pass the `tracer`, which is told whose they are."""
        self.tracer = tracer
        self._identities = identities or IdentityWriter()
        self._endpoint = endpoint
        self._trunks = trunks
        self._resolver = resolver or TargetResolver(DnsNames(speaks=endpoint.speaks))
        self._random = random or random_module.Random()
        self.states = TrunkStates(time.monotonic)

    def forecast(self, destination: str, preferred_trunk: str | None = None) -> TrunkForecast:
        """The trunk that a leg to that number would take now; takes no channel and no token.

        Of trunks that share calls by weight it is the heaviest. Whether one that wants SRTP is
        given keys is not known before there is a relay.
        """
        trunks = order_trunks(self._trunks(), destination, None, preferred_trunk)
        if not trunks:
            return TrunkForecast(None, obstacle=worded("no trunk carries the number"))
        ordered = sorted(trunks, key=self.states.is_resting)
        obstacles = [self._obstacle_of(trunk) for trunk in ordered]
        for trunk, obstacle in zip(ordered, obstacles, strict=True):
            if not obstacle:
                return TrunkForecast(trunk.name, trunk.cost_per_minute_micros)
        named = [
            worded("%(trunk)s %(trouble)s", trunk=trunk.name, trouble=trouble)
            for trunk, trouble in list(zip(ordered, obstacles, strict=True))[:_NAMED_MAX]
        ]
        return TrunkForecast(None, obstacle=worded("no trunk is free: %(trunks)s", trunks=named))

    def _obstacle_of(self, trunk: Trunk) -> str:
        if self.states.is_down(trunk):
            return worded("is down")
        if not self.states.has_channel(trunk):
            return worded("is full")
        if self.states.has_token(trunk):
            return ""
        return worded("takes no more calls in this second")

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> Leg:
        """Dial; never raises for what a trunk does. Without any trunk the leg ends with 503."""
        leg = TrunkLeg(self, plan, on_event)
        leg.try_next()
        return leg

    async def close(self) -> None:
        """Cancel the name look-ups that are under way."""
        await self._resolver.close()

    # For legs

    @property
    def endpoint(self) -> SipEndpoint:
        """Where INVITEs leave."""
        return self._endpoint

    @property
    def identities(self) -> IdentityWriter:
        """What tells the number shown."""
        return self._identities

    def select_trunks(self, destination: str, preferred: str | None = None) -> list[Trunk]:
        """The trunks in the order in which a leg to that number tries them now.

        The preferred one is first, unless it is resting.

        Those that are down are left out; where all are, they are tried all the same: a leg that
        may fail is better than one that must.
        """
        trunks = order_trunks(self._trunks(), destination, self._random, preferred)
        if len(trunks) < 2:
            return trunks
        up = [trunk for trunk in trunks if not self.states.is_down(trunk)]
        return sorted(up or trunks, key=self.states.is_resting)

    def resolve(self, trunk: Trunk, on_hops: Callable[[list[Hop]], None]) -> None:
        """Find where the trunk is, the place to try first in front; nothing where it has none.
        At once for a literal address or a remembered name, else later."""
        if is_ip_literal(trunk.host):
            on_hops([_hop_of(trunk, trunk.host, trunk.port, trunk.transport)])
            return
        target = Target(trunk.host, trunk.port, trunk.transport)
        known = self._resolver.find(target)
        if known is not None:
            on_hops(self._order(trunk, known))
        else:
            self._resolver.resolve(target, lambda found: on_hops(self._order(trunk, found)))

    def _order(self, trunk: Trunk, locations: Sequence[Location]) -> list[Hop]:
        ordered = order_locations(locations, self._random)
        return self.states.order_hops([_hop_of(trunk, *location) for location in ordered])


def _hop_of(trunk: Trunk, host: str, port: int, transport: Transport) -> Hop:
    if transport is Transport.TCP:
        return Flow(host, port or DEFAULT_PORT)
    if transport is Transport.TLS:
        tls = replace(trunk.tls, server_name=trunk.tls.server_name or trunk.host)
        return Flow(host, port or DEFAULT_TLS_PORT, transport, tls)
    return host, port or DEFAULT_PORT


@dataclass(slots=True)
class _Attempt:
    """The leg at one place of one trunk; `hops` are those after it."""

    trunk: Trunk
    is_last: bool
    hop: Hop | None = None
    hops: list[Hop] = field(default_factory=list)
    session: Session | None = None
    responded: bool = False
    is_counted: bool = False
    sdp: bytes = b""


class TrunkLeg:
    """One outgoing leg, on its first trunk or a later one."""

    __slots__ = (
        "_attempt",
        "_cause",
        "_is_over",
        "_on_event",
        "_plan",
        "_progressed",
        "_silence_timer",
        "_telephony",
        "_untried",
    )

    def __init__(
        self, telephony: TrunkTelephony, plan: LegPlan, on_event: Callable[[LegEvent], None]
    ) -> None:
        self._telephony = telephony
        self._plan = plan
        self._on_event = on_event
        self._untried = telephony.select_trunks(plan.destination, plan.preferred_trunk)
        self._untried.reverse()
        self._attempt: _Attempt | None = None
        self._silence_timer: asyncio.TimerHandle | None = None
        self._cause = NO_TRUNK_CAUSE
        self._progressed = False
        self._is_over = False

    @property
    def trunk_name(self) -> str | None:
        """The trunk that the leg is on, or was last."""
        return None if self._attempt is None else self._attempt.trunk.name

    @property
    def sip_call_id(self) -> str | None:
        """The Call-ID on that trunk."""
        attempt = self._attempt
        return None if attempt is None or attempt.session is None else attempt.session.call_id

    def hang_up(self, *, q850: int | None = None) -> None:
        """End the leg in any state, while a trunk's name is looked up too. Idempotent."""
        self._is_over = True
        self._give_up_attempt(q850)
        self._leave_trunk()

    def reoffer(self, media: MediaDescription) -> None:
        """See control.port.Leg. The trunk's codecs bound this offer too; the session keeps its
        profile, so that no trunk is needed to say which keys go into it."""
        attempt = self._attempt
        if attempt is None:
            return
        codecs = trunk_codecs(attempt.trunk, media)
        if codecs:
            offer = replace(media, codecs=codecs)
            self._command(lambda session: self._telephony.endpoint.reoffer(session, offer))
        else:
            # Later, as whatever a peer says.
            refused = SessionOfferRefused(_NOT_ACCEPTABLE[0])
            asyncio.get_running_loop().call_soon(self._on_session_event, attempt, refused)

    def answer_offer(self, codec: Codec) -> bool:
        """See control.port.Leg."""
        return self._command(lambda session: self._telephony.endpoint.accept_offer(session, codec))

    def refuse_offer(self) -> None:
        """See control.port.Leg."""
        self._command(
            lambda session: self._telephony.endpoint.refuse_offer(session, *_NOT_ACCEPTABLE)
        )

    def _command(self, command: Callable[[Session], None]) -> bool:
        """Whether the session was in a state to obey."""
        attempt = self._attempt
        if self._is_over or attempt is None or attempt.session is None:
            return False
        try:
            command(attempt.session)
        except SessionStateError:
            # The peer hung up, or was answered for us since whoever decides took too long.
            log.info("sip.offer_not_open", trunk=attempt.trunk.name)
            return False
        return True

    def try_next(self) -> None:
        """Dial on the next trunk, or end the leg where there is none."""
        if not self._untried:
            # A leg that was never dialled must not end before `place` has returned.
            asyncio.get_running_loop().call_soon(self._end, self._cause)
            return
        trunk = self._untried.pop()
        self._leave_trunk()
        self._attempt = attempt = _Attempt(trunk, is_last=not self._untried)
        offer = create_offer(self._plan.offer, trunk)
        if isinstance(offer, LegCause):
            self._fail_over(offer)
            return
        attempt.is_counted = self._telephony.states.take(trunk)
        if not attempt.is_counted:
            self._fail_over(FULL_CAUSE)
            return
        attempt.sdp = serialize_sdp(offer)
        self._telephony.resolve(attempt.trunk, lambda hops: self._dial(attempt, hops))

    def _dial(self, attempt: _Attempt, hops: list[Hop]) -> None:
        """Dial at the first of the hops; the attempt keeps the others."""
        if self._is_over or attempt is not self._attempt:
            return
        if not hops:
            self._telephony.states.note_silence(attempt.trunk)
            self._fail_over(UNRESOLVED_CAUSE)
            return
        attempt.hop, *attempt.hops = hops
        identity = self._telephony.identities.create(self._plan, attempt.trunk)
        invitation = create_invitation(
            self._plan, attempt.trunk, attempt.hop, attempt.sdp, identity
        )
        attempt.session = self._telephony.endpoint.invite(
            invitation, lambda event: self._on_session_event(attempt, event)
        )
        if self._telephony.tracer is not None and self._plan.owner is not None:
            self._telephony.tracer.bind(self._plan.owner, attempt.session.call_id)
        if attempt.hops or not attempt.is_last:
            self._silence_timer = asyncio.get_running_loop().call_later(
                attempt.trunk.answer_timeout_s, self._on_silence, attempt
            )

    def _on_silence(self, attempt: _Attempt) -> None:
        self._silence_timer = None
        self._give_up_attempt()
        self._pass_over(attempt, NO_RESPONSE_CAUSE)

    def _pass_over(self, attempt: _Attempt, cause: LegCause) -> None:
        """This hop does not serve (RFC 3263 4.3): go on at the trunk's next, or at the next trunk.

        The trunk's channel is still the leg's own.
        """
        states = self._telephony.states
        if attempt.hop is not None:
            states.note_hop_silence(attempt.hop)
        if attempt.hops:
            self._attempt = replace(attempt, session=None, responded=False)
            self._dial(self._attempt, attempt.hops)
            return
        if cause is NO_RESPONSE_CAUSE:
            states.note_silence(attempt.trunk)
        else:
            states.note_fault(attempt.trunk)
        self._fail_over(cause)

    def _on_session_event(self, attempt: _Attempt, event: SessionEvent) -> None:
        if self._is_over or attempt is not self._attempt:
            return
        match event:
            case SessionTrying():
                attempt.responded = True
                self._stop_silence_timer()
                self._telephony.states.note_response(attempt.trunk)
            case SessionRinging():
                self._progress(attempt)
                self._on_event(Ringing())
            case SessionEarlyMedia(media):
                self._progress(attempt)
                self._on_event(EarlyMedia(media))
            case SessionAnswered(media):
                self._progress(attempt)
                attempt.sdp = b""
                self._on_event(Answered(media))
            case SessionOffered(media, decide_within_s):
                self._on_event(Offered(media, decide_within_s))
            case SessionOfferAnswered(media):
                self._on_event(OfferAnswered(media))
            case SessionOfferRefused(status):
                self._on_event(OfferRefused(status))
            case SessionDigit(digit):
                self._on_event(DigitReceived(digit))
            case SessionMediaChanged(media):
                self._on_event(MediaChanged(media))
            case SessionEnded(cause):
                self._on_session_end(attempt, cause)
            case _:
                pass  # what only incoming sessions tell

    def _progress(self, attempt: _Attempt) -> None:
        if not self._progressed:
            self._progressed = True
            self._telephony.states.note_success(attempt.trunk)

    def _on_session_end(self, attempt: _Attempt, cause: LegCause) -> None:
        self._stop_silence_timer()
        states = self._telephony.states
        is_silence = not attempt.responded and cause is NO_RESPONSE_CAUSE
        is_unavailable = not self._progressed and cause.sip_status == _SERVICE_UNAVAILABLE
        if is_silence or (is_unavailable and attempt.hops and is_trunk_fault(cause)):
            self._pass_over(attempt, cause)
        elif not self._progressed and is_trunk_fault(cause):
            states.note_fault(attempt.trunk)
            self._fail_over(cause)
        else:
            states.note_success(attempt.trunk)
            self._end(cause)

    def _fail_over(self, cause: LegCause) -> None:
        # A trunk that refused has told more than one that was silent.
        if cause is not NO_RESPONSE_CAUSE or self._cause is NO_TRUNK_CAUSE:
            self._cause = cause
        attempt = self._attempt
        log.warning(
            "sip.trunk_failed",
            trunk=None if attempt is None else attempt.trunk.name,
            number=mask_number(self._plan.destination),
            sip_status=cause.sip_status,
            text=cause.sip_text,
            trunks_left=len(self._untried),
        )
        self.try_next()

    def _end(self, cause: LegCause) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._leave_trunk()
        self._on_event(Ended(cause))

    def _give_up_attempt(self, q850: int | None = None) -> None:
        self._stop_silence_timer()
        if self._attempt is not None and self._attempt.session is not None:
            self._telephony.endpoint.hang_up(self._attempt.session, q850=q850)

    def _leave_trunk(self) -> None:
        """The leg no longer counts against its trunk's channels."""
        if self._attempt is not None and self._attempt.is_counted:
            self._attempt.is_counted = False
            self._telephony.states.release(self._attempt.trunk)

    def _stop_silence_timer(self) -> None:
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None


def create_invitation(
    plan: LegPlan, trunk: Trunk, hop: Hop, sdp: bytes, identity: Identity
) -> Invitation:
    """The INVITE of a leg. Of us the party sees the number shown, and nothing of the other side."""
    host = bracket_host(trunk.host)
    port = "" if trunk.port in (0, DEFAULT_PORT) else f":{trunk.port}"
    domain = trunk.domain or f"{host}{port}"
    called = f"sip:{trunk.format_number(plan.destination)}@{domain};user=phone"
    return Invitation(
        request_uri=called,
        to_uri=called,
        from_uri=identity.from_uri,
        from_name=identity.from_name,
        next_hop=hop,
        sdp=sdp,
        headers=identity.headers + trunk.headers,
        expires_s=plan.ring_timeout_s,
        session_expires_s=trunk.session_expires_s or None,
        credentials=trunk.credentials,
    )
