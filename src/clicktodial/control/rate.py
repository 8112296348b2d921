"""How many a second: token buckets by key, in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass

# A bucket is full a second after its last use, and is then as good as none: looked for when so
# many are kept, so that memory follows those who are at work now.
BUCKETS_KEPT_MAX = 1_024


@dataclass(slots=True)
class _Bucket:
    """What may be taken at once; `rate` come back a second, up to `rate`."""

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


class TokenBuckets:
    """A bucket for each key that has a limit, holding one second's worth."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def has_token(self, key: str, rate: int) -> bool:
        """Whether one may be taken at that rate now. Takes none."""
        return self._fill(key, rate).tokens >= 1.0

    def take(self, key: str, rate: int) -> bool:
        """Take one, if there is one."""
        bucket = self._fill(key, rate)
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _fill(self, key: str, rate: int) -> _Bucket:
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_KEPT_MAX:
                self._forget_full(now)
            bucket = self._buckets[key] = _Bucket(rate, float(rate), now)
        bucket.fill(rate, now)
        return bucket

    def _forget_full(self, now: float) -> None:
        for key in [key for key, bucket in self._buckets.items() if bucket.is_full_at(now)]:
            del self._buckets[key]
