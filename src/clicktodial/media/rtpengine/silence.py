"""For how long nothing has come from either side, by what rtpengine tells of packets."""

from clicktodial.media.rtpengine.reply import QueryReply

# "last packet" is told in whole seconds, rounded down.
_LAST_PACKET_STEP_S = 1.0
# How soon to look again at the least, so that no mistake makes it all the time.
LOOK_AGAIN_S = 1.0


class SilenceClock:
    """Counts the silence of one session, once it has begun to matter. Times are monotonic."""

    def __init__(self, *, opened_at: float, limit_s: float) -> None:
        self._opened_at = opened_at
        self._limit_s = limit_s
        self._counts_since = opened_at
        self._packets_seen = -1
        self._is_patient = False

    def restart(self, now: float) -> None:
        """Silence counts from now on only."""
        self._counts_since = now

    def set_patient(self, *, patient: bool, now: float) -> None:
        """Silence is no reason to end, or is one again."""
        if self._is_patient and not patient:
            self.restart(now)
        self._is_patient = patient

    def look_after_s(self, call: QueryReply, tags: tuple[str, ...], now: float) -> float | None:
        """When to ask again; None where silence has lasted for as long as it may.

        A call in which somebody speaks is thus asked about once in that time.
        """
        silent_s = self._measure(call, tags, now)
        if self._is_patient:
            return self._limit_s
        if silent_s >= self._limit_s:
            return None
        return max(LOOK_AGAIN_S, self._limit_s - silent_s)

    def _measure(self, call: QueryReply, tags: tuple[str, ...], now: float) -> float:
        spoken = [each for each in map(call.stream, tags) if each.counts.packets > 0]
        packets = sum(stream.counts.packets for stream in spoken)
        silent_s = now - self._counts_since
        if spoken:
            # Both clocks ran as long since the call was opened, however they are set.
            last_at = max(stream.last_packet for stream in spoken) + _LAST_PACKET_STEP_S
            age_s = call.created_at + (now - self._opened_at) - last_at
            silent_s = min(silent_s, max(0.0, age_s))
        if packets != self._packets_seen:
            # A clock that was set meanwhile must not end a call in which somebody speaks.
            self._packets_seen = packets
            silent_s = min(silent_s, self._limit_s - LOOK_AGAIN_S)
        return silent_s
