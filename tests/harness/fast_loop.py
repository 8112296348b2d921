"""A loop whose clock runs faster than the world's, for what takes minutes by the standard.

Sockets and other programs stay as they are. Whoever waits on this loop waits by its clock, so
that the limits of what answers slowly must grow with it.
"""

import asyncio
import selectors


class _FastSelector(selectors.DefaultSelector):
    """Waits as much less as the clock is faster."""

    factor = 1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / self.factor)


class FastLoop(asyncio.SelectorEventLoop):
    """`factor` of its seconds pass in one."""

    def __init__(self, factor: float) -> None:
        selector = _FastSelector()
        selector.factor = factor
        self._factor = factor
        super().__init__(selector)

    def time(self) -> float:
        return super().time() * self._factor
