"""What goes on within a confirmed session until its BYE: offers of both sides, session timers.

One exchange at a time (RFC 3261 14, RFC 3311 5): while the peer's offer is undecided, another one
of its own is told to come later (500), and while a request of ours is open, the peer's is 491;
ours wait for the peer's, and for each other. Holding, resuming, another codec and another address
are all offers. The session's owner decides on the peer's, and is told what became of its own.
What we say of our own audio meanwhile is in local_side.py.
"""

from typing import Protocol

from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.media import Codec, MediaDescription, chosen_codec
from clicktodial.sip.auth import (
    PROXY_AUTHENTICATION_REQUIRED,
    UNAUTHORIZED,
    DigestAuthenticator,
)
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import (
    SessionDigit,
    SessionEvent,
    SessionMediaChanged,
    SessionOfferAnswered,
    SessionOffered,
    SessionOfferRefused,
)
from clicktodial.sip.local_side import LocalSide, PeerOffer
from clicktodial.sip.message import SipMessage
from clicktodial.sip.own_offer import OwnOffer, OwnOffers
from clicktodial.sip.refresh import Refresh
from clicktodial.sip.reoffer import Reoffer
from clicktodial.sip.session_timer import (
    MIN_SE_S,
    SessionTimer,
    answer_session_expires,
    read_session_expires,
)
from clicktodial.sip.uri import Hop

EXPIRED_CAUSE = LegCause(LegOutcome.FAILED, 408, "Session expired", 102)
NO_ACK_CAUSE = LegCause(LegOutcome.FAILED, 408, "No ACK", 102)
UNANSWERED_CAUSE = LegCause(LegOutcome.FAILED, 408, "No answer within the session", 102)
NO_USABLE_ANSWER_CAUSE = LegCause(LegOutcome.FAILED, 488, "No usable answer", 65)
# RFC 3261 14.1: whoever made the Call-ID waits longer, so that the two do not meet again.
_GLARE_WAIT_OWN_S = (2.1, 4.0)
_GLARE_WAIT_OTHER_S = (0.0, 2.0)
_REQUEST_PENDING = 491
_INTERVAL_TOO_SMALL = 422
_NOT_ACCEPTABLE = (488, "Not Acceptable Here")
_TOO_MANY_OFFERS = 500
# Each offer of the peer's may ask the relay and the other party for something. A person who holds
# and resumes, and a phone that moves meanwhile, make far fewer; the peer is told to come later.
PEER_OFFERS_MAX = 20
PEER_OFFERS_WINDOW_S = 10.0
# RFC 3261 14.1, RFC 5057 5.1: the peer knows nothing of the dialog, or is not there.
_GONE = frozenset({404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 502, 604})


class MidCallOwner(Protocol):
    """The session."""

    @property
    def made_call_id(self) -> bool:
        """Whether the Call-ID is ours."""

    def tell(self, event: SessionEvent) -> None:
        """Something happened."""

    def end_at(self, cause: LegCause, now: float) -> None:
        """The session is to end with a BYE, and its owner to be told."""


class MidCall:
    """One confirmed session between its ACK and its BYE."""

    __slots__ = (
        "_authenticator",
        "_cancel_at",
        "_context",
        "_dialog",
        "_is_decision_owed",
        "_local",
        "_offered",
        "_offers",
        "_owner",
        "_peer_offer_count",
        "_peer_offers_from",
        "_peer_updates",
        "_reoffer",
        "_request",
        "_timer",
        "deadline",
        "queued_at",
    )

    def __init__(
        self,
        context: Context,
        dialog: Dialog,
        owner: MidCallOwner,
        *,
        local: LocalSide,
        authenticator: DigestAuthenticator | None = None,
    ) -> None:
        """`local` is what we described last, and what is spoken."""
        self._context = context
        self._dialog = dialog
        self._owner = owner
        self._local = local
        self._authenticator = authenticator
        self._reoffer: Reoffer | None = None
        self._offered: PeerOffer | None = None
        self._is_decision_owed = False
        self._peer_offer_count = 0
        self._peer_offers_from = 0.0
        self._offers: OwnOffers | None = None
        self._request: Refresh | None = None
        self._cancel_at: float | None = None
        self._timer: SessionTimer | None = None
        self._peer_updates = False
        self.deadline: float | None = None
        self.queued_at: float | None = None

    # The peer's offers

    def refusal_of(self, request: SipMessage) -> tuple[int, str] | None:
        """Why no re-INVITE or UPDATE of the peer can be taken now; None where it can."""
        if self._reoffer is not None or (self._is_decision_owed and request.body):
            # RFC 3261 14.2, RFC 3311 5.2. What the owner still says may be of an offer that its
            # sender has withdrawn, and must not be taken for an answer to another one.
            return 500, "Another Offer Is Open"
        if self._request is not None and (request.body or request.method == "INVITE"):
            # An UPDATE that offers nothing is in nobody's way.
            return _REQUEST_PENDING, "Request Pending"
        return None

    def is_repeated(self, reoffer_key: str) -> bool:
        """Whether the request with that transaction key is the one that is open."""
        return self._reoffer is not None and self._reoffer.key == reoffer_key

    def receive_offer(self, reoffer: Reoffer, now: float) -> None:
        """Take a re-INVITE or UPDATE; answers at once what is not for the owner to decide."""
        self._reoffer = reoffer
        request = reoffer.request
        expires = read_session_expires(request)
        if expires is not None and expires.interval_s < MIN_SE_S:
            lines = f"Min-SE: {MIN_SE_S}\r\n"
            reoffer.refuse(_INTERVAL_TOO_SMALL, "Session Interval Too Small", now, lines=lines)
        elif (request.body or reoffer.is_invite) and self._is_one_too_many(now):
            lines = f"Retry-After: {PEER_OFFERS_WINDOW_S:.0f}\r\n"
            reoffer.refuse(_TOO_MANY_OFFERS, "Too Many Offers", now, lines=lines)
        elif not request.body:
            # A mere refresh, or a re-INVITE that asks for our offer: its answer is in the ACK.
            self._accept(self._local.write_renewed() if reoffer.is_invite else None, now)
        else:
            self._take_offer(reoffer, now)

    def receive_cancel(self, reoffer_key: str, now: float) -> None:
        """The peer gives its re-INVITE up; without effect once that is answered."""
        reoffer = self._reoffer
        if reoffer is not None and reoffer.key == reoffer_key and reoffer.is_undecided:
            reoffer.refuse(487, "Request Terminated", now)

    def accept_offer(self, codec: Codec, now: float) -> None:
        """Answer what SessionOffered told with that codec of it. Raises SessionStateError where
        nothing is open, ValueError where the codec was not offered."""
        self._is_decision_owed = False
        offered = self._require_offered()
        if codec not in offered.media.codecs:
            raise ValueError("the codec was not offered")
        self._offered = None
        self._accept(self._local.answer(offered, codec), now)

    def refuse_offer(self, status: int, phrase: str, now: float) -> None:
        """Refuse it; the session stays as it was. Raises SessionStateError."""
        self._is_decision_owed = False
        self._require_offered()
        assert self._reoffer is not None
        self._reoffer.refuse(status, phrase, now)

    def receive_ack(self, request: SipMessage, now: float) -> None:
        """An ACK within the dialog: of a 200 to a re-INVITE, or of one that is long over."""
        reoffer = self._reoffer
        if reoffer is None or not reoffer.awaits_ack(request):
            self._context.counters.stray += 1
            return
        if not reoffer.request.body and request.body:
            self._take_answer(request)
        reoffer.receive_ack(now)

    def receive_digit(self, digit: str) -> None:
        """The peer told of a key."""
        self._owner.tell(SessionDigit(digit))

    # Offers of ours

    def reoffer(self, media: MediaDescription, now: float) -> None:
        """Offer other audio, as soon as no other offer is open; the answer, or the refusal, is
        told. Its keys are left out where the session has none, and ours where it names none."""
        if self._offers is None:
            self._offers = OwnOffers()
        if self._offers.add(media, now):
            self._proceed(now)
        else:
            self._owner.tell(SessionOfferRefused(_TOO_MANY_OFFERS))

    # From Reoffer

    def on_reoffer_over(self, reoffer: Reoffer, now: float) -> None:
        """The next one may come, or one of ours go."""
        self._reoffer = None
        self._offered = None
        self._proceed(now)

    def on_reoffer_unacknowledged(self, reoffer: Reoffer, now: float) -> None:
        """RFC 3261 14.2: as for the first INVITE."""
        self._reoffer = None
        self._owner.end_at(NO_ACK_CAUSE, now)

    # Time

    def start_timer(self, response: SipMessage, now: float) -> None:
        """Take what the 2xx of our INVITE says of timers (RFC 4028 7.2), and whether the peer
        knows UPDATE."""
        self._peer_updates = "UPDATE" in {each.upper() for each in response.get_values("Allow")}
        self._agree_by(response, now)
        if self._timer is not None:
            self._rearm()

    def close(self, now: float) -> None:
        """The session ends."""
        self._context.deadlines.cancel(self)
        self._timer = self._offers = None
        request, self._request = self._request, None
        if request is not None:
            request.forget(now)
        if self._reoffer is not None:
            self._reoffer.abandon(now)

    def handle_timeout(self, now: float) -> None:
        """End what nobody refreshed, or give a request of ours up, or send the next one."""
        if self._timer is not None and now >= self._timer.ends_at:
            self._owner.end_at(EXPIRED_CAUSE, now)
            return
        if self._request is not None and self._cancel_at is not None and now >= self._cancel_at:
            self._cancel_at = None
            self._request.cancel(now)
        self._proceed(now)

    # Parts: the peer's offers

    def _is_one_too_many(self, now: float) -> bool:
        """Count an offer of the peer's; whether it has made more of late than it may."""
        if now >= self._peer_offers_from + PEER_OFFERS_WINDOW_S:
            self._peer_offers_from = now
            self._peer_offer_count = 0
        self._peer_offer_count += 1
        return self._peer_offer_count > PEER_OFFERS_MAX

    def _take_offer(self, reoffer: Reoffer, now: float) -> None:
        offered = self._local.read_offer(reoffer.request)
        if offered is None:
            reoffer.refuse(*_NOT_ACCEPTABLE, now)
            return
        self._offered = offered
        self._is_decision_owed = True
        self._owner.tell(SessionOffered(offered.media, reoffer.decide_within_s))

    def _require_offered(self) -> PeerOffer:
        if self._offered is None or self._reoffer is None or not self._reoffer.is_undecided:
            raise SessionStateError("no offer is open")
        return self._offered

    def _accept(self, sdp: bytes | None, now: float) -> None:
        reoffer = self._reoffer
        assert reoffer is not None
        expires, lines = answer_session_expires(reoffer.request)
        self._dialog.refresh_target(reoffer.request, reoffer.source)
        if expires is not None:
            self._agree(expires.interval_s, is_ours=expires.refresher == "uas", now=now)
        elif self._timer is not None:
            self._timer.restart(now)
        reoffer.accept(sdp, lines, now)
        self._rearm()

    def _take_answer(self, message: SipMessage) -> None:
        """The answer to a description of ours that changed nothing; one that does not fit changes
        nothing either."""
        media = self._local.read_answer(message, self._local.sdp)
        if media is not None and self._local.codec in media.codecs:
            self._owner.tell(SessionMediaChanged(media))

    def _agree_by(self, response: SipMessage, now: float) -> None:
        expires = read_session_expires(response)
        if expires is None:
            self._timer = None
            return
        # RFC 4028 7.2: where the 2xx does not say, we refresh.
        self._agree(expires.interval_s, is_ours=expires.refresher != "uas", now=now)

    def _agree(self, interval_s: int, *, is_ours: bool, now: float) -> None:
        if self._timer is None:
            self._timer = SessionTimer(interval_s, is_refresher=is_ours, now=now)
        else:
            self._timer.agree(interval_s, is_refresher=is_ours, now=now)

    # Parts: requests of ours

    def _proceed(self, now: float) -> None:
        """Send what is due, unless an exchange of either side is open."""
        if self._reoffer is None and self._request is None:
            offer = None if self._offers is None else self._offers.current
            timer = self._timer
            if offer is not None and offer.due_at <= now:
                offer.start(self._local.write_offer(offer.media))
                self._send("INVITE", offer.sdp, now)
            elif timer is not None and timer.refresh_at is not None and timer.refresh_at <= now:
                self._send("UPDATE" if self._peer_updates else "INVITE", self._local.sdp, now)
        self._rearm()

    def _rearm(self) -> None:
        """One deadline for the session's end, and for what is to be done next."""
        due = [] if self._timer is None else [self._timer.ends_at]
        if self._request is not None:
            due.append(self._cancel_at or float("inf"))
        elif self._reoffer is None:
            if self._timer is not None and self._timer.refresh_at is not None:
                due.append(self._timer.refresh_at)
            if self._offers is not None and self._offers.current is not None:
                due.append(self._offers.current.due_at)
        at = min(due, default=float("inf"))
        if at == float("inf"):
            self._context.deadlines.cancel(self)
        else:
            self._context.deadlines.arm(self, at)

    def _send(self, method: str, sdp: bytes, now: float) -> None:
        lines = "" if self._timer is None else self._timer.refresh_lines()
        if self._authenticator is not None:
            body = sdp if method == "INVITE" else b""
            lines += self._authenticator.header_lines(method, self._dialog.request_uri, body)
        contact = self._context.local_of(self._dialog.next_hop).contact_line
        lines = f"{contact}{self._context.agent_line}{lines}"
        self._request = request = Refresh(self._context, self._dialog, self._on_request_end)
        if method == "INVITE":
            # A peer that only ever says 100 is not waited for longer than one that says nothing.
            self._cancel_at = now + self._context.timers.transaction_timeout_s
            request.reinvite(lines, sdp, now)
        else:
            self._cancel_at = None
            request.update(lines, now)

    def _on_request_end(self, response: SipMessage | None, source: Hop | None, now: float) -> None:
        self._request = None
        offer = None if self._offers is None else self._offers.current
        if offer is not None and not offer.is_under_way:
            offer = None
        if response is None or response.status in _GONE:
            self._owner.end_at(EXPIRED_CAUSE if offer is None else UNANSWERED_CAUSE, now)
            return
        if response.status < 300:
            if not self._take_success(offer, response, source, now):
                return
        elif not self._tries_again(offer, response, now):
            self._take_refusal(offer, response.status, now)
        self._proceed(now)

    def _take_success(
        self, offer: OwnOffer | None, response: SipMessage, source: Hop | None, now: float
    ) -> bool:
        """Whether the session goes on."""
        self._agree_by(response, now)
        if source is not None:
            self._dialog.refresh_target(response, source)
        if offer is None:
            if source is not None:
                self._take_answer(response)
            return True
        answer = self._local.read_answer(response, offer.sdp)
        codec = None if answer is None else chosen_codec(answer)
        if answer is None or codec is None:
            # The peer sends by what we cannot read, and it is too late to say so otherwise.
            self._owner.end_at(NO_USABLE_ANSWER_CAUSE, now)
            return False
        assert self._offers is not None
        self._offers.finish()
        self._local.take_offered(offer.sdp, codec)
        self._owner.tell(SessionOfferAnswered(answer))
        return True

    def _tries_again(self, offer: OwnOffer | None, response: SipMessage, now: float) -> bool:
        """Whether the same request is to be sent once more, and when."""
        timer = self._timer
        at = now
        if response.status == _REQUEST_PENDING:
            low, high = _GLARE_WAIT_OWN_S if self._owner.made_call_id else _GLARE_WAIT_OTHER_S
            at += self._context.identifiers.draw_between(low, high)
        elif response.status == _INTERVAL_TOO_SMALL:
            if timer is None or not timer.raise_interval(response):
                return False
        elif not self._accepts_challenge(response):
            return False
        if offer is not None:
            return offer.retry_at(at)
        if timer is not None:
            timer.refresh_at = at
        return True

    def _take_refusal(self, offer: OwnOffer | None, status: int, now: float) -> None:
        if offer is not None:
            assert self._offers is not None
            self._offers.finish()
            self._local.drop_offered()
            self._owner.tell(SessionOfferRefused(status))
        elif self._timer is not None:
            # Refused for now: once more halfway to the end.
            self._timer.refresh_at = now + (self._timer.ends_at - now) / 2 + 1.0

    def _accepts_challenge(self, response: SipMessage) -> bool:
        return (
            response.status in (UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED)
            and self._authenticator is not None
            and self._authenticator.accept(response)
        )
