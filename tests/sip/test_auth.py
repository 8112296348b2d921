"""Digest authentication: the RFCs' own numbers, and calls through peers that ask who we are."""

import dataclasses
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sip.support import (
    ANSWER_SDP,
    Harness,
    create_harness,
    create_invitation,
    create_response,
    header_lines,
    read,
    state_of,
    summaries,
    summary,
)

from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.auth import (
    CHALLENGE_CHARACTERS_MAX,
    CHALLENGES_MAX,
    Challenge,
    DigestAuthenticator,
    compute_response,
    parse_challenges,
)
from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.event import SessionAnswered, SessionEnded, SessionTrying
from clicktodial.sip.identifier import IdentifierSource
from clicktodial.sip.message import SipMessage, parse_message
from clicktodial.sip.session import Session, SessionState

CREDENTIALS = TrunkCredentials("enterprise", 'se"cret\\')
PARAMETER = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def create_challenge(
    *, nonce: str = "n1", algorithm: str = "SHA-256", qop: str = 'qop="auth"', more: str = ""
) -> str:
    parts = [
        f'Digest realm="carrier.example", nonce="{nonce}"', f"algorithm={algorithm}", qop, more
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)


def refused(*challenges: str, status: int = 401) -> SipMessage:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    lines = "".join(f"{name}: {challenge}\r\n" for challenge in challenges)
    return parse_message(
        (
            f"SIP/2.0 {status} Who\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
            f"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\n"
            f"CSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        ).encode()
    )


def create_authenticator(credentials: TrunkCredentials = CREDENTIALS) -> DigestAuthenticator:
    return DigestAuthenticator(credentials, IdentifierSource(random.Random(1)))


def parameters_of(line: str) -> dict[str, str]:
    return {match[1]: match[2] or match[3] or "" for match in PARAMETER.finditer(line)}


# The response


@pytest.mark.parametrize(
    ("realm", "password", "nonce", "algorithm", "cnonce", "response"),
    [
        # RFC 2617 3.5
        (
            "testrealm@host.com", "Circle Of Life", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "MD5",
            "0a4f113b", "6629fae49393a05397450978507c4ef1",
        ),
        # RFC 7616 3.9.1
        (
            "http-auth@example.org", "Circle of Life",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "MD5",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec",
        ),
        (
            "http-auth@example.org", "Circle of Life",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "SHA-256",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ],
)  # fmt: skip
def test_response_is_that_of_the_standards_example(
    realm: str, password: str, nonce: str, algorithm: str, cnonce: str, response: str
) -> None:
    challenge = Challenge(False, realm, nonce, None, algorithm, "auth", False)
    computed = compute_response(
        challenge,
        TrunkCredentials("Mufasa", password),
        method="GET",
        uri="/dir/index.html",
        body=b"",
        cnonce=cnonce,
        nonce_count="00000001",
    )
    assert computed == response


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ['qop="auth"', 'qop="auth-int"', 'qop="auth-int,auth"', ""])
def test_every_algorithm_and_protection_is_answered_alike_each_time(
    algorithm: str, qop: str
) -> None:
    authenticator = create_authenticator()
    assert authenticator.accept(refused(create_challenge(algorithm=algorithm, qop=qop)))
    line = authenticator.header_lines("INVITE", "sip:b@h", b"v=0")
    fields = parameters_of(line)
    [challenge] = parse_challenges(refused(create_challenge(algorithm=algorithm, qop=qop)))
    assert fields["response"] == compute_response(
        challenge,
        CREDENTIALS,
        method="INVITE",
        uri="sip:b@h",
        body=b"v=0",
        cnonce=fields.get("cnonce", ""),
        nonce_count=fields.get("nc", ""),
    )
    assert fields["username"] == "enterprise"
    assert ("qop" in fields) == bool(qop)


def test_quotes_in_names_are_escaped_on_the_wire() -> None:
    authenticator = create_authenticator(TrunkCredentials('a"b\\c', "x"))
    authenticator.accept(refused(create_challenge()))
    assert 'username="a\\"b\\\\c"' in authenticator.header_lines("BYE", "sip:b@h")


def test_nonce_count_grows_with_each_request() -> None:
    authenticator = create_authenticator()
    authenticator.accept(refused(create_challenge()))
    counts = [parameters_of(authenticator.header_lines("BYE", "sip:b@h"))["nc"] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]


# Challenges


def test_first_known_algorithm_of_a_realm_is_the_servers_choice() -> None:
    offered = [create_challenge(algorithm=each) for each in ("SHA3-256", "SHA-256", "MD5")]
    [challenge] = parse_challenges(refused(*offered))
    assert challenge.algorithm == "SHA-256"


def test_password_refused_is_not_given_again() -> None:
    authenticator = create_authenticator()
    assert authenticator.accept(refused(create_challenge(nonce="n1")))
    assert not authenticator.accept(refused(create_challenge(nonce="n2")))


def test_stale_nonce_is_replaced_and_bounded() -> None:
    authenticator = create_authenticator()
    assert authenticator.accept(refused(create_challenge()))
    accepted = [
        authenticator.accept(refused(create_challenge(nonce=f"s{index}", more="stale=true")))
        for index in range(CHALLENGES_MAX)
    ]
    assert accepted == [True] * (CHALLENGES_MAX - 1) + [False]


def test_two_proxies_that_ask_one_after_the_other_are_both_answered() -> None:
    authenticator = create_authenticator()
    assert authenticator.accept(refused(create_challenge(), status=407))
    assert authenticator.accept(refused(create_challenge(), status=401))
    lines = authenticator.header_lines("INVITE", "sip:b@h")
    assert [line.partition(":")[0] for line in lines.splitlines()] == [
        "Proxy-Authorization", "Authorization",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest nonce="x"',
        create_challenge(algorithm="AKAv1-MD5"),
        create_challenge(qop='qop="none"'),
        create_challenge(more=f'opaque="{"x" * CHALLENGE_CHARACTERS_MAX}"'),
    ],
)
def test_challenge_that_cannot_be_answered_is_none(challenge: str) -> None:
    assert parse_challenges(refused(challenge)) == []


@given(st.text(max_size=300).filter(lambda text: "\r" not in text and "\n" not in text))
def test_any_challenge_is_answered_on_one_line_or_not_at_all(text: str) -> None:
    try:
        response = refused(f'Digest realm="r", nonce="n", {text}')
    except MalformedMessage:
        return
    authenticator = create_authenticator()
    if authenticator.accept(response):
        assert authenticator.header_lines("BYE", "sip:b@h").count("\r\n") == 1


# Calls


def invite(harness: Harness) -> tuple[Session, bytes]:
    return harness.invite(dataclasses.replace(create_invitation(), credentials=CREDENTIALS))


def refuse(request: bytes, challenge: str, status: int = 407) -> bytes:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return create_response(request, status, lines=[f"{name}: {challenge}"])


@pytest.mark.parametrize("status", [401, 407])
def test_invite_refused_for_want_of_credentials_goes_again_with_them(status: int) -> None:
    harness = create_harness()
    session, first = invite(harness)
    ack, second = harness.receive(refuse(first, create_challenge(), status))
    assert summaries([ack, second]) == ["ACK", "INVITE"]
    one, other = read(first), read(second)
    assert (other.call_id, other.from_tag, other.cseq) == (one.call_id, one.from_tag, 2)
    assert other.branch != one.branch
    assert other.body == one.body
    name = "Authorization" if status == 401 else "Proxy-Authorization"
    assert parameters_of(other.get(name))["uri"] == "sip:+8613912345673@192.0.2.9:5080;user=phone"
    harness.receive(create_response(second, 200, sdp=ANSWER_SDP))
    assert [type(event) for event in harness.events()] == [SessionTrying, SessionAnswered]
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert parameters_of(read(bye).get(name))["nc"] == "00000002"
    assert read(bye).cseq == 3


def test_password_that_is_wrong_ends_the_call_with_the_refusal() -> None:
    harness = create_harness()
    session, first = invite(harness)
    _, second = harness.receive(refuse(first, create_challenge()))
    assert summaries(harness.receive(refuse(second, create_challenge(nonce="n2")))) == ["ACK"]
    ended = harness.events()[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.cause.sip_status == 407
    assert state_of(session) is SessionState.ENDED


def test_challenge_without_credentials_is_a_refusal() -> None:
    harness = create_harness()
    _, first = harness.invite()
    assert summaries(harness.receive(refuse(first, create_challenge()))) == ["ACK"]
    assert isinstance(harness.events()[-1], SessionEnded)


def test_hang_up_after_the_challenge_cancels_the_second_invite() -> None:
    harness = create_harness()
    session, first = invite(harness)
    _, second = harness.receive(refuse(first, create_challenge()))
    harness.receive(create_response(second, 180))
    session.hang_up(harness.now)
    [cancel] = harness.sent()
    assert (summary(cancel), read(cancel).cseq) == ("CANCEL", 2)
    assert read(cancel).branch == read(second).branch
    # RFC 3261 22.1: a CANCEL cannot be challenged.
    assert not header_lines(cancel, "Proxy-Authorization")


def test_refused_invite_that_comes_again_is_acknowledged_again_and_no_more() -> None:
    harness = create_harness()
    _, first = invite(harness)
    harness.receive(refuse(first, create_challenge()))
    assert summaries(harness.receive(refuse(first, create_challenge()))) == ["ACK"]


def test_bye_refused_with_a_stale_nonce_goes_again() -> None:
    harness = create_harness()
    session, first = invite(harness)
    _, second = harness.receive(refuse(first, create_challenge()))
    harness.receive(create_response(second, 200, sdp=ANSWER_SDP))
    session.hang_up(harness.now)
    [bye] = harness.sent()
    [again] = harness.receive(refuse(bye, create_challenge(nonce="n2", more="stale=true")))
    assert read(again).cseq == read(bye).cseq + 1
    assert parameters_of(read(again).get("Proxy-Authorization"))["nonce"] == "n2"
    assert harness.receive(create_response(again, 200)) == []
    assert state_of(session) is SessionState.ENDED


def test_bye_refused_for_good_ends_the_session() -> None:
    harness = create_harness()
    session, first = invite(harness)
    _, second = harness.receive(refuse(first, create_challenge()))
    harness.receive(create_response(second, 200, sdp=ANSWER_SDP))
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert harness.receive(refuse(bye, create_challenge(nonce="n2"))) == []
    assert state_of(session) is SessionState.ENDED
    harness.advance(200)
    assert harness.agent.transaction_count == 0
