"""What is read of a browser's offer, and what is not let through."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.webrtc.offer import FINGERPRINT, OFFER

from clicktodial.domain.media import G722, PCMA, PCMU, Codec
from clicktodial.media.webrtc.error import OfferUnusable
from clicktodial.media.webrtc.sdp import (
    CANDIDATES_MAX,
    OFFER_CHARACTERS_MAX,
    OFFER_LINES_MAX,
    WebFacing,
    create_answer,
    parse_offer,
)


def test_offer_of_chromium_is_read() -> None:
    offer = parse_offer(OFFER)
    assert (offer.mid, offer.ufrag, offer.password) == ("0", "9Moh", "n16Zd4M6wMcxI4JV76Gu6Gnf")
    assert offer.fingerprint == FINGERPRINT
    assert offer.codecs == (PCMA, PCMU, G722)
    assert offer.dtmf == Codec(126, "telephone-event")
    # Neither IPv6, nor TCP, nor a name.
    assert [str(each) for each in offer.candidates] == [
        "1 1 udp 2122194687 127.0.0.1 35499 typ host",
        "1 1 udp 2122063615 192.0.2.2 38046 typ srflx",
    ]


def test_answer_takes_one_codec_and_the_keys() -> None:
    facing = WebFacing("192.0.2.9", 40_100, "passive", FINGERPRINT, "ufrag", "password")
    lines = create_answer(parse_offer(OFFER), facing, PCMA).split("\r\n")
    assert "m=audio 40100 UDP/TLS/RTP/SAVPF 8 126" in lines
    assert f"a=fingerprint:sha-256 {FINGERPRINT}" in lines
    assert "a=candidate:1 1 udp 2130706431 192.0.2.9 40100 typ host" in lines
    assert {"a=ice-lite", "a=rtcp-mux", "a=setup:passive", "a=mid:0"} <= set(lines)
    # No extension is agreed on, so none passes to the other party.
    assert not any("extmap" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=0", "v=1"),
        ("a=rtcp-mux\r\n", ""),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=setup:actpass\r\n", ""),
        ("a=ice-ufrag:9Moh", "a=ice-ufrag:9M h"),
        ("a=ice-ufrag:9Moh", "a=ice-ufrag:9Moh && X"),
        ("a=ice-ufrag:9Moh", f"a=ice-ufrag:{'x' * 33}"),
        ("a=ice-ufrag:9Moh", "a=ice-ufrag:9Moh\r\na=ice-ufrag:other"),
        ("a=ice-pwd:n16Z", "a=ice-pwd:\u0661n16Z"),
        ("sha-256", "sha-1"),
        (FINGERPRINT.lower(), FINGERPRINT[3:]),
        ("a=mid:0", "a=mid:0 X"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        ("m=audio", "m=video"),
        ("a=rtcp-mux", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux"),
        ("111 63 9 0 8 13", "111 63 13"),
        ("127.0.0.1 35499 typ host", "127.0.0.1 0 typ host\r\na=x:"),
    ],
)
def test_offer_that_cannot_be_used_is_refused(old: str, new: str) -> None:
    offer = OFFER if "typ host" not in old else OFFER.replace("192.0.2.2 ", "192.0.2.999 ")
    assert old in offer
    with pytest.raises(OfferUnusable):
        parse_offer(offer.replace(old, new, 1))


def test_offer_is_bounded() -> None:
    with pytest.raises(OfferUnusable):
        parse_offer(OFFER + "a=x\r\n" * OFFER_LINES_MAX)
    with pytest.raises(OfferUnusable):
        parse_offer(OFFER + "a=" + "x" * OFFER_CHARACTERS_MAX)
    more = "a=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n" * (CANDIDATES_MAX + 1)
    assert len(parse_offer(OFFER + more).candidates) == CANDIDATES_MAX


@settings(max_examples=30)
@given(at=st.integers(0, len(OFFER) - 1), put=st.text(max_size=8), cut=st.integers(0, 40))
def test_whatever_is_read_is_safe_to_tell_the_relay(at: int, put: str, cut: int) -> None:
    try:
        offer = parse_offer(OFFER[:at] + put + OFFER[at + cut :])
    except OfferUnusable:
        return
    told = [offer.ufrag, offer.password, offer.fingerprint, *map(str, offer.candidates)]
    for each in told:
        assert each.isascii() and each.isprintable() and "&" not in each
    assert " " not in offer.ufrag + offer.password + offer.fingerprint
