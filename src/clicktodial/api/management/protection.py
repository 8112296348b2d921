"""`protection`: how often and when callees are called, and by whom; an enterprise's and the
operator's."""

from dataclasses import replace
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.protection import ApplicationExceptions, ProtectionSettings
from clicktodial.api.management.enterprise_scope import ENTERPRISE_ID, EnterpriseScope
from clicktodial.api.management.member import EDITORS, READERS
from clicktodial.api.management.problem import (
    INVALID_VALUE,
    NOT_FOUND,
    NOT_PERMITTED,
    Refused,
)
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Strict, given_fields
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import (
    CALL_CAP_MAX,
    FREQUENCY_MAX,
    EnterpriseProtection,
    PlatformProtection,
    QuietHours,
)

_OPERATOR = frozenset({Role.OPERATOR})

_Often = Annotated[
    int, Meta(ge=1, le=FREQUENCY_MAX, description="Calls of one callee in any such time.")
]
_Calls = Annotated[
    int, Meta(ge=1, le=CALL_CAP_MAX, description="Calls of a member that has no cap of its own.")
]
_Clock = Annotated[
    str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="By the callee's clock.")
]
_Zone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="An IANA name: when days and months begin, and the clock of callees whose "
        "time zone nobody knows.",
    ),
]
# What is answered and given, and what it is within.
_FREQUENCY_NAMES = {
    "callee_calls_per_5_minutes": "per_5_minutes",
    "callee_calls_per_hour": "per_hour",
    "callee_calls_per_day": "per_day",
}
_CAP_NAMES = {"member_calls_per_day": "per_day", "member_calls_per_month": "per_month"}


class QuietHoursBody(Strict, frozen=True):
    """From when until when nobody is called; over midnight where `until` is before `since`."""

    since: _Clock
    until: _Clock


class ProtectionView(Strict, frozen=True):
    """What an enterprise set; null is no rule."""

    members_only: bool
    member_calls_per_day: int | None
    member_calls_per_month: int | None
    callee_calls_per_5_minutes: int | None
    callee_calls_per_hour: int | None
    callee_calls_per_day: int | None
    quiet_hours: QuietHoursBody | None
    time_zone: str


class ProtectionChange(Strict, frozen=True):
    """What changes; null takes a rule away."""

    members_only: Annotated[bool, Meta(description="Only members may be callers.")] | UnsetType = (
        UNSET
    )
    member_calls_per_day: _Calls | UnsetType | None = UNSET
    member_calls_per_month: _Calls | UnsetType | None = UNSET
    callee_calls_per_5_minutes: _Often | UnsetType | None = UNSET
    callee_calls_per_hour: _Often | UnsetType | None = UNSET
    callee_calls_per_day: _Often | UnsetType | None = UNSET
    quiet_hours: QuietHoursBody | UnsetType | None = UNSET
    time_zone: _Zone | UnsetType = UNSET


class PlatformProtectionView(Strict, frozen=True):
    """What the operator set for all calls together; null is no rule."""

    callee_calls_per_5_minutes: int | None
    callee_calls_per_hour: int | None
    callee_calls_per_day: int | None
    quiet_hours: QuietHoursBody | None


class PlatformProtectionChange(Strict, frozen=True):
    """What changes; null takes a rule away."""

    callee_calls_per_5_minutes: _Often | UnsetType | None = UNSET
    callee_calls_per_hour: _Often | UnsetType | None = UNSET
    callee_calls_per_day: _Often | UnsetType | None = UNSET
    quiet_hours: QuietHoursBody | UnsetType | None = UNSET


class ExceptionsView(Strict, frozen=True):
    """Which quiet hours do not hold for an application."""

    ignores_quiet_hours: bool
    ignores_platform_quiet_hours: bool


class ExceptionsChange(Strict, frozen=True):
    """What changes; what is the operator's, only the operator may."""

    ignores_quiet_hours: bool | UnsetType = UNSET
    ignores_platform_quiet_hours: bool | UnsetType = UNSET


class ProtectionResource:
    """The rules of enterprises and of the operator."""

    def __init__(
        self, settings: ProtectionSettings, scope: EnterpriseScope, worker: Worker
    ) -> None:
        self._settings = settings
        self._scope = scope
        self._worker = worker

    async def show(self, ask: Ask) -> ProtectionView:
        """GET of an enterprise's"""
        return _render(await self._scope.run(ask, self._settings.show))

    async def change(self, ask: Ask) -> ProtectionView:
        """PATCH of an enterprise's"""
        given = given_fields(await ask.read(ProtectionChange))
        frequency, caps = _take(given, _FREQUENCY_NAMES), _take(given, _CAP_NAMES)
        if "quiet_hours" in given:
            given["quiet_hours"] = _parse_quiet_hours(given["quiet_hours"])

        def change(known: EnterpriseProtection) -> EnterpriseProtection:
            return replace(
                known,
                **given,
                frequency=replace(known.frequency, **frequency),
                member_caps=replace(known.member_caps, **caps),
            )

        return _render(await self._scope.run(ask, lambda own: self._settings.change(own, change)))

    async def show_platform(self, _: Ask) -> PlatformProtectionView:
        """GET of the operator's"""
        return _render_platform(await self._worker.run(self._settings.show_platform))

    async def change_platform(self, ask: Ask) -> PlatformProtectionView:
        """PATCH of the operator's"""
        given = given_fields(await ask.read(PlatformProtectionChange))
        frequency = _take(given, _FREQUENCY_NAMES)
        if "quiet_hours" in given:
            given["quiet_hours"] = _parse_quiet_hours(given["quiet_hours"])

        def change(known: PlatformProtection) -> PlatformProtection:
            return replace(known, **given, frequency=replace(known.frequency, **frequency))

        return _render_platform(
            await self._worker.run(lambda: self._settings.change_platform(change))
        )

    async def show_exceptions(self, ask: Ask) -> ExceptionsView:
        """GET of an application's"""
        app_id = ask.path["app_id"]
        return _render_exceptions(
            await self._scope.run(ask, lambda own: self._settings.show_exceptions(own, app_id))
        )

    async def change_exceptions(self, ask: Ask) -> ExceptionsView:
        """PATCH of an application's"""
        given = given_fields(await ask.read(ExceptionsChange))
        app_id = ask.path["app_id"]
        # First what is there: that it is not permitted would tell that it is.
        await self._scope.run(ask, lambda own: self._settings.show_exceptions(own, app_id))
        if "ignores_platform_quiet_hours" in given and not ask.principal.has_any(_OPERATOR):
            raise Refused(NOT_PERMITTED, pointer="/ignores_platform_quiet_hours")
        return _render_exceptions(
            await self._scope.run(
                ask, lambda own: self._settings.change_exceptions(own, app_id, **given)
            )
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._enterprise_routes(), *self._platform_routes(), *self._exception_routes()]

    def _enterprise_routes(self) -> list[Route]:
        shared: dict[str, Any] = {
            "path": "/enterprises/{enterprise_id}/protection",
            "tag": "Protection",
            "parameters": (ENTERPRISE_ID,),
            "answer": ProtectionView,
            "answer_example": _PROTECTION,
        }
        return [
            Route(
                name="showProtection",
                method="GET",
                summary="Read an enterprise's rules",
                about="Who may call, how often and when callees are called.",
                roles=READERS,
                handle=self.show,
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="changeProtection",
                method="PATCH",
                summary="Change an enterprise's rules",
                about="Only what is given changes. No number of calls of a callee may be above "
                "the operator's.",
                roles=EDITORS,
                handle=self.change,
                body=ProtectionChange,
                body_example={
                    "members_only": True,
                    "callee_calls_per_hour": 2,
                    "quiet_hours": {"since": "21:00", "until": "08:00"},
                },
                problems=(NOT_FOUND, INVALID_VALUE),
                **shared,
            ),
        ]

    def _platform_routes(self) -> list[Route]:
        shared: dict[str, Any] = {
            "path": "/protection",
            "tag": "Protection",
            "roles": _OPERATOR,
            "answer": PlatformProtectionView,
            "answer_example": _PLATFORM,
        }
        return [
            Route(
                name="showPlatformProtection",
                method="GET",
                summary="Read the operator's rules",
                about="They hold for all calls; a callee's calls are counted over all enterprises.",
                handle=self.show_platform,
                **shared,
            ),
            Route(
                name="changePlatformProtection",
                method="PATCH",
                summary="Change the operator's rules",
                about="Only what is given changes.",
                handle=self.change_platform,
                body=PlatformProtectionChange,
                body_example={"callee_calls_per_day": 10},
                problems=(INVALID_VALUE,),
                **shared,
            ),
        ]

    def _exception_routes(self) -> list[Route]:
        app_id = Parameter(
            "app_id", "The application.", {"type": "string", "maxLength": 64}, example="12345678"
        )
        shared: dict[str, Any] = {
            "path": "/enterprises/{enterprise_id}/protection/applications/{app_id}",
            "tag": "Protection",
            "parameters": (ENTERPRISE_ID, app_id),
            "answer": ExceptionsView,
            "answer_example": {"ignores_quiet_hours": True, "ignores_platform_quiet_hours": False},
        }
        return [
            Route(
                name="showProtectionExceptions",
                method="GET",
                summary="Read which quiet hours do not hold for an application",
                about="An application that tells of burst pipes may be one.",
                roles=READERS,
                handle=self.show_exceptions,
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="changeProtectionExceptions",
                method="PATCH",
                summary="Change which quiet hours do not hold for an application",
                about="`ignores_platform_quiet_hours` is the operator's to change.",
                roles=EDITORS,
                handle=self.change_exceptions,
                body=ExceptionsChange,
                body_example={"ignores_quiet_hours": True},
                problems=(NOT_FOUND,),
                **shared,
            ),
        ]


def _take(given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Those among what is given, by their own names, taken out of it."""
    return {own: given.pop(name) for name, own in names.items() if name in given}


def _parse_quiet_hours(body: QuietHoursBody | None) -> QuietHours | None:
    if body is None:
        return None
    return QuietHours(_minute(body.since), _minute(body.until))


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _render_quiet_hours(hours: QuietHours | None) -> QuietHoursBody | None:
    if hours is None:
        return None
    since, until = str(hours).split("-")
    return QuietHoursBody(since=since, until=until)


def _render(protection: EnterpriseProtection) -> ProtectionView:
    caps, frequency = protection.member_caps, protection.frequency
    return ProtectionView(
        members_only=protection.members_only,
        member_calls_per_day=caps.per_day,
        member_calls_per_month=caps.per_month,
        callee_calls_per_5_minutes=frequency.per_5_minutes,
        callee_calls_per_hour=frequency.per_hour,
        callee_calls_per_day=frequency.per_day,
        quiet_hours=_render_quiet_hours(protection.quiet_hours),
        time_zone=protection.time_zone,
    )


def _render_platform(protection: PlatformProtection) -> PlatformProtectionView:
    frequency = protection.frequency
    return PlatformProtectionView(
        callee_calls_per_5_minutes=frequency.per_5_minutes,
        callee_calls_per_hour=frequency.per_hour,
        callee_calls_per_day=frequency.per_day,
        quiet_hours=_render_quiet_hours(protection.quiet_hours),
    )


def _render_exceptions(exceptions: ApplicationExceptions) -> ExceptionsView:
    return ExceptionsView(
        ignores_quiet_hours=exceptions.ignores_quiet_hours,
        ignores_platform_quiet_hours=exceptions.ignores_platform_quiet_hours,
    )


_PLATFORM: dict[str, Any] = {
    "callee_calls_per_5_minutes": None,
    "callee_calls_per_hour": None,
    "callee_calls_per_day": 10,
    "quiet_hours": {"since": "22:00", "until": "07:00"},
}
_PROTECTION: dict[str, Any] = _PLATFORM | {
    "members_only": True,
    "member_calls_per_day": 100,
    "member_calls_per_month": None,
    "time_zone": "Asia/Shanghai",
}
