"""Trunks: how they fare, and all that can be set of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from clicktodial.accounts.traffic import Hours
from clicktodial.control.port import TrunkState
from clicktodial.domain.media import KNOWN_CODECS
from clicktodial.domain.trunk import PRIVACY_VALUES, Trunk
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation import trunk_form
from clicktodial.portal.operation.role import OPERATOR, SEERS
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import TrunkDetail
from clicktodial.storage.error import AlreadyExists, ValueInvalid
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX


class TrunkPages:
    """GET /trunks, /new-trunk and /trunks/{trunk}, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """GET /trunks"""
        needs = self._needs

        def read() -> tuple[list[TrunkDetail], Hours]:
            hours = needs.traffic.hours(visit.now, visit.now, visit.now)
            return needs.administration.list_trunks(), hours

        details, hours = await needs.worker.run(read)
        failures = {cause.trunk: 0 for cause in hours.causes()}
        for cause, count in hours.causes().items():
            failures[cause.trunk] += count
        context = {
            "rows": [(each, needs.monitor.state(each.trunk)) for each in details],
            "failures": failures,
            "health": health_of,
            "may_change": visit.may(OPERATOR),
        }
        return View("operation/trunks.html", context)

    async def watch(self, visit: Visit) -> Watch:
        """How each fares on this node."""
        needs = self._needs

        def ask() -> object:
            details = needs.administration.list_trunks()
            return [(each, needs.monitor.state(each.trunk)) for each in details]

        return Watch(("trunks",), ask)

    async def show_one(self, visit: Visit) -> Answer:
        """GET /trunks/{trunk}"""
        detail = await self._find(visit)
        form = visit.form(**trunk_form.values_of(detail.trunk))
        return self._view(visit, "operation/trunk.html", form, detail=detail)

    async def show_new(self, visit: Visit) -> Answer:
        """GET /new-trunk"""
        form = visit.form(**trunk_form.values_of(Trunk("", "", 0)))
        return self._view(visit, "operation/trunk_new.html", form)

    async def create(self, visit: Visit) -> Answer:
        """POST /new-trunk"""
        form = await visit.read_form()
        name = form.text("name", characters_max=IDENTIFIER_CHARACTERS_MAX)
        change = trunk_form.read_trunk(form)
        administration = self._needs.administration

        def work() -> None:
            administration.add_trunk(change(Trunk(name, "", 0)))

        if not await self._try(form, work):
            return self._view(visit, "operation/trunk_new.html", form)
        toast = visit.gettext("Trunk %(name)s is added; calls leave through it now.", name=name)
        return Redirect(visit.link("trunk", trunk=name), toast=toast)

    async def change(self, visit: Visit) -> Answer:
        """POST /trunks/{trunk}"""
        form = await visit.read_form()
        detail = await self._find(visit)
        change = trunk_form.read_trunk(form)
        work = partial(self._needs.administration.change_trunk, detail.trunk.name, change)
        if not await self._try(form, work):
            return self._view(visit, "operation/trunk.html", form, detail=detail)
        return Redirect(visit.link("trunks"), toast=visit.gettext("Saved."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /trunks/{trunk}/remove"""
        await visit.read_form()
        name, administration = visit.path["trunk"], self._needs.administration
        await self._needs.worker.run(lambda: administration.remove_trunk(name))
        await self._needs.take_up_changes()
        toast = visit.gettext("Trunk %(name)s is removed.", name=name)
        return Redirect(visit.link("trunks"), toast=toast)

    async def enable(self, visit: Visit) -> Answer:
        """POST /trunks/{trunk}/enable"""
        return await self._set_enabled(visit, enabled=True)

    async def disable(self, visit: Visit) -> Answer:
        """POST /trunks/{trunk}/disable"""
        return await self._set_enabled(visit, enabled=False)

    async def _set_enabled(self, visit: Visit, *, enabled: bool) -> Answer:
        await visit.read_form()
        name, administration = visit.path["trunk"], self._needs.administration
        await self._needs.worker.run(
            lambda: administration.set_trunk_enabled(name, enabled=enabled)
        )
        await self._needs.take_up_changes()
        words = (
            mark("Trunk %(name)s takes calls again.")
            if enabled
            else mark("Trunk %(name)s takes no more calls; those that live go on.")
        )
        return Redirect(visit.link("trunks"), toast=visit.gettext(words, name=name))

    async def _try(self, form: Form, work: Callable[[], object]) -> bool:
        if form.is_valid:
            try:
                await self._needs.worker.run(work)
            except (ValueInvalid, AlreadyExists) as error:
                form.refuse_as(error)
            else:
                await self._needs.take_up_changes()
        return form.is_valid

    async def _find(self, visit: Visit) -> TrunkDetail:
        name, administration = visit.path["trunk"], self._needs.administration
        return await self._needs.worker.run(lambda: administration.show_trunk(name))

    def _view(
        self, visit: Visit, template: str, form: Form, *, detail: TrunkDetail | None = None
    ) -> View:
        words = visit.words
        context: dict[str, Any] = {
            "form": form,
            "detail": detail,
            "transport_options": trunk_form.options(trunk_form.TRANSPORTS, words),
            "format_options": trunk_form.options(trunk_form.NUMBER_FORMATS, words),
            "srtp_options": trunk_form.options(trunk_form.SRTP_POLICIES, words),
            "codec_options": [(codec.name, codec.name) for codec in KNOWN_CODECS],
            "privacy_options": [(each, each) for each in PRIVACY_VALUES],
        }
        if detail is not None:
            state = self._needs.monitor.state(detail.trunk)
            context |= {"state": state, "health": health_of}
        return View(template, context, 200 if form.is_valid else 422)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="trunks",
                path="/trunks",
                title=mark("Trunks"),
                roles=SEERS,
                show=self.show_all,
                operations=("listTrunks",),
                nav=Nav(Section.SYSTEM, 30, "network"),
                watch=self.watch,
            ),
            Page(
                name="createTrunk",
                path="/new-trunk",
                title=mark("Add a trunk"),
                roles=OPERATOR,
                show=self.show_new,
                operations=("createTrunk",),
                parent="trunks",
            ),
            Page(
                name="trunk",
                path="/trunks/{trunk}",
                title=mark("Trunk"),
                roles=OPERATOR,
                show=self.show_one,
                operations=("showTrunk", "changeTrunk"),
                parent="trunks",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        one = "/trunks/{trunk}"
        rows = (
            ("createTrunk", "/new-trunk", self.create),
            ("changeTrunk", one, self.change),
            ("removeTrunk", f"{one}/remove", self.remove),
            ("enableTrunk", f"{one}/enable", self.enable),
            ("disableTrunk", f"{one}/disable", self.disable),
        )
        return [
            Action(operation=operation, path=path, roles=OPERATOR, handle=handle)
            for operation, path, handle in rows
        ]


def health_of(detail: TrunkDetail, state: TrunkState) -> tuple[str, str]:
    """How it fares, in words (a message) and as a tone."""
    if not detail.enabled:
        return mark("Switched off"), "calm"
    if state.is_down:
        return mark("Does not answer"), "bad"
    if state.is_registered is False:
        return mark("Not registered"), "bad"
    if state.is_resting:
        return mark("Resting after failures"), "warn"
    if state.is_registered:
        return mark("Registered"), "good"
    return mark("Up"), "good"
