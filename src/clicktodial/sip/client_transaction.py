"""Client transactions: INVITE, and BYE and CANCEL. transaction.py tells how they work."""

from collections.abc import Callable
from typing import Protocol

from clicktodial.sip.context import Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.transaction import Input, State, input_of_status
from clicktodial.sip.uri import Flow, Hop

# Forks that answer one INVITE; each costs an ACK and a BYE of ours.
FORKS_MAX = 8


class InviteHead(Protocol):
    """What of an INVITE its transaction needs to know."""

    @property
    def branch(self) -> str: ...

    @property
    def next_hop(self) -> Hop: ...

    def create_ack(self, response: SipMessage) -> bytes: ...

    def create_cancel(self, reason_lines: str) -> bytes: ...


class InviteUser(Protocol):
    """Who sent an INVITE."""

    def on_invite_response(
        self, transaction: "ClientInviteTransaction", response: SipMessage, source: Hop
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
        head: InviteHead,
        request: bytes,
        user: InviteUser,
        now: float,
    ) -> None:
        self._context = context
        self._head: InviteHead | None = head
        self._request: bytes | None = request
        self._user = user
        self._acks: dict[str, tuple[bytes, Hop]] | None = None
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
        # RFC 3261 17.1.1.2: what delivers reliably is not helped by sending it again.
        first = self._timeout_at if self._is_reliable else now + self._interval_s
        context.deadlines.arm(self, first)

    @property
    def _is_reliable(self) -> bool:
        return isinstance(self.next_hop, Flow)

    @property
    def now(self) -> float:
        """The time of the input that is being handled."""
        return self._now

    def receive(self, response: SipMessage, source: Hop, now: float) -> None:
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

    def handle_transport_failure(self, now: float) -> None:
        """The connection failed. Who has the INVITE may still answer over another one, so that
        only a request that nobody confirmed is given up."""
        self._now = now
        if self.state is State.CALLING:
            self._abandon()

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

    def acknowledge(self, to_tag: str, ack: bytes, destination: Hop) -> None:
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

    def _on_first_provisional(self, response: SipMessage, source: Hop) -> None:
        self.state = State.PROCEEDING
        self._request = None
        # RFC 3261 17.1.1.2: from here on the phone may ring for as long as the user lets it.
        self._context.deadlines.cancel(self)
        if self._cancel_reason is not None:
            self._send_cancel()
        self._user.on_invite_response(self, response, source)

    def _on_provisional(self, response: SipMessage, source: Hop) -> None:
        self._user.on_invite_response(self, response, source)

    def _on_late_provisional(self, _response: SipMessage, _source: Hop) -> None:
        self._cancel_reason = self._cancel_reason or ""
        self._send_cancel()

    def _on_success(self, response: SipMessage, source: Hop) -> None:
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

    def _on_failure(self, response: SipMessage, source: Hop) -> None:
        assert self._head is not None
        self.state = State.COMPLETED
        ack = self._head.create_ack(response)
        self._request = self._head = None
        self._acks = {"": (ack, self.next_hop)}
        self._context.send(ack, self.next_hop)
        self._linger(0.0 if self._is_reliable else self._context.timers.transaction_timeout_s)
        self._user.on_invite_response(self, response, source)

    def _on_repeated_failure(self, _response: SipMessage, _source: Hop) -> None:
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


_ClientInviteHandler = Callable[[ClientInviteTransaction, SipMessage, Hop], None]
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

    def on_request_end(self, response: SipMessage | None, now: float) -> None:
        """The final response; None where none came."""


class ClientNonInviteTransaction:
    """RFC 3261 17.1.2: BYE and CANCEL."""

    __slots__ = (
        "_context",
        "_interval_s",
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
        key: str,
        request: bytes,
        next_hop: Hop,
        user: RequestUser | None,
        now: float,
    ) -> None:
        self._context = context
        self._request: bytes | None = request
        self.next_hop = next_hop
        self._user = user
        self._interval_s = context.timers.t1_s
        self._timeout_at = now + context.timers.transaction_timeout_s
        self.key = key
        self.state = State.TRYING
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.client_transactions[key] = self
        context.send(request, next_hop)
        first = self._timeout_at if isinstance(next_hop, Flow) else now + self._interval_s
        context.deadlines.arm(self, first)

    def receive(self, response: SipMessage, _source: Hop, now: float) -> None:
        """Take a response that bears this transaction's branch."""
        if self.state is State.COMPLETED:
            self._context.counters.stray += 1
        elif input_of_status(response.status) is Input.PROVISIONAL:
            self.state = State.PROCEEDING
            # RFC 3261 17.1.2.2: from then on every T2.
            self._interval_s = self._context.timers.t2_s
        else:
            self.state = State.COMPLETED
            linger_s = 0.0 if isinstance(self.next_hop, Flow) else self._context.timers.t4_s
            self._context.deadlines.arm(self, now + linger_s)
            self._finish(response, now)

    def handle_timeout(self, now: float) -> None:
        """Timers E, F and K."""
        if self.state is not State.COMPLETED and now < self._timeout_at:
            assert self._request is not None
            self._context.resend(self._request, self.next_hop)
            self._interval_s = self._context.timers.longer_interval_s(self._interval_s)
            self._context.deadlines.arm(self, min(now + self._interval_s, self._timeout_at))
            return
        self._give_up(now)

    def handle_transport_failure(self, now: float) -> None:
        """The connection failed; nothing that may still come is worth waiting for."""
        self._context.deadlines.cancel(self)
        self._give_up(now)

    def _give_up(self, now: float) -> None:
        unanswered = self.state is not State.COMPLETED
        self.state = State.TERMINATED
        self._context.client_transactions.pop(self.key, None)
        if unanswered:
            self._finish(None, now)

    def _finish(self, response: SipMessage | None, now: float) -> None:
        self._request = None
        user, self._user = self._user, None
        if user is not None:
            user.on_request_end(response, now)
