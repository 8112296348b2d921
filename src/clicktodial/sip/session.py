"""What outgoing and incoming INVITE sessions have in common: a dialog, BYE, and one ending."""

from enum import StrEnum

from clicktodial.domain.cause import HANG_UP_CAUSE, LegCause, LegOutcome
from clicktodial.domain.media import Codec, MediaDescription
from clicktodial.sip.auth import (
    PROXY_AUTHENTICATION_REQUIRED,
    UNAUTHORIZED,
    DigestAuthenticator,
)
from clicktodial.sip.client_transaction import ClientNonInviteTransaction
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import SessionEnded, SessionEvent
from clicktodial.sip.local_side import LocalSide
from clicktodial.sip.message import SipMessage, q850_of, reason_header_of
from clicktodial.sip.midcall import MidCall
from clicktodial.sip.request import reason_lines


class Direction(StrEnum):
    """Who sent the INVITE."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class SessionState(StrEnum):
    """Where a session stands."""

    CALLING = "calling"  # UAC: no response yet
    PROCEEDING = "proceeding"  # a provisional response came, or (UAS) the INVITE did
    ANSWERED = "answered"  # UAS: 200 sent, ACK awaited
    CONFIRMED = "confirmed"  # 200 and ACK are through
    ENDING = "ending"  # it is over; the BYE is still under way
    ENDED = "ended"


class Session:
    """One INVITE session. Its methods queue datagrams on the user agent.

    `request_user` and `from_user` are the user parts of an incoming INVITE's Request-URI and
    From, unescaped; "" for an outgoing session.
    """

    __slots__ = (
        "_authenticator",
        "_context",
        "_dialog",
        "call_id",
        "direction",
        "from_user",
        "is_silent",
        "local_tag",
        "midcall",
        "request_user",
        "state",
    )

    def __init__(
        self, context: Context, *, direction: Direction, call_id: str, local_tag: str
    ) -> None:
        self._context = context
        self._dialog: Dialog | None = None
        self._authenticator: DigestAuthenticator | None = None
        self.call_id = call_id
        self.direction = direction
        self.local_tag = local_tag
        self.request_user = ""
        self.from_user = ""
        self.midcall: MidCall | None = None  # while confirmed
        self.is_silent = False  # our own hand ended it: what is still queued is not told
        self.state = SessionState.CALLING
        context.sessions[local_tag] = self

    def hang_up(self, now: float, *, q850: int | None = None) -> None:
        """End it in whatever state it is: CANCEL, BYE, or a refusal. Idempotent; no event follows.

        `q850` is told to the peer as the reason.
        """
        raise NotImplementedError

    def ring(self, now: float, sdp: bytes | None = None) -> None:
        """Incoming: send 180, or 183 with `sdp`. Raises SessionStateError once answered."""
        raise SessionStateError("an outgoing session cannot ring")

    def answer(self, sdp: bytes, now: float) -> None:
        """Incoming: send 200 until it is ACKed. Raises SessionStateError once answered."""
        raise SessionStateError("an outgoing session cannot be answered")

    def reject(self, status: int, phrase: str, now: float) -> None:
        """Incoming: send this final status of 300-699. Raises SessionStateError once answered."""
        raise SessionStateError("an outgoing session cannot be rejected")

    def accept_offer(self, codec: Codec, now: float) -> None:
        """Take what SessionOffered told, with that codec of it. Raises SessionStateError where
        nothing is open, ValueError where the codec was not offered."""
        self._require_midcall().accept_offer(codec, now)

    def refuse_offer(self, status: int, phrase: str, now: float) -> None:
        """Refuse it; the session stays as it was. Raises SessionStateError."""
        self._require_midcall().refuse_offer(status, phrase, now)

    def reoffer(self, media: MediaDescription, now: float) -> None:
        """Offer other audio to the peer, after whatever offer is open; SessionOfferAnswered or
        SessionOfferRefused follows, unless the session ends. Raises SessionStateError."""
        self._require_midcall().reoffer(media, now)

    # From the user agent

    def matches(self, request: SipMessage) -> bool:
        """Whether a request with our tag is of this dialog (RFC 3261 12.2.2)."""
        if request.call_id != self.call_id:
            return False
        # Before a 2xx any fork may speak: a BYE can overtake the 200 that it follows.
        return self._dialog is None or request.from_tag == self._dialog.remote_tag

    def accept_cseq(self, cseq: int) -> bool:
        """Whether a request from the peer is in order."""
        return self._dialog is None or self._dialog.accept_cseq(cseq)

    def receive_bye(self, request: SipMessage, now: float) -> None:
        """The peer hung up; the BYE itself is answered already."""
        raise NotImplementedError

    def receive_ack(self, request: SipMessage, now: float) -> None:
        """An ACK came within the dialog: of a re-INVITE, if of anything."""
        if self.midcall is not None:
            self.midcall.receive_ack(request, now)
        else:
            self._context.counters.stray += 1

    def on_request_end(self, response: SipMessage | None, now: float) -> None:
        """Our BYE is answered or given up; either way the dialog is gone (RFC 3261 15.1.1),
        unless it was only asked who we are."""
        if response is not None and self._accepts_challenge(response):
            self._send_bye(now, None)
        else:
            self._end()

    # From MidCall

    @property
    def made_call_id(self) -> bool:
        """Whether the Call-ID is ours."""
        return self.direction is Direction.OUTGOING

    def tell(self, event: SessionEvent) -> None:
        """Queue an event."""
        self._emit(event)

    def end_at(self, cause: LegCause, now: float) -> None:
        """End the session with a BYE, and tell so."""
        self._send_bye(now, cause.q850)
        self._emit_end(cause)

    # For the two kinds of session

    def _confirm(self, local: LocalSide) -> MidCall:
        """The session is confirmed; what we described last."""
        assert self._dialog is not None
        self.state = SessionState.CONFIRMED
        self.midcall = MidCall(
            self._context,
            self._dialog,
            self,
            local=local,
            authenticator=self._authenticator,
        )
        return self.midcall

    def _require_midcall(self) -> MidCall:
        if self.midcall is None:
            raise SessionStateError(f"the session is {self.state}")
        return self.midcall

    def _close_midcall(self, now: float) -> None:
        midcall, self.midcall = self.midcall, None
        if midcall is not None:
            midcall.close(now)

    def _emit(self, event: SessionEvent) -> None:
        self._context.events.append((self, event))

    def _send_bye(self, now: float, q850: int | None) -> None:
        assert self._dialog is not None
        self._close_midcall(now)
        self.state = SessionState.ENDING
        send_bye(self._context, self._dialog, self, now, q850, self._authenticator)

    def _accepts_challenge(self, response: SipMessage) -> bool:
        """Whether the request that was refused is to be sent again, with credentials."""
        return (
            response.status in (UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED)
            and self._authenticator is not None
            and self._authenticator.accept(response)
        )

    def _end(self) -> None:
        self.state = SessionState.ENDED
        self._dialog = None
        self._context.sessions.pop(self.local_tag, None)

    def _emit_end(self, cause: LegCause) -> None:
        self._emit(SessionEnded(cause))


def send_bye(
    context: Context,
    dialog: Dialog,
    user: Session | None,
    now: float,
    q850: int | None,
    authenticator: DigestAuthenticator | None = None,
) -> None:
    """Send a BYE in that dialog; `user` hears of its end."""
    branch = context.identifiers.create_branch()
    lines = reason_lines(q850)
    if authenticator is not None:
        lines += authenticator.header_lines("BYE", dialog.request_uri)
    request, next_hop = dialog.create_request(context, "BYE", branch, lines)
    ClientNonInviteTransaction(context, f"{branch} BYE", request, next_hop, user, now)


def hang_up_cause(request: SipMessage) -> LegCause:
    """The cause that a BYE or CANCEL gives."""
    q850 = q850_of(request)
    if q850 is None:
        return HANG_UP_CAUSE
    return LegCause(LegOutcome.HUNG_UP, None, "BYE", q850, reason_header_of(request))
