"""What of a leg's audio one trunk is offered: the codecs that it takes, and keys or none."""

from dataclasses import replace

from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.media import Codec, MediaDescription, SrtpKey
from clicktodial.domain.trunk import SrtpPolicy, Trunk
from clicktodial.sip.crypto import is_usable

# Bearer capability not presently available, and not implemented: ITU-T Q.850 2.2.7.1.
NO_KEYS_CAUSE = LegCause(
    LegOutcome.FAILED, 503, "Trunk wants SRTP, and the media relay has no keys", 58
)
NO_CODEC_CAUSE = LegCause(
    LegOutcome.FAILED, 503, "Trunk takes none of the codecs that are offered", 65
)


def create_offer(offer: MediaDescription, trunk: Trunk) -> MediaDescription | LegCause:
    """The offer as that trunk is to see it, or why it cannot be made.

    A trunk of SRTP is never offered plain audio, and no other is told a key.
    """
    keys: tuple[SrtpKey, ...] = ()
    if trunk.srtp is SrtpPolicy.REQUIRED:
        keys = tuple(key for key in offer.crypto if is_usable(key))
        if not keys:
            return NO_KEYS_CAUSE
    codecs = trunk_codecs(trunk, offer)
    if not codecs:
        return NO_CODEC_CAUSE
    if codecs == offer.codecs and keys == offer.crypto:
        return offer
    return replace(offer, codecs=codecs, crypto=keys)


def trunk_codecs(trunk: Trunk, media: MediaDescription) -> tuple[Codec, ...]:
    """Those of the description that may be offered there."""
    if not trunk.codecs:
        return media.codecs
    return tuple(codec for codec in media.codecs if codec.name in trunk.codecs)
