"""What a notification looks like on the wire: each API renders its own, delivery sends any."""

from dataclasses import dataclass
from typing import Protocol

from clicktodial.control.delivery import Notice
from clicktodial.domain.application import Application
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.domain.sink import EventSink


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """One POST, complete but for the headers that delivery adds."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class NotificationFormat(Protocol):
    """Renders what an application is told."""

    def render(self, event: Notice, application: Application) -> NotificationRequest:
        """The application has a `notify_url`. Pure: the same event renders the same bytes."""


class StatusFormat(Protocol):
    """Renders the events of calls, as an API spells them."""

    def render(self, event: StatusEvent, application: Application) -> NotificationRequest:
        """As NotificationFormat."""


class SinkFormat(Protocol):
    """Renders an event for the sink of its call."""

    def render(self, event: StatusEvent, sink: EventSink) -> NotificationRequest:
        """The sink's token, if any, is good. Pure, as above."""


class AlertFormat(Protocol):
    """Renders alerts of pools."""

    def render(self, event: PoolAlert, application: Application) -> NotificationRequest:
        """As NotificationFormat."""


class NoticeFormats:
    """Implements NotificationFormat by the kind of what is told."""

    def __init__(self, calls: StatusFormat, pools: AlertFormat) -> None:
        self._calls = calls
        self._pools = pools

    def render(self, event: Notice, application: Application) -> NotificationRequest:
        """See NotificationFormat."""
        if isinstance(event, PoolAlert):
            return self._pools.render(event, application)
        return self._calls.render(event, application)
