"""SDP (RFC 8866) of one audio stream <-> MediaDescription.

Read are the first audio stream that is not refused, its address, its codecs and its direction.
Packet times, ICE and other streams are passed over: the relay learns where audio
comes from by its packets. Written is nothing but our own address and codecs.
"""

import re
from typing import Final

from clicktodial.domain.media import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    UNSPECIFIED_HOST,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.sip.error import SdpError

SDP_BYTES_MAX = 16_384
SDP_LINES_MAX = 512
# RFC 3551: payload types are seven bits; a stream that lists more than this lists nonsense.
PAYLOAD_TYPES_MAX = 64
_PAYLOAD_TYPE_MAX = 127
_PORT_MAX = 65_535
_TELEPHONE_EVENT: Final = "telephone-event"
_TELEPHONE_EVENT_RATE = 8000

# RFC 3551 table 4: payload types that need no rtpmap.
_STATIC_CODECS = {
    str(codec.payload_type): codec
    for codec in (
        PCMU,
        Codec(3, "GSM"),
        Codec(4, "G723"),
        PCMA,
        Codec(9, "G722"),
        Codec(15, "G728"),
        Codec(18, "G729"),
    )
}
_AUDIO = re.compile(r"audio[ \t]+(\d{1,5})(?:/\d+)?[ \t]+(\S+)[ \t]+([0-9 \t]+)", re.ASCII)
_RTPMAP = re.compile(
    r"^a=rtpmap:[ \t]*(\d{1,3})[ \t]+([^\s/]{1,64})/(\d{1,6})(?:/\d+)?[ \t]*$",
    re.ASCII | re.MULTILINE,
)
_DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)[ \t]*$", re.MULTILINE)
_CONNECTION = re.compile(r"^c=(.*)$", re.MULTILINE)
_IPV4 = re.compile(r"IN[ \t]+IP4[ \t]+(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})[ \t]*", re.ASCII)
_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
_MULTICAST_FIRST_OCTET = 224
_DIRECTIONS = {direction.value: direction for direction in MediaDirection}
# What nearly every stream says of the codecs that we offer, so that it is not built anew.
_USUAL_CODECS = {
    (str(codec.payload_type), codec.name, str(codec.clock_rate)): codec
    for codec in (PCMU, PCMA, TELEPHONE_EVENT)
}


def parse_sdp(body: bytes, *, may_be_held: bool = False) -> MediaDescription:
    """The first active audio stream over RTP/AVP on IPv4. Raises SdpError.

    Where it `may_be_held`, the address may be UNSPECIFIED_HOST, which is RFC 3264 8.4's older way
    to hold.
    """
    if len(body) > SDP_BYTES_MAX:
        raise SdpError("SDP is too long")
    text = body.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith("v=") or text.count("\n") > SDP_LINES_MAX:
        raise SdpError("not SDP")
    session, *streams = text.split("\nm=")
    for stream in streams:
        audio = _AUDIO.fullmatch(stream.partition("\n")[0].strip())
        # RFC 3264 6: port 0 refuses the stream.
        if audio is not None and audio[2] in _PROFILES and 0 < int(audio[1]) <= _PORT_MAX:
            return _read_stream(session, stream, audio, may_be_held=may_be_held)
    raise SdpError("no audio stream")


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
    return MediaDescription(address, codecs, dtmf, direction)


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
    codecs: list[Codec] = []
    dtmf: Codec | None = None
    for payload_type in payload_types[:PAYLOAD_TYPES_MAX]:
        mapping = mapped.get(payload_type)
        codec = _STATIC_CODECS.get(payload_type) if mapping is None else _read_codec(mapping)
        if codec is None:
            continue
        if codec.name != _TELEPHONE_EVENT:
            codecs.append(codec)
        elif dtmf is None and codec.clock_rate == _TELEPHONE_EVENT_RATE:
            dtmf = codec
    return tuple(codecs), dtmf


def _read_codec(mapping: re.Match[str]) -> Codec | None:
    usual = _USUAL_CODECS.get((mapping[1], mapping[2], mapping[3]))
    if usual is not None:
        return usual
    payload_type = int(mapping[1])
    if payload_type > _PAYLOAD_TYPE_MAX:
        return None
    name = mapping[2]
    name = _TELEPHONE_EVENT if name.lower() == _TELEPHONE_EVENT else name.upper()
    return Codec(payload_type, name, int(mapping[3]))


def serialize_sdp(media: MediaDescription, *, version: int = 1) -> bytes:
    """The description as SDP; `version` grows when an offer is changed (RFC 3264 8).

    The port serves as session identifier: it is ours alone while the session lives, and tells
    nothing that the stream does not tell.
    """
    host, port = media.address.host, media.address.port
    codecs = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    types = " ".join(str(codec.payload_type) for codec in codecs)
    maps = "".join(
        f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}\r\n" for codec in codecs
    )
    events = "" if media.dtmf is None else f"a=fmtp:{media.dtmf.payload_type} 0-15\r\n"
    return (
        f"v=0\r\no=- {port} {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {types}\r\n{maps}{events}a=ptime:20\r\n"
        f"a={media.direction.value}\r\n"
    ).encode()


def restrict_answer(answer: MediaDescription, offer: bytes) -> MediaDescription | None:
    """The answer without what our offer did not list (RFC 3264 6.1); None if nothing is left.

    `offer` is SDP that we wrote. Payload types must be the offer's own: the relay passes packets
    on without changing them.
    """
    line = offer[offer.find(b"m=audio ") :].partition(b"\r\n")[0]
    offered = {int(word) for word in line.split()[3:]}
    codecs = tuple(codec for codec in answer.codecs if codec.payload_type in offered)
    if not codecs:
        return None
    dtmf = answer.dtmf
    if dtmf is not None and dtmf.payload_type not in offered:
        dtmf = None
    if len(codecs) == len(answer.codecs) and dtmf is answer.dtmf:
        return answer
    return MediaDescription(answer.address, codecs, dtmf, answer.direction)


def answer_offer(
    offer: MediaDescription, local: MediaDescription, codec: Codec
) -> MediaDescription | None:
    """Our answer to an offer within a session, which goes on with `codec`; None where it cannot.

    The payload type must be the same as before: the relay passes packets on without changing
    them, and the other party was told that one.
    """
    if codec not in offer.codecs:
        return None
    dtmf = local.dtmf
    if dtmf is not None and offer.dtmf != dtmf:
        dtmf = None
    return MediaDescription(local.address, (codec,), dtmf, offer.direction.mirrored)
