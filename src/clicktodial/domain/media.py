"""What one side of a leg says of its audio: address, codecs, DTMF. SDP is only its spelling."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """Where RTP is received."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Codec:
    """An audio codec as RTP/AVP names it."""

    payload_type: int
    name: str
    clock_rate: int = 8000


PCMU = Codec(0, "PCMU")
PCMA = Codec(8, "PCMA")
TELEPHONE_EVENT = Codec(101, "telephone-event")
# A-law first: it is what networks of the specification's country speak.
OFFERED_CODECS = (PCMA, PCMU)


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
    """An offer or an answer of one audio stream. `dtmf` is RFC 4733 telephone-event, or None."""

    address: MediaAddress
    codecs: tuple[Codec, ...]
    dtmf: Codec | None = None
    direction: MediaDirection = MediaDirection.BOTH


def create_caller_offer(address: MediaAddress) -> MediaDescription:
    """All that the relay can carry, for the leg that answers first."""
    return MediaDescription(address, OFFERED_CODECS, TELEPHONE_EVENT)


def chosen_codec(answer: MediaDescription) -> Codec | None:
    """The codec that the answering side prefers of those we can carry, or None."""
    names = {codec.name for codec in OFFERED_CODECS}
    return next((codec for codec in answer.codecs if codec.name in names), None)


def create_callee_offer(
    address: MediaAddress, caller_answer: MediaDescription
) -> MediaDescription | None:
    """Only what the caller chose, so that the relay never has to transcode; None if nothing."""
    codec = chosen_codec(caller_answer)
    if codec is None:
        return None
    return MediaDescription(address, (codec,), caller_answer.dtmf)
