"""How messages fare, counted for the metrics page."""

from collections import Counter
from collections.abc import Mapping

from clicktodial.domain.message import MessageState


class MessageTally:
    """What this node did with messages since it started, and what waits on all of them. Written
    by the thread of the outbox, read by anyone."""

    def __init__(self) -> None:
        self._reached: Counter[tuple[str, str]] = Counter()
        self._queued: Mapping[str, int] = {}

    def count(self, channel: str, state: MessageState) -> None:
        """A message has come to that state, and that is durable."""
        self._reached[channel, state.value] += 1

    def set_queued(self, queued: Mapping[str, int]) -> None:
        """So many wait, by channel."""
        self._queued = queued

    def reached(self) -> Mapping[tuple[str, str], int]:
        """Messages by channel and state, each in all the states that it came to."""
        return dict(self._reached)

    def queued(self) -> Mapping[str, int]:
        """Messages that waited when they were counted last, by channel."""
        return self._queued
