"""SDP of one audio stream."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from clicktodial.sip.error import SdpError
from clicktodial.sip.sdp import (
    PARAMETERS_CHARACTERS_MAX,
    PAYLOAD_TYPES_MAX,
    SDP_BYTES_MAX,
    SDP_LINES_MAX,
    is_known,
    parse_sdp,
    restrict_answer,
    serialize_sdp,
)

HEAD = "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\n"


def sdp(*lines: str) -> bytes:
    return (HEAD + "".join(f"{line}\r\n" for line in lines)).encode()


octet = st.integers(1, 223)
codecs = st.lists(
    st.sampled_from([PCMA, PCMU, G722, Codec(97, "ILBC"), OPUS, Codec(98, "L16", 44_100, 2)]),
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
    st.sampled_from([None, TELEPHONE_EVENT, Codec(99, "telephone-event")]),
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


FMTP = "minptime=10;useinbandfec=1;stereo=0"


def test_channels_and_parameters_of_a_codec_are_read_and_written() -> None:
    description = parse_sdp(
        sdp(
            "c=IN IP4 192.0.2.5", "m=audio 4000 RTP/AVP 111 9 8", "a=fmtp:8 x=1",
            "a=rtpmap:111 opus/48000/2", f"a=fmtp:111 {FMTP}", "a=rtpmap:9 G722/8000",
            "a=fmtp:111 again=1",
        )
    )  # fmt: skip
    opus, *others = description.codecs
    assert (opus.payload_type, opus.name, opus.clock_rate, opus.channels) == (
        111,
        "OPUS",
        48_000,
        2,
    )
    assert opus.parameters == FMTP
    assert others == [G722, PCMA]
    assert all(is_known(codec) for codec in description.codecs)
    lines = serialize_sdp(description).decode().split("\r\n")
    # RFC 7587 7 writes it in small letters.
    assert "a=rtpmap:111 opus/48000/2" in lines
    assert f"a=fmtp:111 {FMTP}" in lines
    assert parse_sdp(serialize_sdp(description)).codecs[0].parameters == FMTP


@pytest.mark.parametrize(
    ("rtpmap", "codec"),
    [
        ("opus/48000", Codec(111, "OPUS", 48_000)),
        ("opus/8000/2", Codec(111, "OPUS", 8_000, 2)),
        ("PCMA/8000/2", Codec(111, "PCMA", 8_000, 2)),
        ("G722/16000", Codec(111, "G722", 16_000)),
        ("opus/48000/99", Codec(111, "OPUS", 48_000, 99)),
    ],
)
def test_codec_of_another_clock_or_other_channels_is_none_that_is_known(
    rtpmap: str, codec: Codec
) -> None:
    lines = ("c=IN IP4 192.0.2.5", "m=audio 4 RTP/AVP 111", f"a=rtpmap:111 {rtpmap}")
    assert parse_sdp(sdp(*lines)).codecs == (codec,)
    assert not is_known(codec)


@pytest.mark.parametrize("text", ["x" * (PARAMETERS_CHARACTERS_MAX + 1), "caf\xe9", " ", "a\x07b"])
def test_parameters_that_are_too_long_or_unprintable_are_none(text: str) -> None:
    lines = ("c=IN IP4 192.0.2.5", "m=audio 4 RTP/AVP 111", "a=rtpmap:111 opus/48000/2")
    [codec] = parse_sdp(sdp(*lines, f"a=fmtp:111 {text}")).codecs
    assert codec.parameters == ""


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


def test_answer_of_a_dynamic_number_is_the_codec_that_was_offered() -> None:
    ours = offer(OPUS, PCMA)
    opus = Codec(96, "OPUS", 48_000, 2, "useinbandfec=1")
    restricted = restrict_answer(answer(opus, PCMA), ours)
    assert restricted is not None
    assert restricted.codecs[0].parameters == "useinbandfec=1"
    assert restrict_answer(answer(Codec(96, "ILBC")), ours) is None
    assert restrict_answer(answer(Codec(96, "OPUS", 48_000)), ours) is None


def test_answer_without_anything_offered_is_none() -> None:
    assert restrict_answer(answer(PCMU), offer(PCMA)) is None


def test_parameters_of_many_numbers_cost_no_more_than_their_reading() -> None:
    types = range(64)
    lines = [f"a=rtpmap:{number} opus/48000/2" for number in types]
    # The longest line that is read to its end for nothing, as often as a body has room for.
    lines.append("a=fmtp:0 x" + "\t" * 14_000 + "\x00")
    body = sdp("c=IN IP4 192.0.2.5", f"m=audio 4 RTP/AVP {' '.join(map(str, types))}", *lines)
    assert len(body) <= SDP_BYTES_MAX
    costs_s = []
    for _ in range(30):
        started = time.process_time()
        assert len(parse_sdp(body).codecs) == len(types)
        costs_s.append(time.process_time() - started)
    # The least: what else the machine does falls on some of them.
    assert min(costs_s) < 0.005
