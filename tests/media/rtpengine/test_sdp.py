"""What rtpengine is told of a side, and what is believed of its answers."""

import pytest

from clicktodial.control.port import RelayError
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    SrtpKey,
)
from clicktodial.media.rtpengine.sdp import (
    CODECS_MAX,
    SUITE,
    check_formats,
    create_key,
    create_placeholder,
    is_same_key,
    name_codec,
    read_sdp,
    write_sdp,
)

ADDRESS = MediaAddress("192.0.2.7", 4_000)


def test_description_is_written_line_by_line() -> None:
    opus = Codec(111, "OPUS", 48_000, 2, "useinbandfec=1")
    key = SrtpKey(3, SUITE, "inline:" + "A" * 40)
    assert write_sdp(MediaDescription(ADDRESS, (opus, PCMA), TELEPHONE_EVENT), [key]) == (
        "v=0\r\n"
        "o=- 1 1 IN IP4 192.0.2.7\r\n"
        "s=-\r\n"
        "c=IN IP4 192.0.2.7\r\n"
        "t=0 0\r\n"
        "m=audio 4000 RTP/SAVP 111 8 101\r\n"
        "a=rtpmap:111 opus/48000/2\r\n"
        "a=fmtp:111 useinbandfec=1\r\n"
        "a=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        f"a=crypto:3 {SUITE} inline:{'A' * 40}\r\n"
        "a=sendrecv\r\n"
    )


def test_address_and_keys_are_read_back() -> None:
    key = create_key()
    facing = read_sdp(write_sdp(MediaDescription(ADDRESS, (G722,)), [key]))
    assert facing.address == ADDRESS
    assert facing.tag_of(key) == key.tag
    assert facing.tag_of(create_key()) is None


def test_key_is_the_same_whatever_its_tag_padding_and_lifetime() -> None:
    bare = SrtpKey(1, SUITE, "inline:" + "A" * 40)
    assert is_same_key(bare, SrtpKey(2, SUITE, f"inline:{'A' * 40}==|2^31|1:1"))
    assert not is_same_key(bare, SrtpKey(1, "AES_CM_128_HMAC_SHA1_32", bare.key_params))
    assert not is_same_key(bare, SrtpKey(1, SUITE, "inline:" + "B" * 40))


def test_keys_are_fresh() -> None:
    assert not is_same_key(create_key(), create_key())


def test_placeholder_names_everything_and_no_address() -> None:
    text = write_sdp(create_placeholder((PCMA, OPUS), TELEPHONE_EVENT, create_key()))
    assert "c=IN IP4 0.0.0.0" in text
    assert "m=audio 9 RTP/AVP 8 96 101" in text


@pytest.mark.parametrize(
    ("codec", "name"), [(PCMA, "PCMA"), (G722, "G722"), (OPUS, "opus/48000/2")], ids=str
)
def test_codec_is_named_as_rtpengine_names_it(codec: Codec, name: str) -> None:
    assert name_codec(codec) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c=IN IP4 192.0.2.7\r\n",
        "m=audio 4000 RTP/AVP 8\r\n",
        "c=IN IP4 192.0.2.7\r\nm=audio 0 RTP/AVP 8\r\n",
        "c=IN IP4 192.0.2.7\r\nm=audio 65536 RTP/AVP 8\r\n",
        "c=IN IP4 192.0.2.777\r\nm=audio 4000 RTP/AVP 8\r\n",
        "c=IN IP4 relay.example.com\r\nm=audio 4000 RTP/AVP 8\r\n",
        "c=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 8\r\n",
        "c=IN IP4 192.0.2.7\r\nm=video 4000 RTP/AVP 8\r\n",
    ],
    ids=range(9),
)
def test_answer_that_names_no_port_is_refused(text: str) -> None:
    with pytest.raises(RelayError):
        read_sdp(text)


@pytest.mark.parametrize(
    "media",
    [
        MediaDescription(ADDRESS, ()),
        MediaDescription(ADDRESS, (PCMA,) * (CODECS_MAX + 1)),
        MediaDescription(ADDRESS, (Codec(-1, "PCMA"),)),
        MediaDescription(ADDRESS, (Codec(128, "PCMA"),)),
        MediaDescription(ADDRESS, (Codec(8, "PCMA\r\na=x"),)),
        MediaDescription(ADDRESS, (Codec(8, ""),)),
        MediaDescription(ADDRESS, (Codec(8, "PCMA", 0),)),
        MediaDescription(ADDRESS, (Codec(8, "PCMA", 8_000, 0),)),
        MediaDescription(ADDRESS, (Codec(8, "PCMA", 8_000, 1, "a\r\nb"),)),
        MediaDescription(ADDRESS, (Codec(8, "PCMA", 8_000, 1, "x" * 300),)),
        MediaDescription(ADDRESS, (PCMA,), Codec(500, "telephone-event")),
    ],
    ids=range(11),
)
def test_codecs_that_cannot_be_told_are_refused(media: MediaDescription) -> None:
    with pytest.raises(RelayError):
        check_formats(media)
