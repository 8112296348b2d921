"""A sans-I/O SIP user agent (RFC 3261), UAC and UAS.

Theory of operation. The owner feeds `receive()` with messages and `handle_timeout()` with the
passing of time, commands sessions, and after each of these sends what `take_messages()` gives
and acts on `take_events()`. The engine reads no clock and opens no socket: time is `now`,
monotonic seconds, and a hop is a literal IP and a port, so every race is a sequence of
calls that a test can write down.

       bytes -> message -> response -> client transaction -> outgoing session -> event
                        -> request  -> server transaction -> (again: same response)
                                    -> checks -> incoming session -> event

Transactions find their messages by branch, sessions their requests by our own tag, which is
random: what nobody could have learned from us matches nothing, and is counted and dropped.
"""

import random as random_module
from collections.abc import Mapping

from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.trunk import Transport
from clicktodial.sip.client_request import ClientRequest, PlainRequest, RequestOutcome
from clicktodial.sip.context import Context, Counters, Limits
from clicktodial.sip.error import MalformedMessage, SessionStateError
from clicktodial.sip.event import SessionEnded, SessionEvent
from clicktodial.sip.identifier import IdentifierSource
from clicktodial.sip.message import SipMessage, parse_message
from clicktodial.sip.outgoing import ForkCloser, OutgoingSession
from clicktodial.sip.request import Invitation
from clicktodial.sip.server import Server
from clicktodial.sip.session import Direction, Session, SessionState
from clicktodial.sip.timer import Timers
from clicktodial.sip.uri import Address, Flow, Hop

__all__ = [
    "Address",
    "Counters",
    "Direction",
    "Flow",
    "Hop",
    "Invitation",
    "Limits",
    "Session",
    "SessionState",
    "SessionStateError",
    "UserAgent",
]

OVERLOAD_CAUSE = LegCause(LegOutcome.FAILED, 503, "Too many sessions", 42)


class UserAgent:
    """The engine. `local` is the host and port written into Via and Contact.

    `others` are our further addresses, by transport and whether they are of IPv6.
    """

    __slots__ = ("_context", "_outcomes", "_server")

    def __init__(
        self,
        *,
        local: Address,
        others: Mapping[tuple[Transport, bool], Address] | None = None,
        user_agent: str,
        timers: Timers = Timers(),  # noqa: B008 - frozen
        limits: Limits | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        """`random` is for tests; without it identifiers come from the system's entropy."""
        if any(character in user_agent for character in "\r\n"):
            raise ValueError("line end in the user agent's name")
        self._context = Context(
            local=local,
            others=others or {},
            user_agent=user_agent,
            timers=timers,
            limits=limits or Limits(),
            identifiers=IdentifierSource(random),
        )
        self._context.fork_closer = ForkCloser(self._context)
        self._server = Server(self._context)
        self._outcomes: list[RequestOutcome] = []

    @property
    def counters(self) -> Counters:
        """What passed so far."""
        return self._context.counters

    @property
    def session_count(self) -> int:
        """Sessions that live, those whose BYE is under way included."""
        return len(self._context.sessions)

    @property
    def transaction_count(self) -> int:
        """Transactions that live or linger."""
        return len(self._context.client_transactions) + len(self._context.server_transactions)

    @property
    def has_events(self) -> bool:
        """Whether `take_events` or `take_outcomes` may have something to give."""
        return bool(self._context.events or self._outcomes)

    def invite(self, invitation: Invitation, now: float) -> Session:
        """Queue an INVITE; what becomes of it comes as events, a refusal for want of room too.

        Raises ValueError where a value of the invitation contains a line end.
        """
        invitation.check()
        context = self._context
        if (
            len(context.sessions) >= context.limits.sessions_max
            or len(context.client_transactions) >= context.limits.client_transactions_max
        ):
            return self._create_refused_session()
        return OutgoingSession(context, invitation, now)

    def request(self, request: PlainRequest, now: float) -> ClientRequest:
        """Queue a request outside of any dialog; `take_outcomes` tells what came of it, once.

        Raises ValueError where a value of the request contains a line end.
        """
        request.check()
        context = self._context
        sent = ClientRequest(context, request, self._outcomes)
        if len(context.client_transactions) < context.limits.client_transactions_max:
            sent.send(now)
        else:
            context.counters.refused += 1
            sent.refuse()
        return sent

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one message, as a datagram or cut from a stream. Never raises for what it is."""
        context = self._context
        context.counters.received += 1
        try:
            message = parse_message(data)
            if message.status:
                self._receive_response(message, source, now)
            else:
                self._server.receive(message, source, now)
        except MalformedMessage:
            context.counters.malformed += 1

    def next_deadline(self) -> float | None:
        """When `handle_timeout` must be called at the latest; None for never."""
        return self._context.deadlines.next_deadline()

    def handle_timeout(self, now: float) -> None:
        """Act on every deadline that has passed."""
        for item in self._context.deadlines.take_due(now):
            item.handle_timeout(now)

    def handle_transport_failure(self, flow: Flow, now: float) -> None:
        """A connection could not be opened, or broke: what was sent by it may be lost."""
        transactions = self._context.client_transactions.values()
        for transaction in [each for each in transactions if each.next_hop == flow]:
            transaction.handle_transport_failure(now)

    def take_messages(self) -> list[tuple[bytes, Hop]]:
        """What to send, in order; taken once."""
        messages, self._context.outbox = self._context.outbox, []
        return messages

    def take_events(self) -> list[tuple[Session, SessionEvent]]:
        """What happened, in order; taken once. Nothing is told of sessions that we ended."""
        events = self._context.events
        if not events:
            return events
        self._context.events = []
        return [entry for entry in events if not entry[0].is_silent]

    def take_outcomes(self) -> list[RequestOutcome]:
        """What came of requests outside of dialogs, in order; taken once."""
        outcomes = self._outcomes[:]
        self._outcomes.clear()
        return outcomes

    def _receive_response(self, response: SipMessage, source: Hop, now: float) -> None:
        context = self._context
        key = f"{response.branch} {response.method}"
        transaction = context.client_transactions.get(key)
        # RFC 3261 8.1.3.3: a second Via means that the response was not for us.
        if transaction is None or len(response.via_headers) > 1 or "," in response.via_headers[0]:
            context.counters.stray += 1
            return
        transaction.receive(response, source, now)

    def _create_refused_session(self) -> Session:
        context = self._context
        context.counters.refused += 1
        identifiers = context.identifiers
        session = RefusedSession(
            context,
            direction=Direction.OUTGOING,
            call_id=identifiers.create_call_id(),
            local_tag=identifiers.create_tag(),
        )
        session.refuse(OVERLOAD_CAUSE)
        return session


class RefusedSession(Session):
    """An outgoing session for which there was no room; nothing was sent for it."""

    __slots__ = ()

    def refuse(self, cause: LegCause) -> None:
        """End it; its owner hears of that as of any other end."""
        self._end()
        self._emit(SessionEnded(cause))

    def hang_up(self, now: float, *, q850: int | None = None) -> None:
        self.is_silent = True
