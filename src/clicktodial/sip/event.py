"""What a session tells its owner."""

from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.cause import LegCause
from clicktodial.domain.media import MediaDescription


@dataclass(frozen=True, slots=True)
class IncomingInvite:
    """A peer called us. `offer` is None where the INVITE bore no SDP (a delayed offer)."""

    offer: MediaDescription | None


@dataclass(frozen=True, slots=True)
class SessionTrying:
    """The next hop has the INVITE: a first response came, of whatever kind."""


@dataclass(frozen=True, slots=True)
class SessionRinging:
    """The phone rings; told once."""


@dataclass(frozen=True, slots=True)
class SessionEarlyMedia:
    """A provisional response described audio; told again when another describes other audio."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class SessionAnswered:
    """200 came with a usable answer and was acknowledged."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class SessionConfirmed:
    """The ACK of our 200 came (UAS)."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over by the other side's or the network's doing; nothing follows."""

    cause: LegCause


@dataclass(frozen=True, slots=True)
class SessionOffered:
    """The peer describes its audio anew: another address, other codecs, or hold. `accept_offer` or
    `refuse_offer` is owed within `decide_within_s`; no second one comes before that.

    `media` lists the codecs that some relay can carry, and the one key that would be taken.
    """

    media: MediaDescription
    decide_within_s: float


@dataclass(frozen=True, slots=True)
class SessionOfferAnswered:
    """What `reoffer` offered is answered, and holds from now on."""

    media: MediaDescription


@dataclass(frozen=True, slots=True)
class SessionOfferRefused:
    """It was refused, for good; the session is as it was."""

    status: int


@dataclass(frozen=True, slots=True)
class SessionDigit:
    """The peer told of a key by INFO: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class SessionMediaChanged:
    """The peer answered a description of ours that was not `reoffer`'s; it holds from now on."""

    media: MediaDescription


SessionEvent: TypeAlias = (
    IncomingInvite
    | SessionTrying
    | SessionRinging
    | SessionEarlyMedia
    | SessionAnswered
    | SessionConfirmed
    | SessionOffered
    | SessionOfferAnswered
    | SessionOfferRefused
    | SessionDigit
    | SessionMediaChanged
    | SessionEnded
)
