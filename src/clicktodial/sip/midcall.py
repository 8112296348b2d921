"""What goes on within a confirmed session until its BYE: offers of the peer, session timers.

One exchange at a time (RFC 3261 14, RFC 3311 5): while the peer's offer is undecided, another one
of its own is told to come later (500), and while a request of ours is open, the peer's is 491.
Holding, resuming, and moving to another address are offers of the peer. Its owner decides on
them; the codec stays, since the other party was told that one and the relay changes no packets.
"""

from typing import Protocol

from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.media import Codec, MediaDescription
from clicktodial.sip.auth import (
    PROXY_AUTHENTICATION_REQUIRED,
    UNAUTHORIZED,
    DigestAuthenticator,
)
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.error import SdpError, SessionStateError
from clicktodial.sip.event import SessionEvent, SessionMediaChanged, SessionOffered
from clicktodial.sip.message import SipMessage
from clicktodial.sip.refresh import Refresh
from clicktodial.sip.reoffer import Reoffer
from clicktodial.sip.sdp import answer_offer, parse_sdp, serialize_sdp
from clicktodial.sip.session_timer import (
    MIN_SE_S,
    SessionExpires,
    answer_session_expires,
    end_after_s,
    read_min_se_s,
    read_session_expires,
    refresh_after_s,
)
from clicktodial.sip.uri import Hop

EXPIRED_CAUSE = LegCause(LegOutcome.FAILED, 408, "Session expired", 102)
NO_ACK_CAUSE = LegCause(LegOutcome.FAILED, 408, "No ACK", 102)
# RFC 3261 14.1: whoever made the Call-ID waits longer, so that the two do not meet again.
_GLARE_WAIT_OWN_S = (2.1, 4.0)
_GLARE_WAIT_OTHER_S = (0.0, 2.0)
_REQUEST_PENDING = 491
_INTERVAL_TOO_SMALL = 422
# RFC 3261 12.2.1.2: the peer knows nothing of the dialog, or is not there.
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
        "_codec",
        "_context",
        "_dialog",
        "_ends_at",
        "_interval_s",
        "_is_refresher",
        "_local",
        "_min_se_s",
        "_offered",
        "_owner",
        "_peer_updates",
        "_refresh",
        "_reoffer",
        "_version",
        "deadline",
        "queued_at",
    )

    def __init__(
        self,
        context: Context,
        dialog: Dialog,
        owner: MidCallOwner,
        *,
        local_sdp: bytes,
        codec: Codec,
        authenticator: DigestAuthenticator | None = None,
    ) -> None:
        """`local_sdp` is what we described last, `codec` what is spoken."""
        self._context = context
        self._dialog = dialog
        self._owner = owner
        self._local = local_sdp
        self._codec = codec
        self._authenticator = authenticator
        self._version = 1
        self._reoffer: Reoffer | None = None
        self._offered: MediaDescription | None = None
        self._refresh: Refresh | None = None
        self._interval_s: int | None = None
        self._min_se_s = MIN_SE_S
        self._is_refresher = False
        self._ends_at = 0.0
        self._peer_updates = False
        self.deadline: float | None = None
        self.queued_at: float | None = None

    # The peer's offers

    def refusal_of(self) -> tuple[int, str] | None:
        """Why no offer of the peer can be taken now; None where it can."""
        if self._reoffer is not None:
            return 500, "Another Offer Is Open"  # RFC 3261 14.2, RFC 3311 5.2
        if self._refresh is not None:
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
        elif not request.body:
            # A mere refresh, or a re-INVITE that asks for our offer: its answer is in the ACK.
            self._accept(self._renew_local() if reoffer.is_invite else None, now)
        else:
            self._take_offer(reoffer, now)

    def accept_offer(self, now: float) -> None:
        """Answer what SessionOffered told. Raises SessionStateError where nothing is open."""
        answer = self._answer_to(self._take_offered())
        assert answer is not None
        self._version += 1
        self._local = serialize_sdp(answer, version=self._version)
        self._accept(self._local, now)

    def refuse_offer(self, status: int, phrase: str, now: float) -> None:
        """Refuse it; the session stays as it was. Raises SessionStateError."""
        self._take_offered()
        assert self._reoffer is not None
        self._reoffer.refuse(status, phrase, now)

    def receive_ack(self, request: SipMessage) -> None:
        """An ACK within the dialog: of a 200 to a re-INVITE, or of one that is long over."""
        reoffer = self._reoffer
        if reoffer is None or not reoffer.receive_ack(request):
            self._context.counters.stray += 1
            return
        if not reoffer.request.body and request.body:
            self._take_answer(request)

    # From Reoffer

    def on_reoffer_over(self, reoffer: Reoffer) -> None:
        """The next one may come."""
        self._reoffer = None
        self._offered = None

    def on_reoffer_unacknowledged(self, reoffer: Reoffer, now: float) -> None:
        """RFC 3261 14.2: as for the first INVITE."""
        self._reoffer = None
        self._owner.end_at(NO_ACK_CAUSE, now)

    # Session timers

    def start_timer(self, response: SipMessage, now: float) -> None:
        """Take what the 2xx of our INVITE says of timers (RFC 4028 7.2), and whether the peer
        knows UPDATE."""
        self._peer_updates = "UPDATE" in {each.upper() for each in response.get_values("Allow")}
        self._arm_by(response, now)

    def close(self, now: float) -> None:
        """The session ends."""
        self._context.deadlines.cancel(self)
        if self._refresh is not None:
            self._refresh.forget()
            self._refresh = None
        if self._reoffer is not None:
            self._reoffer.abandon(now)
            self._reoffer = None

    def handle_timeout(self, now: float) -> None:
        """Refresh, or end what nobody refreshed."""
        if now >= self._ends_at:
            self._owner.end_at(EXPIRED_CAUSE, now)
        elif self._reoffer is not None:
            # RFC 3261 14.1: not while theirs is open; which is a refresh, too.
            self._context.deadlines.arm(self, now + self._draw_wait_s())
        else:
            self._send_refresh(now)

    # Parts

    def _take_offer(self, reoffer: Reoffer, now: float) -> None:
        try:
            media = parse_sdp(reoffer.request.body, may_be_held=True)
        except SdpError:
            media = None
        if media is None or self._answer_to(media) is None:
            reoffer.refuse(488, "Not Acceptable Here", now)
            return
        self._offered = media
        self._owner.tell(SessionOffered(media))

    def _answer_to(self, offer: MediaDescription) -> MediaDescription | None:
        return answer_offer(offer, parse_sdp(self._local), self._codec)

    def _take_offered(self) -> MediaDescription:
        if self._offered is None or self._reoffer is None or not self._reoffer.is_undecided:
            raise SessionStateError("no offer is open")
        offered, self._offered = self._offered, None
        return offered

    def _accept(self, sdp: bytes | None, now: float) -> None:
        reoffer = self._reoffer
        assert reoffer is not None
        expires, lines = answer_session_expires(reoffer.request)
        self._dialog.refresh_target(reoffer.request, reoffer.source)
        if expires is not None:
            self._arm(expires.interval_s, is_ours=expires.refresher == "uas", now=now)
        elif self._interval_s is not None:
            self._arm(self._interval_s, is_ours=self._is_refresher, now=now)
        reoffer.accept(sdp, lines, now)

    def _renew_local(self) -> bytes:
        """Our side as it is, to be offered: the codec in use, and both directions."""
        local = parse_sdp(self._local)
        self._version += 1
        self._local = serialize_sdp(
            MediaDescription(local.address, (self._codec,), local.dtmf), version=self._version
        )
        return self._local

    def _take_answer(self, message: SipMessage) -> None:
        try:
            media = parse_sdp(message.body, may_be_held=True)
        except SdpError:
            return  # the session goes on as it was
        if self._codec in media.codecs:
            self._owner.tell(SessionMediaChanged(media))

    def _arm_by(self, response: SipMessage, now: float) -> None:
        expires = read_session_expires(response)
        if expires is None:
            self._interval_s = None
            self._context.deadlines.cancel(self)
            return
        # RFC 4028 7.2: where the 2xx does not say, we refresh.
        self._arm(expires.interval_s, is_ours=expires.refresher != "uas", now=now)

    def _arm(self, interval_s: int, *, is_ours: bool, now: float) -> None:
        # RFC 4028 4: below the minimum nobody may go, whatever a peer says.
        interval_s = max(interval_s, MIN_SE_S)
        self._interval_s = interval_s
        self._is_refresher = is_ours
        self._ends_at = now + end_after_s(interval_s)
        at = now + refresh_after_s(interval_s) if is_ours else self._ends_at
        self._context.deadlines.arm(self, at)

    def _send_refresh(self, now: float) -> None:
        assert self._interval_s is not None
        expires = SessionExpires(max(self._interval_s, self._min_se_s), "uac")
        lines = f"{expires}Min-SE: {self._min_se_s}\r\n"
        refresh = Refresh(self._context, self._dialog, self._on_refresh_end)
        method = "UPDATE" if self._peer_updates else "INVITE"
        if self._authenticator is not None:
            body = b"" if self._peer_updates else self._local
            uri = self._dialog.request_uri
            lines += self._authenticator.header_lines(method, uri, body)
        contact = self._context.local_of(self._dialog.next_hop).contact_line
        self._refresh = refresh
        if self._peer_updates:
            refresh.update(f"{contact}{self._context.agent_line}{lines}", now)
        else:
            refresh.reinvite(f"{contact}{self._context.agent_line}{lines}", self._local, now)

    def _on_refresh_end(self, response: SipMessage | None, source: Hop | None, now: float) -> None:
        self._refresh = None
        if response is None or response.status in _GONE:
            self._owner.end_at(EXPIRED_CAUSE, now)
        elif response.status < 300:
            if source is not None:
                self._dialog.refresh_target(response, source)
                self._take_answer(response)
            self._arm_by(response, now)
        elif self._accepts_challenge(response):
            self._send_refresh(now)
        elif response.status == _REQUEST_PENDING:
            self._context.deadlines.arm(self, min(now + self._draw_wait_s(), self._ends_at))
        elif response.status == _INTERVAL_TOO_SMALL and self._raises_interval(response):
            self._send_refresh(now)
        else:
            # Refused for now: once more halfway to the end.
            self._context.deadlines.arm(self, now + (self._ends_at - now) / 2 + 1.0)

    def _raises_interval(self, response: SipMessage) -> bool:
        least = read_min_se_s(response)
        if least is None or least <= self._min_se_s:
            return False
        self._min_se_s = least
        return True

    def _accepts_challenge(self, response: SipMessage) -> bool:
        return (
            response.status in (UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED)
            and self._authenticator is not None
            and self._authenticator.accept(response)
        )

    def _draw_wait_s(self) -> float:
        low, high = _GLARE_WAIT_OWN_S if self._owner.made_call_id else _GLARE_WAIT_OTHER_S
        return self._context.identifiers.draw_between(low, high)
