"""Requests outside a dialog, and what follows one hop by hop: the ACK of a refusal, CANCEL."""

from dataclasses import dataclass

from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.context import MAX_FORWARDS, Context, Local
from clicktodial.sip.message import SipMessage
from clicktodial.sip.session_timer import MIN_SE_S
from clicktodial.sip.uri import Hop


@dataclass(frozen=True, slots=True)
class Invitation:
    """An INVITE to send. `headers` are added as given.

    `next_hop` is where the message goes, whatever `request_uri` says. `expires_s` is how long the
    phone may ring: should every CANCEL be lost, it falls silent by itself (RFC 3261 13.2.1).
    `from_name` is a display name, escaped as within quotes.
    `session_expires_s` is how often the peer is to hear of us at least (RFC 4028).
    With `credentials` a 401 or 407 is answered, in this dialog's later requests too.
    """

    request_uri: str
    to_uri: str
    from_uri: str
    next_hop: Hop
    sdp: bytes
    headers: tuple[tuple[str, str], ...] = ()
    expires_s: int | None = None
    session_expires_s: int | None = None
    credentials: TrunkCredentials | None = None
    from_name: str = ""

    def check(self) -> None:
        """Raises ValueError where a value would end its line and begin another."""
        values = (self.request_uri, self.to_uri, self.from_uri, self.from_name)
        text = "".join(values) + "".join(name + value for name, value in self.headers)
        if "\r" in text or "\n" in text:
            raise ValueError("line end in an invitation")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What the ACK and the CANCEL of an INVITE repeat of it (RFC 3261 9.1, 17.1.1.3)."""

    request_uri: str
    local: Local
    branch: str
    from_header: str
    to_uri: str
    call_id: str
    next_hop: Hop
    cseq: int = 1
    min_se_s: int = MIN_SE_S

    def create_ack(self, response: SipMessage) -> bytes:
        """The ACK of a final response that is no 2xx."""
        start = self._start("ACK", response.to_header)
        return f"{start}CSeq: {self.cseq} ACK\r\nContent-Length: 0\r\n\r\n".encode()

    def create_cancel(self, reason_lines: str) -> bytes:
        """The CANCEL, with Reason headers (RFC 3326) if any."""
        start = self._start("CANCEL", f"<{self.to_uri}>")
        return (
            f"{start}CSeq: {self.cseq} CANCEL\r\n{reason_lines}Content-Length: 0\r\n\r\n".encode()
        )

    def create_invite(
        self, context: Context, invitation: Invitation, authorization: str = ""
    ) -> bytes:
        """The INVITE itself; `authorization` are header lines."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in invitation.headers)
        if invitation.session_expires_s is not None:
            interval_s = max(invitation.session_expires_s, self.min_se_s)
            extra += f"Session-Expires: {interval_s}\r\nMin-SE: {self.min_se_s}\r\n"
        if invitation.expires_s is not None:
            extra += f"Expires: {invitation.expires_s}\r\n"
        return (
            f"{self._start('INVITE', f'<{self.to_uri}>')}CSeq: {self.cseq} INVITE\r\n"
            f"{self.local.contact_line}{context.agent_line}{extra}{authorization}"
            f"Content-Type: application/sdp\r\nContent-Length: {len(invitation.sdp)}\r\n\r\n"
        ).encode() + invitation.sdp

    def _start(self, method: str, to_header: str) -> str:
        return (
            f"{method} {self.request_uri} SIP/2.0\r\n"
            f"{self.local.via};rport;branch={self.branch}\r\n"
            f"Max-Forwards: {MAX_FORWARDS}\r\n"
            f"From: {self.from_header}\r\nTo: {to_header}\r\nCall-ID: {self.call_id}\r\n"
        )


def reason_lines(q850: int | None) -> str:
    """A Reason header for why we end a session, or nothing."""
    return "" if q850 is None else f"Reason: Q.850;cause={q850}\r\n"
