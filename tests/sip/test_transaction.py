"""The timers of RFC 3261 table 4, transaction by transaction: what is sent, and when it is over."""

import gc
import sys

import pytest
from tests.sip.support import (
    ANSWER_SDP,
    Harness,
    create_harness,
    create_request,
    create_response,
)

from clicktodial.sip.user_agent import UserAgent


def schedule(harness: Harness, seconds: float) -> list[float]:
    """When something was sent, in seconds from now."""
    return [after for after, _ in harness.advance(seconds)]


def calling() -> tuple[Harness, bytes]:
    harness = create_harness()
    _, request = harness.invite()
    return harness, request


def hanging_up() -> tuple[Harness, bytes]:
    """A harness whose BYE is under way; the INVITE's transaction is over."""
    harness = create_harness()
    session, _, _ = harness.answered()
    harness.advance(40.0)
    session.hang_up(harness.now)
    [bye] = harness.sent()
    return harness, bye


INVITE_SCHEDULE = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
NON_INVITE_SCHEDULE = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, INVITE_SCHEDULE, id="A-without-response"),
        pytest.param(100, [], id="no-A-when-proceeding"),
        pytest.param(200, [], id="no-A-when-accepted"),
        pytest.param(486, [], id="no-A-when-completed"),
    ],
)
def test_timer_a(status: int | None, expected: list[float]) -> None:
    harness, request = calling()
    if status is not None:
        harness.receive(create_response(request, status, sdp=ANSWER_SDP if status == 200 else b""))
    assert schedule(harness, 31.9) == expected


@pytest.mark.parametrize(
    ("status", "lifetime_s"),
    [
        pytest.param(200, 32.0, id="M-accepted"),
        pytest.param(486, 32.0, id="D-completed"),
    ],
)
def test_client_invite_lingers_for(status: int, lifetime_s: float) -> None:
    harness, request = calling()
    harness.receive(create_response(request, status, sdp=ANSWER_SDP if status == 200 else b""))
    assert_gone_after(harness, lifetime_s)


def test_client_invite_without_response_lingers_for_twice_timer_b() -> None:
    harness, _ = calling()
    assert_gone_after(harness, 64.0)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, NON_INVITE_SCHEDULE, id="E-without-response"),
        pytest.param(200, [], id="no-E-when-completed"),
    ],
)
def test_timer_e(status: int | None, expected: list[float]) -> None:
    harness, bye = hanging_up()
    if status is not None:
        harness.receive(create_response(bye, status))
    assert schedule(harness, 31.9) == expected


def test_timer_e_when_proceeding_is_t2() -> None:
    harness, bye = hanging_up()
    harness.advance(0.5)
    harness.receive(create_response(bye, 100))
    assert schedule(harness, 12.0) == [1.0, 5.0, 9.0]


def test_client_non_invite_without_response_ends_with_timer_f() -> None:
    harness, _ = hanging_up()
    assert_gone_after(harness, 32.0)


def test_client_non_invite_answered_lingers_for_timer_k() -> None:
    harness, bye = hanging_up()
    harness.receive(create_response(bye, 200))
    assert_gone_after(harness, 5.0)


def test_answer_to_bye_sent_again_is_absorbed() -> None:
    harness, bye = hanging_up()
    harness.receive(create_response(bye, 200))
    assert harness.receive(create_response(bye, 200)) == []
    assert harness.agent.counters.stray == 1


def test_timer_g_repeats_a_refusal_and_h_ends_it() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.reject(486, "Busy Here", harness.now)
    harness.sent()
    assert schedule(harness, 31.9) == NON_INVITE_SCHEDULE
    assert_gone_after(harness, 0.1)


def test_server_invite_acked_lingers_for_timer_i() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.reject(486, "Busy Here", harness.now)
    harness.receive(create_request("ACK", to_tag=session.local_tag))
    assert_gone_after(harness, 5.0)


def test_server_invite_accepted_lingers_for_timer_l() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.receive(create_request("ACK", branch="z9hG4bKack", to_tag=session.local_tag))
    assert_gone_after(harness, 32.0)


def test_server_non_invite_lingers_for_timer_j_and_repeats_its_answer() -> None:
    harness = create_harness()
    request = create_request("OPTIONS")
    first = harness.receive(request)
    harness.advance(31.0)
    assert harness.receive(request) == first
    assert harness.agent.counters.retransmissions == 1
    assert_gone_after(harness, 1.0)


def assert_gone_after(harness: Harness, seconds: float) -> None:
    """One transaction lives for exactly that long."""
    harness.advance(seconds - 0.01)
    assert harness.agent.transaction_count == 1
    harness.advance(0.02)
    assert harness.agent.transaction_count == 0


@pytest.mark.parametrize("status", [100, 180, 199])
def test_provisional_response_after_the_final_one_changes_nothing(status: int) -> None:
    harness, request = calling()
    harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    harness.events()
    assert harness.receive(create_response(request, status)) == []
    assert harness.events() == []


@pytest.mark.parametrize(("first", "second"), [(200, 486), (486, 200)])
def test_final_response_after_another_changes_nothing(first: int, second: int) -> None:
    harness, request = calling()
    harness.receive(create_response(request, first, sdp=ANSWER_SDP if first == 200 else b""))
    harness.events()
    assert harness.receive(create_response(request, second)) == []
    assert harness.events() == []


def test_lingering_transactions_hold_neither_session_nor_body() -> None:
    """What stays for 32 s after a call is some kilobytes at most."""
    harness = create_harness()
    session, _, _ = harness.answered()
    session.hang_up(harness.now)
    [bye] = harness.sent()
    harness.receive(create_response(bye, 200))
    assert harness.agent.transaction_count == 2
    del session
    reachable = _reachable_bytes(harness.agent)
    for _ in range(100):
        session, _, _ = harness.answered()
        session.hang_up(harness.now)
        [bye] = harness.sent()
        harness.receive(create_response(bye, 200))
    per_call = (_reachable_bytes(harness.agent) - reachable) / 100
    assert per_call < 3_000


def _reachable_bytes(agent: UserAgent) -> int:
    seen: set[int] = set()
    stack: list[object] = [agent]
    total = 0
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, type) or type(item).__name__ == "module":
            continue
        if callable(item) and not hasattr(item, "__slots__"):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        stack.extend(gc.get_referents(item))
    return total
