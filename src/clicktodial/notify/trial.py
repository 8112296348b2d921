"""Asks an application server once whether it takes notifications, for whoever sets its address."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clicktodial.control.error import Overloaded
from clicktodial.control.port import Applications
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import AppId
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.sender import Sender
from clicktodial.notify.signature import signature_headers

# Nobody waits longer in front of a page; deliveries of calls have more patience.
TRIAL_TIMEOUT_S = 5.0
# Each holds a connection for so long; a few people set up servers at a time.
TRIALS_MAX = 4


class TrialFormat(Protocol):
    """Renders what a server is asked with, as an API spells it."""

    def render_trial(self, application: Application) -> NotificationRequest:
        """The application has a `notify_url`."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What came of it: `error` is None where the server answered 2xx, as it must; where it
    answered otherwise, `text` is how it began what it said."""

    url: str
    took_ms: int
    error: str | None
    status: int | None = None
    text: str | None = None


class ServerTrial:
    """Sends what is signed and credentialed as a notification is, and tells of no call."""

    def __init__(
        self,
        applications: Applications,
        sender: Sender,
        form: TrialFormat,
        *,
        unix_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sender` gives up after TRIAL_TIMEOUT_S."""
        self._applications = applications
        self._sender = sender
        self._format = form
        self._unix_s = unix_s
        self._monotonic_s = monotonic_s
        self._count = 0

    async def run(self, app_id: str) -> TrialOutcome | None:
        """Ask now; None where the application has no server. Whose it is has been looked at.
        Raises Overloaded."""
        application = await self._applications.find(AppId(app_id))
        if application is None or application.notify_url is None:
            return None
        if self._count >= TRIALS_MAX:
            raise Overloaded
        self._count += 1
        try:
            return await self._ask(application)
        finally:
            self._count -= 1

    async def _ask(self, application: Application) -> TrialOutcome:
        request = self._format.render_trial(application)
        begun_s, unix_s = self._monotonic_s(), int(self._unix_s())
        signature = signature_headers(
            f"test-{unix_s}", unix_s, request.body, application.signing_secret
        )
        attempt = await self._sender.send(
            request, signature, allow_private_addresses=application.allow_private_addresses
        )
        took_ms = round((self._monotonic_s() - begun_s) * 1000)
        return TrialOutcome(request.url, took_ms, attempt.error, attempt.status, attempt.text)
