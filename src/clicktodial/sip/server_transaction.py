"""Server transactions: INVITE, and everything else. transaction.py tells how they work."""

from collections.abc import Callable

from clicktodial.sip.context import Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.transaction import Input, State, input_of_status
from clicktodial.sip.uri import Flow, Hop


class ServerInviteTransaction:
    """RFC 3261 17.2.1, RFC 6026 7.1. The 200 itself is repeated by the session (13.3.1.4)."""

    __slots__ = (
        "_context",
        "_destination",
        "_interval_s",
        "_origin",
        "_response",
        "_timeout_at",
        "deadline",
        "key",
        "queued_at",
        "session_tag",
        "state",
    )

    def __init__(self, context: Context, key: str, origin: str, destination: Hop) -> None:
        """`origin` identifies the request on every path that it may take (RFC 3261 8.2.2.2)."""
        self._context = context
        self._destination = destination
        self._response: bytes | None = None
        self._interval_s = context.timers.t1_s
        self._timeout_at = 0.0
        self._origin = origin
        self.session_tag = ""  # the local tag of the session that the INVITE made, if any
        self.key = key
        self.state = State.PROCEEDING
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.server_transactions[key] = self
        # The first of several with one origin is the one that a merged request is compared with.
        context.invite_origins.setdefault(origin, key)

    @property
    def takes_ack(self) -> bool:
        """Whether an ACK with this key is for the transaction; that of a 2xx is the session's."""
        return self.state in (State.COMPLETED, State.CONFIRMED)

    def respond(self, status: int, response: bytes, now: float) -> None:
        """Send a response; after a final one nothing more is sent."""
        if self.state is not State.PROCEEDING:
            return
        timers = self._context.timers
        self._context.send(response, self._destination)
        kind = input_of_status(status)
        if kind is Input.PROVISIONAL:
            self._response = response
        elif kind is Input.SUCCESS:
            self.state = State.ACCEPTED
            self._response = None
            self._context.deadlines.arm(self, now + timers.transaction_timeout_s)
        else:
            self.state = State.COMPLETED
            self._response = response
            self._timeout_at = now + timers.transaction_timeout_s
            # RFC 3261 17.2.1: timer G is of unreliable transports.
            is_reliable = isinstance(self._destination, Flow)
            first = self._timeout_at if is_reliable else now + self._interval_s
            self._context.deadlines.arm(self, first)

    def receive(self, request: SipMessage, now: float) -> None:
        """Take the INVITE again, or the ACK of a refusal."""
        kind = Input.ACK if request.method == "ACK" else Input.RETRANSMISSION
        handler = _SERVER_INVITE.get((self.state, kind))
        if handler is not None:
            handler(self, now)

    def handle_timeout(self, now: float) -> None:
        """Timers G, H, I and L."""
        if self.state is State.COMPLETED and now < self._timeout_at:
            self._repeat(now)
            self._interval_s = self._context.timers.longer_interval_s(self._interval_s)
            self._context.deadlines.arm(self, min(now + self._interval_s, self._timeout_at))
            return
        self.state = State.TERMINATED
        self._context.server_transactions.pop(self.key, None)
        if self._context.invite_origins.get(self._origin) == self.key:
            del self._context.invite_origins[self._origin]

    def _repeat(self, _now: float) -> None:
        if self._response is not None:
            self._context.resend(self._response, self._destination)

    def _on_ack(self, now: float) -> None:
        self.state = State.CONFIRMED
        self._response = None
        linger_s = 0.0 if isinstance(self._destination, Flow) else self._context.timers.t4_s
        self._context.deadlines.arm(self, now + linger_s)


_SERVER_INVITE: dict[tuple[State, Input], Callable[[ServerInviteTransaction, float], None]] = {
    (State.PROCEEDING, Input.RETRANSMISSION): ServerInviteTransaction._repeat,
    (State.COMPLETED, Input.RETRANSMISSION): ServerInviteTransaction._repeat,
    (State.COMPLETED, Input.ACK): ServerInviteTransaction._on_ack,
}


class ServerNonInviteTransaction:
    """RFC 3261 17.2.2. Every such request is answered at once, so TRYING passes unseen."""

    __slots__ = ("_context", "_destination", "_response", "deadline", "key", "queued_at", "state")

    def __init__(
        self, context: Context, key: str, response: bytes, destination: Hop, now: float
    ) -> None:
        """Send the final response; it is repeated when the request is."""
        self._context = context
        self._destination = destination
        self._response = response
        self.key = key
        self.state = State.COMPLETED
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.server_transactions[key] = self
        context.send(response, destination)
        is_reliable = isinstance(destination, Flow)
        linger_s = 0.0 if is_reliable else context.timers.transaction_timeout_s
        context.deadlines.arm(self, now + linger_s)

    def receive(self, _request: SipMessage, _now: float) -> None:
        """Take the request again."""
        self._context.resend(self._response, self._destination)

    def handle_timeout(self, _now: float) -> None:
        """Timer J."""
        self.state = State.TERMINATED
        self._context.server_transactions.pop(self.key, None)
