"""How often and when callees are called, and how much members call."""

import re
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any

from clicktodial.accounts.protection import ApplicationExceptions
from clicktodial.domain.protection import (
    CALL_CAP_MAX,
    FREQUENCY_MAX,
    CallCaps,
    EnterpriseProtection,
    FrequencyCaps,
    PlatformProtection,
    QuietHours,
)
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.protection.shared import EDITORS, OPERATOR, READERS, scope_of, tabs
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail
from clicktodial.storage.error import ValueInvalid

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
# Longer than any name of the IANA data base.
_ZONE_CHARACTERS_MAX = 64
# Those that stand on the page; the others are under their application in the management API.
_APPLICATIONS_MAX = 100
FREQUENCIES = {
    "per_5_minutes": mark("Per 5 minutes"),
    "per_hour": mark("Per hour"),
    "per_day": mark("Per day"),
}


class Part(StrEnum):
    """Which of the forms of an enterprise's rules was sent."""

    CALLEES = "callees"
    MEMBERS = "members"
    CAPS = "caps"


class RulePages:
    """GET and POST /protection, of an enterprise and of the platform."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    # An enterprise's

    async def show(self, visit: Visit) -> Answer:
        """All its rules."""
        known = await self._read(visit)
        return await self._view(visit, known, _fill(visit, known), _fill_caps(visit, known))

    async def change(self, visit: Visit) -> Answer:
        """Those of the form that was sent."""
        form = await visit.read_form()
        part = form.one_of("part", Part)
        change, answer = self._parse(form, part)
        own = scope_of(visit, is_platform=False)
        settings = self._needs.protection
        if not form.is_valid or not await self._try(lambda: settings.change(own, change), form):
            known = await self._read(visit)
            forms = {Part.CAPS: _fill_caps(visit, known), Part.CALLEES: _fill(visit, known)}
            forms[part or Part.CALLEES] = form
            return await self._view(visit, known, forms[Part.CALLEES], forms[Part.CAPS], 422)
        return Redirect(visit.link(answer), toast=visit.gettext("Saved."))

    def _parse(
        self, form: Form, part: Part | None
    ) -> tuple[Callable[[EnterpriseProtection], EnterpriseProtection], str]:
        """What the form changes, and the page that shows it."""
        given: dict[str, Any] = {}
        if part is Part.MEMBERS:
            given["members_only"] = form.text("members_only", is_required=False) == "yes"
        elif part is Part.CAPS:
            given["member_caps"] = CallCaps(
                per_day=form.whole("per_day", least=1, most=CALL_CAP_MAX, is_required=False),
                per_month=form.whole("per_month", least=1, most=CALL_CAP_MAX, is_required=False),
            )
        else:
            given["frequency"] = _read_frequency(form)
            given["quiet_hours"] = _read_quiet_hours(form)
            given["time_zone"] = form.text("time_zone", characters_max=_ZONE_CHARACTERS_MAX)
        answer = "members" if part is Part.MEMBERS else "protection"
        return lambda known: replace(known, **given), answer

    async def change_exceptions(self, visit: Visit) -> Answer:
        """POST /protection/applications/{app_id}"""
        form = await visit.read_form()
        own, app_id = scope_of(visit, is_platform=False), visit.path["app_id"]
        is_exempt = form.is_ticked("ignores")
        settings = self._needs.protection
        await self._needs.worker.run(
            lambda: settings.change_exceptions(own, app_id, ignores_quiet_hours=is_exempt)
        )
        await self._needs.take_up_changes()
        return Redirect(visit.link("protection"), toast=visit.gettext("Saved."))

    async def _read(self, visit: Visit) -> EnterpriseProtection:
        own = scope_of(visit, is_platform=False)
        return await self._needs.worker.run(lambda: self._needs.protection.show(own))

    async def _view(
        self,
        visit: Visit,
        known: EnterpriseProtection,
        form: Form,
        caps_form: Form,
        status: int = 200,
    ) -> View:
        needs, own = self._needs, scope_of(visit, is_platform=False)

        def read() -> tuple[
            PlatformProtection, list[tuple[ApplicationDetail, ApplicationExceptions]]
        ]:
            applications = needs.application_desk.list_applications(
                visit.principal, limit=_APPLICATIONS_MAX
            )
            exceptions = needs.protection.list_exceptions(own)
            return needs.protection.show_platform(), [
                (each, exceptions.get(each.app_id, ApplicationExceptions()))
                for each in applications
            ]

        platform, exceptions = await needs.worker.run(read)
        context = {
            "tabs": tabs(visit, "protection"),
            "form": form,
            "caps_form": caps_form,
            "known": known,
            "platform": platform,
            "exceptions": exceptions,
            "frequencies": [
                (name, visit.words.look_up(words), getattr(platform.frequency, name))
                for name, words in FREQUENCIES.items()
            ],
            "may_change": visit.may(EDITORS),
        }
        return View("protection/rules.html", context, status)

    # The platform's

    async def show_platform(self, visit: Visit) -> Answer:
        """GET /platform/protection"""
        known = await self._needs.worker.run(self._needs.protection.show_platform)
        return self._view_platform(visit, _fill(visit, known))

    async def change_platform(self, visit: Visit) -> Answer:
        """POST /platform/protection"""
        form = await visit.read_form()
        frequency, quiet_hours = _read_frequency(form), _read_quiet_hours(form)

        def change(known: PlatformProtection) -> PlatformProtection:
            return replace(known, frequency=frequency, quiet_hours=quiet_hours)

        settings = self._needs.protection
        if not form.is_valid or not await self._try(lambda: settings.change_platform(change), form):
            return self._view_platform(visit, form, 422)
        return Redirect(visit.link("platformProtection"), toast=visit.gettext("Saved."))

    def _view_platform(self, visit: Visit, form: Form, status: int = 200) -> View:
        word = visit.words.look_up
        context = {
            "tabs": tabs(visit, "platformProtection"),
            "form": form,
            "frequencies": [(name, word(words), None) for name, words in FREQUENCIES.items()],
        }
        return View("protection/platform.html", context, status)

    async def _try(self, work: Callable[[], object], form: Form) -> bool:
        try:
            await self._needs.worker.run(work)
        except ValueInvalid as error:
            form.refuse_as(error)
            return False
        await self._needs.take_up_changes()
        return True

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="protection",
                path="/protection",
                title=mark("Protection of callees"),
                roles=READERS,
                show=self.show,
                operations=("showProtection", "listApplications", "showProtectionExceptions"),
                nav=Nav(Section.CALLING, 70, "shield", label=mark("Protection")),
            ),
            Page(
                name="platformProtection",
                path="/platform/protection",
                title=mark("Protection of callees"),
                roles=OPERATOR,
                show=self.show_platform,
                operations=("showPlatformProtection",),
                nav=Nav(Section.SYSTEM, 50, "shield", label=mark("Protection")),
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="changeProtection",
                path="/protection",
                roles=EDITORS,
                handle=self.change,
            ),
            Action(
                operation="changeProtectionExceptions",
                path="/protection/applications/{app_id}",
                roles=EDITORS,
                handle=self.change_exceptions,
            ),
            Action(
                operation="changePlatformProtection",
                path="/platform/protection",
                roles=OPERATOR,
                handle=self.change_platform,
            ),
        ]


def _fill(visit: Visit, known: EnterpriseProtection | PlatformProtection) -> Form:
    """The form of how often and when callees are called."""
    frequency = {name: getattr(known.frequency, name) for name in FREQUENCIES}
    since, _, until = str(known.quiet_hours or "").partition("-")
    zone = known.time_zone if isinstance(known, EnterpriseProtection) else None
    return visit.form(**frequency, since=since, until=until, time_zone=zone)


def _fill_caps(visit: Visit, known: EnterpriseProtection) -> Form:
    caps = known.member_caps
    return visit.form(per_day=caps.per_day, per_month=caps.per_month)


def _read_frequency(form: Form) -> FrequencyCaps:
    return FrequencyCaps(
        **{
            name: form.whole(name, least=1, most=FREQUENCY_MAX, is_required=False)
            for name in FREQUENCIES
        }
    )


def _read_quiet_hours(form: Form) -> QuietHours | None:
    """None where neither end is given."""
    since, until = (form.text(name, is_required=False) for name in ("since", "until"))
    if not since and not until:
        return None
    minutes = []
    for name, written in (("since", since), ("until", until)):
        match = _CLOCK.fullmatch(written)
        if match is None:
            form.fail(name, mark("Enter a time of day, as 21:00."))
        else:
            minutes.append(60 * int(match[1]) + int(match[2]))
    return QuietHours(*minutes) if form.is_valid and len(minutes) == 2 else None
