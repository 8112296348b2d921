"""What a phone sends: numbering, looping, keys."""

import random

import pytest

from clicktodial.domain.media import PCMA, TELEPHONE_EVENT
from clicktodial.sandbox.rtp import KeyEvent, RtpPacket, parse_key, parse_packet
from clicktodial.sandbox.talker import (
    KEYS_WAITING_MAX,
    PACKET_SAMPLES,
    KeyQueueFullError,
    Recital,
    Talker,
)

ONE, TWO, THREE = (bytes([value]) * PACKET_SAMPLES for value in (1, 2, 3))


def create_talker(*, has_dtmf: bool = True, seed: int = 1) -> Talker:
    return Talker(
        codec=PCMA,
        dtmf=TELEPHONE_EVENT if has_dtmf else None,
        recital=Recital(ONE, TWO + THREE),
        random=random.Random(seed),
    )


def take(talker: Talker, count: int) -> list[RtpPacket]:
    packets = [parse_packet(talker.next_packet()) for _ in range(count)]
    return [packet for packet in packets if packet is not None]


def test_recital_plays_its_intro_once_and_loops() -> None:
    payloads = [packet.payload for packet in take(create_talker(), 6)]
    assert payloads == [ONE, TWO, THREE, TWO, THREE, TWO]


def test_packets_are_numbered_without_gaps_past_the_wrap() -> None:
    talker = create_talker()
    packets = take(talker, 70_000)
    first = packets[0]
    for index, packet in enumerate(packets):
        assert packet.sequence == (first.sequence + index) % 2**16
        assert packet.timestamp == (first.timestamp + index * PACKET_SAMPLES) % 2**32
        assert packet.ssrc == first.ssrc
        assert packet.marker == (index == 0)
        assert packet.payload_type == 8
    assert talker.packets == 70_000


def test_new_recital_starts_over_with_a_marker() -> None:
    talker = create_talker()
    take(talker, 3)
    talker.recite(Recital(b"", THREE))
    (packet,) = take(talker, 1)
    assert packet.marker
    assert packet.payload == THREE


def test_skipped_time_moves_the_timestamp_and_not_the_sequence() -> None:
    talker = create_talker()
    (before,) = take(talker, 1)
    talker.skip(3)
    (after,) = take(talker, 1)
    assert (after.timestamp - before.timestamp) % 2**32 == 4 * PACKET_SAMPLES
    assert (after.sequence - before.sequence) % 2**16 == 1
    assert after.marker
    assert after.payload == THREE


def test_key_is_sent_as_rfc_4733_wants() -> None:
    talker = create_talker()
    (audio,) = take(talker, 1)
    assert talker.press("5")
    packets = take(talker, 12)
    keys, after = packets[:11], packets[11]
    events = [parse_key(packet.payload) for packet in keys]
    began_at = (audio.timestamp + PACKET_SAMPLES) % 2**32
    assert {packet.payload_type for packet in keys} == {101}
    assert {packet.timestamp for packet in keys} == {began_at}
    assert [packet.marker for packet in keys] == [True] + [False] * 10
    assert events[:8] == [KeyEvent("5", False, (index + 1) * 160) for index in range(8)]
    assert events[8:] == [KeyEvent("5", True, 1280)] * 3
    assert after.payload_type == 8
    assert after.marker
    # The audio's clock went on under the key.
    assert (after.timestamp - audio.timestamp) % 2**32 == 12 * PACKET_SAMPLES
    assert (after.sequence - audio.sequence) % 2**16 == 12


def test_keys_wait_for_one_another() -> None:
    talker = create_talker()
    talker.press("1")
    talker.press("#")
    events = [parse_key(packet.payload) for packet in take(talker, 22)]
    assert [event.key for event in events if event] == ["1"] * 11 + ["#"] * 11


def test_key_without_telephone_event_is_refused() -> None:
    talker = create_talker(has_dtmf=False)
    assert not talker.press("1")
    assert take(talker, 1)[0].payload_type == 8


def test_key_beyond_the_queue_is_refused() -> None:
    talker = create_talker()
    for _ in range(KEYS_WAITING_MAX):
        assert talker.press("1")
    with pytest.raises(KeyQueueFullError):
        talker.press("1")


def test_two_talkers_start_apart() -> None:
    (one,), (two,) = take(create_talker(seed=1), 1), take(create_talker(seed=2), 1)
    assert one.ssrc != two.ssrc
    assert one.sequence != two.sequence
    assert one.timestamp != two.timestamp
