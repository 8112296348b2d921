"""Incoming INVITE sessions (RFC 3261 13.3).

    PROCEEDING --answer: 200--> ANSWERED --ACK--> CONFIRMED --BYE received--> ENDED
       |  ring: 180, 183          |  200 again         |
       |                          |  no ACK: BYE       +--hang_up: BYE--> ENDING --answered--> ENDED
       +--reject, CANCEL: 487--> ENDED

An offer that comes only with our 200 is answered in the ACK, which is not read: nobody who
calls us needs it.
"""

from urllib.parse import unquote

from clicktodial.domain.cause import LegCause, LegOutcome, cause_of_status
from clicktodial.domain.media import Codec
from clicktodial.sip.context import ALLOWED_METHODS, Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import SessionConfirmed
from clicktodial.sip.local_side import LocalSide
from clicktodial.sip.message import SipMessage, q850_of
from clicktodial.sip.response import ResponseTemplate, dialog_lines
from clicktodial.sip.sdp import parse_sdp
from clicktodial.sip.server_transaction import ServerInviteTransaction
from clicktodial.sip.session import Direction, Session, SessionState, hang_up_cause
from clicktodial.sip.uri import Hop, parse_uri, uri_of

# RFC 3261 13.3.1.1: proxies forget a call that does not ring anew within three minutes.
PROVISIONAL_REPEAT_S = 60.0
# A caller that vanished never cancels: without an end, such sessions would fill the table. Its
# Expires may end them sooner.
UNANSWERED_MAX_S = 600.0
NO_ACK_CAUSE = LegCause(LegOutcome.FAILED, 408, "No ACK", 102)


class IncomingSession(Session):
    """The session of an INVITE that a peer sent."""

    __slots__ = (
        "_dialog_lines",
        "_give_up_at",
        "_hang_up_q850",
        "_interval_s",
        "_invite_cseq",
        "_local_sdp",
        "_repeated",
        "_template",
        "_transaction",
        "_wants_bye",
        "deadline",
        "queued_at",
    )

    def __init__(
        self,
        context: Context,
        request: SipMessage,
        source: Hop,
        *,
        template: ResponseTemplate,
        transaction: ServerInviteTransaction,
        now: float,
    ) -> None:
        local_tag = context.identifiers.create_tag()
        super().__init__(
            context, direction=Direction.INCOMING, call_id=request.call_id, local_tag=local_tag
        )
        self._dialog = Dialog.of_request(request, local_tag, source)
        self._template: ResponseTemplate | None = template
        self._transaction: ServerInviteTransaction | None = transaction
        self._dialog_lines = dialog_lines(context, request, source)
        self._invite_cseq = request.cseq
        self._local_sdp = b""
        self._repeated: bytes | None = None  # the 180, 183 or 200 that may have to go again
        self._interval_s = context.timers.t1_s
        self._give_up_at = now + _ring_time_s(request)
        self._wants_bye = False
        self._hang_up_q850: int | None = None
        self.deadline: float | None = None
        self.queued_at: float | None = None
        self.state = SessionState.PROCEEDING
        transaction.session_tag = local_tag
        context.deadlines.arm(self, self._give_up_at)
        if request.uri is not None and request.uri.user:
            self.request_user = request.uri.user
        from_uri = parse_uri(uri_of(request.from_header))
        if from_uri is not None and from_uri.user:
            self.from_user = unquote(from_uri.user)

    def ring(self, now: float, sdp: bytes | None = None) -> None:
        self._check_unanswered()
        status, phrase = (180, "Ringing") if sdp is None else (183, "Session Progress")
        self._repeated = self._respond(status, phrase, now, lines=self._dialog_lines, sdp=sdp)
        self._arm_repeat(now)

    def answer(self, sdp: bytes, now: float) -> None:
        self._check_unanswered()
        lines = f"{self._dialog_lines}Allow: {ALLOWED_METHODS}\r\n"
        self._repeated = self._respond(200, "OK", now, lines=lines, sdp=sdp)
        self._local_sdp = sdp
        self.state = SessionState.ANSWERED
        self._give_up_at = now + self._context.timers.transaction_timeout_s
        self._context.deadlines.arm(self, now + self._interval_s)

    def reject(self, status: int, phrase: str, now: float) -> None:
        if not 300 <= status <= 699:
            raise ValueError("a refusal has a status of 300-699")
        if "\r" in phrase or "\n" in phrase:
            raise ValueError("line end in a phrase")
        self._check_unanswered()
        self.is_silent = True
        self._refuse(status, phrase, now)

    def hang_up(self, now: float, *, q850: int | None = None) -> None:
        self.is_silent = True
        if self.state is SessionState.PROCEEDING:
            self._refuse(603, "Decline", now)
        elif self.state is SessionState.CONFIRMED:
            self._send_bye(now, q850)
        elif self.state is SessionState.ANSWERED:
            # RFC 3261 15: not before the ACK came or can come no more.
            self._wants_bye = True
            self._hang_up_q850 = q850

    def receive_ack(self, request: SipMessage, now: float) -> None:
        if self.state is SessionState.CONFIRMED and request.cseq != self._invite_cseq:
            super().receive_ack(request, now)
            return
        if self.state is not SessionState.ANSWERED or request.cseq != self._invite_cseq:
            return  # another ACK of a 200 that went twice
        self._context.deadlines.cancel(self)
        self._forget_invite()
        if self._wants_bye:
            self._send_bye(now, self._hang_up_q850)
            return
        local_sdp, self._local_sdp = self._local_sdp, b""
        self._confirm(LocalSide(local_sdp, _codec_of(local_sdp)))
        self._emit(SessionConfirmed())

    def receive_cancel(self, request: SipMessage, now: float) -> None:
        """The caller gave up; without effect once answered (RFC 3261 9.2)."""
        if self.state is not SessionState.PROCEEDING:
            return
        self._refuse(487, "Request Terminated", now)
        self._emit_end(cause_of_status(487, "Cancelled", q850_of(request)))

    def receive_bye(self, request: SipMessage, now: float) -> None:
        if self.state is SessionState.ENDING:
            return  # both hung up at once; our own BYE ends it
        cause = hang_up_cause(request)
        if self.state is SessionState.PROCEEDING:
            self._refuse(487, "Request Terminated", now)  # RFC 3261 15.1.2
        else:
            self._close_midcall(now)
            self._end()
        self._emit_end(cause)

    def handle_timeout(self, now: float) -> None:
        """Ring or answer again, or give up waiting for the ACK (RFC 3261 13.3.1.4)."""
        if self.state is SessionState.PROCEEDING:
            self._ring_on(now)
        elif now < self._give_up_at:
            self._repeat()
            self._interval_s = self._context.timers.longer_interval_s(self._interval_s)
            self._context.deadlines.arm(self, min(now + self._interval_s, self._give_up_at))
        else:
            self._forget_invite()
            self._send_bye(now, self._hang_up_q850)
            self._emit_end(NO_ACK_CAUSE)

    def _ring_on(self, now: float) -> None:
        if now < self._give_up_at:
            self._repeat()
            self._arm_repeat(now)
            return
        # RFC 3261 13.3.1: the INVITE has expired.
        self._refuse(487, "Request Terminated", now)
        self._emit_end(cause_of_status(487, "Never answered"))

    def _arm_repeat(self, now: float) -> None:
        self._context.deadlines.arm(self, min(now + PROVISIONAL_REPEAT_S, self._give_up_at))

    def _check_unanswered(self) -> None:
        if self.state is not SessionState.PROCEEDING:
            raise SessionStateError(f"the session is {self.state}")

    def _respond(
        self, status: int, phrase: str, now: float, *, lines: str = "", sdp: bytes | None = None
    ) -> bytes:
        assert self._template is not None and self._transaction is not None
        response = self._template.create(
            self._context, status, phrase, to_tag=self.local_tag, lines=lines, sdp=sdp
        )
        self._transaction.respond(status, response, now)
        return response

    def _refuse(self, status: int, phrase: str, now: float) -> None:
        self._respond(status, phrase, now)
        self._end()

    def _repeat(self) -> None:
        if self._repeated is not None and self._template is not None:
            self._context.resend(self._repeated, self._template.destination)

    def _forget_invite(self) -> None:
        self._template = self._transaction = self._repeated = None
        self._dialog_lines = ""

    def _end(self) -> None:
        self._context.deadlines.cancel(self)
        self._forget_invite()
        super()._end()


def _codec_of(local_sdp: bytes) -> Codec:
    """What our answer says that we speak. A phone of ours describes what it can do."""
    return parse_sdp(local_sdp).codecs[0]


def _ring_time_s(request: SipMessage) -> float:
    """How long the INVITE may stay unanswered (RFC 3261 13.3.1)."""
    expires_s = request.get_count("Expires")
    if expires_s is None or expires_s <= 0:
        return UNANSWERED_MAX_S
    return min(expires_s, UNANSWERED_MAX_S)
