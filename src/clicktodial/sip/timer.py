"""Timer values of RFC 3261 table 4, and the engine's one queue of deadlines."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """T1, T2 and T4 of RFC 3261 17.1.1.1 in seconds; every other timer derives from them."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    @property
    def transaction_timeout_s(self) -> float:
        """64*T1: timers B, D, F, H, J, L and M over UDP."""
        return 64 * self.t1_s
