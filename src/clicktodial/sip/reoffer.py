"""A re-INVITE or UPDATE of the peer in a session, to its answer (RFC 3261 14.2, RFC 3311).

    WAITING --accept: 200--> ANSWERED --ACK--> OVER      (an UPDATE has no ACK)
       |                        |  200 again; no ACK within 64*T1: the session ends
       +--refuse, CANCEL, or nobody decides in time--> OVER

What it means for the media is for the session's owner to say; the session goes on as it was until
then, and for good where the offer is refused.
"""

from enum import Enum, auto
from typing import Protocol

from clicktodial.sip.context import ALLOWED_METHODS, Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.response import ResponseTemplate, dialog_lines
from clicktodial.sip.server_transaction import ServerInviteTransaction, ServerNonInviteTransaction
from clicktodial.sip.uri import Hop

# What is carried through to the other party waits for that party's answer to a re-INVITE of ours,
# which is seldom a person's. Well below the three minutes after which proxies give up (RFC 3261
# 16.6), and the 32 s after which we give our own up.
REINVITE_DECISION_MAX_S = 20.0
# RFC 3311 5.2: an UPDATE waits for nobody. Enough for a relay and a quick party; with a repetition
# of our answer it is well within its sender's 32 s.
UPDATE_DECISION_MAX_S = 4.0


class ReofferUser(Protocol):
    """The session of it."""

    def on_reoffer_over(self, reoffer: "Reoffer", now: float) -> None:
        """It is decided, and acknowledged where it must be."""

    def on_reoffer_unacknowledged(self, reoffer: "Reoffer", now: float) -> None:
        """The ACK of our 200 will come no more (RFC 3261 14.2: the session ends)."""


class _State(Enum):
    WAITING = auto()
    ANSWERED = auto()
    OVER = auto()


class Reoffer:
    """One such request. `request` and `source` are kept until it is decided."""

    __slots__ = (
        "_context",
        "_give_up_at",
        "_interval_s",
        "_response",
        "_state",
        "_template",
        "_transaction",
        "_user",
        "deadline",
        "queued_at",
        "request",
        "source",
    )

    def __init__(
        self,
        context: Context,
        user: ReofferUser,
        request: SipMessage,
        *,
        template: ResponseTemplate,
        transaction: ServerInviteTransaction | None,
        source: Hop,
        now: float,
    ) -> None:
        """`transaction` is that of a re-INVITE."""
        self._context = context
        self._user = user
        self._template = template
        self._transaction = transaction
        self._state = _State.WAITING
        self._response = b""
        self._interval_s = context.timers.t1_s
        self._give_up_at = 0.0
        self.request = request
        self.source = source
        self.deadline: float | None = None
        self.queued_at: float | None = None
        context.deadlines.arm(self, now + self.decide_within_s)

    @property
    def is_undecided(self) -> bool:
        """Whether the peer still waits for an answer."""
        return self._state is _State.WAITING

    @property
    def is_invite(self) -> bool:
        """Whether it is a re-INVITE rather than an UPDATE."""
        return self._transaction is not None

    @property
    def decide_within_s(self) -> float:
        """How long its sender is let wait."""
        return REINVITE_DECISION_MAX_S if self.is_invite else UPDATE_DECISION_MAX_S

    @property
    def key(self) -> str:
        """That of its transaction."""
        return self._template.key

    def accept(self, sdp: bytes | None, lines: str, now: float) -> None:
        """Answer 200; `lines` are further headers."""
        headers = dialog_lines(self._context, self.request, self.source)
        response = self._template.create(
            self._context,
            200,
            "OK",
            lines=f"{headers}Allow: {ALLOWED_METHODS}\r\n{lines}",
            sdp=sdp,
        )
        if self._transaction is None:
            self._finish(response, now)
            return
        self._transaction.respond(200, response, now)
        self._state = _State.ANSWERED
        self._response = response
        self._give_up_at = now + self._context.timers.transaction_timeout_s
        self._context.deadlines.arm(self, now + self._interval_s)

    def refuse(self, status: int, phrase: str, now: float, *, lines: str = "") -> None:
        """Leave the session as it was."""
        self._context.counters.refused += 1
        response = self._template.create(self._context, status, phrase, lines=lines)
        if self._transaction is None:
            self._finish(response, now)
            return
        self._transaction.respond(status, response, now)
        self._end(now)

    def awaits_ack(self, request: SipMessage) -> bool:
        """Whether an ACK is the one that is waited for."""
        return self._state is _State.ANSWERED and request.cseq == self.request.cseq

    def receive_ack(self, now: float) -> None:
        """Take the ACK."""
        self._end(now)

    def abandon(self, now: float) -> None:
        """The session ends with it."""
        if self.is_undecided:
            self.refuse(487, "Request Terminated", now)
        elif self._state is _State.ANSWERED:
            self._end(now)

    def handle_timeout(self, now: float) -> None:
        """Give up waiting for the owner, or for the ACK; else send the 200 again."""
        if self._state is _State.WAITING and self.is_invite:
            self.refuse(500, "Server Internal Error", now, lines="Retry-After: 5\r\n")
        elif self._state is _State.WAITING:
            self.refuse(504, "Server Time-out", now)  # RFC 3311 5.2
        elif now < self._give_up_at:
            self._context.resend(self._response, self._template.destination)
            self._interval_s = self._context.timers.longer_interval_s(self._interval_s)
            self._context.deadlines.arm(self, min(now + self._interval_s, self._give_up_at))
        else:
            self._state = _State.OVER
            self._user.on_reoffer_unacknowledged(self, now)

    def _finish(self, response: bytes, now: float) -> None:
        destination = self._template.destination
        ServerNonInviteTransaction(self._context, self._template.key, response, destination, now)
        self._end(now)

    def _end(self, now: float) -> None:
        self._state = _State.OVER
        self._context.deadlines.cancel(self)
        self._user.on_reoffer_over(self, now)
