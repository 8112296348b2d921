"""What of a leg's audio a trunk is offered."""

import dataclasses

import pytest
from tests.sip.test_crypto import OURS, SECURE_OFFER

from clicktodial.domain.media import G722, OPUS, PCMA, TELEPHONE_EVENT, SrtpKey
from clicktodial.domain.trunk import SrtpPolicy, Trunk
from clicktodial.sip.trunk_media import NO_CODEC_CAUSE, NO_KEYS_CAUSE, create_offer

PLAIN_TRUNK = Trunk("a", "192.0.2.1", 5060)
SECURE_TRUNK = dataclasses.replace(PLAIN_TRUNK, srtp=SrtpPolicy.REQUIRED)
PLAIN_OFFER = dataclasses.replace(SECURE_OFFER, crypto=())


def test_trunk_of_srtp_is_offered_all_keys_and_any_other_none() -> None:
    assert create_offer(SECURE_OFFER, SECURE_TRUNK) is SECURE_OFFER
    assert create_offer(SECURE_OFFER, PLAIN_TRUNK) == PLAIN_OFFER
    assert create_offer(PLAIN_OFFER, PLAIN_TRUNK) is PLAIN_OFFER


@pytest.mark.parametrize("keys", [(), (SrtpKey(1, "ROT13", "inline:x"),)])
def test_trunk_of_srtp_is_never_offered_plain_audio(keys: tuple[SrtpKey, ...]) -> None:
    offer = dataclasses.replace(SECURE_OFFER, crypto=keys)
    assert create_offer(offer, SECURE_TRUNK) is NO_KEYS_CAUSE


def test_keys_that_nobody_could_read_are_left_out() -> None:
    bad = SrtpKey(3, "AES_CM_128_HMAC_SHA1_80", "inline:AAAA\r\nX: y")
    offer = dataclasses.replace(SECURE_OFFER, crypto=(*OURS, bad))
    assert create_offer(offer, SECURE_TRUNK) == SECURE_OFFER


def test_trunk_is_offered_the_codecs_that_it_takes_in_the_offers_order() -> None:
    offer = dataclasses.replace(PLAIN_OFFER, codecs=(OPUS, G722, PCMA))
    trunk = dataclasses.replace(PLAIN_TRUNK, codecs=("PCMA", "OPUS"))
    made = create_offer(offer, trunk)
    assert made == dataclasses.replace(offer, codecs=(OPUS, PCMA), dtmf=TELEPHONE_EVENT)


def test_trunk_that_takes_none_of_the_codecs_is_passed_over() -> None:
    trunk = dataclasses.replace(PLAIN_TRUNK, codecs=("OPUS",))
    assert create_offer(PLAIN_OFFER, trunk) is NO_CODEC_CAUSE
