"""A request of ours within a session: an UPDATE or re-INVITE that keeps it alive, or an offer.

RFC 4028 7.4: UPDATE is better for the former, since it says nothing of the media; a peer whose
Allow does not name it gets a re-INVITE. Offers are re-INVITEs: an UPDATE must be answered at once,
and what the peer shows to its own other party takes its time (RFC 3311 5.1).
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
    """What the ACK of a refused re-INVITE, and its CANCEL, repeat of it."""

    context: Context
    dialog: Dialog
    branch: str
    cseq: int
    next_hop: Hop

    def create_ack(self, response: SipMessage) -> bytes:
        return self.dialog.create_failure_ack(self.context, response)

    def create_cancel(self, reason_lines: str) -> bytes:
        return self.dialog.create_cancel(self.context, self.branch, self.cseq, reason_lines)


class Refresh:
    """One such request under way."""

    __slots__ = ("_context", "_dialog", "_on_end", "_transaction")

    def __init__(self, context: Context, dialog: Dialog, on_end: RefreshHandler) -> None:
        """`on_end` is called once; nothing is sent before `update` or `reinvite`."""
        self._context = context
        self._dialog = dialog
        self._on_end: RefreshHandler | None = on_end
        self._transaction: ClientInviteTransaction | None = None

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
        head = _ReinviteHead(self._context, self._dialog, branch, self._dialog.local_cseq, next_hop)
        self._transaction = ClientInviteTransaction(self._context, head, request, self, now)

    def cancel(self, now: float) -> None:
        """Wait no longer: the end is what the peer says to that, or nothing. A CANCEL of anything
        but an INVITE is no use (RFC 3261 9.1)."""
        if self._transaction is not None:
            self._transaction.cancel("", self, now)

    def forget(self, now: float) -> None:
        """The session is over; what still comes is only acknowledged."""
        self._on_end = None
        self.cancel(now)

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
        self._transaction = None
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(response, source, now)
