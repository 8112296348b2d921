"""What rtpengine answers, as far as we read it, and what it says of quality."""

from typing import Annotated, TypeAlias

import msgspec

# What a counter of rtpengine's holds. JSON may write any number of digits, and what is made of
# them is divided and told as a date.
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
# Until the year 2106.
Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
# Microseconds in which it tells round trips.
_US_PER_MS = 1_000
_US_PER_S = 1_000_000
# Three centuries, in seconds.
_UPTIME_DIGITS_MAX = 10
# RFC 3550 6.4.1: the count of lost packets is a signed number of 24 bits; more duplicates than
# losses make it negative.
_LOST_NEGATIVE = 1 << 23


class SdpReply(msgspec.Struct, frozen=True):
    """Of offer, answer and subscribe request."""

    sdp: str


class ListReply(msgspec.Struct, frozen=True):
    """The call ids that it knows, or some of them."""

    calls: list[str] = []


class _Current(msgspec.Struct, frozen=True):
    sessions: Count = msgspec.field(default=0, name="sessionstotal")


class _Total(msgspec.Struct, frozen=True):
    # Seconds, written as text.
    uptime: str = ""


class _Statistics(msgspec.Struct, frozen=True):
    current: _Current = msgspec.field(default=_Current(), name="currentstatistics")
    total: _Total = msgspec.field(default=_Total(), name="totalstatistics")


class StatisticsReply(msgspec.Struct, frozen=True):
    """How it does."""

    statistics: _Statistics

    @property
    def sessions(self) -> int:
        """Calls that it carries, whoever opened them."""
        return self.statistics.current.sessions

    @property
    def uptime_s(self) -> int | None:
        """Since it started; None where that cannot be read."""
        text = self.statistics.total.uptime
        is_count = text.isascii() and text.isdecimal() and len(text) <= _UPTIME_DIGITS_MAX
        return int(text) if is_count else None


class _Counts(msgspec.Struct, frozen=True):
    packets: Count = 0


class Stream(msgspec.Struct, frozen=True):
    """One socket of a side: of RTP the first, of RTCP the second."""

    last_packet: Count = msgspec.field(default=0, name="last packet")
    ssrc: Count | None = msgspec.field(default=None, name="SSRC")
    counts: _Counts = msgspec.field(default=_Counts(), name="stats")


class _Media(msgspec.Struct, frozen=True):
    streams: list[Stream] = []


class _Monologue(msgspec.Struct, frozen=True):
    medias: list[_Media] = []


class Hearing(msgspec.Struct, frozen=True):
    """How a side heard the other: in one report, or on average."""

    told_jitter_ms: Count = msgspec.field(default=0, name="jitter")
    told_round_trip_us: Count = msgspec.field(default=0, name="round-trip time leg")

    @property
    def jitter_ms(self) -> float:
        return float(max(0, self.told_jitter_ms))

    @property
    def round_trip_ms(self) -> float | None:
        """Between the relay and that side; None where it could not be told."""
        return self.told_round_trip_us / _US_PER_MS if self.told_round_trip_us > 0 else None


class _Progression(msgspec.Struct, frozen=True):
    # Some ten of all, evenly spread.
    entries: list[Hearing] = []


class Report(msgspec.Struct, frozen=True):
    """What a side told by RTCP of what it hears."""

    lost_count: Count = msgspec.field(default=0, name="cumulative loss")
    average: Hearing = msgspec.field(default=Hearing(), name="average MOS")
    progression: _Progression = msgspec.field(default=_Progression(), name="MOS progression")

    @property
    def packets_lost(self) -> int:
        """Of what was sent to it, since the stream began."""
        return self.lost_count if 0 <= self.lost_count < _LOST_NEGATIVE else 0

    @property
    def latest(self) -> Hearing:
        """What was told last, or shortly before that."""
        entries = self.progression.entries
        return entries[-1] if entries else self.average


class QueryReply(msgspec.Struct, frozen=True):
    """A call. Its clock is that of rtpengine's machine."""

    created_s: Seconds = msgspec.field(name="created")
    tags: dict[str, _Monologue]
    created_us: Annotated[int, msgspec.Meta(ge=0, lt=_US_PER_S)] = 0
    reports: dict[str, Report] = msgspec.field(default_factory=dict, name="SSRC")

    @property
    def created_at(self) -> float:
        """When it was opened, in seconds since 1970."""
        return self.created_s + self.created_us / _US_PER_S

    def stream(self, tag: str) -> Stream:
        """The RTP that came from that side; an empty one where it is unknown."""
        monologue = self.tags.get(tag)
        for media in monologue.medias if monologue is not None else ():
            for stream in media.streams:
                return stream
        return Stream()

    def report_of(self, tag: str) -> Report | None:
        """What that side told by RTCP last."""
        return self.reports.get(str(self.stream(tag).ssrc))
