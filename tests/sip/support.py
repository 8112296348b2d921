"""A user agent under test, and the bytes of a peer that it talks to."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from clicktodial.domain.media import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    create_caller_offer,
)
from clicktodial.sip.event import SessionEvent
from clicktodial.sip.message import SipMessage, parse_message
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.user_agent import (
    Address,
    Hop,
    Invitation,
    Limits,
    Session,
    SessionState,
    UserAgent,
)

LOCAL: Address = ("192.0.2.1", 5060)
PEER: Address = ("192.0.2.9", 5080)
OFFER = create_caller_offer(MediaAddress("192.0.2.1", 20_000))
ANSWER = MediaDescription(MediaAddress("192.0.2.9", 30_000), (PCMA,), TELEPHONE_EVENT)
ANSWER_SDP = serialize_sdp(ANSWER)
CALLED = "+8613912345673"
SHOWN = "+861052680000"


def describe(*codecs: Codec, port: int = 30_000, dtmf: Codec | None = None) -> bytes:
    """SDP of a peer with those codecs."""
    return serialize_sdp(MediaDescription(MediaAddress("192.0.2.9", port), codecs, dtmf))


def create_agent(
    *, seed: int = 1, local: Address = LOCAL, limits: Limits | None = None
) -> UserAgent:
    """A user agent whose identifiers are the same in every run."""
    return UserAgent(local=local, user_agent="tested", limits=limits, random=random.Random(seed))


def create_invitation(next_hop: Hop = PEER, sdp: bytes | None = None) -> Invitation:
    """An INVITE to the peer."""
    called = f"sip:{CALLED}@192.0.2.9:5080;user=phone"
    return Invitation(
        request_uri=called,
        to_uri=called,
        from_uri=f"sip:{SHOWN}@192.0.2.9;user=phone",
        next_hop=next_hop,
        sdp=serialize_sdp(OFFER) if sdp is None else sdp,
    )


def create_response(
    request: bytes,
    status: int,
    phrase: str = "Whatever",
    *,
    tag: str = "peer",
    lines: Sequence[str] = ("Contact: <sip:192.0.2.9:5080>",),
    sdp: bytes = b"",
) -> bytes:
    """What a peer answers to that request."""
    head = request.partition(b"\r\n\r\n")[0].decode()
    kept = [
        line
        for line in head.split("\r\n")[1:]
        if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")
    ]
    if tag and status > 100:
        kept = [
            f"{line};tag={tag}" if line.startswith("To:") and ";tag=" not in line else line
            for line in kept
        ]
    if sdp:
        kept.append("Content-Type: application/sdp")
    rows = [f"SIP/2.0 {status} {phrase}", *kept, *lines, f"Content-Length: {len(sdp)}", "", ""]
    return "\r\n".join(rows).encode() + sdp


def create_request(
    method: str,
    *,
    branch: str = "z9hG4bKpeer1",
    cseq: int = 1,
    to_tag: str = "",
    from_tag: str = "caller",
    call_id: str = "call-1@peer",
    uri: str = f"sip:{CALLED}@192.0.2.1:5060",
    via: str = "",
    lines: Sequence[str] = (),
    sdp: bytes = b"",
    body: bytes = b"",
    cseq_method: str = "",
) -> bytes:
    """What a peer asks of us. A `body` that is no SDP has its type in `lines`."""
    rows = [
        f"{method} {uri} SIP/2.0",
        via or f"Via: SIP/2.0/UDP 192.0.2.9:5080;branch={branch};rport",
        f"From: <sip:{SHOWN}@192.0.2.9>;tag={from_tag}",
        f"To: <sip:{CALLED}@192.0.2.1>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {cseq_method or method}",
    ]
    if method in ("INVITE", "OPTIONS"):
        rows.append("Contact: <sip:192.0.2.9:5080>")
    if not any(line.startswith("Max-Forwards") for line in lines):
        rows.append("Max-Forwards: 70")
    if sdp:
        rows.append("Content-Type: application/sdp")
    content = sdp or body
    rows += [*lines, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(rows).encode() + content


@dataclass
class Harness:
    """One user agent, a clock, and what came out of it."""

    agent: UserAgent
    now: float = 100.0

    def receive(self, data: bytes, source: Hop = PEER) -> list[bytes]:
        """Feed one datagram; returns what it made the agent send."""
        self.agent.receive(data, source, self.now)
        return self.sent()

    def invite(self, invitation: Invitation | None = None) -> tuple[Session, bytes]:
        """Place a call; returns its INVITE too."""
        session = self.agent.invite(invitation or create_invitation(), self.now)
        [request] = self.sent()
        return session, request

    def answered(self) -> tuple[Session, bytes, bytes]:
        """A call in conversation: the session, its INVITE and its 200."""
        session, request = self.invite()
        ok = create_response(request, 200, sdp=ANSWER_SDP)
        self.receive(ok)
        self.events()
        return session, request, ok

    def advance(self, seconds: float) -> list[tuple[float, bytes]]:
        """Let time pass, deadline by deadline; returns what was sent and how long after."""
        started, end = self.now, self.now + seconds
        log: list[tuple[float, bytes]] = []
        while (deadline := self.agent.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.agent.handle_timeout(self.now)
            log += [(round(self.now - started, 3), data) for data in self.sent()]
        self.now = end
        return log

    def sent(self) -> list[bytes]:
        """What the agent sends now."""
        return [data for data, _ in self.agent.take_messages()]

    def sent_to(self) -> list[tuple[str, Hop]]:
        """The same, as first words and destinations."""
        return [(summary(data), to) for data, to in self.agent.take_messages()]

    def events(self) -> list[SessionEvent]:
        """What the agent tells now."""
        return [event for _, event in self.agent.take_events()]

    def accept(self) -> tuple[Session, list[bytes]]:
        """Let a peer call; returns the incoming session and the responses so far."""
        invite = create_request("INVITE", sdp=describe(PCMA, PCMU))
        self.agent.receive(invite, PEER, self.now)
        [(session, _)] = self.agent.take_events()
        return session, self.sent()


def create_harness(seed: int = 1) -> Harness:
    """A fresh agent at an arbitrary time."""
    return Harness(create_agent(seed=seed))


def state_of(session: Session) -> SessionState:
    """The state now; a call, so that type checkers do not take it for unchanged."""
    return session.state


def summary(data: bytes) -> str:
    """A message in one or two words: its method, or its status and the method that it answers."""
    message = parse_message(data)
    return f"{message.status} {message.method}" if message.status else message.method


def summaries(datagrams: Sequence[bytes]) -> list[str]:
    """Several messages likewise."""
    return [summary(data) for data in datagrams]


def read(data: bytes) -> SipMessage:
    """The message, parsed."""
    return parse_message(data)


def header_lines(data: bytes, name: str) -> list[str]:
    """The values of that header as they stand on the wire."""
    head = data.partition(b"\r\n\r\n")[0].decode()
    return re.findall(rf"(?mi)^{re.escape(name)}: (.*?)\r?$", head)
