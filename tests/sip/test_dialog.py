"""Where requests within a dialog go, and what stands in them."""

import pytest
from tests.sip.support import (
    ANSWER_SDP,
    LOCAL,
    PEER,
    create_harness,
    create_request,
    create_response,
    describe,
    header_lines,
    summary,
)

from clicktodial.domain.media import PCMA
from clicktodial.sip.user_agent import Address

PROXY: Address = ("192.0.2.20", 5070)


@pytest.mark.parametrize(
    ("contact", "uri", "destination"),
    [
        ("<sip:192.0.2.30:5090>", "sip:192.0.2.30:5090", ("192.0.2.30", 5090)),
        (
            "<sip:a@192.0.2.30;transport=UDP;ob>;expires=60;q=0.5",
            "sip:a@192.0.2.30;transport=UDP;ob",
            ("192.0.2.30", 5060),
        ),
        (
            '"Bob, B" <sip:b@192.0.2.30>, <sip:c@192.0.2.31>',
            "sip:b@192.0.2.30",
            ("192.0.2.30", 5060),
        ),
        ("sip:b@192.0.2.30:5091;x=y", "sip:b@192.0.2.30:5091", ("192.0.2.30", 5091)),
        ("<sip:b@node1:5099>", "sip:b@node1:5099", PEER),
        ("<sips:b@phone.example>", "sips:b@phone.example", PEER),
        ("<tel:+8613912345673>", "sip:192.0.2.9:5080", PEER),
        ("", "sip:192.0.2.9:5080", PEER),
    ],
)
def test_requests_without_routes_go_to_the_contact(
    contact: str, uri: str, destination: Address
) -> None:
    harness = create_harness()
    session, request = harness.invite()
    lines = [f"Contact: {contact}"] if contact else []
    harness.agent.receive(
        create_response(request, 200, lines=lines, sdp=ANSWER_SDP), PEER, harness.now
    )
    session.hang_up(harness.now)
    sent = harness.agent.take_messages()
    assert [summary(data) for data, _ in sent] == ["ACK", "BYE"]
    for data, to in sent:
        assert data.split(b" ")[1].decode() == uri
        assert to == destination
        assert header_lines(data, "Route") == []


def test_loose_routes_of_an_answer_are_followed_backwards() -> None:
    harness = create_harness()
    session, request = harness.invite()
    response = create_response(
        request,
        200,
        lines=[
            "Contact: <sip:192.0.2.30:5090>",
            "Record-Route: <sip:192.0.2.22;lr>, <sip:192.0.2.21;lr;x=1>",
            "Record-Route: <sip:192.0.2.20:5070;lr=on>",
        ],
        sdp=ANSWER_SDP,
    )
    harness.agent.receive(response, PROXY, harness.now)
    session.hang_up(harness.now)
    sent = harness.agent.take_messages()
    assert [summary(data) for data, _ in sent] == ["ACK", "BYE"]
    for data, to in sent:
        assert to == PROXY
        assert data.split(b" ")[1] == b"sip:192.0.2.30:5090"
        assert header_lines(data, "Route") == [
            "<sip:192.0.2.20:5070;lr=on>",
            "<sip:192.0.2.21;lr;x=1>",
            "<sip:192.0.2.22;lr>",
        ]


def test_strict_router_gets_the_request_uri_and_the_target_comes_last() -> None:
    harness = create_harness()
    session, request = harness.invite()
    response = create_response(
        request,
        200,
        lines=[
            "Contact: <sip:192.0.2.30:5090>",
            "Record-Route: <sip:192.0.2.21;lr>, <sip:192.0.2.20:5070>",
        ],
        sdp=ANSWER_SDP,
    )
    harness.agent.receive(response, PROXY, harness.now)
    session.hang_up(harness.now)
    for data, to in harness.agent.take_messages():
        assert to == PROXY
        assert data.split(b" ")[1] == b"sip:192.0.2.20:5070"
        assert header_lines(data, "Route") == ["<sip:192.0.2.21;lr>", "<sip:192.0.2.30:5090>"]


def test_route_that_is_a_name_goes_to_the_peer_that_answered() -> None:
    harness = create_harness()
    _, request = harness.invite()
    response = create_response(
        request,
        200,
        lines=["Contact: <sip:192.0.2.30>", "Record-Route: <sip:edge.example;lr>"],
        sdp=ANSWER_SDP,
    )
    harness.agent.receive(response, PROXY, harness.now)
    [(ack, to)] = harness.agent.take_messages()
    assert to == PROXY
    assert header_lines(ack, "Route") == ["<sip:edge.example;lr>"]


def test_routes_of_an_incoming_invite_are_echoed_and_followed_in_order() -> None:
    harness = create_harness()
    routes = ["<sip:192.0.2.20:5070;lr>", "<sip:192.0.2.21;lr>"]
    invite = create_request(
        "INVITE", lines=[f"Record-Route: {', '.join(routes)}"], sdp=describe(PCMA)
    )
    harness.agent.receive(invite, PROXY, harness.now)
    [(session, _)] = harness.agent.take_events()
    session.ring(harness.now)
    session.answer(ANSWER_SDP, harness.now)
    trying, ringing, ok = harness.sent()
    assert header_lines(trying, "Record-Route") == []
    for response in (ringing, ok):
        assert header_lines(response, "Record-Route") == routes
        assert header_lines(response, "Contact") == [f"<sip:{LOCAL[0]}:{LOCAL[1]}>"]
    tag = header_lines(ok, "To")[0].partition(";tag=")[2]
    harness.receive(create_request("ACK", branch="z9hG4bKack", to_tag=tag))
    session.hang_up(harness.now)
    [(bye, to)] = harness.agent.take_messages()
    assert to == PROXY
    assert bye.split(b" ")[1] == b"sip:192.0.2.9:5080"
    assert header_lines(bye, "Route") == routes
    assert header_lines(bye, "CSeq") == ["1 BYE"]
    assert header_lines(bye, "From") == header_lines(ok, "To")
    assert header_lines(bye, "To") == header_lines(ok, "From")
