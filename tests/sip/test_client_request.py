"""OPTIONS and REGISTER from the engine: what is sent, when again, and the one outcome."""

import dataclasses
import random
import re
from collections.abc import Callable

import pytest
from tests.sip.network import Network, Weather
from tests.sip.support import (
    LOCAL,
    PEER,
    Harness,
    create_agent,
    create_harness,
    create_response,
    header_lines,
    read,
)

from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.client_request import PlainRequest
from clicktodial.sip.context import Limits
from clicktodial.sip.uri import Address

OPTIONS = PlainRequest(
    method="OPTIONS",
    request_uri="sip:carrier.example",
    to_uri="sip:carrier.example",
    next_hop=PEER,
    headers=(("Accept", "application/sdp"),),
)
SECURED = dataclasses.replace(OPTIONS, credentials=TrunkCredentials("us", "secret"))
CHALLENGE = ('WWW-Authenticate: Digest realm="carrier", nonce="n1", qop="auth"',)


def outcomes(harness: Harness) -> list[int | None]:
    """Statuses; None where nobody answered."""
    return [
        None if response is None else response.status
        for _, response in harness.agent.take_outcomes()
    ]


def test_request_says_what_it_must_and_goes_where_it_is_told() -> None:
    harness = create_harness()
    harness.agent.request(OPTIONS, harness.now)
    [(data, destination)] = harness.agent.take_messages()
    assert destination == PEER
    message = read(data)
    assert data.startswith(b"OPTIONS sip:carrier.example SIP/2.0\r\n")
    assert (message.cseq, message.to_tag, message.get("Max-Forwards")) == (1, "", "70")
    assert message.from_tag
    assert message.from_header.startswith(f"<sip:{LOCAL[0]}:{LOCAL[1]}>")
    assert header_lines(data, "Contact") == [f"<sip:{LOCAL[0]}:{LOCAL[1]}>"]
    assert header_lines(data, "Accept") == ["application/sdp"]
    assert header_lines(data, "Content-Length") == ["0"]


def test_final_response_is_told_once_and_provisional_ones_are_not() -> None:
    harness = create_harness()
    sent = harness.agent.request(OPTIONS, harness.now)
    [request] = harness.sent()
    harness.receive(create_response(request, 100))
    assert outcomes(harness) == []
    harness.receive(create_response(request, 200))
    harness.receive(create_response(request, 200))
    assert harness.agent.has_events
    [(who, response)] = harness.agent.take_outcomes()
    assert who is sent
    assert response is not None
    assert response.status == 200
    assert outcomes(harness) == []
    assert not harness.agent.has_events


def test_request_without_answer_is_repeated_and_then_told_as_none() -> None:
    harness = create_harness()
    harness.agent.request(OPTIONS, harness.now)
    [request] = harness.sent()
    repeated = harness.advance(31.9)
    # RFC 3261 17.1.2.2: timer E, doubled up to T2.
    assert [at for at, _ in repeated][:5] == [0.5, 1.5, 3.5, 7.5, 11.5]
    assert {data for _, data in repeated} == {request}
    assert outcomes(harness) == []
    harness.advance(0.2)
    assert outcomes(harness) == [None]
    assert harness.agent.transaction_count == 0


def test_challenge_is_answered_in_a_new_transaction_of_the_same_call() -> None:
    harness = create_harness()
    sent = harness.agent.request(SECURED, harness.now)
    [first] = harness.sent()
    [second] = harness.receive(create_response(first, 401, lines=CHALLENGE))
    assert outcomes(harness) == []
    one, two = read(first), read(second)
    assert (two.cseq, two.call_id, two.from_tag) == (2, one.call_id, one.from_tag)
    assert two.branch != one.branch
    [authorization] = header_lines(second, "Authorization")
    assert re.search(r'username="us".*uri="sip:carrier\.example"', authorization)
    assert b"secret" not in second
    harness.receive(create_response(second, 200))
    assert outcomes(harness) == [200]
    assert sent.cseq == 2


def test_password_refused_and_challenge_without_credentials_are_the_outcome() -> None:
    harness = create_harness()
    harness.agent.request(SECURED, harness.now)
    [first] = harness.sent()
    [second] = harness.receive(create_response(first, 401, lines=CHALLENGE))
    assert harness.receive(create_response(second, 401, lines=CHALLENGE)) == []
    assert outcomes(harness) == [401]
    harness.agent.request(OPTIONS, harness.now)
    [request] = harness.sent()
    assert harness.receive(create_response(request, 407)) == []
    assert outcomes(harness) == [407]


@pytest.mark.parametrize(
    "fields",
    [
        {"request_uri": "sip:x\r\nVia: y"},
        {"headers": (("A", "b\nc"),)},
        {"headers": (("A\r", "b"),)},
        {"call_id": "a\r\nb"},
        {"contact_user": "a\nb"},
    ],
)
def test_line_end_in_a_request_is_refused(fields: dict[str, object]) -> None:
    harness = create_harness()
    with pytest.raises(ValueError, match="line end"):
        harness.agent.request(dataclasses.replace(OPTIONS, **fields), harness.now)  # type: ignore[arg-type]
    assert harness.sent() == []


def test_request_for_which_there_is_no_room_is_told_as_none() -> None:
    harness = Harness(create_agent(limits=Limits(client_transactions_max=1)))
    for _ in range(2):
        harness.agent.request(OPTIONS, harness.now)
    assert len(harness.sent()) == 1
    assert outcomes(harness) == [None]
    assert harness.agent.counters.refused == 1


def constant(weather: Weather) -> Callable[[Address, Address], Weather]:
    return lambda _source, _destination: weather


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2, 0.4])
def test_requests_in_any_weather_end_once_and_leave_nothing(loss: float) -> None:
    answered = 0
    for seed in range(60):
        weather = Weather(loss=loss, double=0.1, delay_max_s=0.2)
        network = Network(random.Random(seed), constant(weather))
        asking, asked = create_agent(seed=seed), create_agent(seed=seed + 1, local=PEER)
        network.agents = {LOCAL: asking, PEER: asked}
        sent = [asking.request(OPTIONS, network.now) for _ in range(5)]
        network.run(until=120.0)
        told = asking.take_outcomes()
        assert sorted(map(id, sent)) == sorted(id(who) for who, _ in told)
        answered += sum(response is not None for _, response in told)
        assert (asking.transaction_count, asked.transaction_count) == (0, 0)
    # Asked eleven times (timer E), at 40 % loss each way some 7 in 1000 remain without answer.
    assert answered >= 290
