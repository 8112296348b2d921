"""The numbers that an application may show, and its pools of them."""

from clicktodial.accounts.number import NumberDetail
from clicktodial.accounts.number_pool import FALLBACK_MAX
from clicktodial.domain.number_pool import NumberPool
from clicktodial.portal.application.shared import (
    CHANGING,
    READING,
    ApplicationDeskPages,
    Tab,
)
from clicktodial.portal.form import Form
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail
from clicktodial.storage.error import NotFound
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX

# As numbers are written in requests, spaces and hyphens included.
_NUMBER_CHARACTERS_MAX = 32
# Of the enterprise's numbers, so many are offered to choose from; others are typed.
_OFFERED_MAX = 200


class PoolPages(ApplicationDeskPages):
    """GET /applications/{app_id}/numbers and .../pools/{pool_name}"""

    async def show(self, visit: Visit) -> Answer:
        """What it may show, what else there is, and the pools."""
        detail = await self.find(visit)
        return await self._view_all(visit, detail, visit.form(), visit.form())

    async def assign(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/numbers"""
        detail = await self.find(visit)
        form = await visit.read_form()
        number = form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)
        inventory = self._needs.inventory
        if form.is_valid:
            try:
                await self.do(
                    lambda: inventory.assign(visit.principal, detail.app_id, number), form
                )
            except NotFound:
                form.fail("number", mark("The enterprise has no such number."))
        if not form.is_valid:
            return await self._view_all(visit, detail, form, visit.form(), 422)
        toast = visit.gettext("It may show %(number)s now.", number=number)
        return Redirect(visit.link(Tab.NUMBERS, app_id=detail.app_id), toast=toast)

    async def unassign(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/numbers/remove"""
        detail = await self.find(visit)
        form = await visit.read_form()
        number = form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)
        inventory = self._needs.inventory
        if not form.is_valid or not await self.do(
            lambda: inventory.unassign(visit.principal, detail.app_id, number), form
        ):
            return await self._view_all(visit, detail, form, visit.form(), 422)
        toast = visit.gettext("It shows %(number)s no longer.", number=number)
        return Redirect(visit.link(Tab.NUMBERS, app_id=detail.app_id), toast=toast)

    async def _view_all(
        self,
        visit: Visit,
        detail: ApplicationDetail,
        form: Form,
        pool_form: Form,
        status: int = 200,
    ) -> View:
        needs, who = self._needs, visit.principal

        def read() -> tuple[list[NumberDetail], tuple[NumberPool, ...]]:
            owned = needs.inventory.list_of_enterprise(
                who, detail.enterprise_id, visit.now, limit=_OFFERED_MAX
            )
            return owned, needs.number_pools.list_pools(who, detail.app_id)

        owned, pools = await needs.worker.run(read)
        places = {each.number.e164: each.place for each in owned}
        offered = [
            (each.number.e164, f"{each.number.e164} {each.place.city}".strip())
            for each in owned
            if each.number.e164 not in detail.sponsors
        ]
        return self.view(
            visit,
            detail,
            Tab.NUMBERS,
            "numbers",
            status,
            form=form,
            pool_form=pool_form,
            places=places,
            offered=offered,
            has_any=bool(owned),
            pools=pools,
        )

    # Pools

    async def show_pool(self, visit: Visit) -> Answer:
        """One pool."""
        detail = await self.find(visit)
        pool = await self._find_pool(visit, detail)
        form = visit.form(numbers=[number.e164 for number in pool.numbers])
        return self._view_pool(visit, detail, pool, form)

    async def put(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/pools: a new one, or one of the steps that change one; each
        is kept at once."""
        detail = await self.find(visit)
        form = await visit.read_form()
        name = form.text("name", characters_max=IDENTIFIER_CHARACTERS_MAX)
        step = form.text("step", characters_max=20)
        pools, who = self._needs.number_pools, visit.principal
        if step == "create":
            if not form.is_valid or not await self.do(
                lambda: pools.put(who, detail.app_id, name, numbers=(), fallback=()), form
            ):
                return await self._view_all(visit, detail, visit.form(), form, 422)
            return Redirect(visit.link("applicationPool", app_id=detail.app_id, pool_name=name))
        pool = await self._needs.worker.run(lambda: pools.show(who, detail.app_id, name))
        numbers = [number.e164 for number in pool.numbers]
        cities = list(pool.fallback)
        if step == "numbers":
            numbers = form.several("numbers", characters_max=_NUMBER_CHARACTERS_MAX)
        elif step == "add":
            cities.append(form.text("city", characters_max=CITY_CHARACTERS_MAX))
        else:
            _move(cities, step)
        if not form.is_valid or not await self.do(
            lambda: pools.put(who, detail.app_id, name, numbers=numbers, fallback=cities), form
        ):
            return self._view_pool(visit, detail, pool, form, 422)
        toast = visit.gettext("Saved.") if step == "numbers" else ""
        href = visit.link("applicationPool", app_id=detail.app_id, pool_name=name)
        return Redirect(href, toast=toast)

    async def remove(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/pools/{pool_name}/remove"""
        detail = await self.find(visit)
        form = await visit.read_form()
        name, pools = visit.path["pool_name"], self._needs.number_pools
        await self.do(lambda: pools.remove(visit.principal, detail.app_id, name), form)
        toast = visit.gettext("The pool %(name)s is removed.", name=name)
        return Redirect(visit.link(Tab.NUMBERS, app_id=detail.app_id), toast=toast)

    async def _find_pool(self, visit: Visit, detail: ApplicationDetail) -> NumberPool:
        name, pools = visit.path["pool_name"], self._needs.number_pools
        return await self._needs.worker.run(
            lambda: pools.show(visit.principal, detail.app_id, name)
        )

    def _view_pool(
        self,
        visit: Visit,
        detail: ApplicationDetail,
        pool: NumberPool,
        form: Form,
        status: int = 200,
    ) -> View:
        places = {number.e164: number.place for number in pool.numbers}
        options = [
            (number, number, places[number].city if number in places else "")
            for number in detail.sponsors
        ]
        return self.view(
            visit,
            detail,
            Tab.NUMBERS,
            "pool",
            status,
            form=form.fill(numbers=[number.e164 for number in pool.numbers]),
            pool=pool,
            number_options=options,
            cities=sorted({place.city for place in places.values() if place.city}),
            fallback_max=FALLBACK_MAX,
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name=Tab.NUMBERS,
                path="/applications/{app_id}/numbers",
                title=mark("Numbers"),
                roles=READING,
                show=self.show,
                operations=("listApplicationNumbers", "listPools"),
                parent="applications",
            ),
            Page(
                name="applicationPool",
                path="/applications/{app_id}/pools/{pool_name}",
                title=mark("Pool of numbers"),
                roles=READING,
                show=self.show_pool,
                operations=("showPool",),
                parent="applications",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/applications/{app_id}"
        return [
            Action(
                operation="assignNumber",
                path=f"{path}/numbers",
                roles=CHANGING,
                handle=self.assign,
            ),
            Action(
                operation="unassignNumber",
                path=f"{path}/numbers/remove",
                roles=CHANGING,
                handle=self.unassign,
            ),
            Action(operation="putPool", path=f"{path}/pools", roles=CHANGING, handle=self.put),
            Action(
                operation="removePool",
                path=f"{path}/pools/{{pool_name}}/remove",
                roles=CHANGING,
                handle=self.remove,
            ),
        ]


def _move(cities: list[str], step: str) -> None:
    """Carry out `up-2`, `down-0` or `drop-1`; nothing where it says none of these."""
    way, _, written = step.partition("-")
    if not written.isascii() or not written.isdigit() or int(written) >= len(cities):
        return
    place = int(written)
    other = {"up": place - 1, "down": place + 1}.get(way)
    if way == "drop":
        del cities[place]
    elif other is not None and 0 <= other < len(cities):
        cities[place], cities[other] = cities[other], cities[place]
