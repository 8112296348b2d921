"""Counting silence, with clocks that are set and packets that stop."""

import msgspec
import pytest

from clicktodial.media.rtpengine.reply import QueryReply
from clicktodial.media.rtpengine.silence import LOOK_AGAIN_S, SilenceClock

LIMIT_S = 60.0
OPENED_AT = 1_000.0
# rtpengine's clock, which has nothing to do with ours.
CREATED_S = 1_700_000_000
TAGS = ("caller", "callee")


def create_clock() -> SilenceClock:
    clock = SilenceClock(opened_at=OPENED_AT, limit_s=LIMIT_S)
    clock.restart(OPENED_AT + 10)
    return clock


def describe(**packets: tuple[int, float]) -> QueryReply:
    """By side, how many packets came, and how long after the opening the last one did."""
    tags = {
        side: {
            "medias": [
                {
                    "streams": [
                        {"stats": {"packets": count}, "last packet": int(CREATED_S + last_s)},
                        {"stats": {"packets": 99}, "last packet": 2 * CREATED_S},
                    ]
                }
            ]
        }
        for side, (count, last_s) in packets.items()
    }
    return msgspec.convert({"created": CREATED_S, "tags": tags}, QueryReply)


def test_silence_counts_from_when_it_was_said_to() -> None:
    clock = create_clock()
    nothing = describe(caller=(0, 0), callee=(0, 0))
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 10) == LIMIT_S
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 40) == LIMIT_S - 30
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 69.5) == LOOK_AGAIN_S
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 70) is None


@pytest.mark.parametrize("side", TAGS)
def test_packet_of_either_side_restarts_it_and_rtcp_does_not(side: str) -> None:
    clock = create_clock()
    spoken = describe(**{side: (5, 100)})
    assert clock.look_after_s(spoken, TAGS, OPENED_AT + 121) == LIMIT_S - 20
    # Told in whole seconds: never too early, at most a second late.
    assert clock.look_after_s(spoken, TAGS, OPENED_AT + 160.9) == LOOK_AGAIN_S
    assert clock.look_after_s(spoken, TAGS, OPENED_AT + 161) is None


def test_clock_that_was_set_does_not_end_a_call_in_which_packets_come() -> None:
    clock = create_clock()
    for count in range(1, 5):
        spoken = describe(caller=(count, -86_400))
        assert clock.look_after_s(spoken, TAGS, OPENED_AT + 100 * count) == LOOK_AGAIN_S
    assert clock.look_after_s(spoken, TAGS, OPENED_AT + 401) is None


def test_clock_of_the_future_counts_as_now() -> None:
    clock = create_clock()
    spoken = describe(caller=(1, 86_400))
    assert clock.look_after_s(spoken, TAGS, OPENED_AT + 100) == LIMIT_S


def test_patient_session_is_looked_at_rarely_and_starts_anew_when_it_is_no_longer() -> None:
    clock = create_clock()
    nothing = describe()
    clock.set_patient(patient=True, now=OPENED_AT + 20)
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 5_000) == LIMIT_S
    clock.set_patient(patient=True, now=OPENED_AT + 5_000)
    clock.set_patient(patient=False, now=OPENED_AT + 6_000)
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 6_030) == LIMIT_S - 30
    assert clock.look_after_s(nothing, TAGS, OPENED_AT + 6_060) is None
