"""What one side of a leg says of its audio: address, codecs, DTMF. SDP is only its spelling."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """Where RTP is received."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Codec:
    """An audio codec as RTP/AVP names it, in capitals but for telephone-event.

    `parameters` is its fmtp (RFC 8866 6.15), which two descriptions of one codec need not share.
    """

    payload_type: int
    name: str
    clock_rate: int = 8000
    channels: int = 1
    parameters: str = field(default="", compare=False)


PCMU = Codec(0, "PCMU")
PCMA = Codec(8, "PCMA")
G722 = Codec(9, "G722")  # RFC 3551 4.5.2: 16,000 samples a second, and a clock of 8,000
OPUS = Codec(96, "OPUS", 48_000, 2)  # RFC 7587 7: always so written, mono too
TELEPHONE_EVENT = Codec(101, "telephone-event")
# What a relay may carry. A-law first: it is what networks of the specification's country speak.
KNOWN_CODECS = (PCMA, PCMU, G722, OPUS)
# What is offered where nothing else is set.
OFFERED_CODECS = (PCMA, PCMU)


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """One key of SRTP as SDP tells it (RFC 4568): `a=crypto:<tag> <suite> <key_params>`."""

    tag: int
    suite: str
    key_params: str = field(repr=False)


class MediaDirection(StrEnum):
    """Which way audio flows, as who describes it sees it (RFC 8866 6.7)."""

    BOTH = "sendrecv"
    SEND = "sendonly"
    RECEIVE = "recvonly"
    NONE = "inactive"

    @property
    def mirrored(self) -> "MediaDirection":
        """As the other side sees it."""
        return _MIRRORED.get(self, self)


_MIRRORED = {
    MediaDirection.SEND: MediaDirection.RECEIVE,
    MediaDirection.RECEIVE: MediaDirection.SEND,
}
# Who wrote that (RFC 3264 8.4) does not want to hear anything, and has no address to send to.
UNSPECIFIED_HOST = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """An offer or an answer of one audio stream. `dtmf` is RFC 4733 telephone-event, or None.

    One that bears `crypto` is of SRTP (RTP/SAVP); of an offer the peer takes one key.
    """

    address: MediaAddress
    codecs: tuple[Codec, ...]
    dtmf: Codec | None = None
    direction: MediaDirection = MediaDirection.BOTH
    crypto: tuple[SrtpKey, ...] = ()


def create_caller_offer(address: MediaAddress) -> MediaDescription:
    """All that the relay can carry, for the leg that answers first."""
    return MediaDescription(address, OFFERED_CODECS, TELEPHONE_EVENT)


def chosen_codec(
    answer: MediaDescription, carried: tuple[Codec, ...] = KNOWN_CODECS
) -> Codec | None:
    """The codec that the answering side prefers of those carried, as it numbers it; or None."""
    names = [codec.name for codec in carried]
    for codec in answer.codecs:
        if codec.name in names:
            return codec
    return None
