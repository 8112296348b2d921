"""Monthly statements: on the page, and as PDF for the books."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

from clicktodial.billing.statement import Statement
from clicktodial.billing.statement_page import render_pdf
from clicktodial.portal.money.audience import (
    OWN_READERS,
    STAFF_READERS,
    enterprise_of,
    find_pool,
    frame,
)
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Download, Page, View, Visit
from clicktodial.portal.text import mark

MONTHS_SHOWN = 12
_MONTHS_A_YEAR = 12
# Of applications and departments so many have a line on the page; the file has all.
LINES_SHOWN = 50


class StatementPages:
    """GET /pool/statements, those of other enterprises, and one of them."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The last months, this one first."""
        needs, context = self._needs, await frame(self._needs, visit, "statements")
        pool = await find_pool(needs, visit)
        if pool is None:
            return View("money/no_pool.html", context)
        today = visit.now.astimezone(needs.zone)
        count = today.year * _MONTHS_A_YEAR + today.month - 1
        months = [divmod(count - back, _MONTHS_A_YEAR) for back in range(MONTHS_SHOWN)]
        context |= {
            "pool": pool,
            "months": [
                today.date().replace(year=year, month=month + 1, day=1) for year, month in months
            ],
        }
        return View("money/statements.html", context)

    async def show_one(self, visit: Visit) -> Answer:
        """A month; of one that is not over, as far as it has come."""
        made = await self._make(visit)
        context = await frame(self._needs, visit, "statements")
        context |= {
            "statement": made,
            "first_day": date.fromisoformat(f"{made.month}-01"),
            "is_over": made.month < visit.now.astimezone(self._needs.zone).strftime("%Y-%m"),
            "days": [(each.name[-2:], -(-each.billed_s // 60)) for each in made.by_day],
            "groups": [
                (mark("By application"), made.by_application[:LINES_SHOWN]),
                (mark("By department"), made.by_department[:LINES_SHOWN]),
            ],
        }
        return View("money/statement.html", context)

    async def print_one(self, visit: Visit) -> Answer:
        """The same as PDF."""
        made = await self._make(visit)
        font = None if self._needs.pdf_font is None else Path(self._needs.pdf_font)
        pdf = await self._needs.file_worker.run(lambda: render_pdf(made, font))
        return Download(_once(pdf), f"statement-{made.month}.pdf", "application/pdf")

    async def _make(self, visit: Visit) -> Statement:
        enterprise_id, month = enterprise_of(visit), visit.path["month"]
        return await self._needs.worker.run(
            lambda: self._needs.statements.make(visit.principal, enterprise_id, month, visit.now)
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        of_list: dict[str, Any] = {
            "title": mark("Statements"),
            "show": self.show,
            "operations": ("showStatement",),
        }
        of_one: dict[str, Any] = {
            "title": mark("Statement"),
            "roles": OWN_READERS | STAFF_READERS,
        }
        return [
            Page(
                name="statements",
                path="/pool/statements",
                roles=OWN_READERS,
                parent="pool",
                **of_list,
            ),
            Page(
                name="enterpriseStatements",
                path="/money/{enterprise_id}/statements",
                roles=STAFF_READERS,
                parent="enterprisePool",
                **of_list,
            ),
            Page(
                name="statement",
                path="/money/{enterprise_id}/statements/{month}",
                show=self.show_one,
                operations=("showStatement",),
                **of_one,
            ),
            Page(
                name="printStatement",
                path="/money/{enterprise_id}/statements/{month}/pdf",
                show=self.print_one,
                operations=("printStatement",),
                is_file=True,
                **of_one,
            ),
        ]


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
