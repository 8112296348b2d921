"""A conversation that we opened, for tests of what happens within it."""

import dataclasses
from collections.abc import Sequence

from tests.sip.support import (
    ANSWER_SDP,
    Harness,
    create_harness,
    create_invitation,
    create_request,
    create_response,
    read,
    state_of,
)

from clicktodial.domain.media import PCMA, Codec
from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.event import SessionAnswered, SessionEvent
from clicktodial.sip.session import Session, SessionState


def streams(message: bytes) -> list[str]:
    """What follows `m=` in the body, stream by stream."""
    lines = read(message).body.decode().split("\r\n")
    return [line.removeprefix("m=") for line in lines if line.startswith("m=")]


class Call:
    """A conversation that we opened, and the peer's side of it."""

    def __init__(
        self,
        lines: Sequence[str] = (),
        *,
        session_expires_s: int | None = None,
        allow: str = "INVITE, ACK, BYE, CANCEL, UPDATE",
        offer: bytes | None = None,
        answer: bytes = ANSWER_SDP,
        credentials: TrunkCredentials | None = None,
    ) -> None:
        self.harness: Harness = create_harness()
        invitation = dataclasses.replace(
            create_invitation(sdp=offer),
            session_expires_s=session_expires_s,
            credentials=credentials,
        )
        self.session: Session
        self.session, self.invite = self.harness.invite(invitation)
        contact = "Contact: <sip:192.0.2.9:5080>"
        ok_lines = (contact, f"Allow: {allow}", *lines)
        self.harness.receive(create_response(self.invite, 200, lines=ok_lines, sdp=answer))
        [*_, answered] = self.harness.events()
        assert isinstance(answered, SessionAnswered)

    def ask(
        self,
        method: str,
        cseq: int,
        *,
        sdp: bytes = b"",
        body: bytes = b"",
        lines: Sequence[str] = (),
        branch: str = "",
    ) -> list[bytes]:
        """What the peer asks within the dialog; returns what we send."""
        invite = read(self.invite)
        return self.harness.receive(
            create_request(
                method,
                branch=branch or f"z9hG4bK{method}{cseq}",
                cseq=cseq,
                to_tag=invite.from_tag,
                from_tag="peer",
                call_id=invite.call_id,
                sdp=sdp,
                body=body,
                lines=lines,
            )
        )

    def accept(self, codec: Codec = PCMA) -> bytes:
        """Take the offer that is open; returns the 200."""
        self.session.accept_offer(codec, self.harness.now)
        [ok] = self.harness.sent()
        return ok

    def answer(
        self, request: bytes, status: int, *, sdp: bytes = b"", lines: Sequence[str] = ()
    ) -> list[bytes]:
        """The peer answers a request of ours; returns what we send."""
        contact = "Contact: <sip:192.0.2.9:5080>"
        return self.harness.receive(
            create_response(request, status, lines=(contact, *lines), sdp=sdp)
        )

    def events(self) -> list[SessionEvent]:
        return self.harness.events()

    @property
    def state(self) -> SessionState:
        return state_of(self.session)
