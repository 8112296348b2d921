"""What a UAS does with each request before, within and outside of a dialog (RFC 3261 8.2, 12.2.2).

Within a dialog, BYE ends it, OPTIONS is answered, INFO tells of keys (info.py), and re-INVITE and
UPDATE go to the session (midcall.py). Whatever else is known is 405, REFER among it, since Allow
does not name it; unknown methods are 501.
"""

from clicktodial.sip.context import ALLOWED_METHODS, Context
from clicktodial.sip.error import BadInfo, SdpError
from clicktodial.sip.event import IncomingInvite
from clicktodial.sip.incoming import IncomingSession
from clicktodial.sip.info import ACCEPTED_TYPES, read_digit
from clicktodial.sip.message import SipMessage
from clicktodial.sip.midcall import MidCall
from clicktodial.sip.outgoing import OutgoingSession
from clicktodial.sip.reoffer import Reoffer
from clicktodial.sip.response import ResponseTemplate, dialog_lines, origin_of
from clicktodial.sip.sdp import parse_sdp
from clicktodial.sip.server_transaction import ServerInviteTransaction, ServerNonInviteTransaction
from clicktodial.sip.session import Direction, Session, SessionState
from clicktodial.sip.uri import Hop

_ALLOW = f"Allow: {ALLOWED_METHODS}\r\n"
_OPTIONS_LINES = (
    f"{_ALLOW}Accept: application/sdp, {ACCEPTED_TYPES}\r\nAccept-Encoding: identity\r\n"
    "Supported: timer\r\n"
)
_ACCEPTED_TYPE = "application/sdp"
_SUPPORTED = frozenset({"timer"})
_UNSUPPORTED_METHODS = frozenset(
    {"REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "MESSAGE"}
)
# RFC 3261 14.2 and 21.5.4: when to try again what came too early or in too great a number.
_RETRY_AFTER_S = 5


class Server:
    """Answers requests."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def receive(self, request: SipMessage, source: Hop, now: float) -> None:
        """Take one request. Raises MalformedMessage where it cannot even be answered."""
        template = ResponseTemplate(request, source)
        transaction = self._context.server_transactions.get(template.key)
        if request.method == "ACK":
            self._receive_ack(request, transaction, now)
        elif transaction is not None:
            transaction.receive(request, now)
        elif request.defect is not None:
            self._refuse(request, template, request.defect.status, request.defect.phrase)
        elif len(self._context.server_transactions) >= self._context.limits.server_transactions_max:
            self._refuse_overload(request, template)
        else:
            _Exchange(self._context, request, template, source, now).handle()

    def _receive_ack(self, request: SipMessage, transaction: object | None, now: float) -> None:
        session = self._context.sessions.get(request.to_tag)
        if isinstance(transaction, ServerInviteTransaction) and transaction.takes_ack:
            transaction.receive(request, now)
        elif session is not None and session.matches(request):
            session.receive_ack(request, now)
        else:
            self._context.counters.stray += 1

    def _refuse_overload(self, request: SipMessage, template: ResponseTemplate) -> None:
        if request.method == "INVITE":
            lines = f"Retry-After: {_RETRY_AFTER_S}\r\n"
            self._refuse(request, template, 503, "Service Unavailable", lines)
        else:
            self._context.counters.refused += 1

    def _refuse(
        self,
        request: SipMessage,
        template: ResponseTemplate,
        status: int,
        phrase: str,
        lines: str = "",
    ) -> None:
        """Answer without keeping anything; a repeated request is answered likewise."""
        self._context.counters.refused += 1
        to_tag = "" if request.to_tag else self._context.identifiers.create_tag()
        response = template.create(self._context, status, phrase, to_tag=to_tag, lines=lines)
        self._context.send(response, template.destination)


class _Exchange:
    """One new request on its way through the checks."""

    __slots__ = ("_context", "_now", "_request", "_source", "_template")

    def __init__(
        self,
        context: Context,
        request: SipMessage,
        template: ResponseTemplate,
        source: Hop,
        now: float,
    ) -> None:
        self._context = context
        self._request = request
        self._template = template
        self._source = source
        self._now = now

    def handle(self) -> None:
        """Answer the request, and tell its session."""
        request = self._request
        if request.method == "CANCEL":
            self._handle_cancel()
        elif request.method not in ALLOWED_METHODS.split(", "):
            known = request.method in _UNSUPPORTED_METHODS
            status, phrase = (405, "Method Not Allowed") if known else (501, "Not Implemented")
            self._refuse(status, phrase, _ALLOW)
        elif request.to_tag:
            session = self._context.sessions.get(request.to_tag)
            if session is None or not session.matches(request):
                self._refuse(481, "Call/Transaction Does Not Exist")
            else:
                self._handle_within(session)
        elif self._is_acceptable():
            self._handle_outside()

    def _handle_cancel(self) -> None:
        key = self._template.key.removesuffix("CANCEL") + "INVITE"
        transaction = self._context.server_transactions.get(key)
        if not isinstance(transaction, ServerInviteTransaction):
            self._refuse(481, "Call/Transaction Does Not Exist")
            return
        session = self._context.sessions.get(transaction.session_tag)
        self._respond(200, "OK", to_tag=transaction.session_tag)
        if session is not None and session.midcall is not None:
            session.midcall.receive_cancel(key, self._now)
        elif isinstance(session, IncomingSession):
            session.receive_cancel(self._request, self._now)

    def _handle_within(self, session: Session) -> None:
        request = self._request
        if not session.accept_cseq(request.cseq):
            self._refuse(500, "CSeq Out of Order")
        elif not self._is_understood():
            return
        elif request.method in ("INVITE", "UPDATE"):
            self._handle_reoffer(session)
        elif request.method == "BYE":
            self._respond(200, "OK")
            session.receive_bye(request, self._now)
        elif request.method == "INFO":
            self._handle_info(session)
        else:
            self._respond(200, "OK", lines=_OPTIONS_LINES)

    def _handle_info(self, session: Session) -> None:
        """Before the answer and after the end nobody listens to keys."""
        request = self._request
        if request.get("Info-Package"):
            # RFC 6086 4.2.2: we want none, and say so.
            self._refuse(469, "Bad Info Package", "Recv-Info: \r\n")
            return
        if not request.body:
            self._respond(200, "OK")
            return
        try:
            digit = read_digit(request)
        except BadInfo:
            self._refuse(400, "Bad DTMF")
            return
        if digit is None:
            self._refuse(415, "Unsupported Media Type", f"Accept: {ACCEPTED_TYPES}\r\n")
            return
        self._respond(200, "OK")
        if session.midcall is not None:
            session.midcall.receive_digit(digit)

    def _handle_reoffer(self, session: Session) -> None:
        midcall = session.midcall
        if midcall is not None:
            self._hand_over(session, midcall)
        elif session.state in (SessionState.ENDING, SessionState.ENDED):
            self._refuse(481, "Call/Transaction Does Not Exist")
        elif isinstance(session, OutgoingSession) and self._request.method == "UPDATE":
            self._handle_early_update(session)
        elif session.direction is Direction.OUTGOING:
            self._refuse(491, "Request Pending")  # RFC 3261 14.2: ours comes first
        else:
            # RFC 3261 14.2: the first INVITE has no final answer yet, or no ACK.
            self._refuse(500, "Server Internal Error", f"Retry-After: {_RETRY_AFTER_S}\r\n")

    def _handle_early_update(self, session: OutgoingSession) -> None:
        request = self._request
        if request.body and not self._has_accepted_body():
            self._refuse(415, "Unsupported Media Type", f"Accept: {_ACCEPTED_TYPE}\r\n")
            return
        status, phrase, sdp = session.take_update(request, self._source)
        if status == 200:
            lines = dialog_lines(self._context, request, self._source)
            self._respond(status, phrase, lines=f"{lines}{_ALLOW}", sdp=sdp)
        else:
            self._refuse(status, phrase)

    def _hand_over(self, session: Session, midcall: MidCall) -> None:
        """Let the session have an offer, or a mere refresh."""
        request, template = self._request, self._template
        if midcall.is_repeated(template.key):
            return  # an UPDATE again that is not decided yet
        refusal = midcall.refusal_of(request)
        if refusal is not None:
            is_later = refusal[0] == 500
            self._refuse(*refusal, f"Retry-After: {_RETRY_AFTER_S}\r\n" if is_later else "")
            return
        if request.body and not self._has_accepted_body():
            self._refuse(415, "Unsupported Media Type", f"Accept: {_ACCEPTED_TYPE}\r\n")
            return
        transaction = None
        if request.method == "INVITE":
            transaction = self._create_invite_transaction()
            transaction.session_tag = session.local_tag
            trying = template.create(self._context, 100, "Trying")
            transaction.respond(100, trying, self._now)
        reoffer = Reoffer(
            self._context,
            midcall,
            request,
            template=template,
            transaction=transaction,
            source=self._source,
            now=self._now,
        )
        midcall.receive_offer(reoffer, self._now)

    def _is_acceptable(self) -> bool:
        """The checks of RFC 3261 8.2.2 and 8.2.3 for a request that opens something."""
        request = self._request
        hops = request.get_count("Max-Forwards")
        if hops is not None and hops <= 0:
            # A UAS need not look, but a request that went around in circles is no call.
            status = (400, "Bad Max-Forwards") if hops < 0 else (483, "Too Many Hops")
            self._refuse(*status)
            return False
        merged = self._context.invite_origins.get(origin_of(request))
        if merged is not None and request.method == "INVITE":
            self._refuse(482, "Loop Detected")
            return False
        return self._is_understood()

    def _is_understood(self) -> bool:
        """Whether nothing is required that we cannot do (RFC 3261 8.2.2.3)."""
        required = self._request.get_values("Require")
        unknown = [each for each in required if each.lower() not in _SUPPORTED]
        if not unknown:
            return True
        self._refuse(420, "Bad Extension", f"Unsupported: {', '.join(unknown)}\r\n")
        return False

    def _handle_outside(self) -> None:
        method = self._request.method
        if method == "INVITE":
            self._handle_invite()
        elif method == "OPTIONS":
            self._respond(200, "OK", lines=_OPTIONS_LINES)
        else:
            # BYE and INFO without a tag of ours have no session (RFC 3261 15.1.2).
            self._refuse(481, "Call/Transaction Does Not Exist")

    def _handle_invite(self) -> None:
        context, request = self._context, self._request
        if request.uri is None:
            self._refuse(400, "Bad Request-URI")
            return
        offer = None
        if request.body:
            if not self._has_accepted_body():
                self._refuse(415, "Unsupported Media Type", f"Accept: {_ACCEPTED_TYPE}\r\n")
                return
            try:
                offer = parse_sdp(request.body)
            except SdpError:
                self._refuse(488, "Not Acceptable Here")
                return
        if len(context.sessions) >= context.limits.sessions_max:
            lines = f"Retry-After: {_RETRY_AFTER_S}\r\n"
            self._refuse(503, "Service Unavailable", lines)
            return
        transaction = self._create_invite_transaction()
        # RFC 3261 17.2.1: our user may take longer than 200 ms.
        trying = self._template.create(context, 100, "Trying")
        transaction.respond(100, trying, self._now)
        session = IncomingSession(
            context,
            request,
            self._source,
            template=self._template,
            transaction=transaction,
            now=self._now,
        )
        context.events.append((session, IncomingInvite(offer)))

    def _has_accepted_body(self) -> bool:
        request = self._request
        kind = request.get("Content-Type").partition(";")[0].strip().lower()
        encoding = request.get("Content-Encoding").strip().lower()
        return kind == _ACCEPTED_TYPE and encoding in ("", "identity")

    def _create_invite_transaction(self) -> ServerInviteTransaction:
        template = self._template
        origin = origin_of(self._request)
        return ServerInviteTransaction(self._context, template.key, origin, template.destination)

    def _respond(
        self,
        status: int,
        phrase: str,
        *,
        to_tag: str = "",
        lines: str = "",
        sdp: bytes | None = None,
    ) -> None:
        """Answer in a transaction, so that the same answer goes to a repeated request."""
        context, request = self._context, self._request
        if not request.to_tag and not to_tag:
            to_tag = context.identifiers.create_tag()
        elif request.to_tag:
            to_tag = ""
        response = self._template.create(
            context, status, phrase, to_tag=to_tag, lines=lines, sdp=sdp
        )
        if request.method == "INVITE":
            self._create_invite_transaction().respond(status, response, self._now)
            return
        ServerNonInviteTransaction(
            context, self._template.key, response, self._template.destination, self._now
        )

    def _refuse(self, status: int, phrase: str, lines: str = "") -> None:
        self._context.counters.refused += 1
        self._respond(status, phrase, lines=lines)
