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
    """An audio codec as RTP/AVP names it. `clock_rate` is that of its RTP timestamps."""

    payload_type: int
    name: str
    clock_rate: int = 8000
    channels: int = 1


PCMU = Codec(0, "PCMU")
PCMA = Codec(8, "PCMA")
# RFC 3551 4.5.2: its clock rate is 8000 by mistake, its samples are 16 kHz.
G722 = Codec(9, "G722")
# RFC 7587 4.1: always 48000/2, whatever is sent.
OPUS = Codec(96, "OPUS", 48_000, 2)
TELEPHONE_EVENT = Codec(101, "telephone-event")
# A-law first: it is what networks of the specification's country speak.
OFFERED_CODECS = (PCMA, PCMU)


class MediaDirection(StrEnum):
    """Which way audio flows, as the describing side sees it (RFC 3264 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def reversed(self) -> "MediaDirection":
        """The same flow as the other side sees it."""
        return _REVERSED[self]


_REVERSED = {
    MediaDirection.SENDRECV: MediaDirection.SENDRECV,
    MediaDirection.SENDONLY: MediaDirection.RECVONLY,
    MediaDirection.RECVONLY: MediaDirection.SENDONLY,
    MediaDirection.INACTIVE: MediaDirection.INACTIVE,
}


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """One SDP security description (RFC 4568): the key that the describing side sends with.

    `key` is the base64 of master key and salt; never logged.
    """

    tag: int
    suite: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """An offer or an answer of one audio stream. `dtmf` is RFC 4733 telephone-event, or None.

    With `crypto` the stream is RTP/SAVP, without it RTP/AVP.
    """

    address: MediaAddress
    codecs: tuple[Codec, ...]
    dtmf: Codec | None = None
    direction: MediaDirection = MediaDirection.SENDRECV
    crypto: tuple[SrtpKey, ...] = ()


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
