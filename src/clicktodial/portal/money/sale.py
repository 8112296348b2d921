"""What the operator sells: the pools of customers, their tariffs and packages."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial

from clicktodial.billing.package import (
    CARRY_MONTHS_MAX,
    MICROS_PER_MINUTE_MAX,
    PRICE_MICROS_MAX,
    SECONDS_MAX,
    NewPackage,
    PackageKind,
)
from clicktodial.billing.pool import PackageDetail, PoolSettings, create_tariff
from clicktodial.domain.rating import FREE_BELOW_S_MAX, LEGS_MAX, MINIMUM_S_MAX, UNIT_S_MAX, Tariff
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.moment import read_day
from clicktodial.portal.money.audience import (
    SELLERS,
    STAFF_READERS,
    enterprise_of,
    find_pool,
    frame,
)
from clicktodial.portal.money.pool import tone_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid

MICROS = 1_000_000
# Longer than any amount that fits 64 bits of millionths.
_MONEY_CHARACTERS_MAX = 24
_SECONDS_PER_MINUTE = 60
KIND_HINTS = {
    PackageKind.ONE_OFF: mark("Minutes now, until they are used up or expire."),
    PackageKind.MONTHLY: mark("The same minutes at the beginning of each month."),
    PackageKind.OVERAGE: mark("What may be used beyond packages, paid by the minute."),
}


class SalePages:
    """GET /money and /money/{enterprise_id}/packages, and what is sold there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def list_pools(self, visit: Visit) -> Answer:
        """All pools that one sees."""
        needs, after = self._needs, parse_identifier(visit.query.get("after"))
        pools = await needs.worker.run(
            lambda: needs.pools.list_pools(
                visit.principal, visit.now, after=after, limit=PAGE_SIZE + 1
            )
        )
        next_href = ""
        if len(pools) > PAGE_SIZE:
            next_href = visit.link("pools", after=pools[PAGE_SIZE - 1].enterprise_id)
        context = {
            "pools": pools[:PAGE_SIZE],
            "tone_of": tone_of,
            "first_href": visit.link("pools") if after is not None else "",
            "next_href": next_href,
        }
        return View("money/pools.html", context)

    async def show(self, visit: Visit) -> Answer:
        """Tariff and packages."""
        return await self._view(visit, None)

    async def set_up(self, visit: Visit) -> Answer:
        """POST .../pool"""
        form, pool = await visit.read_form(), await find_pool(self._needs, visit)
        numbers = {
            "unit_s": form.whole("unit_s", least=1, most=UNIT_S_MAX),
            "minimum_s": form.whole("minimum_s", least=0, most=MINIMUM_S_MAX),
            "free_below_s": form.whole("free_below_s", least=0, most=FREE_BELOW_S_MAX),
            "legs": form.whole("legs", least=1, most=LEGS_MAX),
        }
        currency = form.text("currency", characters_max=3).upper()

        def work() -> None:
            tariff = create_tariff(**{name: each or 0 for name, each in numbers.items()})
            settings = PoolSettings(tariff, currency)
            if pool is not None:
                settings = replace(pool.settings, tariff=tariff, currency=currency)
            self._needs.pools.set_up(visit.principal, enterprise_of(visit), settings, visit.now)

        return await self._do(visit, form, work, mark("Calls are charged like that from now on."))

    async def sell(self, visit: Visit) -> Answer:
        """POST .../packages"""
        form = await visit.read_form()
        new = self._read_package(visit, form)

        def work() -> None:
            assert new is not None  # the form is valid
            self._needs.pools.add_package(visit.principal, enterprise_of(visit), new, visit.now)

        return await self._do(visit, form, work, mark("The package is sold."))

    async def end(self, visit: Visit) -> Answer:
        """POST .../packages/{package_id}/end"""
        form = await visit.read_form()
        work = partial(
            self._needs.pools.end_package,
            visit.principal, enterprise_of(visit), visit.path["package_id"], visit.now,
        )  # fmt: skip
        return await self._do(visit, form, work, mark("The package grants nothing more."))

    async def _do(self, visit: Visit, form: Form, work: Callable[[], object], toast: str) -> Answer:
        if form.is_valid:
            try:
                await self._needs.worker.run(work)
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
            else:
                enterprise_id = enterprise_of(visit)
                visit.notes.enterprise_id = enterprise_id
                to = visit.link("enterprisePackages", enterprise_id=enterprise_id)
                return Redirect(to, toast=visit.gettext(toast))
        return await self._view(visit, form)

    async def _view(self, visit: Visit, form: Form | None) -> View:
        needs, word = self._needs, visit.words.look_up
        context = await frame(needs, visit, "enterprisePackages")
        pool = await find_pool(needs, visit)
        packages: list[PackageDetail] = []
        if pool is not None:
            packages = await needs.worker.run(
                lambda: needs.pools.list_packages(visit.principal, enterprise_of(visit))
            )
        tariff = Tariff() if pool is None else pool.settings.tariff
        shown = form or visit.form()
        shown.fill(
            unit_s=tariff.unit_s, minimum_s=tariff.minimum_s,
            free_below_s=tariff.free_below_s, legs=tariff.legs,
            currency="CNY" if pool is None else pool.settings.currency,
            kind=PackageKind.ONE_OFF, carry_months=0,
        )  # fmt: skip
        context |= {
            "form": shown,
            "pool": pool,
            "packages": packages[::-1],
            "kind_options": [
                (each, word(label_of(each)), word(KIND_HINTS[each])) for each in PackageKind
            ],
        }
        return View("money/packages.html", context, 200 if shown.is_valid else 422)

    def _read_package(self, visit: Visit, form: Form) -> NewPackage | None:
        kind, name = form.one_of("kind", PackageKind), form.text("name")
        minutes = form.whole("minutes", least=1, most=SECONDS_MAX // _SECONDS_PER_MINUTE)
        is_overage = kind is PackageKind.OVERAGE
        price = 0 if is_overage else read_money(form, "price", micros_max=PRICE_MICROS_MAX)
        per_minute = 0
        if is_overage:
            per_minute = read_money(form, "price_per_minute", micros_max=MICROS_PER_MINUTE_MAX)
        carry = form.whole("carry_months", least=0, most=CARRY_MONTHS_MAX, is_required=False)
        last = read_day(form, "valid_until", is_required=False)
        if not form.is_valid:
            return None
        assert kind is not None and minutes is not None
        return NewPackage(
            kind=kind,
            name=name,
            seconds=minutes * _SECONDS_PER_MINUTE,
            price_micros=price,
            micros_per_minute=per_minute,
            valid_from=visit.now,
            valid_until=None if last is None else self._end_of(last),
            carry_months=(carry or 0) if kind is PackageKind.MONTHLY else 0,
        )

    def _end_of(self, day: date) -> datetime:
        """Its end, in the billing time zone."""
        return datetime.combine(day + timedelta(days=1), time(), self._needs.zone).astimezone(UTC)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="pools",
                path="/money",
                title=mark("Customers' minutes"),
                roles=STAFF_READERS,
                show=self.list_pools,
                operations=("showMinutePool",),
                nav=Nav(Section.MONEY, 10, "wallet"),
            ),
            Page(
                name="enterprisePackages",
                path="/money/{enterprise_id}/packages",
                title=mark("Tariff and packages"),
                roles=SELLERS,
                show=self.show,
                operations=("listPackages",),
                parent="enterprisePool",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        rows = (
            ("setUpPool", "pool", self.set_up),
            ("addPackage", "packages", self.sell),
            ("endPackage", "packages/{package_id}/end", self.end),
        )
        return [
            Action(
                operation=operation,
                path=f"/money/{{enterprise_id}}/{path}",
                roles=SELLERS,
                handle=handle,
            )
            for operation, path, handle in rows
        ]


def read_money(form: Form, name: str, *, micros_max: int) -> int:
    """An amount that somebody typed, in millionths; noted in the form where it is none."""
    text = form.text(name, is_required=False, characters_max=_MONEY_CHARACTERS_MAX)
    if not text:
        return 0
    try:
        micros = Decimal(text) * MICROS
    except InvalidOperation:
        micros = Decimal(-1)
    if not micros.is_finite() or not 0 <= micros <= micros_max or micros != int(micros):
        form.fail(name, mark("Enter an amount such as 12.50."))
        return 0
    return int(micros)
