"""What is kept of each leg of a call: the way it took, when it got on, how it sounded."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SideQuality:
    """What came from one side, as it came.

    `packets_lost` never came; `jitter_ms` is RFC 3550's, on average. `mos` is ITU-T G.107's
    estimate, 1.0-4.5, of how the other side heard it; None where too little came to say.
    `round_trip_ms` is that between the relay and that side; None where the relay cannot tell.
    """

    packets: int
    packets_lost: int
    jitter_ms: float
    mos: float | None
    round_trip_ms: float | None = None

    @property
    def loss(self) -> float:
        """The part of the packets that never came, 0-1."""
        sent = self.packets + self.packets_lost
        return self.packets_lost / sent if sent else 0.0


@dataclass(frozen=True, slots=True)
class RecentQuality:
    """How what came from one side fared lately: since that was asked last, or what was told last.

    `codec_name` is what the side speaks; None where its codec is not known."""

    jitter_ms: float
    round_trip_ms: float | None = None
    codec_name: str | None = None


@dataclass(frozen=True, slots=True)
class CallQuality:
    """Both sides of a conversation, from its beginning; and lately, where the relay can tell."""

    caller: SideQuality
    callee: SideQuality
    caller_recent: RecentQuality | None = None
    callee_recent: RecentQuality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedMessage:
    """What is kept of a SIP message: numbers masked, no hosts. `at_ms` counts from 1970."""

    at_ms: int
    is_sent: bool
    line: str
    headers: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    size: int = 0


@dataclass(slots=True, kw_only=True)
class LegRecord:
    """One leg; None of what never was. Fields are read by anyone and written by the call alone.

    `trunk` is the last that was tried, `sip_call_id` its Call-ID there. `silence_s` is how long a
    recorded side said nothing. `trace` is of all trunks that were tried."""

    trunk: str | None = None
    sip_call_id: str | None = None
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    codec: str | None = None
    is_encrypted: bool = False
    quality: SideQuality | None = None
    silence_s: int | None = None
    trace: tuple[TracedMessage, ...] | None = None
