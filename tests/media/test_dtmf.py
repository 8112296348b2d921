"""Keys out of telephone-event: once a press, whatever is lost, late, doubled or hostile."""

import itertools
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.media.dtmf import DIGITS, KeyDetector
from clicktodial.media.rtp import RtpPacket

EVENT_TYPE = 101
STEP = 160


def press(
    event: int,
    *,
    sequence: int,
    timestamp: int,
    packets: int = 5,
    ends: int = 3,
    ssrc: int = 1,
) -> list[RtpPacket]:
    """A key, held for so many packets."""
    durations = [(n + 1) * STEP for n in range(packets)] + [(packets + 1) * STEP] * ends
    return [
        RtpPacket(
            EVENT_TYPE,
            number == 0,
            (sequence + number) % 2**16,
            timestamp % 2**32,
            ssrc,
            struct.pack(">BBH", event, (0x80 if number >= packets else 0) | 10, duration),
        )
        for number, duration in enumerate(durations)
    ]


def dial(events: list[int], start: int = 0) -> list[RtpPacket]:
    """Keys one after the other."""
    packets: list[RtpPacket] = []
    for number, event in enumerate(events):
        at = start + number * 20
        packets += press(event, sequence=at, timestamp=at * STEP)
    return packets


def hear(packets: list[RtpPacket], payload_type: int = EVENT_TYPE) -> str:
    detector = KeyDetector(payload_type)
    return "".join(detector.receive(packet) or "" for packet in packets)


def test_every_key_is_told_by_its_name() -> None:
    assert hear(dial(list(range(16)))) == DIGITS == "0123456789*#ABCD"


def test_same_key_pressed_twice_is_told_twice() -> None:
    assert hear(dial([5, 5, 5])) == "555"


def test_key_is_told_with_its_first_packet() -> None:
    detector = KeyDetector(EVENT_TYPE)
    first, *rest = dial([9])
    assert detector.receive(first) == "9"
    assert [detector.receive(packet) for packet in rest] == [None] * len(rest)


@pytest.mark.parametrize("kept", range(8))
def test_key_of_which_one_packet_came_is_told(kept: int) -> None:
    one = [dial([4])[kept]]
    two = [dial([4, 4])[kept], dial([4, 4])[8 + kept]]
    assert hear(one) == "4"
    assert hear(two) == "44"


@given(seed=st.integers(0, 10_000), loss=st.floats(0, 0.6), start=st.integers(0, 2**16))
def test_loss_doubles_and_lateness_change_no_key_of_which_a_packet_came(
    seed: int, loss: float, start: int
) -> None:
    rng = random.Random(seed)
    keys = [rng.randrange(16) for _ in range(6)]
    heard, expected = [], ""
    for number, key in enumerate(keys):
        at = start + number * 20
        packets = press(key, sequence=at, timestamp=at * STEP)
        kept = [packet for packet in packets if rng.random() >= loss]
        kept += rng.sample(kept, rng.randrange(len(kept) + 1))
        if kept:
            expected += DIGITS[key]
        rng.shuffle(kept)
        heard += kept
    assert hear(heard) == expected


def test_packet_that_comes_after_the_next_press_is_no_press() -> None:
    first, second = press(1, sequence=0, timestamp=0), press(2, sequence=20, timestamp=3_200)
    assert hear([*first[:-1], *second, first[-1]]) == "12"


def test_key_held_beyond_a_segment_is_one_press() -> None:
    segments = [
        RtpPacket(EVENT_TYPE, number == 0, number * 9, number * 0xFFFF, 1, b"\x07\x0a\xff\xff")
        for number in range(4)
    ]
    assert hear(segments) == "7"


def test_sender_that_moves_the_timestamp_within_a_press_tells_one() -> None:
    packets = [
        RtpPacket(EVENT_TYPE, number == 0, number, number * STEP, 1, b"\x03\x0a\x00\xa0")
        for number in range(6)
    ]
    assert hear(packets) == "3"


def test_restarted_sender_presses_anew() -> None:
    assert (
        hear(press(6, sequence=1, timestamp=5) + press(6, sequence=1, timestamp=5, ssrc=2)) == "66"
    )


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x05", b"\x05\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff\xff\xff\xff"],
    ids=["nothing", "one byte", "three bytes", "event 16", "event 255"],
)
def test_event_that_is_no_key_is_none(payload: bytes) -> None:
    assert hear([RtpPacket(EVENT_TYPE, True, 1, 1, 1, payload)]) == ""


def test_other_payload_type_is_no_key() -> None:
    assert hear(dial([1]), payload_type=96) == ""


@given(
    packets=st.lists(
        st.builds(
            RtpPacket,
            st.just(EVENT_TYPE),
            st.booleans(),
            st.integers(0, 2**16 - 1),
            st.integers(0, 2**32 - 1),
            st.integers(0, 3),
            st.binary(max_size=6),
        ),
        max_size=60,
    )
)
def test_anything_at_all_tells_keys_or_nothing(packets: list[RtpPacket]) -> None:
    detector = KeyDetector(EVENT_TYPE)
    told = [detector.receive(packet) for packet in itertools.chain(packets, packets)]
    assert all(key is None or key in DIGITS for key in told)
    assert len(detector._presses) <= 8
