"""SDP (RFC 8866) of one audio stream <-> MediaDescription.

Read are the first audio stream that is not refused, its address, its codecs, its keys and its
direction. Packet times, ICE and other streams are passed over: the relay learns where audio
comes from by its packets. Written are our own address, codecs and keys, and of the other streams
of a peer's offer that they are refused.
"""

import re
from dataclasses import dataclass
from typing import Final

from clicktodial.domain.media import (
    G722,
    KNOWN_CODECS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    UNSPECIFIED_HOST,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.sip.crypto import answer_key, crypto_lines, read_crypto
from clicktodial.sip.error import SdpError

# A description with every codec and ICE candidate there is has some 4 KB and 100 lines; what is
# longer is an attack.
SDP_BYTES_MAX = 16_384
SDP_LINES_MAX = 512
# RFC 3551: payload types are seven bits; a stream that lists more than this lists nonsense.
PAYLOAD_TYPES_MAX = 64
# Audio, video, slides, text and spares for each; every one is repeated in our answer.
STREAMS_MAX = 16
# Opus has a dozen parameters; longer ones are taken for none.
PARAMETERS_CHARACTERS_MAX = 256
_PAYLOAD_TYPE_MAX = 127
_DYNAMIC_PAYLOAD_TYPE_MIN = 96
_PORT_MAX = 65_535
_TELEPHONE_EVENT: Final = "telephone-event"
_TELEPHONE_EVENT_RATE = 8000
# RFC 7587 7 writes it so. Case does not count, but for peers that compare letters.
_WIRE_NAMES = {"OPUS": "opus"}

# RFC 3551 table 4: payload types that need no rtpmap.
_STATIC_CODECS = {
    str(codec.payload_type): codec
    for codec in (
        PCMU,
        Codec(3, "GSM"),
        Codec(4, "G723"),
        PCMA,
        G722,
        Codec(15, "G728"),
        Codec(18, "G729"),
    )
}
_AUDIO = re.compile(r"audio[ \t]+(\d{1,5})(?:/\d+)?[ \t]+(\S+)[ \t]+([0-9 \t]+)", re.ASCII)
_STREAM = re.compile(
    r"([!-~]{1,32})[ \t]+\d{1,5}(?:/\d+)?[ \t]+([!-~]{1,64})[ \t]+([!-~]{1,64})(?:[ \t].*)?",
    re.ASCII,
)
_RTPMAP = re.compile(
    r"^a=rtpmap:[ \t]*(\d{1,3})[ \t]+([^\s/]{1,64})/(\d{1,6})(?:/(\d{1,2}))?[ \t]*$",
    re.ASCII | re.MULTILINE,
)
_FMTP = re.compile(r"^a=fmtp:[ \t]*(\d{1,3})[ \t]+([!-~][ -~\t]*)$", re.ASCII | re.MULTILINE)
_DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)[ \t]*$", re.MULTILINE)
_CONNECTION = re.compile(r"^c=(.*)$", re.MULTILINE)
_IPV4 = re.compile(r"IN[ \t]+IP4[ \t]+(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})[ \t]*", re.ASCII)
# Ours, in an offer that we wrote.
_OWN_STREAM = re.compile(rb"m=audio [1-9][0-9]* (\S+) ([0-9 ]+)")
_OWN_ORIGIN = re.compile(rb"o=\S+ ([0-9]{1,5}) [0-9]+ IN IP4 ([0-9.]+)")
_PLAIN_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
_SECURE_PROFILES = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_MULTICAST_FIRST_OCTET = 224
_DIRECTIONS = {direction.value: direction for direction in MediaDirection}
# What nearly every stream says of the codecs that we offer, so that it is not built anew.
_USUAL_CODECS: dict[tuple[str | None, ...], Codec] = {
    (str(codec.payload_type), codec.name, str(codec.clock_rate), None): codec
    for codec in (PCMU, PCMA, G722, TELEPHONE_EVENT)
}
_KNOWN_KINDS = frozenset((codec.name, codec.clock_rate, codec.channels) for codec in KNOWN_CODECS)


@dataclass(frozen=True, slots=True)
class OtherStreams:
    """The `m=` lines by which we refuse the streams before and after ours, with line ends."""

    before: str = ""
    after: str = ""


NO_OTHER_STREAMS = OtherStreams()


def is_known(codec: Codec) -> bool:
    """Whether some relay can carry it."""
    return (codec.name, codec.clock_rate, codec.channels) in _KNOWN_KINDS


def parse_sdp(
    body: bytes, *, may_be_held: bool = False, is_answer: bool = False
) -> MediaDescription:
    """The first active audio stream over RTP or SRTP on IPv4. Raises SdpError.

    Where it `may_be_held`, the address may be UNSPECIFIED_HOST, which is RFC 3264 8.4's older way
    to hold. A stream of SRTP needs a key that we can use; where it `is_answer`, exactly one.
    """
    session, streams = _split(body)
    for stream in streams:
        audio = _match_audio(stream)
        if audio is not None and (
            audio[2] in _PLAIN_PROFILES or _has_keys(stream, audio, is_answer=is_answer)
        ):
            return _read_stream(session, stream, audio, may_be_held=may_be_held)
    raise SdpError("no audio stream")


def parse_offer(body: bytes, *, is_secure: bool) -> tuple[MediaDescription, OtherStreams]:
    """A peer's offer within a session, which keeps its profile; and how its other streams are
    refused, which an answer must not leave out (RFC 3264 6). Raises SdpError."""
    session, streams = _split(body)
    if len(streams) > STREAMS_MAX:
        raise SdpError("too many streams")
    for index, stream in enumerate(streams):
        audio = _match_audio(stream)
        if audio is None:
            continue
        if _has_keys(stream, audio, is_answer=False) if is_secure else audio[2] in _PLAIN_PROFILES:
            media = _read_stream(session, stream, audio, may_be_held=True)
            before, after = streams[:index], streams[index + 1 :]
            return media, OtherStreams("".join(map(_refuse, before)), "".join(map(_refuse, after)))
    raise SdpError("no audio stream")


def _split(body: bytes) -> tuple[str, list[str]]:
    if len(body) > SDP_BYTES_MAX:
        raise SdpError("SDP is too long")
    text = body.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith("v=") or text.count("\n") > SDP_LINES_MAX:
        raise SdpError("not SDP")
    session, *streams = text.split("\nm=")
    return session, streams


def _match_audio(stream: str) -> re.Match[str] | None:
    """The words of an audio stream's first line, unless the stream is refused."""
    audio = _AUDIO.fullmatch(stream.partition("\n")[0].strip())
    # RFC 3264 6: port 0 refuses the stream.
    return audio if audio is not None and 0 < int(audio[1]) <= _PORT_MAX else None


def _has_keys(stream: str, audio: re.Match[str], *, is_answer: bool) -> bool:
    if audio[2] not in _SECURE_PROFILES:
        return False
    keys, all_usable = read_crypto(stream)
    # RFC 4568 5.1.3: an answer takes one of the offer's lines, and has no other.
    return len(keys) == 1 and all_usable if is_answer else bool(keys)


def _refuse(stream: str) -> str:
    line = _STREAM.fullmatch(stream.partition("\n")[0].strip())
    if line is None:
        raise SdpError("a stream without a name")
    return f"m={line[1]} 0 {line[2]} {line[3]}\r\n"


def _read_stream(
    session: str, stream: str, audio: re.Match[str], *, may_be_held: bool
) -> MediaDescription:
    # RFC 8866 5.7: the stream's own address goes before the session's.
    connection = _CONNECTION.search(stream) or _CONNECTION.search(session)
    if connection is None:
        raise SdpError("no address")
    direction = _read_direction(session, stream)
    if may_be_held and connection[1].split() == ["IN", "IP4", UNSPECIFIED_HOST]:
        host = UNSPECIFIED_HOST
        if direction is MediaDirection.BOTH:
            direction = MediaDirection.SEND
    else:
        host = _read_host(connection[1])
    address = MediaAddress(host, int(audio[1]))
    codecs, dtmf = _collect_codecs(stream, audio[3].split())
    if not codecs:
        raise SdpError("no codec")
    crypto = read_crypto(stream)[0] if audio[2] in _SECURE_PROFILES else ()
    return MediaDescription(address, codecs, dtmf, direction, crypto)


def _read_direction(session: str, stream: str) -> MediaDirection:
    match = _DIRECTION.search(stream) or _DIRECTION.search(session)
    return MediaDirection.BOTH if match is None else _DIRECTIONS[match[1]]


def _read_host(connection: str) -> str:
    match = _IPV4.fullmatch(connection)
    if match is None:
        raise SdpError("no IPv4 address")
    octets = [int(octet) for octet in match.groups()]
    if max(octets) > 255 or not 0 < octets[0] < _MULTICAST_FIRST_OCTET:
        raise SdpError("no unicast IPv4 address")
    return ".".join(map(str, octets))


def _collect_codecs(
    stream: str, payload_types: list[str]
) -> tuple[tuple[Codec, ...], Codec | None]:
    mapped = {match[1]: match for match in _RTPMAP.finditer(stream)}
    parameters: dict[str, str] | None = None
    codecs: list[Codec] = []
    dtmf: Codec | None = None
    for payload_type in payload_types[:PAYLOAD_TYPES_MAX]:
        mapping = mapped.get(payload_type)
        if mapping is None:
            codec = _STATIC_CODECS.get(payload_type)
        else:
            codec = _USUAL_CODECS.get(mapping.group(1, 2, 3, 4))
            if codec is None:
                # Once for all: a peer may list as many lines as codecs that want one.
                parameters = _read_parameters(stream) if parameters is None else parameters
                codec = _read_codec(mapping, parameters.get(payload_type, ""))
        if codec is None:
            continue
        if codec.name != _TELEPHONE_EVENT:
            codecs.append(codec)
        elif dtmf is None and codec.clock_rate == _TELEPHONE_EVENT_RATE:
            dtmf = codec
    return tuple(codecs), dtmf


def _read_codec(mapping: re.Match[str], parameters: str) -> Codec | None:
    payload_type, clock_rate, channels = int(mapping[1]), int(mapping[3]), int(mapping[4] or 1)
    if payload_type > _PAYLOAD_TYPE_MAX:
        return None
    if mapping[2].lower() == _TELEPHONE_EVENT:
        return Codec(payload_type, _TELEPHONE_EVENT, clock_rate)
    return Codec(payload_type, mapping[2].upper(), clock_rate, channels, parameters)


def _read_parameters(stream: str) -> dict[str, str]:
    """The fmtp of each payload type, the first where there are several; "" for one too long."""
    parameters: dict[str, str] = {}
    for match in _FMTP.finditer(stream):
        text = match[2].strip()
        parameters.setdefault(match[1], text if len(text) <= PARAMETERS_CHARACTERS_MAX else "")
    return parameters


def serialize_sdp(
    media: MediaDescription,
    *,
    version: int = 1,
    origin: MediaAddress | None = None,
    others: OtherStreams = NO_OTHER_STREAMS,
) -> bytes:
    """The description as SDP; `version` grows when an offer is changed, and `origin` stays what
    the session's first description said (RFC 3264 8).

    The port serves as session identifier: it is ours alone while the session lives, and tells
    nothing that the stream does not tell.
    """
    host, port = media.address.host, media.address.port
    source = origin or media.address
    codecs = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    types = " ".join([str(codec.payload_type) for codec in codecs])
    maps = "".join([_codec_line(codec) for codec in codecs])
    events = "" if media.dtmf is None else f"a=fmtp:{media.dtmf.payload_type} 0-15\r\n"
    keys = crypto_lines(media.crypto) if media.crypto else ""
    profile = "RTP/SAVP" if media.crypto else "RTP/AVP"
    return (
        f"v=0\r\no=- {source.port} {version} IN IP4 {source.host}\r\n"
        f"s=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{others.before}"
        f"m=audio {port} {profile} {types}\r\n{maps}{events}a=ptime:20\r\n"
        f"{keys}a={media.direction.value}\r\n{others.after}"
    ).encode()


def _codec_line(codec: Codec) -> str:
    if codec.channels == 1 and not codec.parameters:
        return f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}\r\n"
    name = _WIRE_NAMES.get(codec.name, codec.name)
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    line = f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}\r\n"
    if codec.parameters:
        line += f"a=fmtp:{codec.payload_type} {codec.parameters}\r\n"
    return line


def read_origin(sdp: bytes) -> MediaAddress:
    """Who described a session first, of SDP that we wrote."""
    match = _OWN_ORIGIN.search(sdp)
    assert match is not None
    return MediaAddress(match[2].decode(), int(match[1]))


def restrict_answer(answer: MediaDescription, offer: bytes) -> MediaDescription | None:
    """The answer without what our offer did not list (RFC 3264 6.1); None if nothing is left, or
    it is not of the offer's profile, or its key does not answer one of ours.

    `offer` is SDP that we wrote. Payload types must be the offer's own: the relay passes packets
    on without changing them.
    """
    stream = _OWN_STREAM.search(offer)
    assert stream is not None
    is_secure = stream[1] == b"RTP/SAVP"
    if (is_secure or answer.crypto) and not (is_secure and _takes_a_key(answer, offer)):
        return None
    offered = {int(word) for word in stream[2].split()}
    codecs = tuple(
        [
            codec
            for codec in answer.codecs
            if codec.payload_type in offered
            and (codec.payload_type < _DYNAMIC_PAYLOAD_TYPE_MIN or _is_offered(codec, offer))
        ]
    )
    if not codecs:
        return None
    dtmf = answer.dtmf
    if dtmf is not None and b"a=rtpmap:%d telephone-event/" % dtmf.payload_type not in offer:
        dtmf = None
    if len(codecs) == len(answer.codecs) and dtmf is answer.dtmf:
        return answer
    return MediaDescription(answer.address, codecs, dtmf, answer.direction, answer.crypto)


def _is_offered(codec: Codec, offer: bytes) -> bool:
    """Whether a number that means nothing by itself was offered as that codec."""
    return codec in parse_sdp(offer).codecs


def _takes_a_key(answer: MediaDescription, offer: bytes) -> bool:
    if len(answer.crypto) != 1:
        return False
    [key] = answer.crypto
    ours = parse_sdp(offer).crypto
    return any((each.tag, each.suite) == (key.tag, key.suite) for each in ours)


def answer_offer(
    offer: MediaDescription, local: MediaDescription, codec: Codec
) -> MediaDescription:
    """Our answer to an offer within a session, which goes on with `codec` of it.

    Where the offer has a key, `local` has one of its suite.
    """
    dtmf = local.dtmf if offer.dtmf == local.dtmf else None
    crypto = tuple(answer_key(key, local.crypto) for key in offer.crypto)
    return MediaDescription(local.address, (codec,), dtmf, offer.direction.mirrored, crypto)
