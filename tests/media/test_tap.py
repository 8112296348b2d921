"""What is heard in a side's packets: keys and verdicts, in any codec, whatever is missing."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.opus_stream import encode_opus
from tests.media.speech import Pcm, silence, speak

from clicktodial.audio.g722 import encode_g722
from clicktodial.audio.resample import double_rate
from clicktodial.control.port import AnswerJudged, AnswerVerdict, DigitHeard, Heard
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.media.answer_detection import SILENCE_SECONDS
from clicktodial.media.g711 import encode_g711
from clicktodial.media.tap import STALL_S, Tap

PACKET_S = 0.02
HUMAN, MACHINE, SILENCE = AnswerVerdict.HUMAN, AnswerVerdict.MACHINE, AnswerVerdict.SILENCE
HELLO = np.concatenate([silence(0.5), speak(0.7), silence(2)])
SPEECH = np.concatenate([silence(0.5), speak(5)])


def create_tap(codec: Codec = PCMA, *, judges_answer: bool = True) -> Tap:
    media = MediaDescription(MediaAddress("127.0.0.1", 4_000), (codec,), TELEPHONE_EVENT)
    return Tap(media, judges_answer=judges_answer, now=0.0)


def encode(pcm: Pcm, codec: Codec) -> list[bytes]:
    """Payloads of 20 ms."""
    if codec.name == OPUS.name:
        return encode_opus(pcm, 8_000)
    if codec.name == G722.name:
        coded = encode_g722(double_rate(pcm))
    else:
        coded = encode_g711(pcm, codec.name)
    return [coded[at : at + 160] for at in range(0, len(coded) - 159, 160)]


def packet(
    payload: bytes, number: int, codec: Codec = PCMA, *, ssrc: int = 1, offset: int = 0
) -> bytes:
    step = codec.clock_rate // 50
    timestamp = (offset + number * step) % 2**32
    return (
        struct.pack(">BBHII", 0x80, codec.payload_type, number % 2**16, timestamp, ssrc) + payload
    )


def feed(tap: Tap, packets: list[bytes | None]) -> list[Heard]:
    """One every 20 ms, None for none, with the tap's timer kept."""
    heard: list[Heard] = []
    for number, data in enumerate(packets):
        now = number * PACKET_S
        deadline = tap.next_deadline()
        if deadline is not None and deadline <= now:
            heard += tap.handle_timeout(now)
        if data is not None:
            heard += tap.receive(data, now)
    return heard


@pytest.mark.parametrize("codec", [PCMA, PCMU, G722, OPUS, Codec(111, "OPUS", 48_000, 2)])
@pytest.mark.parametrize(("pcm", "verdict"), [(HELLO, HUMAN), (SPEECH, MACHINE)])
def test_verdict_in_every_codec(codec: Codec, pcm: Pcm, verdict: AnswerVerdict) -> None:
    packets = [packet(each, n, codec) for n, each in enumerate(encode(pcm, codec))]
    assert feed(create_tap(codec), [*packets]) == [AnswerJudged(verdict)]


def test_nothing_is_judged_where_nobody_asked() -> None:
    tap = create_tap(judges_answer=False)
    packets = [packet(each, n) for n, each in enumerate(encode(SPEECH, PCMA))]
    assert tap.next_deadline() is None
    assert feed(tap, [*packets]) == []


def test_phone_that_sends_nothing_is_silent_after_as_long() -> None:
    tap, now = create_tap(), 0.0
    heard: list[Heard] = []
    while not heard:
        deadline = tap.next_deadline()
        assert deadline is not None and now < deadline <= now + STALL_S
        assert tap.handle_timeout(deadline - 0.001) == []
        now = deadline
        heard = tap.handle_timeout(now)
    assert heard == [AnswerJudged(SILENCE)]
    assert now == pytest.approx(SILENCE_SECONDS, abs=STALL_S)
    assert tap.next_deadline() is None


def test_phone_whose_packets_hold_nothing_is_silent_after_as_long() -> None:
    empty = packet(b"\xfb\x00", 0, OPUS)
    assert feed(create_tap(OPUS), [empty] * 250) == [AnswerJudged(SILENCE)]


@pytest.mark.parametrize("counts_silence", [True, False], ids=["RFC 3551", "stopped clock"])
def test_phone_that_sends_no_silence_is_judged_by_time(counts_silence: bool) -> None:
    """It speaks for 0.7 s, after half a second and before silence, neither of which it sends."""
    payloads = encode(speak(0.7), PCMA)
    begin = 25 if counts_silence else 0
    spoken = [packet(each, begin + n) for n, each in enumerate(payloads)]
    assert feed(create_tap(), [*[None] * 25, *spoken, *[None] * 100]) == [AnswerJudged(HUMAN)]


def test_silence_that_time_told_is_not_told_again_by_the_timestamp() -> None:
    """Half a second without packets within a sentence is half a second, and no end of it."""
    words = encode(speak(0.4), PCMA)
    first = [packet(each, n) for n, each in enumerate(words)]
    gap = 25
    second = [packet(each, len(words) + gap + n) for n, each in enumerate(words)]
    third = [
        packet(each, 2 * (len(words) + gap) + n) for n, each in enumerate(encode(speak(2), PCMA))
    ]
    packets = [*[None] * 5, *first, *[None] * gap, *second, *[None] * gap, *third]
    assert feed(create_tap(), packets) == [AnswerJudged(MACHINE)]


@pytest.mark.parametrize("loss", [0.05, 0.2])
@pytest.mark.parametrize(("pcm", "verdict"), [(HELLO, HUMAN), (SPEECH, MACHINE)])
def test_verdict_over_a_lossy_network(loss: float, pcm: Pcm, verdict: AnswerVerdict) -> None:
    random = np.random.default_rng(4)
    packets = [
        None if random.random() < loss else packet(each, n, offset=2**32 - 8_000)
        for n, each in enumerate(encode(pcm, PCMA))
    ]
    assert feed(create_tap(), packets) == [AnswerJudged(verdict)]


def test_late_and_doubled_packets_are_not_heard_twice() -> None:
    packets: list[bytes | None] = []
    for number, each in enumerate(encode(HELLO, PCMA)):
        packets += [packet(each, number)]
        if number % 3 == 0 and number > 6:
            packets += [packet(encode(SPEECH, PCMA)[100], number - 5)]
    assert feed(create_tap(), packets) == [AnswerJudged(HUMAN)]


def test_keys_and_verdict_are_both_told() -> None:
    tap = create_tap()
    key = Codec(101, "telephone-event")
    packets: list[bytes | None] = [packet(each, n) for n, each in enumerate(encode(HELLO, PCMA))]
    packets[10] = packet(b"\x04\x0a\x03\x20", 10, key)
    packets[11] = packet(b"\x04\x8a\x03\x20", 10, key)
    assert feed(tap, packets) == [DigitHeard("4"), AnswerJudged(HUMAN)]


def test_side_that_changes_codec_and_event_type_is_heard_on() -> None:
    tap = create_tap(PCMA)
    hello = encode(HELLO, PCMA)
    heard = feed(tap, [packet(each, n) for n, each in enumerate(hello[:30])])
    opus, event = Codec(98, "OPUS", 48_000, 2), Codec(97, "telephone-event")
    tap.change_media(MediaDescription(MediaAddress("127.0.0.1", 4_000), (opus,), event))
    assert tap.receive(packet(b"\x04\x0a\x03\x20", 3, TELEPHONE_EVENT), 0.6) == []
    heard += tap.receive(packet(b"\x05\x0a\x03\x20", 4, event), 0.6)
    rest = encode(np.concatenate([speak(0.3), silence(2)]), opus)
    for number, each in enumerate(rest):
        heard += tap.receive(packet(each, number, opus, ssrc=2), 0.6 + number * PACKET_S)
    assert heard == [DigitHeard("5"), AnswerJudged(HUMAN)]


def test_codec_that_nobody_answered_is_not_heard() -> None:
    tap = create_tap()
    speech = [packet(each, n, Codec(18, "G729")) for n, each in enumerate(encode(SPEECH, PCMA))]
    assert feed(tap, [*speech[:100]]) == []


@given(
    datagrams=st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.builds(
                lambda kind, rest: bytes([0x80, kind]) + rest,
                st.sampled_from([0, 8, 9, 96, 101]),
                st.binary(min_size=10, max_size=300),
            ),
        ),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=60)
def test_anything_at_all_is_heard_or_left(datagrams: list[bytes]) -> None:
    tap = create_tap(OPUS)
    heard = feed(tap, [*datagrams])
    assert sum(isinstance(each, AnswerJudged) for each in heard) <= 1
