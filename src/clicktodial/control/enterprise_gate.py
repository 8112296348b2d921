"""What each enterprise uses of its limits on this node, over all its applications."""

from collections.abc import Callable
from dataclasses import dataclass

from clicktodial.control.error import LimitReached
from clicktodial.domain.application import EnterpriseLimits
from clicktodial.domain.identifier import CallId

# A bucket is full a second after its last call, and is then as good as none: looked for when so
# many are kept, so that memory follows the enterprises that place calls now.
BUCKETS_KEPT_MAX = 1_024


@dataclass(slots=True)
class _Bucket:
    """New calls that may be begun at once; `rate` come back a second, up to `rate`."""

    rate: int
    tokens: float
    at: float

    def fill(self, rate: int, now: float) -> None:
        """To what it holds by now, by the limit that holds now."""
        # A clock that steps back gives nothing, and takes nothing.
        gained = max(0.0, now - self.at) * rate
        self.rate = rate
        self.tokens = min(float(rate), self.tokens + gained)
        self.at = now

    def is_full_at(self, now: float) -> bool:
        return self.tokens + (now - self.at) * self.rate >= self.rate


class EnterpriseGate:
    """Lets calls in, and counts those that live."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._now = now
        self._live: dict[str, int] = {}
        self._enterprise_of: dict[CallId, str] = {}
        self._buckets: dict[str, _Bucket] = {}

    def find_obstacle(self, enterprise_id: str, limits: EnterpriseLimits) -> str | None:
        """Why no call of that enterprise may begin now, or None. Takes nothing."""
        live_max, rate = limits.live_calls_max, limits.calls_per_second_max
        if live_max is not None and self._live.get(enterprise_id, 0) >= live_max:
            return f"The enterprise's limit of live calls is reached: {live_max}"
        if rate is not None and self._fill(enterprise_id, rate).tokens < 1.0:
            return f"The enterprise's limit of new calls a second is reached: {rate}"
        return None

    def enter(self, call_id: CallId, enterprise_id: str, limits: EnterpriseLimits) -> None:
        """Count a call that begins. Raises LimitReached, and then nothing is counted."""
        obstacle = self.find_obstacle(enterprise_id, limits)
        if obstacle is not None:
            raise LimitReached(obstacle)
        if limits.calls_per_second_max is not None:
            self._buckets[enterprise_id].tokens -= 1.0
        # Without a limit too: one may be set while these calls live.
        self._live[enterprise_id] = self._live.get(enterprise_id, 0) + 1
        self._enterprise_of[call_id] = enterprise_id

    @property
    def enterprises(self) -> list[str]:
        """Those with calls that live."""
        return list(self._live)

    def calls_of(self, enterprise_id: str) -> list[CallId]:
        """The calls of that enterprise that live."""
        return [call_id for call_id, each in self._enterprise_of.items() if each == enterprise_id]

    def leave(self, call_id: CallId) -> None:
        """The call is over. Nothing happens where it did not enter."""
        enterprise_id = self._enterprise_of.pop(call_id, None)
        if enterprise_id is None:
            return
        self._live[enterprise_id] -= 1
        if not self._live[enterprise_id]:
            del self._live[enterprise_id]

    def _fill(self, enterprise_id: str, rate: int) -> _Bucket:
        now = self._now()
        bucket = self._buckets.get(enterprise_id)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_KEPT_MAX:
                self._forget_full(now)
            bucket = self._buckets[enterprise_id] = _Bucket(rate, float(rate), now)
        bucket.fill(rate, now)
        return bucket

    def _forget_full(self, now: float) -> None:
        for enterprise_id in [
            each for each, bucket in self._buckets.items() if bucket.is_full_at(now)
        ]:
            del self._buckets[enterprise_id]
