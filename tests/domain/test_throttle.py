"""How long attempts must wait."""

import pytest

from clicktodial.domain.throttle import LOGIN_TO_ACCOUNT, Throttle, network_of


@pytest.mark.parametrize(
    ("count", "wait_s"),
    [(0, 0), (1, 0), (2, 0), (3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60), (10_000, 60)],
)
def test_wait_doubles_up_to_its_bound(count: int, wait_s: int) -> None:
    assert Throttle(free=3, first_wait_s=5, wait_s_max=60).wait_s(count) == wait_s


def test_some_hundred_guesses_a_day_are_all_that_anybody_has() -> None:
    waited_s, count = 0, 0
    while waited_s < 86_400:
        count += 1
        waited_s += LOGIN_TO_ACCOUNT.wait_s(count)
    assert 50 < count < 120


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("", ""),
        ("a path", "a path"),
    ],
)
def test_addresses_of_one_network_count_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
