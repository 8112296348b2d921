"""How a conversation sounds: the E-model of ITU-T G.107, from what a relay can measure.

    R = 93.2 - Idd - Ie,eff        MOS follows from R by G.107 annex B

93.2 is Ro - Is with every other parameter at its default (G.107 table 3). What follows from the
network is added here: delay (Idd), and loss on a given codec (Ie,eff). Wideband codecs are put on
the same narrowband scale, so that the numbers of two calls compare: G.722 and Opus reach 4.4 where
G.107.1's wider scale would say more.
"""

import math
from dataclasses import dataclass

R_DEFAULT = 93.2
# A second of speech: of less, one lost packet would be a verdict.
JUDGED_PACKETS_MIN = 50
MOS_MIN = 1.0
# ITU-T G.107: what a perfect connection comes to.
MOS_MAX = 4.5
# What a phone adds before a packet leaves, and by its buffer: one frame, and twice the jitter.
FRAME_MS = 20.0
BUFFER_JITTERS = 2.0
# G.107 7.4: below this one-way delay nobody notices.
_UNNOTICED_DELAY_MS = 100.0
# G.107 7.5: 1 is loss at random. Relays tell how much is lost and not in what bursts.
_BURST_RATIO = 1.0


@dataclass(frozen=True, slots=True)
class CodecImpairment:
    """G.113 appendix I: the impairment of the codec itself, and how it stands packet loss."""

    ie: float
    bpl: float


# G.113 table I.4: G.711 with packet loss concealment, which all phones of today have.
_CONCEALING = CodecImpairment(ie=0.0, bpl=25.1)
_IMPAIRMENTS = {
    "PCMA": _CONCEALING,
    "PCMU": _CONCEALING,
    "G722": _CONCEALING,
    # RFC 6716 conceals as well, and better where its forward error correction is on.
    "OPUS": _CONCEALING,
    # G.113 tables I.1 and I.4.
    "G729": CodecImpairment(ie=11.0, bpl=19.0),
}


def estimate_mos(
    *,
    codec_name: str,
    loss_ratio: float,
    jitter_ms: float = 0.0,
    round_trip_ms: float | None = None,
) -> float:
    """What the hearing side would say of the other's voice, 1.0-4.5 (ITU-T P.800's scale).

    `loss_ratio` is lost packets per packet sent, 0-1. Without a round trip the network's own
    delay counts as none, so that the estimate is at most too good. An unknown codec counts as
    G.711.
    """
    delay_ms = FRAME_MS + BUFFER_JITTERS * jitter_ms + (round_trip_ms or 0.0) / 2
    impairment = _IMPAIRMENTS.get(codec_name, _CONCEALING)
    rating = R_DEFAULT - _delay_impairment(delay_ms) - _loss_impairment(impairment, loss_ratio)
    return mos_of_rating(rating)


def mos_of_rating(rating: float) -> float:
    """G.107 annex B."""
    if rating <= 0:
        return MOS_MIN
    if rating >= 100:
        return MOS_MAX
    mos = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    # The cubic dips below 1 for ratings just above 0.
    return max(MOS_MIN, mos)


def _delay_impairment(delay_ms: float) -> float:
    """Idd of G.107 7.4."""
    if delay_ms <= _UNNOTICED_DELAY_MS:
        return 0.0
    x = math.log2(delay_ms / _UNNOTICED_DELAY_MS)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)


def _loss_impairment(codec: CodecImpairment, loss_ratio: float) -> float:
    """Ie,eff of G.107 7.5."""
    percent = 100 * min(1.0, max(0.0, loss_ratio))
    return codec.ie + (95 - codec.ie) * percent / (percent / _BURST_RATIO + codec.bpl)
