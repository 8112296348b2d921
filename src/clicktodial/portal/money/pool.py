"""The pool: what is left, how it is used, who may use how much, and who hears of it."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from clicktodial.billing.pool import CapUse, PoolDetail
from clicktodial.billing.usage import DayUse
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.money.audience import (
    KEEPERS,
    OWN_READERS,
    STAFF_READERS,
    enterprise_of,
    find_pool,
    frame,
    link_money,
)
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Card, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid
from clicktodial.storage.minutes import EVERY
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX

# A month and what of the one before stands beside it in a chart.
CHART_DAYS = 31
CARD_DAYS = 14
CAP_MINUTES_MAX = 10_000_000
# Beyond these shares a pool, or a cap, needs somebody's eye.
WARN_PERCENT, BAD_PERCENT = 80, 100
# A pool that will not last so long is worth a warning.
_SOON = timedelta(days=7)
_PERCENT = re.compile(r"[0-9]{1,3}", re.ASCII)
_SEPARATOR = re.compile(r"[\s,;，；、]+")  # noqa: RUF001 - as Chinese keyboards write them
_LIST_CHARACTERS_MAX = 3_000


def tone_of(percent: float) -> str:
    """How a share that is used looks."""
    if percent >= BAD_PERCENT:
        return "bad"
    return "warn" if percent >= WARN_PERCENT else ""


class PoolPages:
    """GET /pool and /money/{enterprise_id}, and what is set there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The pool as it is now."""
        return await self._view(visit, None)

    async def set_alerts(self, visit: Visit) -> Answer:
        """POST .../alerts"""
        form, pools = await visit.read_form(), self._needs.pools
        percents = _read_percents(form)
        emails = _read_list(form, "alert_emails")
        work = partial(
            pools.set_alerts, visit.principal, enterprise_of(visit),
            percents=percents, emails=emails,
        )  # fmt: skip
        return await self._do(visit, form, work, mark("Saved."))

    async def set_cap(self, visit: Visit) -> Answer:
        """POST .../caps"""
        form, pools = await visit.read_form(), self._needs.pools
        scope, period = form.one_of("scope", CapScope), form.one_of("period", CapPeriod)
        key = form.text("key", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
        minutes = form.whole("minutes", least=1, most=CAP_MINUTES_MAX)
        work = partial(
            pools.set_cap, visit.principal, enterprise_of(visit),
            scope=scope or CapScope.MEMBER, key=key or EVERY,
            period=period or CapPeriod.MONTH, limit_s=60 * (minutes or 0),
        )  # fmt: skip
        return await self._do(visit, form, work, mark("The cap is set."))

    async def remove_cap(self, visit: Visit) -> Answer:
        """POST .../caps/{cap_id}/remove"""
        form, cap_id = await visit.read_form(), visit.path["cap_id"]
        work = partial(self._needs.pools.remove_cap, visit.principal, enterprise_of(visit), cap_id)
        return await self._do(visit, form, work, mark("The cap is removed."))

    async def _do(self, visit: Visit, form: Form, work: Callable[[], object], toast: str) -> Answer:
        if form.is_valid:
            try:
                await self._needs.worker.run(work)
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
            else:
                visit.notes.enterprise_id = enterprise_of(visit)
                to = link_money(visit, "pool", "enterprisePool")
                return Redirect(to, toast=visit.gettext(toast))
        return await self._view(visit, form)

    async def _view(self, visit: Visit, form: Form | None) -> View:
        needs, principal = self._needs, visit.principal
        context = await frame(needs, visit, "pool")
        pool = await find_pool(needs, visit)
        if pool is None:
            return View("money/no_pool.html", context)
        enterprise_id = pool.enterprise_id
        after = parse_identifier(visit.query.get("after"))

        def read() -> tuple[list[DayUse], list[CapUse]]:
            days = needs.daily_use.read(principal, enterprise_id, visit.now, days=CHART_DAYS)
            caps = needs.pools.list_cap_uses(
                principal, enterprise_id, visit.now, after=after, limit=PAGE_SIZE + 1
            )
            return days, caps

        days, caps = await needs.worker.run(read)
        shown = form or visit.form()
        shown.fill(
            alert_percents=", ".join(map(str, pool.settings.alert_percents)),
            alert_emails="\n".join(pool.settings.alert_emails),
            scope=CapScope.MEMBER,
            period=CapPeriod.MONTH,
        )
        word = visit.words.look_up
        context |= pool_facts(visit, pool, days)
        context |= {
            "form": shown,
            "caps": caps[:PAGE_SIZE],
            "every": EVERY,
            "tone_of": tone_of,
            "next_href": _next(visit, caps),
            "scope_options": [(each, word(label_of(each))) for each in CapScope],
            "cap_period_options": [(each, word(label_of(each))) for each in CapPeriod],
        }
        return View("money/pool.html", context, 200 if shown.is_valid else 422)

    async def load_card(self, visit: Visit) -> dict[str, Any]:
        """What the overview says of one's own pool."""
        needs, pool = self._needs, await find_pool(self._needs, visit)
        if pool is None:
            return {"pool": None}
        enterprise_id = pool.enterprise_id
        days = await needs.worker.run(
            lambda: needs.daily_use.read(visit.principal, enterprise_id, visit.now, days=CHART_DAYS)
        )
        return pool_facts(visit, pool, days) | {"tone_of": tone_of}

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {
            "title": mark("Pool and bills"),
            "show": self.show,
            "operations": ("showMinutePool", "listCaps"),
        }
        return [
            Page(
                name="pool",
                path="/pool",
                roles=OWN_READERS,
                nav=Nav(Section.MONEY, 10, "wallet"),
                **shared,
            ),
            Page(
                name="enterprisePool",
                path="/money/{enterprise_id}",
                roles=STAFF_READERS,
                parent="pools",
                **shared,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        rows = (
            ("setPoolAlerts", "alerts", self.set_alerts),
            ("setCap", "caps", self.set_cap),
            ("removeCap", "caps/{cap_id}/remove", self.remove_cap),
        )
        return [
            Action(
                operation=operation,
                path=f"/money/{{enterprise_id}}/{path}",
                roles=KEEPERS,
                handle=handle,
            )
            for operation, path, handle in rows
        ]

    def cards(self) -> list[Card]:
        """What the overview has."""
        return [
            Card(
                name="pool",
                order=20,
                roles=OWN_READERS,
                template="money/card.html",
                load=self.load_card,
            )
        ]


def pool_facts(visit: Visit, pool: PoolDetail, days: list[DayUse]) -> dict[str, Any]:
    """What is told of a pool wherever it is."""
    today = days[-1].day
    runs_dry_at = pool.runs_dry_at
    return {
        "pool": pool,
        "month_s": sum(each.billed_s for each in days if each.day.month == today.month),
        "month_calls": sum(each.calls for each in days if each.day.month == today.month),
        "days": [(visit.local.day_of_month(each.day), -(-each.billed_s // 60)) for each in days],
        "sparks": [each.billed_s for each in days[-CARD_DAYS:]],
        "is_dry_soon": runs_dry_at is not None and runs_dry_at < visit.now + _SOON,
    }


def _next(visit: Visit, caps: list[CapUse]) -> str:
    if len(caps) <= PAGE_SIZE:
        return ""
    after = caps[PAGE_SIZE - 1].cap.cap_id
    return link_money(visit, "pool", "enterprisePool", after=after)


def _read_list(form: Form, name: str) -> tuple[str, ...]:
    text = form.text(name, is_required=False, characters_max=_LIST_CHARACTERS_MAX)
    return tuple(each for each in _SEPARATOR.split(text) if each)


def _read_percents(form: Form) -> tuple[int, ...]:
    found = _read_list(form, "alert_percents")
    if not all(_PERCENT.fullmatch(each) for each in found):
        form.fail("alert_percents", mark("Enter whole numbers from 1 to 100, with commas."))
        return ()
    return tuple(map(int, found))
