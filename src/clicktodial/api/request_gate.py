"""From where, and how fast, an application may ask: the same for every API."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from clicktodial.control.rate import TokenBuckets
from clicktodial.domain.application import Application
from clicktodial.web.client_address import ClientAddresses


class RequestGate:
    """Looks at each request of an application that has proved its key."""

    def __init__(
        self,
        addresses: ClientAddresses | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` is a monotonic clock in seconds."""
        self._addresses = addresses or ClientAddresses()
        self._buckets = TokenBuckets(now)

    def allows(self, application: Application, scope: Mapping[str, Any]) -> bool:
        """Whether it may ask from where it does."""
        # Where there is no list, the address is not even read.
        return not application.allow_list or application.allows(self._addresses.find(scope))

    def take(self, application: Application) -> bool:
        """Count a request; False where it is one too many in this second."""
        rate = application.own_limits.requests_per_second_max
        return rate is None or self._buckets.take(application.app_id, rate)
