"""What a phone hears: loss, order, sources, keys, melodies."""

import random

import pytest

from clicktodial.domain.media import PCMA, PCMU, TELEPHONE_EVENT, Codec
from clicktodial.sandbox.behaviour import Speech
from clicktodial.sandbox.listener import KEYS_MAX, SOURCES_MAX, Heard, Listener
from clicktodial.sandbox.rtp import serialize_packet
from clicktodial.sandbox.talker import Recital, Talker
from clicktodial.sandbox.voice import create_announcement, create_recital

CALLEE = "8613810268653"
MELODY = "268653"


def create_talker(codec: Codec = PCMA, recital: Recital | None = None, seed: int = 1) -> Talker:
    return Talker(
        codec=codec,
        dtmf=TELEPHONE_EVENT,
        recital=recital or create_recital(Speech.MELODY, CALLEE, codec),
        random=random.Random(seed),
    )


def create_listener(codec: Codec = PCMA) -> Listener:
    return Listener(codec=codec, dtmf=TELEPHONE_EVENT)


def judge(listener: Listener) -> Heard:
    return listener.snapshot().judge()


def packet(sequence: int, *, timestamp: int = 0, ssrc: int = 1, payload_type: int = 8) -> bytes:
    payload = b"\xd5" * 160
    return serialize_packet(payload_type, False, sequence % 2**16, timestamp, ssrc, payload)


@pytest.mark.parametrize("codec", [PCMA, PCMU], ids=["PCMA", "PCMU"])
def test_other_phone_is_recognised(codec: Codec) -> None:
    talker, listener = create_talker(codec), create_listener(codec)
    for _ in range(250):
        listener.receive(talker.next_packet())
    heard = judge(listener)
    assert heard.melodies == (MELODY,)
    assert (heard.packets, heard.lost, heard.seconds, heard.unusable) == (250, 0, 5.0, 0)


def test_lost_packets_are_counted_and_the_melody_still_heard() -> None:
    talker, listener, dice = create_talker(), create_listener(), random.Random(3)
    sent = [talker.next_packet() for _ in range(300)]
    # The first and the last arrive: no receiver can know of what it loses at the ends.
    arrived = [data for index, data in enumerate(sent) if index in (0, 299) or dice.random() > 0.1]
    for data in arrived:
        listener.receive(data)
    heard = judge(listener)
    assert heard.lost == 300 - len(arrived) > 0
    assert heard.melodies == (MELODY,)


def test_reordered_packets_are_put_in_order() -> None:
    talker, listener = create_talker(), create_listener()
    sent = [talker.next_packet() for _ in range(200)]
    for index in range(0, 200, 2):
        listener.receive(sent[index + 1])
        listener.receive(sent[index])
    heard = judge(listener)
    assert heard.lost == 0
    assert heard.melodies == (MELODY,)


def test_sequence_that_wraps_is_no_loss() -> None:
    listener = create_listener()
    for index in range(10):
        listener.receive(packet(65_530 + index, timestamp=index * 160))
    assert judge(listener).lost == 0


def test_source_that_restarts_its_numbers_is_no_loss() -> None:
    listener = create_listener()
    for start in (100, 30_000):
        for index in range(5):
            listener.receive(packet(start + index, timestamp=start * 160 + index * 160))
    heard = judge(listener)
    assert (heard.packets, heard.lost) == (10, 0)


def test_tone_and_then_melody_of_another_source_are_told_apart() -> None:
    announcement = create_announcement(CALLEE, PCMA)
    before, after = create_talker(recital=announcement, seed=1), create_talker(seed=2)
    listener = create_listener()
    for talker, packets in ((before, 100), (after, 150)):
        for _ in range(packets):
            listener.receive(talker.next_packet())
    heard = judge(listener)
    assert [source.melody for source in heard.sources] == [None, MELODY]
    assert [source.seconds for source in heard.sources] == [2.0, 3.0]
    assert heard.sources[0].tones_hz


def test_pause_of_the_source_does_not_blur_the_melody() -> None:
    talker, listener = create_talker(), create_listener()
    for _ in range(100):
        listener.receive(talker.next_packet())
    talker.skip(60_000)
    for _ in range(150):
        listener.receive(talker.next_packet())
    heard = judge(listener)
    assert heard.melodies == (MELODY,)
    assert heard.lost == 0


def test_hour_of_audio_is_held_in_bounded_memory() -> None:
    talker, listener = create_talker(), create_listener()
    for _ in range(20_000):
        listener.receive(talker.next_packet())
    earful = listener.snapshot()
    assert max(len(source.held) for source in earful.sources) <= 2 * 12 * 8000
    assert earful.judge().seconds == 400.0
    assert earful.judge().melodies == (MELODY,)


def test_key_is_heard_once_though_sent_eleven_times_and_ended_thrice() -> None:
    talker, listener = create_talker(), create_listener()
    for key in "1#":
        talker.press(key)
    for _ in range(40):
        listener.receive(talker.next_packet())
    assert judge(listener).keys == "1#"


def test_key_whose_first_packets_are_lost_is_heard() -> None:
    talker, listener = create_talker(), create_listener()
    listener.receive(talker.next_packet())
    talker.press("7")
    for data in [talker.next_packet() for _ in range(20)][9:]:
        listener.receive(data)
    assert judge(listener).keys == "7"


def test_keys_beyond_the_limit_are_not_kept() -> None:
    talker, listener = create_talker(), create_listener()
    for _ in range(KEYS_MAX + 5):
        talker.press("1")
        for _ in range(11):
            listener.receive(talker.next_packet())
    assert len(listener.keys) == KEYS_MAX


def test_source_beyond_the_limit_is_not_kept() -> None:
    listener = create_listener()
    for ssrc in range(SOURCES_MAX + 3):
        listener.receive(packet(1, ssrc=ssrc))
    heard = judge(listener)
    assert (len(heard.sources), heard.unusable) == (SOURCES_MAX, 3)


@pytest.mark.parametrize(
    "data", [b"", b"x" * 40, packet(1, payload_type=18)], ids=["empty", "garbage", "other codec"]
)
def test_what_is_not_of_the_stream_is_counted_and_left(data: bytes) -> None:
    listener = create_listener()
    listener.receive(data)
    heard = judge(listener)
    assert (heard.packets, heard.unusable, heard.sources) == (0, 1, ())


def test_counting_alone_looks_for_nothing() -> None:
    talker, listener = create_talker(), create_listener()
    for _ in range(200):
        listener.receive(talker.next_packet())
    heard = listener.snapshot().judge(listen=False)
    assert (heard.packets, heard.melodies, heard.sources[0].tones_hz) == (200, (), ())
