"""What a notification looks like on the wire: each API renders its own, delivery sends any."""

from dataclasses import dataclass
from typing import Protocol

from clicktodial.domain.application import Application
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.sink import EventSink


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """One POST, complete but for the headers that delivery adds."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class NotificationFormat(Protocol):
    """Renders an event for the application that it concerns."""

    def render(self, event: StatusEvent, application: Application) -> NotificationRequest:
        """The application has a `notify_url`. Pure: the same event renders the same bytes."""


class SinkFormat(Protocol):
    """Renders an event for the sink of its call."""

    def render(self, event: StatusEvent, sink: EventSink) -> NotificationRequest:
        """The sink's token, if any, is good. Pure, as above."""
