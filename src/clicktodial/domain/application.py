"""Applications of enterprises: who may ask for calls, showing which numbers."""

from dataclasses import dataclass
from enum import StrEnum

from clicktodial.domain.identifier import AppId
from clicktodial.domain.minutes import PoolTerms
from clicktodial.domain.plan import DEFAULT_OPTIONS, CallOptions
from clicktodial.domain.protection import NO_RULES, CallRules


class EnterpriseStatus(StrEnum):
    """An enterprise may use the service only while ACTIVE."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class ApplicationStatus(StrEnum):
    """An application may place calls only while ACTIVE."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseLimits:
    """What an enterprise may use at most, whatever its applications ask for. None is no limit
    but the platform's.

    `live_calls_max` calls at a time and `calls_per_second_max` new ones, of all its applications
    on a node; `max_duration_s` and `ring_timeout_s_max` bound the options of each call.
    """

    live_calls_max: int | None = None
    calls_per_second_max: int | None = None
    max_duration_s: int | None = None
    ring_timeout_s_max: int | None = None


NO_LIMITS = EnterpriseLimits()


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
    limits: EnterpriseLimits = NO_LIMITS
    rules: CallRules = NO_RULES
    pool_terms: PoolTerms | None = None  # None: its calls are free

    def __repr__(self) -> str:
        return f"Application({self.app_id!r})"
