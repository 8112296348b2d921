"""SDP of one audio stream."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.media import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.sip.error import SdpError
from clicktodial.sip.sdp import (
    PAYLOAD_TYPES_MAX,
    SDP_BYTES_MAX,
    SDP_LINES_MAX,
    parse_sdp,
    restrict_answer,
    serialize_sdp,
)

HEAD = "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\n"


def sdp(*lines: str) -> bytes:
    return (HEAD + "".join(f"{line}\r\n" for line in lines)).encode()


octet = st.integers(1, 223)
codecs = st.lists(
    st.sampled_from([PCMA, PCMU, Codec(9, "G722"), Codec(97, "ILBC"), Codec(98, "OPUS", 48_000)]),
    min_size=1,
    max_size=5,
    unique=True,
)
media = st.builds(
    MediaDescription,
    st.builds(
        MediaAddress,
        st.tuples(octet, octet, octet, octet).map(lambda parts: ".".join(map(str, parts))),
        st.integers(1, 65_535),
    ),
    codecs.map(tuple),
    st.sampled_from([None, TELEPHONE_EVENT, Codec(96, "telephone-event")]),
)


@given(media)
def test_description_serialized_and_parsed_is_the_same(description: MediaDescription) -> None:
    assert parse_sdp(serialize_sdp(description)) == description


def test_serialized_offer_holds_only_our_own_address() -> None:
    text = serialize_sdp(
        MediaDescription(MediaAddress("192.0.2.1", 20_000), (PCMA, PCMU), TELEPHONE_EVENT)
    ).decode()
    assert text.split("\r\n") == [
        "v=0",
        "o=- 20000 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


@pytest.mark.parametrize(
    ("body", "address", "codec_names", "dtmf"),
    [
        pytest.param(
            sdp("c=IN IP4 192.0.2.5", "t=0 0", "m=audio 4000 RTP/AVP 0 8"),
            ("192.0.2.5", 4000), ["PCMU", "PCMA"], None, id="session-level-static",
        ),
        pytest.param(
            sdp("c=IN IP4 192.0.2.5", "m=audio 4000 RTP/AVP 8", "c=IN IP4 192.0.2.6"),
            ("192.0.2.6", 4000), ["PCMA"], None, id="media-level-wins",
        ),
        pytest.param(
            sdp("m=audio 4000/2 RTP/AVP 96 8", "c=IN IP4 192.0.2.6", "a=rtpmap:96 pcma/8000/1"),
            ("192.0.2.6", 4000), ["PCMA", "PCMA"], None, id="dynamic-in-lower-case",
        ),
        pytest.param(
            sdp(
                "c=IN IP4 192.0.2.5", "m=video 9 RTP/AVP 99", "c=IN IP4 192.0.2.99",
                "m=audio 0 RTP/AVP 0", "m=audio 5 RTP/SAVP 0",
                "m=audio 4000 RTP/AVP 8 120 101", "a=rtpmap:101 Telephone-Event/8000",
            ),
            ("192.0.2.5", 4000), ["PCMA"], TELEPHONE_EVENT, id="first-usable-stream",
        ),
        pytest.param(
            sdp(
                "c=IN IP4 192.0.2.5", "m=audio 4000 RTP/AVP 8 100 101",
                "a=rtpmap:100 telephone-event/48000", "a=rtpmap:101 telephone-event/8000",
                "m=audio 4002 RTP/AVP 0",
            ),
            ("192.0.2.5", 4000), ["PCMA"], TELEPHONE_EVENT, id="dtmf-of-our-clock",
        ),
        pytest.param(
            b"v=0\nc=IN IP4 192.0.2.5\nm=audio 4000 RTP/AVP 18 8\n",
            ("192.0.2.5", 4000), ["G729", "PCMA"], None, id="bare-line-feeds",
        ),
    ],
)  # fmt: skip
def test_sdp_of_a_peer_is_read(
    body: bytes, address: tuple[str, int], codec_names: list[str], dtmf: Codec | None
) -> None:
    description = parse_sdp(body)
    assert (description.address.host, description.address.port) == address
    assert [codec.name for codec in description.codecs] == codec_names
    assert description.dtmf == dtmf


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"hello", id="text"),
        pytest.param(sdp("c=IN IP4 192.0.2.5"), id="no-stream"),
        pytest.param(sdp("m=audio 4000 RTP/AVP 8"), id="no-address"),
        pytest.param(sdp("c=IN IP4 192.0.2.5", "m=audio 0 RTP/AVP 8"), id="port-0"),
        pytest.param(sdp("c=IN IP4 192.0.2.5", "m=audio 70000 RTP/AVP 8"), id="port-too-high"),
        pytest.param(sdp("c=IN IP4 192.0.2.5", "m=video 4000 RTP/AVP 8"), id="video-only"),
        pytest.param(sdp("c=IN IP4 192.0.2.5", "m=audio 4000 RTP/SAVP 8"), id="srtp-only"),
        pytest.param(sdp("c=IN IP4 192.0.2.5", "m=audio 4000 RTP/AVP 101"), id="no-codec"),
        pytest.param(
            sdp("c=IN IP4 192.0.2.5", "m=audio 4 RTP/AVP 200", "a=rtpmap:200 PCMA/8000"),
            id="payload-type-200",
        ),
        pytest.param(sdp("c=IN IP6 2001:db8::1", "m=audio 4000 RTP/AVP 8"), id="ipv6"),
        pytest.param(sdp("c=IN IP4 phone.example", "m=audio 4000 RTP/AVP 8"), id="host-name"),
        pytest.param(sdp("c=IN IP4 0.0.0.0", "m=audio 4000 RTP/AVP 8"), id="no-address-yet"),
        pytest.param(sdp("c=IN IP4 239.1.1.1", "m=audio 4000 RTP/AVP 8"), id="multicast"),
        pytest.param(sdp("c=IN IP4 256.1.1.1", "m=audio 4000 RTP/AVP 8"), id="octet-256"),
        pytest.param(sdp("c=IN IP4 192.0.2.5/127", "m=audio 4000 RTP/AVP 8"), id="with-ttl"),
        pytest.param(sdp(*["a=x"] * SDP_LINES_MAX, "m=audio 4 RTP/AVP 8"), id="too-many-lines"),
        pytest.param(b"v=0\r\n" + b"a" * SDP_BYTES_MAX, id="too-long"),
    ],
)
def test_sdp_without_usable_audio_raises(body: bytes) -> None:
    with pytest.raises(SdpError):
        parse_sdp(body)


def test_endless_payload_types_are_cut() -> None:
    types = " ".join(["8"] * 1000)
    description = parse_sdp(sdp("c=IN IP4 192.0.2.5", f"m=audio 4000 RTP/AVP {types}"))
    assert len(description.codecs) == PAYLOAD_TYPES_MAX


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: b"v=0\n" + text.encode()))
def test_any_bytes_parse_or_raise_sdp_error(body: bytes) -> None:
    with contextlib.suppress(SdpError):
        parse_sdp(body)


def offer(*codecs_offered: Codec, dtmf: Codec | None = None) -> bytes:
    return serialize_sdp(MediaDescription(MediaAddress("192.0.2.1", 20_000), codecs_offered, dtmf))


def answer(*codecs_answered: Codec, dtmf: Codec | None = None) -> MediaDescription:
    return MediaDescription(MediaAddress("192.0.2.9", 30_000), codecs_answered, dtmf)


def test_answer_with_more_than_offered_is_restricted() -> None:
    restricted = restrict_answer(answer(PCMU, PCMA, dtmf=TELEPHONE_EVENT), offer(PCMA))
    assert restricted == answer(PCMA)


def test_answer_within_the_offer_is_itself() -> None:
    given_answer = answer(PCMA, dtmf=TELEPHONE_EVENT)
    assert restrict_answer(given_answer, offer(PCMA, PCMU, dtmf=TELEPHONE_EVENT)) is given_answer


def test_answer_without_anything_offered_is_none() -> None:
    assert restrict_answer(answer(PCMU), offer(PCMA)) is None
