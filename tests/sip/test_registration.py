"""A registration from Start to STOPPED, in injected time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sip.support import LOCAL, PEER, create_harness, create_response, header_lines, read

from clicktodial.domain.trunk import Trunk, TrunkCredentials
from clicktodial.sip.error import RegistrationStateError
from clicktodial.sip.message import SipMessage
from clicktodial.sip.registration import (
    EXPIRES_S_MAX,
    REFRESH_S_MIN,
    RETRY_AFTER_S_MAX,
    RETRY_BASE_S,
    RETRY_S_MAX,
    Accepted,
    Due,
    Refused,
    Registration,
    RegistrationInput,
    RegistrationState,
    Silent,
    Start,
    Stop,
    TooBrief,
    create_register,
    read_answer,
)

S = RegistrationState
TRUNK = Trunk(
    "a", "192.0.2.9", 5060, domain="carrier.example", credentials=TrunkCredentials("4711", "x")
)


def create(*inputs: RegistrationInput) -> Registration:
    """One that asked for 600 s, after these inputs at 0."""
    registration = Registration(600, random.Random(1))
    for each in inputs:
        registration.process(each, 0.0)
    return registration


def wait_s(registration: Registration) -> float:
    assert registration.deadline is not None
    return registration.deadline


# Asking and refreshing


def test_start_asks_and_what_is_granted_is_refreshed_at_three_quarters() -> None:
    registration = create()
    assert registration.process(Start(), 0.0) == 600
    assert registration.process(Accepted(400), 10.0) is None
    assert registration.state is S.REGISTERED
    assert registration.deadline == 310.0
    assert registration.is_registered(409.9)
    assert not registration.is_registered(410.0)
    assert registration.process(Due(), 310.0) == 600
    # While it is refreshed, the binding stands.
    assert registration.is_registered(311.0)


def test_registrar_that_grants_seconds_is_not_asked_every_second() -> None:
    assert create(Start(), Accepted(1)).deadline == REFRESH_S_MIN


def test_interval_too_brief_is_asked_for_anew_at_once() -> None:
    registration = create(Start())
    assert registration.process(TooBrief(1800), 0.0) == 1800
    assert registration.state is S.TRYING
    registration.process(Accepted(1800), 0.0)
    assert registration.process(Due(), 1350.0) == 1800


@pytest.mark.parametrize("min_expires_s", [0, 600, EXPIRES_S_MAX + 1])
def test_too_brief_that_makes_no_sense_is_a_refusal(min_expires_s: int) -> None:
    registration = create(Start())
    assert registration.process(TooBrief(min_expires_s), 0.0) is None
    assert registration.state is S.WAITING


# Trying again


def test_waits_grow_up_to_a_bound_and_begin_anew_after_success() -> None:
    registration = create(Start())
    waits = []
    for _ in range(12):
        registration.process(Silent(), 0.0)
        waits.append(wait_s(registration))
        registration.process(Due(), 0.0)
    for n, wait in enumerate(waits):
        longest = min(RETRY_S_MAX, RETRY_BASE_S * 2**n)
        assert longest / 2 <= wait <= longest
    registration.process(Accepted(600), 0.0)
    registration.process(Due(), 450.0)
    registration.process(Silent(), 0.0)
    assert wait_s(registration) <= RETRY_BASE_S


def test_retry_after_is_heeded_within_bounds() -> None:
    assert wait_s(create(Start(), Refused(503, 120))) == 120
    assert wait_s(create(Start(), Refused(503, 10**9))) == RETRY_AFTER_S_MAX


@pytest.mark.parametrize("status", [401, 403, 407])
def test_password_refused_ends_the_binding_and_is_tried_rarely(status: int) -> None:
    registration = create(Start(), Accepted(600), Due(), Refused(status))
    assert not registration.is_registered(1.0)
    assert registration.deadline == RETRY_S_MAX


def test_binding_stands_while_a_refresh_fails() -> None:
    registration = create(Start(), Accepted(600), Due(), Silent())
    assert registration.is_registered(599.0)
    assert wait_s(registration) <= RETRY_BASE_S


# Stopping


@pytest.mark.parametrize(
    ("before", "sent", "state"),
    [
        ((), None, S.STOPPED),
        ((Start(),), None, S.LEAVING),
        ((Start(), Accepted(600)), 0, S.UNREGISTERING),
        ((Start(), Silent()), None, S.STOPPED),
        ((Start(), Accepted(600), Due(), Silent()), 0, S.UNREGISTERING),
    ],
)
def test_stop_takes_back_what_may_stand(
    before: tuple[RegistrationInput, ...], sent: int | None, state: RegistrationState
) -> None:
    registration = create(*before)
    assert registration.process(Stop(), 1.0) == sent
    assert registration.state is state


@pytest.mark.parametrize(
    ("answer", "sent", "state"),
    [
        (Accepted(600), 0, S.UNREGISTERING),
        (Silent(), None, S.STOPPED),
        (Refused(503), None, S.STOPPED),
        (TooBrief(900), None, S.STOPPED),
    ],
)
def test_stop_while_one_is_under_way_waits_for_its_answer(
    answer: RegistrationInput, sent: int | None, state: RegistrationState
) -> None:
    registration = create(Start(), Stop())
    assert registration.process(answer, 1.0) == sent
    assert registration.state is state
    assert registration.deadline is None


@pytest.mark.parametrize("answer", [Accepted(0), Refused(500), Silent(), TooBrief(1)])
def test_whatever_comes_of_taking_back_ends_it(answer: RegistrationInput) -> None:
    registration = create(Start(), Accepted(600), Stop(), answer)
    assert registration.state is S.STOPPED
    assert not registration.is_registered(2.0)


_INPUTS: st.SearchStrategy[RegistrationInput] = st.sampled_from(
    [Start(), Due(), Accepted(60), TooBrief(700), Refused(503, 9), Refused(403), Silent(), Stop()]
)


@given(st.lists(_INPUTS, max_size=30))
def test_any_inputs_keep_one_request_and_one_deadline(inputs: list[RegistrationInput]) -> None:
    registration = Registration(600, random.Random(1))
    asked = False
    for now, what in enumerate(inputs):
        before = (registration.state, registration.deadline, registration.registered_until)
        try:
            sent = registration.process(what, float(now))
        except RegistrationStateError:
            after = (registration.state, registration.deadline, registration.registered_until)
            assert after == before
            continue
        asked = registration.state in (S.TRYING, S.LEAVING, S.UNREGISTERING)
        assert sent is None or asked
        # Either an answer or a deadline is waited for, or it has not begun or is over.
        waits = asked or registration.deadline is not None
        assert waits == (registration.state not in (S.IDLE, S.STOPPED))
        assert not (asked and registration.deadline is not None)


# On the wire


def test_register_says_what_rfc_3261_asks() -> None:
    harness = create_harness()
    request = create_register(TRUNK, PEER, 600, call_id="one", cseq=7)
    sent = harness.agent.request(request, harness.now)
    [data] = harness.sent()
    message = read(data)
    assert data.startswith(b"REGISTER sip:carrier.example SIP/2.0\r\n")
    assert message.to_header == "<sip:4711@carrier.example>"
    assert message.from_header.startswith("<sip:4711@carrier.example>;tag=")
    assert (message.call_id, message.cseq) == ("one", 7)
    assert header_lines(data, "Contact") == [f"<sip:4711@{LOCAL[0]}:{LOCAL[1]}>"]
    assert header_lines(data, "Expires") == ["600"]
    assert sent.contact_uri == f"sip:4711@{LOCAL[0]}:{LOCAL[1]}"


@pytest.mark.parametrize(
    ("username", "uri"),
    [
        ("4711@provider.example", "sip:4711@provider.example"),
        ("a b<>", "sip:a%20b%3C%3E@carrier.example"),
    ],
)
def test_user_name_is_written_as_a_uri_has_it(username: str, uri: str) -> None:
    trunk = Trunk(
        "a", "192.0.2.9", 5060, domain="carrier.example",
        credentials=TrunkCredentials(username, "x"),
    )  # fmt: skip
    assert create_register(trunk, PEER, 60, call_id="", cseq=1).to_uri == uri


OURS = "sip:4711@192.0.2.1:5060"


def answer(status: int, *lines: str) -> SipMessage:
    harness = create_harness()
    harness.agent.request(create_register(TRUNK, PEER, 600, call_id="", cseq=1), 0.0)
    [request] = harness.sent()
    return read(create_response(request, status, lines=lines))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((f"Contact: <{OURS}>;expires=300", "Expires: 900"), Accepted(300)),
        ((f"Contact: <sip:x@192.0.2.7>;expires=9, <{OURS}>;q=1;Expires=70",), Accepted(70)),
        (("Contact: <sip:4711@203.0.113.5:1024>;expires=60",), Accepted(60)),  # behind a NAT
        (("Expires: 90",), Accepted(90)),
        ((), Accepted(600)),
        ((f"Contact: <{OURS}>;expires=soon",), Accepted(600)),
        ((f"Contact: <{OURS}>;expires=0",), Refused(200)),
        (("Expires: 999999999",), Accepted(EXPIRES_S_MAX)),
    ],
)
def test_time_granted_is_read(lines: tuple[str, ...], expected: RegistrationInput) -> None:
    assert read_answer(answer(200, *lines), OURS, 600) == expected


@pytest.mark.parametrize(
    ("status", "lines", "expected"),
    [
        (423, ("Min-Expires: 900",), TooBrief(900)),
        (423, ("Min-Expires: much",), TooBrief(0)),
        (423, (), TooBrief(0)),
        (503, ("Retry-After: 30 (in a moment);duration=5",), Refused(503, 30)),
        (503, ("Retry-After: soon",), Refused(503)),
        (301, (), Refused(301)),
    ],
)
def test_refusals_are_read(
    status: int, lines: tuple[str, ...], expected: RegistrationInput
) -> None:
    assert read_answer(answer(status, *lines), OURS, 600) == expected


def test_no_answer_is_silence_and_taking_back_is_granted_nothing() -> None:
    assert read_answer(None, OURS, 600) == Silent()
    assert read_answer(answer(200), OURS, 0) == Accepted(0)
