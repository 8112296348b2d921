"""What a browser offers, and what it is answered (RFC 8829): one stream of audio.

An offer is read by what our own page makes: one stream, bundled RTP and RTCP, a certificate by
SHA-256, candidates all told (no trickle). Everything that goes on from here is of a closed grammar.
"""

import ipaddress
import re
from dataclasses import dataclass

from clicktodial.domain.media import G722, PCMA, PCMU, TELEPHONE_EVENT, Codec
from clicktodial.media.webrtc.error import OfferUnusable

# Chromium's has 3 kB and 45 lines, of which a third are codecs; addresses add a line each. With
# this much a form is within what a request may have by default, however it is encoded.
OFFER_CHARACTERS_MAX = 8_192
OFFER_LINES_MAX = 256
# A browser has an address by each network that it is on, and one more by STUN; all of them stand in
# one command to RTPProxy.
CANDIDATES_MAX = 8
# A stream that lists more lists nonsense.
_PAYLOAD_TYPES_MAX = 64
# RFC 8839 5.1.
_PORT_MAX = 65_535
_PRIORITY_MAX = 2**31 - 1
_STREAM = re.compile(r"audio (\d{1,5}) UDP/TLS/RTP/SAVPF?((?: \d{1,3}){1,64})", re.ASCII)
# RFC 8839 5.4, of which browsers use far less than the 256 characters that are allowed.
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,32}", re.ASCII)
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,64}", re.ASCII)
_FINGERPRINT = re.compile(r"sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", re.IGNORECASE | re.ASCII)
_MID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
_CANDIDATE = re.compile(
    r"[A-Za-z0-9+/]{1,32} 1 udp (\d{1,10}) (\d{1,3}(?:\.\d{1,3}){3}) (\d{1,5})"
    r" typ (host|srflx|prflx|relay)(?: [ -~]{0,256})?",
    re.IGNORECASE | re.ASCII,
)
_RTPMAP = re.compile(r"(\d{1,3}) telephone-event/8000", re.IGNORECASE | re.ASCII)
# Those whose payload types stand for them on both sides of the gateway, which renumbers nothing.
CARRIED_CODECS = (PCMA, PCMU, G722)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a browser may send from."""

    priority: int
    host: ipaddress.IPv4Address
    port: int
    kind: str

    def __str__(self) -> str:
        """As RTPProxy reads it. The foundation only matters to whoever sends checks."""
        return f"1 1 udp {self.priority} {self.host} {self.port} typ {self.kind}"


@dataclass(frozen=True, slots=True)
class WebOffer:
    """A browser's offer, safe to speak of in RTPProxy's protocol."""

    mid: str
    ufrag: str
    password: str
    fingerprint: str
    candidates: tuple[Candidate, ...]
    codecs: tuple[Codec, ...]
    dtmf: Codec | None


@dataclass(frozen=True, slots=True)
class WebFacing:
    """What the gateway shows of itself to a browser."""

    host: str
    port: int
    setup: str
    fingerprint: str
    ufrag: str
    password: str


def parse_offer(text: str) -> WebOffer:
    """Raises OfferUnusable."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(text) > OFFER_CHARACTERS_MAX or len(lines) > OFFER_LINES_MAX or lines[0] != "v=0":
        raise OfferUnusable
    streams = [line.removeprefix("m=") for line in lines if line.startswith("m=")]
    stream = _STREAM.fullmatch(streams[0]) if len(streams) == 1 else None
    if stream is None:
        raise OfferUnusable
    attributes = _gather(lines)
    if "rtcp-mux" not in attributes or _take(attributes, "setup") not in ("actpass", "active"):
        raise OfferUnusable
    offered = {int(number) for number in stream[2].split()}
    codecs = tuple(codec for codec in CARRIED_CODECS if codec.payload_type in offered)
    if not codecs:
        raise OfferUnusable("The browser offers no codec that the platform carries.")
    candidates = _read_candidates(attributes.get("candidate", []))
    if not candidates:
        raise OfferUnusable("The browser tells no IPv4 address of its own.")
    return WebOffer(
        mid=_match(_MID, _take(attributes, "mid")),
        ufrag=_match(_UFRAG, _take(attributes, "ice-ufrag")),
        password=_match(_PASSWORD, _take(attributes, "ice-pwd")),
        fingerprint=_read_fingerprint(_take(attributes, "fingerprint")),
        candidates=candidates,
        codecs=codecs,
        dtmf=_find_dtmf(attributes.get("rtpmap", []), offered),
    )


def create_answer(offer: WebOffer, facing: WebFacing, codec: Codec) -> str:
    """The answer that takes that codec. The gateway is lite (RFC 8445 2.5): browsers check."""
    types = [codec, *([] if offer.dtmf is None else [offer.dtmf])]
    numbers = " ".join(str(each.payload_type) for each in types)
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {facing.host}",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {offer.mid}",
        f"m=audio {facing.port} UDP/TLS/RTP/SAVPF {numbers}",
        f"c=IN IP4 {facing.host}",
        f"a=mid:{offer.mid}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{facing.ufrag}",
        f"a=ice-pwd:{facing.password}",
        f"a=fingerprint:sha-256 {facing.fingerprint}",
        f"a=setup:{facing.setup}",
        "a=sendrecv",
        "a=ptime:20",
        *(f"a=rtpmap:{each.payload_type} {each.name}/{each.clock_rate}" for each in types),
        *([] if offer.dtmf is None else [f"a=fmtp:{offer.dtmf.payload_type} 0-15"]),
        f"a=candidate:1 1 udp 2130706431 {facing.host} {facing.port} typ host",
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def _gather(lines: list[str]) -> dict[str, list[str]]:
    """The values of all attributes by their names. There is one stream: whether an attribute is
    the session's or its own makes no difference."""
    attributes: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line.removeprefix("a=").partition(":")
            attributes.setdefault(name, []).append(value)
    return attributes


def _take(attributes: dict[str, list[str]], name: str) -> str:
    values = attributes.get(name, [])
    if len(values) != 1:
        raise OfferUnusable
    return values[0]


def _match(pattern: re.Pattern[str], value: str) -> str:
    if pattern.fullmatch(value) is None:
        raise OfferUnusable
    return value


def _read_fingerprint(value: str) -> str:
    match = _FINGERPRINT.fullmatch(value)
    if match is None:
        raise OfferUnusable
    # It is compared by letters.
    return match[1].upper()


def _read_candidates(values: list[str]) -> tuple[Candidate, ...]:
    """Of UDP over IPv4; others, and names by which browsers hide their addresses (mDNS), are passed
    over: RTPProxy cannot use them."""
    found: list[Candidate] = []
    for value in values:
        match = _CANDIDATE.fullmatch(value)
        if match is None:
            continue
        try:
            host = ipaddress.IPv4Address(match[2])
        except ValueError:
            continue
        priority, port = int(match[1]), int(match[3])
        if 1 <= priority <= _PRIORITY_MAX and 1 <= port <= _PORT_MAX:
            found.append(Candidate(priority, host, port, match[4].lower()))
    return tuple(found[:CANDIDATES_MAX])


def _find_dtmf(rtpmaps: list[str], offered: set[int]) -> Codec | None:
    for value in rtpmaps[:_PAYLOAD_TYPES_MAX]:
        match = _RTPMAP.fullmatch(value)
        if match is not None and int(match[1]) in offered:
            return Codec(int(match[1]), TELEPHONE_EVENT.name)
    return None
