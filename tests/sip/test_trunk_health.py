"""When a trunk counts as gone, and when as back, in injected time."""

import pytest
from tests.sip.support import PEER, create_harness, create_response, header_lines, read

from clicktodial.domain.trunk import Trunk
from clicktodial.sip.message import SipMessage
from clicktodial.sip.trunk_health import (
    FAILURES_MAX,
    RECHECK_S,
    HealthState,
    TrunkHealth,
    create_options,
)

TRUNK = Trunk("a", "192.0.2.9", 5080)


def create() -> TrunkHealth:
    return TrunkHealth(interval_s=30, timeout_s=4, first_at=10.0)


def answer(status: int) -> SipMessage:
    harness = create_harness()
    harness.agent.request(create_options(TRUNK, PEER), 0.0)
    [request] = harness.sent()
    return read(create_response(request, status))


def fail(health: TrunkHealth, times: int = 1) -> None:
    """Ask and get no answer, so many times."""
    for _ in range(times):
        assert health.handle_timeout(health.deadline) is True
        assert health.handle_timeout(health.deadline) is False


def test_trunk_that_answers_is_asked_at_its_interval() -> None:
    health = create()
    assert health.deadline == 10.0
    assert health.handle_timeout(10.0) is True
    assert health.deadline == 14.0
    health.handle_answer(answer(200), 10.2)
    assert (health.state, health.deadline) == (HealthState.UP, 40.2)


def test_trunk_is_down_after_so_many_failures_and_asked_sooner_meanwhile() -> None:
    health = create()
    fail(health)
    assert (health.state, health.deadline) == (HealthState.SUSPECT, 14.0 + RECHECK_S)
    states = []
    for _ in range(FAILURES_MAX + 1):
        fail(health)
        states.append(health.state)
    assert FAILURES_MAX == 3
    assert states == [HealthState.SUSPECT, *[HealthState.DOWN] * 3]


@pytest.mark.parametrize("failures", [1, FAILURES_MAX, FAILURES_MAX + 2])
def test_first_answer_brings_it_back_and_forgets_the_failures(failures: int) -> None:
    health = create()
    fail(health, failures)
    health.handle_timeout(health.deadline)
    health.handle_answer(answer(200), 100.0)
    assert (health.state, health.deadline) == (HealthState.UP, 130.0)
    fail(health, FAILURES_MAX - 1)
    assert health.state is HealthState.SUSPECT


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, HealthState.UP) for status in (200, 302, 401, 403, 404, 405, 481, 501, 603)),
        *((status, HealthState.SUSPECT) for status in (408, 500, 502, 503, 504)),
    ],
)
def test_any_answer_will_do_but_those_of_a_trunk_that_is_unfit(
    status: int, state: HealthState
) -> None:
    health = create()
    health.handle_timeout(10.0)
    health.handle_answer(answer(status), 10.1)
    assert health.state is state


def test_answer_after_its_time_changes_nothing() -> None:
    health = create()
    fail(health)
    before = (health.state, health.deadline)
    health.handle_answer(answer(200), 15.0)
    assert (health.state, health.deadline) == before


def test_interval_shorter_than_the_recheck_stays() -> None:
    health = TrunkHealth(interval_s=2, timeout_s=1, first_at=0.0)
    fail(health)
    assert health.deadline == 3.0


@pytest.mark.parametrize(
    ("trunk", "uri"),
    [
        (TRUNK, "sip:192.0.2.9:5080"),
        (Trunk("a", "192.0.2.9", 5060), "sip:192.0.2.9"),
        (Trunk("a", "192.0.2.9", 5080, domain="ims.example"), "sip:ims.example"),
    ],
)
def test_options_asks_the_trunk_itself(trunk: Trunk, uri: str) -> None:
    harness = create_harness()
    harness.agent.request(create_options(trunk, PEER), 0.0)
    [data] = harness.sent()
    assert data.startswith(f"OPTIONS {uri} SIP/2.0\r\n".encode())
    assert header_lines(data, "To") == [f"<{uri}>"]
    assert header_lines(data, "Accept") == ["application/sdp"]
