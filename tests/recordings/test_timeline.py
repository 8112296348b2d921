"""The envelope that places packets, against its definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clicktodial.recordings.timeline import (
    WINDOW_PACKETS,
    WINDOW_PACKETS_MIN,
    find_envelope,
)


def envelope_by_definition(lateness: list[int]) -> list[int]:
    count = len(lateness)
    if count < 2 * WINDOW_PACKETS_MIN:
        return [min(lateness)] * count
    result = []
    for index in range(count):
        ahead = min(lateness[index : index + WINDOW_PACKETS])
        behind = min(lateness[max(0, index - WINDOW_PACKETS + 1) : index + 1])
        if index < WINDOW_PACKETS_MIN:
            result.append(ahead)
        elif index >= count - WINDOW_PACKETS_MIN:
            result.append(behind)
        else:
            result.append(max(ahead, behind))
    return result


@given(
    seed=st.integers(0, 2**32),
    count=st.one_of(st.integers(1, 120), st.integers(480, 1_600)),
)
@settings(max_examples=60)
def test_envelope_of_any_series_is_the_defined_one(seed: int, count: int) -> None:
    lateness = np.random.default_rng(seed).integers(-5_000, 5_000, count)
    expected = envelope_by_definition(lateness.tolist())
    assert find_envelope(lateness).tolist() == expected


def test_envelope_of_a_step_follows_without_lag() -> None:
    for step in (3_000, -3_000):
        lateness = np.concatenate([np.zeros(1_000, np.int64), np.full(1_000, step)])
        assert find_envelope(lateness).tolist() == lateness.tolist()


def test_envelope_of_one_stray_packet_is_untouched() -> None:
    lateness = np.zeros(2_000, np.int64)
    lateness[1_000] = -700
    envelope = find_envelope(lateness)
    assert np.flatnonzero(envelope).tolist() == [1_000]
