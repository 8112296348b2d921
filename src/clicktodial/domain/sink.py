"""Where the events of one call go, where its application named a place for them with the call."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class SinkToken:
    """The access token by which the platform shows itself to the sink, good until then."""

    value: str = field(repr=False)
    expires_at: datetime

    def is_good_at(self, now: datetime) -> bool:
        """Whether it may still be sent."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True)
class EventSink:
    """A server of the application's choice; `url` is http or https, with a host."""

    # Its path may be what keeps others from posting there.
    url: str = field(repr=False)
    token: SinkToken | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port: events to one origin share connections."""
        return origin_of_url(self.url)


def origin_of_url(url: str) -> str:
    """Scheme, host and port, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
