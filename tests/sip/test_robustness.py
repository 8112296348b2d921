"""Whatever is sent to us: nothing is raised, nothing grows without bound, all is forgotten."""

import dataclasses
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sip.support import (
    ANSWER,
    ANSWER_SDP,
    OFFER,
    PEER,
    Harness,
    create_agent,
    create_invitation,
    create_request,
    create_response,
    describe,
    read,
)
from tests.sip.test_crypto import OURS, SECURE_OFFER

from clicktodial.domain.media import PCMA, PCMU, Codec
from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.session import Session, SessionState
from clicktodial.sip.user_agent import Limits, SessionStateError

SECURE_ANSWER_SDP = serialize_sdp(dataclasses.replace(ANSWER, crypto=OURS[:1]))
SECURE_OFFER_SDP = serialize_sdp(SECURE_OFFER)
LIMITS = Limits(sessions_max=6, server_transactions_max=12, client_transactions_max=20)
STATUSES = [100, 180, 183, 200, 202, 302, 401, 422, 481, 486, 487, 488, 491, 503, 603]
# What a peer may say of audio within a conversation, or instead of it.
BODIES = [
    b"",
    ANSWER_SDP,
    describe(PCMU),
    describe(Codec(18, "G729")),
    ANSWER_SDP + b"m=video 9 RTP/AVP 99\r\n",
    serialize_sdp(dataclasses.replace(ANSWER, crypto=OURS)),
    serialize_sdp(dataclasses.replace(ANSWER, crypto=OURS[1:])),
    b"junk",
]
LINES = [
    (),
    ("Session-Expires: 90;refresher=uac",),
    ("Session-Expires: 1",),
    ("Min-SE: 1000",),
    ("Require: 100rel", "RSeq: 1"),
    ("Require: 100rel", "RSeq: 2"),
    ('WWW-Authenticate: Digest realm="r", nonce="n"',),
    ("Content-Type: application/dtmf",),
]
METHODS = ["INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "UPDATE", "NOTIFY", "X"]


class Mischief:
    """A peer that knows our sessions' identifiers and keeps to no rule."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.harness = Harness(create_agent(seed=seed, limits=LIMITS))
        self.sessions: list[Session] = []
        self.requests: list[bytes] = []
        self.cseq = 10

    def act(self) -> None:
        """One step of either side."""
        actions = (
            self.invite, self.respond, self.respond, self.ask, self.ask, self.command,
            self.wait, self.garble, self.repeat, self.talk, self.talk, self.talk,
        )  # fmt: skip
        self.dice.choice(actions)()
        self.collect()

    def collect(self) -> None:
        for data in self.harness.sent():
            if not data.startswith(b"SIP/2.0"):
                self.requests.append(data)
        for session, _ in self.harness.agent.take_events():
            if session not in self.sessions:
                self.sessions.append(session)

    def invite(self) -> None:
        invitation = dataclasses.replace(
            create_invitation(sdp=self.dice.choice([None, SECURE_OFFER_SDP])),
            session_expires_s=self.dice.choice([None, 90]),
            credentials=self.dice.choice([None, TrunkCredentials("us", "secret")]),
        )
        self.sessions.append(self.harness.agent.invite(invitation, self.harness.now))

    def respond(self) -> None:
        if self.requests:
            self.post(self.create_response())

    def create_response(self) -> bytes:
        body = self.dice.choice([*BODIES, describe(), b"v=0"])
        lines = ("Contact: <sip:192.0.2.9:5080>", *self.dice.choice(LINES))
        tag = self.dice.choice(["", "a", "b", "c"])
        request = self.dice.choice(self.requests)
        status = self.dice.choice(STATUSES)
        return create_response(request, status, tag=tag, sdp=body, lines=lines)

    def talk(self) -> None:
        """What keeps to the rules, so that a conversation comes of it; and then not to all."""
        talking = [each for each in self.sessions if each.state is SessionState.CONFIRMED]
        if talking and self.dice.random() < 0.5:
            self.discuss(self.dice.choice(talking))
        elif self.requests and not talking:
            request = self.dice.choice(self.requests[-3:])
            body = self.dice.choice([ANSWER_SDP, SECURE_ANSWER_SDP])
            self.post(create_response(request, 200, tag="a", sdp=body))
        elif self.requests:
            status = self.dice.choice(STATUSES)
            lines = ("Contact: <sip:192.0.2.9:5080>", *self.dice.choice(LINES))
            body = self.dice.choice(BODIES)
            request = self.dice.choice(self.requests[-3:])
            self.post(create_response(request, status, tag="a", sdp=body, lines=lines))

    def discuss(self, session: Session) -> None:
        self.cseq += 1
        method = self.dice.choice(["INVITE", "INVITE", "UPDATE", "UPDATE", "ACK", "INFO", "CANCEL"])
        cseq = self.cseq - self.dice.choice([0, 0, 1]) if method in ("ACK", "CANCEL") else self.cseq
        request = create_request(
            method,
            branch=f"z9hG4bKtalk{cseq}",
            cseq=cseq,
            to_tag=session.local_tag,
            from_tag="a",
            call_id=session.call_id,
            sdp=self.dice.choice(BODIES),
            lines=self.dice.choice(LINES),
        )
        self.post(request)

    def ask(self) -> None:
        self.post(self.create_request())

    def create_request(self) -> bytes:
        dice = self.dice
        known = dice.choice(self.sessions) if self.sessions and dice.random() < 0.8 else None
        return create_request(
            dice.choice(METHODS),
            branch=f"z9hG4bK{dice.randrange(6)}",
            cseq=dice.randrange(4),
            to_tag=known.local_tag if known and dice.random() < 0.8 else "",
            from_tag=dice.choice(["a", "b", "caller"]),
            call_id=known.call_id if known else f"call{dice.randrange(4)}",
            sdp=dice.choice(BODIES),
            lines=dice.choice(LINES),
        )

    def command(self) -> None:
        if not self.sessions:
            return
        session = self.dice.choice(self.sessions)
        now = self.harness.now
        try:
            match self.dice.choice([0, 1, 2, 3, 4, 4, 5, 5, 5, 6]):
                case 0:
                    session.hang_up(now)
                case 1:
                    session.ring(now, self.dice.choice([None, ANSWER_SDP]))
                case 2:
                    session.answer(ANSWER_SDP, now)
                case 3:
                    session.reject(486, "Busy Here", now)
                case 4:
                    session.reoffer(self.dice.choice([OFFER, ANSWER]), now)
                case 5:
                    session.accept_offer(self.dice.choice([PCMA, PCMU]), now)
                case _:
                    session.refuse_offer(488, "Not Acceptable Here", now)
        except (SessionStateError, ValueError):
            return

    def wait(self) -> None:
        for _, data in self.harness.advance(self.dice.choice([0.1, 1.0, 5.0, 40.0])):
            if not data.startswith(b"SIP/2.0"):
                self.requests.append(data)

    def garble(self) -> None:
        sane = self.create_response() if self.requests else self.create_request()
        broken = bytearray(sane)
        for _ in range(self.dice.randrange(1, 6)):
            position = self.dice.randrange(len(broken))
            match self.dice.randrange(3):
                case 0:
                    broken[position] = self.dice.randrange(256)
                case 1:
                    del broken[position : position + self.dice.randrange(20)]
                case _:
                    broken[position:position] = self.dice.choice(
                        [b"\r\n", b",", b";", b'"', b"<", b"\x00", b"\xff" * 9, b" " * 99]
                    )
        self.post(bytes(broken))

    def repeat(self) -> None:
        if self.requests:
            self.post(self.dice.choice(self.requests))

    def post(self, data: bytes) -> None:
        self.harness.agent.receive(data, PEER, self.harness.now)

    def check_bounds(self) -> None:
        agent = self.harness.agent
        assert agent.session_count <= LIMITS.sessions_max
        # Ending what exists takes a CANCEL, an ACK or a BYE more for each of it.
        transactions_max = LIMITS.server_transactions_max + 10 * LIMITS.client_transactions_max
        assert agent.transaction_count <= transactions_max

    def finish(self) -> None:
        """Everyone hangs up; nothing may be left."""
        for session in self.sessions:
            session.hang_up(self.harness.now)
        self.harness.sent()
        self.harness.advance(900.0)
        assert all(session.state is SessionState.ENDED for session in self.sessions)
        assert self.harness.agent.session_count == 0
        assert self.harness.agent.transaction_count == 0
        assert self.harness.agent.next_deadline() is None


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 120))
def test_peer_that_keeps_to_no_rule_does_no_harm(seed: int, steps: int) -> None:
    mischief = Mischief(seed)
    for _ in range(steps):
        mischief.act()
        mischief.check_bounds()
    mischief.finish()


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=400), max_size=20))
def test_any_datagrams_are_dropped_or_answered(datagrams: list[bytes]) -> None:
    harness = Harness(create_agent())
    for data in datagrams:
        harness.receive(data)
    harness.advance(100.0)
    assert harness.agent.transaction_count == 0


def test_responses_to_a_guess_of_our_branch_reach_nobody() -> None:
    harness = Harness(create_agent())
    _, request = harness.invite()
    branch = read(request).branch.encode()
    dice = random.Random(1)
    for _ in range(2000):
        guess = b"z9hG4bK%020x" % dice.getrandbits(80)
        response = create_response(request, 200, sdp=ANSWER_SDP).replace(branch, guess)
        assert harness.receive(response) == []
    assert harness.events() == []
    assert harness.agent.counters.stray == 2000
