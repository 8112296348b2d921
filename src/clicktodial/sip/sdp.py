"""SDP (RFC 8866) of one audio stream <-> MediaDescription.

Read are the first audio stream that is not refused, its address and its codecs. Direction
attributes, packet times, ICE and other streams are passed over: the relay learns where audio
comes from by its packets. Written is nothing but our own address and codecs.
"""

import re
from typing import Final

from clicktodial.domain.media import PCMA, PCMU, Codec, MediaAddress, MediaDescription
from clicktodial.sip.error import SdpError

SDP_BYTES_MAX = 16_384
SDP_LINES_MAX = 512
# RFC 3551: payload types are seven bits; a stream that lists more than this lists nonsense.
PAYLOAD_TYPES_MAX = 64
_TELEPHONE_EVENT: Final = "telephone-event"
_TELEPHONE_EVENT_RATE = 8000

# RFC 3551 table 4: payload types that need no rtpmap.
_STATIC_CODECS = {
    codec.payload_type: codec
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
_AUDIO = re.compile(r"audio\s+(\d{1,5})(?:/\d+)?\s+(\S+)\s+([0-9 ]+)", re.ASCII)
_RTPMAP = re.compile(r"rtpmap:\s*(\d{1,3})\s+([^\s/]{1,64})/(\d{1,6})(?:/\d+)?", re.ASCII)
_CONNECTION = re.compile(r"IN\s+IP4\s+(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
_MULTICAST_FIRST_OCTET = 224


class _Stream:
    """One audio stream while it is read."""

    __slots__ = ("connection", "mapped", "payload_types", "port")

    def __init__(self, port: int, payload_types: list[int]) -> None:
        self.port = port
        self.payload_types = payload_types
        self.connection = ""
        self.mapped: dict[int, Codec] = {}


def parse_sdp(body: bytes) -> MediaDescription:
    """The first active audio stream over RTP/AVP on IPv4. Raises SdpError."""
    if len(body) > SDP_BYTES_MAX:
        raise SdpError("SDP is too long")
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > SDP_LINES_MAX or not lines[0].startswith("v="):
        raise SdpError("not SDP")
    connection, stream = _find_audio(lines)
    if stream is None:
        raise SdpError("no audio stream")
    address = MediaAddress(_read_host(stream.connection or connection), stream.port)
    codecs, dtmf = _collect_codecs(stream)
    if not codecs:
        raise SdpError("no codec")
    return MediaDescription(address, codecs, dtmf)


def _find_audio(lines: list[str]) -> tuple[str, _Stream | None]:
    """The connection of the session level, and the first stream that we could use."""
    connection = ""
    stream: _Stream | None = None
    in_session = True
    for line in lines:
        kind = line[:2]
        if kind == "m=":
            if stream is not None:
                break
            in_session = False
            stream = _read_stream(line)
        elif kind == "c=":
            if in_session:
                connection = line[2:].strip()
            elif stream is not None:
                stream.connection = line[2:].strip()
        elif kind == "a=" and stream is not None and line.startswith("a=rtpmap:"):
            _read_rtpmap(stream, line[2:].strip())
    return connection, stream


def _read_stream(line: str) -> _Stream | None:
    match = _AUDIO.fullmatch(line[2:].strip())
    if match is None or match[2] not in _PROFILES:
        return None
    port = int(match[1])
    # RFC 3264 6: port 0 refuses the stream.
    if not 0 < port <= 65_535:
        return None
    words = match[3].split()[:PAYLOAD_TYPES_MAX]
    return _Stream(port, [int(word) for word in words if len(word) <= 3])


def _read_rtpmap(stream: _Stream, attribute: str) -> None:
    match = _RTPMAP.fullmatch(attribute)
    if match is None or len(stream.mapped) >= PAYLOAD_TYPES_MAX:
        return
    name = match[2]
    name = _TELEPHONE_EVENT if name.lower() == _TELEPHONE_EVENT else name.upper()
    stream.mapped[int(match[1])] = Codec(int(match[1]), name, int(match[3]))


def _read_host(connection: str) -> str:
    match = _CONNECTION.fullmatch(connection)
    if match is None:
        raise SdpError("no IPv4 address")
    octets = [int(octet) for octet in match.groups()]
    if max(octets) > 255 or not 0 < octets[0] < _MULTICAST_FIRST_OCTET:
        raise SdpError("no unicast IPv4 address")
    return ".".join(map(str, octets))


def _collect_codecs(stream: _Stream) -> tuple[tuple[Codec, ...], Codec | None]:
    codecs: list[Codec] = []
    dtmf: Codec | None = None
    for payload_type in stream.payload_types:
        codec = stream.mapped.get(payload_type) or _STATIC_CODECS.get(payload_type)
        if codec is None:
            continue
        if codec.name != _TELEPHONE_EVENT:
            codecs.append(codec)
        elif dtmf is None and codec.clock_rate == _TELEPHONE_EVENT_RATE:
            dtmf = codec
    return tuple(codecs), dtmf


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
        f"m=audio {port} RTP/AVP {types}\r\n{maps}{events}a=ptime:20\r\na=sendrecv\r\n"
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
    return MediaDescription(answer.address, codecs, dtmf)
