"""Applications of enterprises: who may ask for calls, showing which numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from clicktodial.domain.access import ALL_SCOPES, AccessScope
from clicktodial.domain.identifier import AppId
from clicktodial.domain.message import ApplicationMessages
from clicktodial.domain.minutes import PoolTerms
from clicktodial.domain.number_pool import NumberPool
from clicktodial.domain.plan import DEFAULT_OPTIONS, CallOptions
from clicktodial.domain.protection import NO_RULES, CallRules

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class EnterpriseStatus(StrEnum):
    """An enterprise may use the service only while ACTIVE."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class ApplicationStatus(StrEnum):
    """An application may place calls only while ACTIVE."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Capability(StrEnum):
    """What an application may use of the platform."""

    CLICK_TO_DIAL = "click-to-dial"
    RECORDING = "recording"
    MESSAGES = "messages"


ALL_CAPABILITIES = frozenset(Capability)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationLimits:
    """What one application may use at most, within its enterprise's limits, on each node. None is
    no limit of its own.

    `requests_per_second_max` counts every request with its key, calls or not.
    """

    live_calls_max: int | None = None
    calls_per_second_max: int | None = None
    requests_per_second_max: int | None = None


NO_APPLICATION_LIMITS = ApplicationLimits()


@dataclass(frozen=True, slots=True)
class OldSecret:
    """The key before the last rotation, which works until then."""

    secret: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """An application as the call path needs it, secret in clear: never logged, never stored so.

    `sponsors` are E.164 numbers that it may show. `notify_url` is the specification's
    {appServer}, without a trailing slash, or None where no notifications are wanted. `messages` is
    None where none of its templates is approved.

    Requests come from `allow_list` alone, where it names any network. `trunk_by_number` has those
    of its numbers that belong to a trunk. `scopes` are what its access tokens allow at most.
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
    own_limits: ApplicationLimits = NO_APPLICATION_LIMITS
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    old_secret: OldSecret | None = None
    allow_list: tuple[Network, ...] = ()
    pools: tuple[NumberPool, ...] = ()
    trunk_by_number: Mapping[str, str] = field(default_factory=dict)
    messages: ApplicationMessages | None = None
    rules: CallRules = NO_RULES
    pool_terms: PoolTerms | None = None  # None: its calls are free
    scopes: frozenset[AccessScope] = ALL_SCOPES

    def __repr__(self) -> str:
        return f"Application({self.app_id!r})"

    def allows(self, address: Address | None) -> bool:
        """Whether it may ask from there; None is an address that nobody knows."""
        if not self.allow_list:
            return True
        return address is not None and any(address in network for network in self.allow_list)
