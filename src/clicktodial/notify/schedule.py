"""When a failed delivery is tried again, and when a server is left alone. Pure: time comes in."""

from collections.abc import Callable, Sequence

# Tries that failed together must not come back together.
JITTER = 0.2
# A single bad answer is the call's trouble; so many in a row are the server's.
FAILURES_MAX = 5
# How soon a server that was given up on is asked again, and how seldom at last.
PROBE_FIRST_S = 1.0
PROBE_MAX_S = 30.0


class RetrySchedule:
    """The waits between the attempts to deliver one event."""

    def __init__(self, retry_after_s: Sequence[float], random: Callable[[], float]) -> None:
        """`random` returns numbers of [0, 1)."""
        self._retry_after_s = tuple(retry_after_s)
        self._random = random

    def delay_s(self, attempts: int) -> float | None:
        """The wait after that many failed attempts, at least one; None: it is given up."""
        if attempts > len(self._retry_after_s):
            return None
        wait_s = self._retry_after_s[attempts - 1]
        return wait_s * (1 - JITTER + 2 * JITTER * self._random())


class CircuitBreaker:
    """Opens after FAILURES_MAX failures in a row; while open, one probe at a time is let through.

    The first probe is due PROBE_FIRST_S after the opening, each later one after twice the wait,
    at most PROBE_MAX_S. Any success closes it.
    """

    def __init__(
        self, *, probe_first_s: float = PROBE_FIRST_S, probe_max_s: float = PROBE_MAX_S
    ) -> None:
        self._probe_first_s = probe_first_s
        self._probe_max_s = probe_max_s
        self._failures = 0
        self._wait_s = probe_first_s
        self._is_open = False
        self._probing = False
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def probe_at(self) -> float | None:
        """When the next probe is due; None when closed, or when one is under way."""
        return self._probe_at if self._is_open and not self._probing else None

    def may_probe(self, now: float) -> bool:
        """Whether an attempt may be made through the open circuit."""
        return self._is_open and not self._probing and self._probe_at <= now

    def on_probe(self) -> None:
        """The attempt is under way."""
        self._probing = True

    def on_probe_lost(self) -> None:
        """The probe ended without telling anything of the server."""
        self._probing = False

    def on_success(self) -> bool:
        """The server took a delivery; returns whether that closed the circuit."""
        was_open = self._is_open
        self._failures = 0
        self._wait_s = self._probe_first_s
        self._is_open = self._probing = False
        return was_open

    def on_failure(self, now: float) -> bool:
        """A delivery through the closed circuit failed; returns whether that opened it."""
        if self._is_open:
            return False  # under way when the circuit opened; it says nothing new
        self._failures += 1
        if self._failures < FAILURES_MAX:
            return False
        self._is_open = True
        self._probe_at = now + self._wait_s
        return True

    def on_probe_failure(self, now: float) -> None:
        """The probe failed too."""
        self._probing = False
        self._wait_s = min(self._wait_s * 2, self._probe_max_s)
        self._probe_at = now + self._wait_s
