"""Outgoing INVITE sessions (RFC 3261 13.2), and what becomes of answers that nobody wants.

    CALLING --1xx--> PROCEEDING --2xx: ACK--> CONFIRMED --BYE received--> ENDED
       |                 |                        |
       +--hang_up: CANCEL after a 1xx--> ENDED    +--hang_up: BYE--> ENDING --answered--> ENDED

A redirection (3xx) is a failure with that status: trunks are what routes calls here, and a
number that a redirection names is none that the enterprise asked for.
"""

from dataclasses import replace

from clicktodial.domain.cause import LegCause, LegOutcome, cause_of_status
from clicktodial.domain.media import MediaDescription, chosen_codec
from clicktodial.sip.auth import DigestAuthenticator
from clicktodial.sip.client_transaction import ClientInviteTransaction
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.error import SdpError
from clicktodial.sip.event import (
    SessionAnswered,
    SessionEarlyMedia,
    SessionRinging,
    SessionTrying,
)
from clicktodial.sip.local_side import LocalSide
from clicktodial.sip.message import SipMessage, printable_phrase, q850_of, reason_header_of
from clicktodial.sip.midcall import NO_USABLE_ANSWER_CAUSE
from clicktodial.sip.reliable import PRACKS_MAX, EarlyFork, ReliableResponses, is_reliable
from clicktodial.sip.request import Invitation, RequestHead, reason_lines
from clicktodial.sip.sdp import parse_sdp, restrict_answer
from clicktodial.sip.session import Direction, Session, SessionState, hang_up_cause, send_bye
from clicktodial.sip.session_timer import read_min_se_s
from clicktodial.sip.uri import Hop

NO_RESPONSE_CAUSE = LegCause(LegOutcome.FAILED, 408, "No response", 102)
# RFC 3398 7.2.4.1: incompatible destination, told to a peer whose answer we cannot use.
_INCOMPATIBLE_Q850 = 88
_RINGING = 180
_INTERVAL_TOO_SMALL = 422
_SESSION_PROGRESS = 183
# How often the audio before the answer may change: each time asks the relay for something, and no
# trunk has so many announcements. What comes after is passed over, and an UPDATE refused.
EARLY_MEDIA_MAX = 50


class ForkCloser:
    """Ends what still answers an INVITE whose session has its answer or is given up.

    All that the ACK and the BYE need is in the 2xx itself, so no session is kept for it.
    """

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_invite_response(
        self, transaction: ClientInviteTransaction, response: SipMessage, source: Hop
    ) -> None:
        """ACK and BYE a 2xx (RFC 3261 13.2.2.4); the transaction deals with the rest."""
        if not 200 <= response.status < 300:
            return
        dialog = Dialog.of_response(response, source)
        transaction.acknowledge(response.to_tag, *dialog.create_ack(self._context, response.cseq))
        # Nobody remembers how many PRACKs that fork had; a gap in the numbers is allowed.
        dialog.local_cseq += PRACKS_MAX
        send_bye(self._context, dialog, None, transaction.now, None)

    def on_invite_timeout(self, transaction: ClientInviteTransaction) -> None:
        """Nobody is waiting."""


class OutgoingSession(Session):
    """The session of an INVITE that we sent."""

    __slots__ = (
        "_early_media",
        "_early_media_count",
        "_head",
        "_invitation",
        "_is_ringing",
        "_offer",
        "_reliable",
        "_transaction",
    )

    def __init__(self, context: Context, invitation: Invitation, now: float) -> None:
        identifiers = context.identifiers
        super().__init__(
            context,
            direction=Direction.OUTGOING,
            call_id=identifiers.create_call_id(),
            local_tag=identifiers.create_tag(),
        )
        self._offer = invitation.sdp
        self._is_ringing = False
        self._early_media: MediaDescription | None = None
        self._early_media_count = 0
        self._reliable: ReliableResponses | None = None
        name = f'"{invitation.from_name}" ' if invitation.from_name else ""
        head = RequestHead(
            request_uri=invitation.request_uri,
            local=context.local_of(invitation.next_hop),
            branch=identifiers.create_branch(),
            from_header=f"{name}<{invitation.from_uri}>;tag={self.local_tag}",
            to_uri=invitation.to_uri,
            call_id=self.call_id,
            next_hop=invitation.next_hop,
        )
        # Both are kept only where the INVITE may have to go again.
        self._invitation: Invitation | None = None
        self._head: RequestHead | None = None
        if invitation.credentials is not None or invitation.session_expires_s is not None:
            self._invitation, self._head = invitation, head
        if invitation.credentials is not None:
            self._authenticator = DigestAuthenticator(invitation.credentials, identifiers)
        request = head.create_invite(context, invitation)
        self._transaction: ClientInviteTransaction | None = ClientInviteTransaction(
            context, head, request, self, now
        )

    def hang_up(self, now: float, *, q850: int | None = None) -> None:
        if self.state in (SessionState.ENDING, SessionState.ENDED):
            self.is_silent = True
            return
        self.is_silent = True
        if self.state is SessionState.CONFIRMED:
            self._send_bye(now, q850)
        else:
            self._abandon(reason_lines(q850), now)

    def receive_bye(self, request: SipMessage, now: float) -> None:
        if self.state is SessionState.ENDING:
            return  # both hung up at once; our own BYE ends it
        if self.state is not SessionState.CONFIRMED:
            # The BYE overtook the 200 that it follows, which will be acknowledged when it comes.
            self._abandon("", now)
        self._close_midcall(now)
        self._end()
        self._emit_end(hang_up_cause(request))

    def on_invite_response(
        self, transaction: ClientInviteTransaction, response: SipMessage, source: Hop
    ) -> None:
        """Every response that is no retransmission, while the session wants to know."""
        status = response.status
        if self.state is SessionState.CALLING:
            self.state = SessionState.PROCEEDING
            self._emit(SessionTrying())
        if status < 200:
            self._on_progress(transaction, response, source)
        elif status < 300:
            self._on_answer(transaction, response, source)
        elif self._accepts_challenge(response) or self._raises_interval(response):
            transaction.release(self._context.fork_closer)
            self._invite_again(transaction.now)
        else:
            self._transaction = None
            transaction.release(self._context.fork_closer)
            phrase = printable_phrase(response.phrase)
            self._end()
            reason = reason_header_of(response)
            cause = cause_of_status(status, phrase, q850_of(response), reason_header=reason)
            self._emit_end(cause)

    def _invite_again(self, now: float) -> None:
        """The same INVITE with credentials (RFC 3261 22.2), or a longer interval (RFC 4028 7.3): a
        new transaction, the next CSeq."""
        assert self._invitation is not None
        assert self._head is not None
        branch = self._context.identifiers.create_branch()
        self._head = replace(self._head, branch=branch, cseq=self._head.cseq + 1)
        authorization = ""
        if self._authenticator is not None:
            authorization = self._authenticator.header_lines(
                "INVITE", self._head.request_uri, self._invitation.sdp
            )
        request = self._head.create_invite(self._context, self._invitation, authorization)
        self._transaction = ClientInviteTransaction(self._context, self._head, request, self, now)

    def _raises_interval(self, response: SipMessage) -> bool:
        """Whether the peer wants to be refreshed less often than we said (RFC 4028 6)."""
        if response.status != _INTERVAL_TOO_SMALL or self._head is None:
            return False
        least = read_min_se_s(response)
        if least is None or least <= self._head.min_se_s:
            return False
        self._head = replace(self._head, min_se_s=least)
        return True

    def on_invite_timeout(self, transaction: ClientInviteTransaction) -> None:
        """Timer B: nobody ever responded."""
        self._transaction = None
        self._end()
        self._emit_end(NO_RESPONSE_CAUSE)

    def _on_progress(
        self, transaction: ClientInviteTransaction, response: SipMessage, source: Hop
    ) -> None:
        media = _media_of(response) if response.body else None
        early = None if media is None else restrict_answer(media, self._offer)
        fork = self._fork_of(response.to_tag)
        if is_reliable(response):
            if self._reliable is None:
                self._reliable = ReliableResponses(self._context, self._authenticator)
            fork = self._reliable.take(response, source, transaction.now)
            if fork is None:
                return
            if early is not None and fork.side is None:
                # RFC 3262 5: that is the answer; a 200 without one stands by it.
                fork.answer = early
        rings = response.status == _RINGING or (
            response.status == _SESSION_PROGRESS and media is None
        )
        if rings and not self._is_ringing:
            self._is_ringing = True
            self._emit(SessionRinging())
        if fork is not None and fork.side is not None:
            return  # RFC 3311 5.1: what was agreed on last, whatever a response repeats
        if early is not None and early != self._early_media and self._may_change_early_media:
            self._tell_early_media(early)

    @property
    def _may_change_early_media(self) -> bool:
        return self._early_media_count < EARLY_MEDIA_MAX

    def _tell_early_media(self, media: MediaDescription) -> None:
        self._early_media = media
        self._early_media_count += 1
        self._emit(SessionEarlyMedia(media))

    def _fork_of(self, tag: str) -> EarlyFork | None:
        return None if self._reliable is None else self._reliable.fork_of(tag)

    def _on_answer(
        self, transaction: ClientInviteTransaction, response: SipMessage, source: Hop
    ) -> None:
        context = self._context
        self._dialog = Dialog.of_response(response, source)
        transaction.release(context.fork_closer)
        transaction.acknowledge(response.to_tag, *self._dialog.create_ack(context, response.cseq))
        fork = self._fork_of(response.to_tag)
        if fork is not None:
            self._dialog.go_on_from(fork.dialog)
        side = None if fork is None else fork.side
        media = None if side is not None else _media_of(response)
        if media is not None:
            answer = restrict_answer(media, self._offer)
        else:
            answer = None if fork is None else fork.answer
        offer, self._offer = self._offer, b""
        self._transaction = self._early_media = self._invitation = self._head = None
        self._reliable = None
        codec = None if answer is None else chosen_codec(answer)
        if answer is None or codec is None:
            self._send_bye(transaction.now, _INCOMPATIBLE_Q850)
            self._emit_end(NO_USABLE_ANSWER_CAUSE)
            return
        midcall = self._confirm(side or LocalSide(offer, codec))
        midcall.start_timer(response, transaction.now)
        self._emit(SessionAnswered(answer))

    def take_update(self, request: SipMessage, source: Hop) -> tuple[int, str, bytes | None]:
        """An UPDATE before the 200; returns the answer's status, phrase and SDP.

        Only a fork that has answered our offer in a reliable response may make one of its own
        (RFC 3311 5.1). The codec stays within that offer, which is all that our owner expects.
        """
        fork = self._fork_of(request.from_tag)
        if fork is not None and not fork.dialog.accept_cseq(request.cseq):
            return 500, "CSeq Out of Order", None
        if not request.body:
            if fork is not None:
                fork.dialog.refresh_target(request, source)
            return 200, "OK", None
        if fork is None or fork.answer is None:
            return 491, "Request Pending", None
        sdp = self._answer_update(request, fork)
        if sdp is None:
            return 488, "Not Acceptable Here", None
        fork.dialog.refresh_target(request, source)
        return 200, "OK", sdp

    def _answer_update(self, request: SipMessage, fork: EarlyFork) -> bytes | None:
        assert fork.answer is not None
        used = chosen_codec(fork.answer)
        if used is None or not self._may_change_early_media:
            return None
        side = fork.side or LocalSide(self._offer, used)
        offered = side.read_offer(request)
        ours = parse_sdp(self._offer).codecs
        usable = [] if offered is None else [c for c in offered.media.codecs if c in ours]
        if offered is None or not usable:
            return None
        codec = side.codec if side.codec in usable else usable[0]
        sdp = side.answer(offered, codec)
        media = replace(offered.media, codecs=(codec,), dtmf=parse_sdp(sdp).dtmf)
        fork.side, fork.answer = side, media
        self._tell_early_media(media)
        return sdp

    def _abandon(self, reason: str, now: float) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.cancel(reason, self._context.fork_closer, now)
        self._end()


def _media_of(response: SipMessage) -> MediaDescription | None:
    """The audio that a response describes, or None where it has none that we can use."""
    content_type = response.get("Content-Type").partition(";")[0].strip().lower()
    if content_type != "application/sdp" or not response.body:
        return None
    try:
        return parse_sdp(response.body, is_answer=True)
    except SdpError:
        return None
