"""Applications of enterprises: who may ask for calls, showing which numbers."""

from dataclasses import dataclass
from enum import StrEnum

from clicktodial.domain.identifier import AppId
from clicktodial.domain.plan import DEFAULT_OPTIONS, CallOptions


class EnterpriseStatus(StrEnum):
    """An enterprise may use the service only while ACTIVE."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class ApplicationStatus(StrEnum):
    """An application may place calls only while ACTIVE."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Application:
    """An application as the call path needs it, secret in clear: never logged, never stored so.

    `sponsors` are E.164 numbers that it may show. `notify_url` is the specification's
    {appServer}, without a trailing slash, or None where no notifications are wanted.
    """

    app_id: AppId
    enterprise_id: str
    enterprise_status: EnterpriseStatus
    status: ApplicationStatus
    secret: str
    signing_secret: bytes
    sponsors: frozenset[str]
    notify_url: str | None
    allow_private_addresses: bool
    max_duration_s: int | None = None
    options: CallOptions = DEFAULT_OPTIONS

    def __repr__(self) -> str:
        return f"Application({self.app_id!r})"
