"""Reliable provisional responses, as the UAC takes them (RFC 3262).

Each is acknowledged by a PRACK in the early dialog of its fork, once and in order; one that comes
again, or before its turn, is passed over, and its sender repeats it.
"""

from clicktodial.sip.auth import DigestAuthenticator
from clicktodial.sip.client_transaction import FORKS_MAX, ClientNonInviteTransaction
from clicktodial.sip.context import Context
from clicktodial.sip.dialog import Dialog
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import Hop


def is_reliable(response: SipMessage) -> bool:
    """Whether a provisional response wants a PRACK."""
    if response.status == 100 or not response.get("RSeq"):
        return False
    return "100rel" in {each.lower() for each in response.get_values("Require")}


class ReliableResponses:
    """Those of one INVITE."""

    __slots__ = ("_authenticator", "_context", "_dialogs")

    def __init__(self, context: Context, authenticator: DigestAuthenticator | None) -> None:
        self._context = context
        self._authenticator = authenticator
        self._dialogs: dict[str, tuple[Dialog, int]] = {}  # and the RSeq last taken, by To tag

    def take(self, response: SipMessage, source: Hop, now: float) -> bool:
        """Acknowledge it; False where it is not to be looked at."""
        rseq = response.get_count("RSeq")
        known = self._dialogs.get(response.to_tag)
        if rseq is None or rseq < 0 or not response.to_tag:
            return False
        if known is None:
            if len(self._dialogs) >= FORKS_MAX:
                self._context.counters.refused += 1
                return False
            dialog = Dialog.of_response(response, source)
        elif rseq == known[1] + 1:
            dialog = known[0]
        else:
            return False
        self._dialogs[response.to_tag] = dialog, rseq
        self._send_prack(dialog, rseq, response.cseq, now)
        return True

    def last_cseq(self, to_tag: str) -> int:
        """The number of our last request in that fork's dialog; 0 where there was none."""
        known = self._dialogs.get(to_tag)
        return 0 if known is None else known[0].local_cseq

    def _send_prack(self, dialog: Dialog, rseq: int, cseq: int, now: float) -> None:
        branch = self._context.identifiers.create_branch()
        lines = f"RAck: {rseq} {cseq} INVITE\r\n"
        if self._authenticator is not None:
            lines += self._authenticator.header_lines("PRACK", dialog.request_uri)
        request, next_hop = dialog.create_request(self._context, "PRACK", branch, lines)
        # What is answered to it changes nothing: the response itself is taken.
        ClientNonInviteTransaction(self._context, f"{branch} PRACK", request, next_hop, None, now)
