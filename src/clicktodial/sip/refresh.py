"""A request of ours that keeps a session alive: an UPDATE, or a re-INVITE that repeats our SDP.

RFC 4028 7.4: UPDATE is better, since it says nothing of the media; a peer whose Allow does not
name it gets a re-INVITE.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clicktodial.sip.client_transaction import (
    ClientInviteTransaction,
    ClientNonInviteTransaction,
)
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import Hop

# The final response, or None where none came.
RefreshHandler = Callable[[SipMessage | None, Hop | None, float], None]


@dataclass(frozen=True, slots=True)
class _ReinviteHead:
    """What the ACK of a refused re-INVITE repeats of it."""

    context: Context
    dialog: Dialog
    branch: str
    next_hop: Hop

    def create_ack(self, response: SipMessage) -> bytes:
        return self.dialog.create_failure_ack(self.context, response)

    def create_cancel(self, reason_lines: str) -> bytes:
        raise AssertionError("a refresh is never given up")


class Refresh:
    """One such request under way."""

    __slots__ = ("_context", "_dialog", "_on_end")

    def __init__(self, context: Context, dialog: Dialog, on_end: RefreshHandler) -> None:
        """`on_end` is called once; nothing is sent before `update` or `reinvite`."""
        self._context = context
        self._dialog = dialog
        self._on_end: RefreshHandler | None = on_end

    def update(self, lines: str, now: float) -> None:
        """Send an UPDATE without a body."""
        branch = self._context.identifiers.create_branch()
        request, next_hop = self._dialog.create_request(self._context, "UPDATE", branch, lines)
        ClientNonInviteTransaction(self._context, f"{branch} UPDATE", request, next_hop, self, now)

    def reinvite(self, lines: str, sdp: bytes, now: float) -> None:
        """Send a re-INVITE with that SDP."""
        branch = self._context.identifiers.create_branch()
        request, next_hop = self._dialog.create_reinvite(
            self._context, branch, f"{lines}Content-Type: application/sdp\r\n", sdp
        )
        head = _ReinviteHead(self._context, self._dialog, branch, next_hop)
        ClientInviteTransaction(self._context, head, request, self, now)

    def forget(self) -> None:
        """The session is over; what still comes is only acknowledged."""
        self._on_end = None

    # From transactions

    def on_request_end(self, response: SipMessage | None, now: float) -> None:
        """The UPDATE is answered or given up."""
        self._end(response, None, now)

    def on_invite_response(
        self, transaction: ClientInviteTransaction, response: SipMessage, source: Hop
    ) -> None:
        """The re-INVITE is answered: a 2xx wants its ACK in the dialog that there is."""
        if response.status < 200:
            return
        if response.status < 300:
            ack, next_hop = self._dialog.create_ack(self._context, response.cseq)
            transaction.acknowledge(response.to_tag, ack, next_hop)
        self._end(response, source, transaction.now)

    def on_invite_timeout(self, transaction: ClientInviteTransaction) -> None:
        """Nobody answered the re-INVITE."""
        self._end(None, None, transaction.now)

    def _end(self, response: SipMessage | None, source: Hop | None, now: float) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(response, source, now)
