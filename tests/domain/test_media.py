"""Which codecs are offered to whom."""

import pytest

from clicktodial.domain.media import (
    OFFERED_CODECS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    chosen_codec,
    create_callee_offer,
    create_caller_offer,
)

RELAY = MediaAddress("127.0.0.1", 20_000)
PHONE = MediaAddress("192.0.2.1", 4000)
G722 = Codec(9, "G722")


def test_caller_is_offered_all_that_the_relay_carries_a_law_first() -> None:
    offer = create_caller_offer(RELAY)
    assert offer == MediaDescription(RELAY, (PCMA, PCMU), TELEPHONE_EVENT)
    assert offer.codecs == OFFERED_CODECS


@pytest.mark.parametrize(
    ("codecs", "chosen"),
    [
        ((PCMA,), PCMA),
        ((PCMU, PCMA), PCMU),
        ((G722, PCMA), PCMA),
        ((Codec(97, "PCMU"),), Codec(97, "PCMU")),
        ((G722,), None),
        ((), None),
    ],
)
def test_chosen_codec_is_the_answerers_first_of_ours(
    codecs: tuple[Codec, ...], chosen: Codec | None
) -> None:
    assert chosen_codec(MediaDescription(PHONE, codecs)) == chosen


def test_callee_is_offered_the_callers_choice_at_the_relays_address() -> None:
    dtmf = Codec(96, "telephone-event")
    answer = MediaDescription(PHONE, (G722, PCMU, PCMA), dtmf)
    assert create_callee_offer(RELAY, answer) == MediaDescription(RELAY, (PCMU,), dtmf)


def test_callee_is_offered_no_dtmf_that_the_caller_cannot_take() -> None:
    offer = create_callee_offer(RELAY, MediaDescription(PHONE, (PCMA,)))
    assert offer is not None
    assert offer.dtmf is None


def test_callee_is_offered_nothing_where_the_caller_chose_nothing_of_ours() -> None:
    assert create_callee_offer(RELAY, MediaDescription(PHONE, (G722,))) is None
