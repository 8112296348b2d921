"""Which codecs are offered to whom."""

import pytest

from clicktodial.domain.media import (
    G722,
    OFFERED_CODECS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    chosen_codec,
    create_caller_offer,
)

RELAY = MediaAddress("127.0.0.1", 20_000)
PHONE = MediaAddress("192.0.2.1", 4000)
G729 = Codec(18, "G729")


def test_caller_is_offered_all_that_the_relay_carries_a_law_first() -> None:
    offer = create_caller_offer(RELAY)
    assert offer == MediaDescription(RELAY, (PCMA, PCMU), TELEPHONE_EVENT)
    assert offer.codecs == OFFERED_CODECS


@pytest.mark.parametrize(
    ("codecs", "chosen"),
    [
        ((PCMA,), PCMA),
        ((PCMU, PCMA), PCMU),
        ((G729, PCMA), PCMA),
        ((Codec(97, "PCMU"),), Codec(97, "PCMU")),
        ((G729,), None),
        ((), None),
    ],
)
def test_chosen_codec_is_the_answerers_first_of_ours(
    codecs: tuple[Codec, ...], chosen: Codec | None
) -> None:
    assert chosen_codec(MediaDescription(PHONE, codecs)) == chosen


def test_chosen_codec_is_one_of_those_carried() -> None:
    answer = MediaDescription(PHONE, (G722, PCMU, PCMA))
    assert chosen_codec(answer) == G722
    assert chosen_codec(answer, OFFERED_CODECS) == PCMU
    assert chosen_codec(answer, (Codec(96, "OPUS", 48_000, 2),)) is None
