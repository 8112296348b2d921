"""Which nodes live, as another sees them."""

from datetime import timedelta

from tests.storage.support import NOW

from clicktodial.storage.peer import HEARTBEAT_INTERVAL_S, LOOKS_UNTIL_DEAD, Heartbeat, Peers

INTERVAL = timedelta(seconds=HEARTBEAT_INTERVAL_S)
STALE = LOOKS_UNTIL_DEAD * INTERVAL


def test_node_that_misses_several_beats_is_dead_and_told_once() -> None:
    peers = Peers("b")
    silent = [Heartbeat("a", NOW)]
    looks = [peers.look(silent, NOW + turn * INTERVAL) for turn in range(LOOKS_UNTIL_DEAD + 2)]
    assert looks == [frozenset()] * LOOKS_UNTIL_DEAD + [frozenset({"a"}), frozenset()]
    assert peers.living == frozenset()
    assert peers.is_heir(peers.living)


def test_beat_keeps_a_node_alive_whatever_its_clock_says() -> None:
    peers = Peers("b")
    for turn in range(LOOKS_UNTIL_DEAD * 3):
        at = NOW + turn * INTERVAL
        assert peers.look([Heartbeat("a", at)], at + STALE / 2) == frozenset()
    assert peers.living == {"a"}
    assert not peers.is_heir(peers.living)


def test_outage_of_the_database_ends_nobody() -> None:
    peers = Peers("b")
    heartbeats = [Heartbeat("a", NOW)]
    peers.look(heartbeats, NOW)
    for turn in range(LOOKS_UNTIL_DEAD - 1):
        assert peers.look(heartbeats, NOW + turn * INTERVAL) == frozenset()
    peers.look_again()
    assert peers.look(heartbeats, NOW + 10 * STALE) == frozenset()
    assert peers.living == {"a"}


def test_node_that_was_silent_before_this_one_came_is_dead_at_once() -> None:
    peers = Peers("b")
    assert peers.look([Heartbeat("a", NOW), Heartbeat("b", NOW)], NOW + 2 * STALE) == {"a"}
    assert peers.look([Heartbeat("a", NOW + 2 * STALE)], NOW + 2 * STALE) == frozenset()
    assert peers.living == {"a"}


def test_node_that_came_since_the_last_look_counts() -> None:
    peers = Peers("b")
    peers.look([], NOW)
    others = peers.others([Heartbeat("a", NOW), Heartbeat("b", NOW)], NOW)
    assert others == {"a"}
    assert not peers.is_heir(others)
