"""The four transactions of RFC 3261 17 over UDP, with the Accepted states of RFC 6026.

Theory of operation. A transaction is fed messages, commands and timeouts; per kind there is one
table `{(state, input): handler}`, and what it does not name is absorbed: over UDP everything may
arrive twice, late, or after the end. Handlers send through the context, arm the transaction's
one deadline (the earlier of its retransmission and its end), and tell a client's user.

    client INVITE                               server INVITE
    CALLING --1xx--> PROCEEDING                 PROCEEDING --2xx sent--> ACCEPTED -L->
      |  A: again      |   |                      |  again: last 1xx       absorbs INVITE
      |                |   +--2xx--> ACCEPTED     +--3-6xx sent--> COMPLETED --ACK--> CONFIRMED -I->
      |                |              M           |                  G: again, H: give up
      |                +--3-6xx--> COMPLETED
      |                              D
      +--B, or nothing within 64*T1 after CANCEL--> ABANDONED (64*T1)

    client non-INVITE                           server non-INVITE
    TRYING -1xx-> PROCEEDING -final-> COMPLETED  TRYING -final-> COMPLETED
      E: again      E: again, T2       K                          J; again: same response

ABANDONED is ours: the user was told that nobody answers, and the transaction stays for as long
as a late response may come, so that a late 1xx is cancelled and a late 200 acknowledged and
hung up, rather than leaving a phone to ring or a line open.

A transaction that only lingers keeps no request, body or session.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from clicktodial.sip.context import Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.request import RequestHead
from clicktodial.sip.uri import Address

# Forks that answer one INVITE; each costs an ACK and a BYE of ours.
FORKS_MAX = 8


class State(Enum):
    """Where a transaction stands."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ABANDONED = auto()
    TERMINATED = auto()


class Input(Enum):
    """What a response or request is to a transaction."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    RETRANSMISSION = auto()
    ACK = auto()
    TIMEOUT = auto()


def input_of_status(status: int) -> Input:
    """1xx, 2xx or the rest."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


class InviteUser(Protocol):
    """Who sent an INVITE."""

    def on_invite_response(
        self, transaction: "ClientInviteTransaction", response: SipMessage, source: Address
    ) -> None:
        """A response that is no retransmission; a 2xx must be given to `acknowledge`."""

    def on_invite_timeout(self, transaction: "ClientInviteTransaction") -> None:
        """No final response will be waited for any longer."""


class ClientInviteTransaction:
    """RFC 3261 17.1.1, RFC 6026 7.2."""

    __slots__ = (
        "_acks",
        "_cancel_reason",
        "_cancelled",
        "_context",
        "_head",
        "_interval_s",
        "_now",
        "_request",
        "_timeout_at",
        "_user",
        "deadline",
        "key",
        "next_hop",
        "queued_at",
        "state",
    )

    def __init__(
        self,
        context: Context,
        head: RequestHead,
        request: bytes,
        user: InviteUser,
        now: float,
    ) -> None:
        self._context = context
        self._head: RequestHead | None = head
        self._request: bytes | None = request
        self._user = user
        self._acks: dict[str, tuple[bytes, Address]] | None = None
        self._cancelled = False
        self._cancel_reason: str | None = None
        self._interval_s = context.timers.t1_s
        self._timeout_at = now + context.timers.transaction_timeout_s
        self._now = now
        self.key = f"{head.branch} INVITE"
        self.next_hop = head.next_hop
        self.state = State.CALLING
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.client_transactions[self.key] = self
        context.send(request, self.next_hop)
        context.deadlines.arm(self, now + self._interval_s)

    @property
    def now(self) -> float:
        """The time of the input that is being handled."""
        return self._now

    @property
    def is_abandoned(self) -> bool:
        """Whether its user does not want the session any more."""
        return self._cancel_reason is not None or self.state is State.ABANDONED

    def receive(self, response: SipMessage, source: Address, now: float) -> None:
        """Take a response that bears this transaction's branch."""
        self._now = now
        handler = _CLIENT_INVITE.get((self.state, input_of_status(response.status)))
        if handler is not None:
            handler(self, response, source)
        else:
            self._context.counters.stray += 1

    def handle_timeout(self, now: float) -> None:
        """Timers A, B, D, M, and the waits after CANCEL and after giving up."""
        self._now = now
        if self.state is State.CALLING and now < self._timeout_at:
            self._retransmit()
        elif self.state in (State.CALLING, State.PROCEEDING):
            self._abandon()
        else:
            self._terminate()

    def cancel(self, reason: str, new_user: InviteUser, now: float) -> None:
        """Give the INVITE up; `new_user` takes what still comes of it.

        RFC 3261 9.1: a CANCEL waits for the first provisional response. `reason` is the lines
        of a Reason header, or "".
        """
        self._now = now
        self._user = new_user
        self._cancel_reason = reason
        if self.state is State.PROCEEDING:
            self._send_cancel()

    def acknowledge(self, to_tag: str, ack: bytes, destination: Address) -> None:
        """Send the ACK of a 2xx, and again whenever that 2xx comes again."""
        if self._acks is None:
            self._acks = {}
        self._acks[to_tag] = ack, destination
        self._context.send(ack, destination)

    def release(self, new_user: InviteUser) -> None:
        """The session has its answer; `new_user` takes what forks still send."""
        self._user = new_user

    def _retransmit(self) -> None:
        assert self._request is not None
        self._context.resend(self._request, self.next_hop)
        self._interval_s *= 2
        self._context.deadlines.arm(self, min(self._now + self._interval_s, self._timeout_at))

    def _on_first_provisional(self, response: SipMessage, source: Address) -> None:
        self.state = State.PROCEEDING
        self._request = None
        # RFC 3261 17.1.1.2: from here on the phone may ring for as long as the user lets it.
        self._context.deadlines.cancel(self)
        if self._cancel_reason is not None:
            self._send_cancel()
        self._user.on_invite_response(self, response, source)

    def _on_provisional(self, response: SipMessage, source: Address) -> None:
        self._user.on_invite_response(self, response, source)

    def _on_late_provisional(self, _response: SipMessage, _source: Address) -> None:
        self._cancel_reason = self._cancel_reason or ""
        self._send_cancel()

    def _on_success(self, response: SipMessage, source: Address) -> None:
        known = None if self._acks is None else self._acks.get(response.to_tag)
        if known is not None:
            self._context.resend(*known)
            return
        if self._acks is not None and len(self._acks) >= FORKS_MAX:
            self._context.counters.refused += 1
            return
        if self.state is not State.ACCEPTED:
            self.state = State.ACCEPTED
            self._request = self._head = None
            self._linger(self._context.timers.transaction_timeout_s)
        self._user.on_invite_response(self, response, source)

    def _on_failure(self, response: SipMessage, source: Address) -> None:
        assert self._head is not None
        self.state = State.COMPLETED
        ack = self._head.create_ack(response.to_header)
        self._request = self._head = None
        self._acks = {"": (ack, self.next_hop)}
        self._context.send(ack, self.next_hop)
        self._linger(self._context.timers.transaction_timeout_s)
        self._user.on_invite_response(self, response, source)

    def _on_repeated_failure(self, _response: SipMessage, _source: Address) -> None:
        if self._acks is not None:
            self._context.resend(*self._acks[""])

    def _send_cancel(self) -> None:
        if self._cancelled or self._head is None:
            return
        self._cancelled = True
        request = self._head.create_cancel(self._cancel_reason or "")
        ClientNonInviteTransaction(
            self._context, f"{self._head.branch} CANCEL", request, self.next_hop, None, self._now
        )
        # RFC 3261 9.1: a peer that never ends what was cancelled is not waited for.
        self._linger(self._context.timers.transaction_timeout_s)

    def _abandon(self) -> None:
        self.state = State.ABANDONED
        self._request = None
        self._linger(self._context.timers.transaction_timeout_s)
        user, self._user = self._user, self._context.fork_closer
        user.on_invite_timeout(self)

    def _linger(self, duration_s: float) -> None:
        self._context.deadlines.arm(self, self._now + duration_s)

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._context.client_transactions.pop(self.key, None)


_ClientInviteHandler = Callable[[ClientInviteTransaction, SipMessage, Address], None]
_CLIENT_INVITE: dict[tuple[State, Input], _ClientInviteHandler] = {
    (State.CALLING, Input.PROVISIONAL): ClientInviteTransaction._on_first_provisional,
    (State.CALLING, Input.SUCCESS): ClientInviteTransaction._on_success,
    (State.CALLING, Input.FAILURE): ClientInviteTransaction._on_failure,
    (State.PROCEEDING, Input.PROVISIONAL): ClientInviteTransaction._on_provisional,
    (State.PROCEEDING, Input.SUCCESS): ClientInviteTransaction._on_success,
    (State.PROCEEDING, Input.FAILURE): ClientInviteTransaction._on_failure,
    (State.ACCEPTED, Input.SUCCESS): ClientInviteTransaction._on_success,
    (State.COMPLETED, Input.FAILURE): ClientInviteTransaction._on_repeated_failure,
    (State.ABANDONED, Input.PROVISIONAL): ClientInviteTransaction._on_late_provisional,
    (State.ABANDONED, Input.SUCCESS): ClientInviteTransaction._on_success,
    (State.ABANDONED, Input.FAILURE): ClientInviteTransaction._on_failure,
}


class RequestUser(Protocol):
    """Who sent a request other than INVITE."""

    def on_request_end(self, status: int) -> None:
        """The final response's status, or 408 where none came (RFC 3261 8.1.3.1)."""


class ClientNonInviteTransaction:
    """RFC 3261 17.1.2: BYE and CANCEL."""

    __slots__ = (
        "_context",
        "_interval_s",
        "_next_hop",
        "_request",
        "_timeout_at",
        "_user",
        "deadline",
        "key",
        "queued_at",
        "state",
    )

    def __init__(
        self,
        context: Context,
        key: str,
        request: bytes,
        next_hop: Address,
        user: RequestUser | None,
        now: float,
    ) -> None:
        self._context = context
        self._request: bytes | None = request
        self._next_hop = next_hop
        self._user = user
        self._interval_s = context.timers.t1_s
        self._timeout_at = now + context.timers.transaction_timeout_s
        self.key = key
        self.state = State.TRYING
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.client_transactions[key] = self
        context.send(request, next_hop)
        context.deadlines.arm(self, now + self._interval_s)

    def receive(self, response: SipMessage, _source: Address, now: float) -> None:
        """Take a response that bears this transaction's branch."""
        if self.state is State.COMPLETED:
            self._context.counters.stray += 1
        elif input_of_status(response.status) is Input.PROVISIONAL:
            self.state = State.PROCEEDING
            # RFC 3261 17.1.2.2: from then on every T2.
            self._interval_s = self._context.timers.t2_s
        else:
            self.state = State.COMPLETED
            self._context.deadlines.arm(self, now + self._context.timers.t4_s)
            self._finish(response.status)

    def handle_timeout(self, now: float) -> None:
        """Timers E, F and K."""
        if self.state is not State.COMPLETED and now < self._timeout_at:
            assert self._request is not None
            self._context.resend(self._request, self._next_hop)
            self._interval_s = self._context.timers.longer_interval_s(self._interval_s)
            self._context.deadlines.arm(self, min(now + self._interval_s, self._timeout_at))
            return
        timed_out = self.state is not State.COMPLETED
        self.state = State.TERMINATED
        self._context.client_transactions.pop(self.key, None)
        if timed_out:
            self._finish(408)

    def _finish(self, status: int) -> None:
        self._request = None
        user, self._user = self._user, None
        if user is not None:
            user.on_request_end(status)


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

    def __init__(self, context: Context, key: str, origin: str, destination: Address) -> None:
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
        context.invite_origins[origin] = key

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
            self._context.deadlines.arm(self, now + self._interval_s)

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
        self._context.invite_origins.pop(self._origin, None)

    def _repeat(self, _now: float) -> None:
        if self._response is not None:
            self._context.resend(self._response, self._destination)

    def _on_ack(self, now: float) -> None:
        self.state = State.CONFIRMED
        self._response = None
        self._context.deadlines.arm(self, now + self._context.timers.t4_s)


_SERVER_INVITE: dict[tuple[State, Input], Callable[[ServerInviteTransaction, float], None]] = {
    (State.PROCEEDING, Input.RETRANSMISSION): ServerInviteTransaction._repeat,
    (State.COMPLETED, Input.RETRANSMISSION): ServerInviteTransaction._repeat,
    (State.COMPLETED, Input.ACK): ServerInviteTransaction._on_ack,
}


class ServerNonInviteTransaction:
    """RFC 3261 17.2.2. Every such request is answered at once, so TRYING passes unseen."""

    __slots__ = ("_context", "_destination", "_response", "deadline", "key", "queued_at", "state")

    def __init__(
        self, context: Context, key: str, response: bytes, destination: Address, now: float
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
        context.deadlines.arm(self, now + context.timers.transaction_timeout_s)

    def receive(self, _request: SipMessage, _now: float) -> None:
        """Take the request again."""
        self._context.resend(self._response, self._destination)

    def handle_timeout(self, _now: float) -> None:
        """Timer J."""
        self.state = State.TERMINATED
        self._context.server_transactions.pop(self.key, None)
