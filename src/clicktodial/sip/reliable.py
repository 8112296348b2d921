"""Reliable provisional responses, as the UAC takes them (RFC 3262), and UPDATEs after them.

Each is acknowledged by a PRACK in the early dialog of its fork, once and in order; one that comes
again, or before its turn, is passed over, and its sender repeats it. A fork that has answered our
offer so may change its audio before the 200 (RFC 3311 5).
"""

from dataclasses import dataclass

from clicktodial.domain.media import MediaDescription
from clicktodial.sip.auth import DigestAuthenticator
from clicktodial.sip.client_transaction import FORKS_MAX, ClientNonInviteTransaction
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.local_side import LocalSide
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import Hop

# Of one INVITE: far more provisional responses than a call has, and few enough that who sends them
# without end gets no endless requests for it, wherever its Contact sends those.
PRACKS_MAX = 100


def is_reliable(response: SipMessage) -> bool:
    """Whether a provisional response wants a PRACK."""
    if response.status == 100 or not response.get("RSeq"):
        return False
    return "100rel" in {each.lower() for each in response.get_values("Require")}


@dataclass(slots=True)
class EarlyFork:
    """Who answers reliably. `answer` is its audio, within our offer; `side` is ours, once that was
    changed by an UPDATE."""

    dialog: Dialog
    rseq: int
    answer: MediaDescription | None = None
    side: LocalSide | None = None


class ReliableResponses:
    """Those of one INVITE."""

    __slots__ = ("_authenticator", "_context", "_forks", "_prack_count")

    def __init__(self, context: Context, authenticator: DigestAuthenticator | None) -> None:
        self._context = context
        self._authenticator = authenticator
        self._forks: dict[str, EarlyFork] = {}  # by To tag
        self._prack_count = 0

    def take(self, response: SipMessage, source: Hop, now: float) -> EarlyFork | None:
        """Acknowledge it; None where it is not to be looked at."""
        rseq = response.get_count("RSeq")
        fork = self._forks.get(response.to_tag)
        if rseq is None or rseq < 0 or not response.to_tag:
            return None
        is_one_too_many = fork is None and len(self._forks) >= FORKS_MAX
        if is_one_too_many or self._prack_count >= PRACKS_MAX:
            self._context.counters.refused += 1
            return None
        if fork is None:
            fork = EarlyFork(Dialog.of_response(response, source), rseq)
            self._forks[response.to_tag] = fork
        elif rseq == fork.rseq + 1:
            fork.rseq = rseq
        else:
            return None
        self._prack_count += 1
        self._send_prack(fork.dialog, rseq, response.cseq, now)
        return fork

    def fork_of(self, tag: str) -> EarlyFork | None:
        """The one with that tag."""
        return self._forks.get(tag)

    def _send_prack(self, dialog: Dialog, rseq: int, cseq: int, now: float) -> None:
        branch = self._context.identifiers.create_branch()
        lines = f"RAck: {rseq} {cseq} INVITE\r\n"
        if self._authenticator is not None:
            lines += self._authenticator.header_lines("PRACK", dialog.request_uri)
        request, next_hop = dialog.create_request(self._context, "PRACK", branch, lines)
        # What is answered to it changes nothing: the response itself is taken.
        ClientNonInviteTransaction(self._context, f"{branch} PRACK", request, next_hop, None, now)
