"""What is asked of us before, within and outside of sessions."""

import pytest
from tests.sip.support import (
    ANSWER_SDP,
    PEER,
    Harness,
    create_agent,
    create_harness,
    create_request,
    create_response,
    describe,
    header_lines,
    read,
    state_of,
    summaries,
    summary,
)

from clicktodial.domain.media import PCMA
from clicktodial.sip.context import ALLOWED_METHODS
from clicktodial.sip.event import SessionEnded
from clicktodial.sip.session import SessionState
from clicktodial.sip.user_agent import Address, Limits

OFFER_SDP = describe(PCMA)


def answer_to(request: bytes) -> bytes:
    """The one response that a fresh agent gives."""
    [response] = create_harness().receive(request)
    return response


# Outside of dialogs


def test_options_is_answered_with_what_we_can() -> None:
    response = answer_to(create_request("OPTIONS"))
    assert summary(response) == "200 OPTIONS"
    assert header_lines(response, "Allow") == [ALLOWED_METHODS]
    assert header_lines(response, "Accept") == [
        "application/sdp, application/dtmf-relay, application/dtmf"
    ]
    assert read(response).to_tag


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(create_request("REGISTER"), "405 REGISTER", id="register"),
        pytest.param(create_request("UPDATE", to_tag="x"), "481 UPDATE", id="update"),
        pytest.param(create_request("FROBNICATE"), "501 FROBNICATE", id="unknown-method"),
        pytest.param(create_request("BYE"), "481 BYE", id="bye-without-tag"),
        pytest.param(create_request("BYE", to_tag="x"), "481 BYE", id="bye-of-nothing"),
        pytest.param(create_request("INFO", to_tag="x"), "481 INFO", id="info-of-nothing"),
        pytest.param(create_request("INVITE", to_tag="x"), "481 INVITE", id="reinvite-of-nothing"),
        pytest.param(create_request("CANCEL"), "481 CANCEL", id="cancel-of-nothing"),
        pytest.param(
            create_request("INVITE", lines=["Max-Forwards: 0"]), "483 INVITE", id="no-hops"
        ),
        pytest.param(
            create_request("INVITE", lines=["Max-Forwards: many"]), "400 INVITE", id="bad-hops"
        ),
        pytest.param(
            create_request("INVITE", lines=["Require: 100rel, x-y"]), "420 INVITE", id="extension"
        ),
        pytest.param(
            create_request("INVITE", sdp=b"no sdp at all"), "488 INVITE", id="unusable-offer"
        ),
        pytest.param(
            create_request("INVITE", sdp=OFFER_SDP).replace(b"application/sdp", b"text/plain"),
            "415 INVITE",
            id="other-body",
        ),
        pytest.param(
            create_request("INVITE", lines=["Content-Encoding: gzip"], sdp=OFFER_SDP),
            "415 INVITE",
            id="encoded-body",
        ),
        pytest.param(
            create_request("INVITE", cseq_method="BYE"), "400 BYE", id="cseq-of-another-method"
        ),
        pytest.param(create_request("OPTIONS", uri="nobody:x"), "416 OPTIONS", id="scheme"),
        pytest.param(create_request("OPTIONS", uri="sip:a b@c"), "400 OPTIONS", id="bad-uri"),
        pytest.param(
            create_request("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1),
            "505 OPTIONS",
            id="version",
        ),
        pytest.param(
            create_request("OPTIONS").replace(b"Content-Length: 0", b"Content-Length: 9"),
            "400 OPTIONS",
            id="body-too-short",
        ),
    ],
)  # fmt: skip
def test_request_that_cannot_be_obeyed_is_refused(request_bytes: bytes, expected: str) -> None:
    harness = create_harness()
    [response] = harness.receive(request_bytes)
    status, method = expected.split()
    assert response.startswith(f"SIP/2.0 {status} ".encode())
    assert header_lines(response, "CSeq") == [f"1 {method}"]
    assert read(response).to_tag
    assert harness.events() == []
    assert harness.agent.session_count == 0
    assert harness.agent.counters.refused == 1
    assert harness.receive(request_bytes)[0].startswith(f"SIP/2.0 {status} ".encode())


@pytest.mark.parametrize("method", ["REGISTER", "FROBNICATE"])
def test_refused_method_names_those_that_we_know(method: str) -> None:
    assert header_lines(answer_to(create_request(method)), "Allow") == [ALLOWED_METHODS]


def test_refused_extension_is_named() -> None:
    response = answer_to(create_request("INVITE", lines=["Require: 100rel, x-y"]))
    assert header_lines(response, "Unsupported") == ["100rel, x-y"]


def test_refused_body_names_what_we_read() -> None:
    request = create_request("INVITE", sdp=OFFER_SDP).replace(b"application/sdp", b"text/plain")
    assert header_lines(answer_to(request), "Accept") == ["application/sdp"]


def test_merged_request_is_refused_as_a_loop() -> None:
    harness = create_harness()
    harness.receive(create_request("INVITE", sdp=OFFER_SDP))
    [response] = harness.receive(create_request("INVITE", branch="z9hG4bKotherpath", sdp=OFFER_SDP))
    assert summary(response) == "482 INVITE"
    assert harness.agent.session_count == 1


def test_request_that_merged_with_what_is_forgotten_is_taken() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.reject(486, "Busy Here", harness.now)
    harness.advance(70.0)
    again = create_request("INVITE", branch="z9hG4bKotherpath", sdp=OFFER_SDP)
    assert summaries(harness.receive(again)) == ["100 INVITE"]


@pytest.mark.parametrize("to_tag", ["", "unknown"])
def test_stray_ack_is_counted_and_dropped(to_tag: str) -> None:
    harness = create_harness()
    assert harness.receive(create_request("ACK", to_tag=to_tag)) == []
    assert harness.agent.counters.stray == 1


# Where responses go


@pytest.mark.parametrize(
    ("via", "source", "destination", "parameters"),
    [
        ("192.0.2.9:5080;branch=z9hG4bK1", ("192.0.2.9", 40_000), ("192.0.2.9", 5080), ""),
        (
            "192.0.2.9:5080;rport;branch=z9hG4bK1",
            ("192.0.2.9", 40_000),
            ("192.0.2.9", 40_000),
            ";received=192.0.2.9;rport=40000",
        ),
        (
            "10.0.0.1;branch=z9hG4bK1",
            ("192.0.2.9", 40_000),
            ("192.0.2.9", 5060),
            ";received=192.0.2.9",
        ),
        (
            "phone_1.example : 5088 ; RPORT ; branch=z9hG4bK1;received=198.51.100.1",
            ("192.0.2.9", 40_000),
            ("192.0.2.9", 40_000),
            ";received=192.0.2.9;rport=40000",
        ),
    ],
)  # fmt: skip
def test_response_goes_to_where_the_request_came_from(
    via: str, source: Address, destination: Address, parameters: str
) -> None:
    harness = create_harness()
    request = create_request("OPTIONS", via=f"Via: SIP/2.0/UDP {via}, SIP/2.0/UDP 10.9.9.9")
    harness.agent.receive(request, source, harness.now)
    [(response, to)] = harness.agent.take_messages()
    assert to == destination
    top, below = header_lines(response, "Via")
    assert top.endswith(parameters)
    assert "198.51.100.1" not in top
    assert below == "SIP/2.0/UDP 10.9.9.9"


@pytest.mark.parametrize("via", ["garbage", "SIP/2.0/UDP", "SIP/2.0/UDP host:0;branch=z9hG4bK1"])
def test_request_with_unreadable_via_is_dropped_as_malformed(via: str) -> None:
    harness = create_harness()
    assert harness.receive(create_request("OPTIONS", via=f"Via: {via}")) == []
    assert harness.agent.counters.malformed == 1


def test_branch_without_cookie_identifies_by_the_rest() -> None:
    harness = create_harness()
    via = "Via: SIP/2.0/UDP 192.0.2.9:5080;branch=1"
    invite = create_request("INVITE", via=via, sdp=OFFER_SDP)
    first = harness.receive(invite)
    assert harness.receive(invite) == first
    other = create_request("INVITE", via=via, call_id="other", sdp=OFFER_SDP)
    assert summaries(harness.receive(other)) == ["100 INVITE"]
    assert harness.agent.session_count == 2


# Within dialogs


class Conversation:
    """A call in conversation, and requests of its peer."""

    def __init__(self) -> None:
        self.harness = create_harness()
        self.session, self.invite, _ = self.harness.answered()

    def ask(
        self,
        method: str,
        cseq: int,
        *,
        from_tag: str = "peer",
        call_id: str = "",
        lines: tuple[str, ...] = (),
    ) -> list[bytes]:
        """What we answer to that request."""
        invite = read(self.invite)
        request = create_request(
            method,
            branch=f"z9hG4bK{method}{cseq}",
            cseq=cseq,
            to_tag=invite.from_tag,
            from_tag=from_tag,
            call_id=call_id or invite.call_id,
            lines=lines,
            sdp=OFFER_SDP if method == "INVITE" else b"",
        )
        return self.harness.receive(request)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("INFO", "200 INFO"),
        ("OPTIONS", "200 OPTIONS"),
        ("UPDATE", "200 UPDATE"),
        ("REFER", "405 REFER"),
        ("NONSENSE", "501 NONSENSE"),
    ],
)
def test_request_within_a_session_is_answered_and_the_session_goes_on(
    method: str, expected: str
) -> None:
    conversation = Conversation()
    assert summaries(conversation.ask(method, 5)) == [expected]
    assert state_of(conversation.session) is SessionState.CONFIRMED
    assert conversation.harness.events() == []
    assert summaries(conversation.ask("BYE", 6)) == ["200 BYE"]


def test_request_out_of_order_is_500_and_changes_nothing() -> None:
    conversation = Conversation()
    conversation.ask("INFO", 7)
    assert summaries(conversation.ask("BYE", 6)) == ["500 BYE"]
    assert state_of(conversation.session) is SessionState.CONFIRMED


def test_unknown_extension_required_within_a_session_is_420() -> None:
    conversation = Conversation()
    assert summaries(conversation.ask("INFO", 2, lines=("Require: x",))) == ["420 INFO"]


@pytest.mark.parametrize(("from_tag", "call_id"), [("other", ""), ("peer", "other")])
def test_bye_of_another_dialog_is_481_and_changes_nothing(from_tag: str, call_id: str) -> None:
    conversation = Conversation()
    sent = conversation.ask("BYE", 2, from_tag=from_tag, call_id=call_id)
    assert summaries(sent) == ["481 BYE"]
    assert state_of(conversation.session) is SessionState.CONFIRMED


def test_bye_when_the_session_has_ended_is_481() -> None:
    conversation = Conversation()
    conversation.ask("BYE", 2)
    assert isinstance(conversation.harness.events()[0], SessionEnded)
    assert summaries(conversation.ask("BYE", 3)) == ["481 BYE"]


@pytest.mark.parametrize("ringing", [False, True])
def test_invite_before_our_own_is_answered_is_told_to_wait(ringing: bool) -> None:
    harness = create_harness()
    session, request = harness.invite()
    if ringing:
        harness.receive(create_response(request, 180))
    invite = create_request(
        "INVITE",
        branch="z9hG4bKglare",
        to_tag=read(request).from_tag,
        from_tag="peer",
        call_id=session.call_id,
        sdp=OFFER_SDP,
    )
    assert summaries(harness.receive(invite)) == ["491 INVITE"]


def test_second_invite_before_the_first_is_acked_is_told_to_come_later() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    [response] = harness.receive(
        create_request("INVITE", branch="z9hG4bK2", cseq=2, to_tag=session.local_tag, sdp=OFFER_SDP)
    )
    assert summary(response) == "500 INVITE"
    assert header_lines(response, "Retry-After")
    assert state_of(session) is SessionState.ANSWERED


# Limits


def test_invite_beyond_the_sessions_limit_is_503_with_retry_after() -> None:
    harness = Harness(create_agent(limits=Limits(sessions_max=1)))
    harness.accept()
    [response] = harness.receive(
        create_request("INVITE", branch="z9hG4bK2", call_id="second", sdp=OFFER_SDP)
    )
    assert summary(response) == "503 INVITE"
    assert header_lines(response, "Retry-After")
    assert harness.agent.session_count == 1


def test_requests_beyond_the_transactions_limit_leave_nothing_behind() -> None:
    harness = Harness(create_agent(limits=Limits(server_transactions_max=3)))
    for number in range(20):
        harness.receive(create_request("OPTIONS", branch=f"z9hG4bK{number}"))
    assert harness.agent.transaction_count == 3
    assert harness.agent.counters.refused == 17
    [response] = harness.receive(create_request("INVITE", branch="z9hG4bKx", sdp=OFFER_SDP))
    assert summary(response) == "503 INVITE"
    assert harness.agent.transaction_count == 3


def test_flood_of_refused_requests_is_forgotten_when_its_time_is_over() -> None:
    harness = create_harness()
    for number in range(500):
        harness.receive(create_request("REGISTER", branch=f"z9hG4bK{number}", call_id=str(number)))
        harness.receive(create_request("INVITE", branch=f"z9hG4bKi{number}", uri="http://x"))
    harness.advance(70.0)
    assert harness.agent.transaction_count == 0
    assert harness.agent.session_count == 0
    assert harness.agent.next_deadline() is None


def test_malformed_datagram_is_counted_and_dropped() -> None:
    harness = create_harness()
    for data in (b"", b"\r\n\r\n", b"hello", b"\x00" * 2000, ANSWER_SDP):
        assert harness.receive(data, PEER) == []
    assert harness.agent.counters.malformed == 5
    assert harness.agent.counters.received == 5
