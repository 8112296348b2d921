"""What each enterprise, and each of its applications, uses of its limits on this node."""

from collections.abc import Callable
from typing import NamedTuple

from clicktodial.control.error import ApplicationLimitReached, LimitReached
from clicktodial.control.rate import BUCKETS_KEPT_MAX as BUCKETS_KEPT_MAX
from clicktodial.control.rate import TokenBuckets
from clicktodial.domain.application import (
    NO_APPLICATION_LIMITS,
    ApplicationLimits,
    EnterpriseLimits,
)
from clicktodial.domain.identifier import CallId
from clicktodial.domain.wording import worded


class EnterpriseGate:
    """Lets calls in, and counts those that live."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._of_enterprises = _Level(_OF_ENTERPRISE, now)
        self._of_applications = _Level(_OF_APPLICATION, now)
        self._entered: dict[CallId, tuple[str, str | None]] = {}

    def find_obstacle(
        self,
        enterprise_id: str,
        limits: EnterpriseLimits,
        app_id: str | None = None,
        own: ApplicationLimits = NO_APPLICATION_LIMITS,
    ) -> str | None:
        """Why no call of that enterprise, or of that application, may begin now, or None. Takes
        nothing."""
        return self._of_enterprises.find_obstacle(
            enterprise_id, limits.live_calls_max, limits.calls_per_second_max
        ) or self._find_own_obstacle(app_id, own)

    def enter(
        self,
        call_id: CallId,
        enterprise_id: str,
        limits: EnterpriseLimits,
        app_id: str | None = None,
        own: ApplicationLimits = NO_APPLICATION_LIMITS,
    ) -> None:
        """Count a call that begins. Raises LimitReached, ApplicationLimitReached where it is the
        application's own, and then nothing is counted."""
        live_max, rate = limits.live_calls_max, limits.calls_per_second_max
        if live_max is not None or rate is not None:
            obstacle = self._of_enterprises.find_obstacle(enterprise_id, live_max, rate)
            if obstacle is not None:
                raise LimitReached(obstacle)
        if own is not NO_APPLICATION_LIMITS:
            obstacle = self._find_own_obstacle(app_id, own)
            if obstacle is not None:
                raise ApplicationLimitReached(obstacle)
        self._of_enterprises.enter(enterprise_id, rate)
        if app_id is not None:
            self._of_applications.enter(app_id, own.calls_per_second_max)
        self._entered[call_id] = enterprise_id, app_id

    @property
    def enterprises(self) -> list[str]:
        """Those with calls that live."""
        return self._of_enterprises.keys

    def calls_of(self, enterprise_id: str) -> list[CallId]:
        """The calls of that enterprise that live."""
        return [call_id for call_id, (each, _) in self._entered.items() if each == enterprise_id]

    def leave(self, call_id: CallId) -> None:
        """The call is over. Nothing happens where it did not enter."""
        entered = self._entered.pop(call_id, None)
        if entered is None:
            return
        enterprise_id, app_id = entered
        self._of_enterprises.leave(enterprise_id)
        if app_id is not None:
            self._of_applications.leave(app_id)

    def _find_own_obstacle(self, app_id: str | None, own: ApplicationLimits) -> str | None:
        if app_id is None or own is NO_APPLICATION_LIMITS:
            return None
        return self._of_applications.find_obstacle(
            app_id, own.live_calls_max, own.calls_per_second_max
        )


class _LevelWords(NamedTuple):
    """How a level says that a limit is reached."""

    live: Callable[[int], str]
    rate: Callable[[int], str]


_OF_ENTERPRISE = _LevelWords(
    lambda most: worded("The enterprise's limit of live calls is reached: %(most)s", most=most),
    lambda most: worded(
        "The enterprise's limit of new calls a second is reached: %(most)s", most=most
    ),
)
_OF_APPLICATION = _LevelWords(
    lambda most: worded("The application's limit of live calls is reached: %(most)s", most=most),
    lambda most: worded(
        "The application's limit of new calls a second is reached: %(most)s", most=most
    ),
)


class _Level:
    """Calls by whose they are."""

    def __init__(self, words: "_LevelWords", now: Callable[[], float]) -> None:
        self._words = words
        self._live: dict[str, int] = {}
        self._buckets = TokenBuckets(now)

    @property
    def keys(self) -> list[str]:
        """Those with calls that live."""
        return list(self._live)

    def find_obstacle(self, key: str, live_max: int | None, rate: int | None) -> str | None:
        if live_max is not None and self._live.get(key, 0) >= live_max:
            return self._words.live(live_max)
        if rate is not None and not self._buckets.has_token(key, rate):
            return self._words.rate(rate)
        return None

    def enter(self, key: str, rate: int | None) -> None:
        if rate is not None:
            self._buckets.take(key, rate)
        # Without a limit too: one may be set while these calls live.
        self._live[key] = self._live.get(key, 0) + 1

    def leave(self, key: str) -> None:
        self._live[key] -= 1
        if not self._live[key]:
            del self._live[key]
