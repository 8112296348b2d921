"""Exports of call records of a span: asked for, followed, downloaded while they are kept."""

import os
from datetime import datetime, time, timedelta
from typing import Any, BinaryIO

import structlog

from clicktodial.billing.export import ExportKind, ParquetMissing
from clicktodial.billing.export_order import ExportOrder, OrderState
from clicktodial.control.error import Overloaded
from clicktodial.domain.principal import Role
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.moment import read_day
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Clip,
    Nav,
    Page,
    Redirect,
    Section,
    View,
    Visit,
)
from clicktodial.portal.paging import PAGE_SIZE, parse_place, render_place
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.history import CallPlace
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX

# As the management API has it for files of call records, of the operator's people.
EXPORTERS = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
TONES = {
    OrderState.WAITING: "calm",
    OrderState.RUNNING: "busy",
    OrderState.DONE: "good",
    OrderState.FAILED: "bad",
    OrderState.DROPPED: "calm",
}
MEDIA_TYPES = {ExportKind.CSV: "text/csv", ExportKind.PARQUET: "application/vnd.apache.parquet"}
_FILLED_IN_DAYS = 30
log = structlog.get_logger()


class ExportPages:
    """GET /exports, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """GET /exports"""
        today = visit.now.astimezone(visit.local.zone).date()
        first = today - timedelta(days=_FILLED_IN_DAYS)
        chosen = visit.query.get("enterprise", "")[:IDENTIFIER_CHARACTERS_MAX]
        form = visit.form(
            enterprise_id=chosen,
            since=first.isoformat(),
            until=(today - timedelta(days=1)).isoformat(),
            kind=ExportKind.CSV.value,
        )
        return await self._view(visit, form)

    async def _view(self, visit: Visit, form: Form) -> Answer:
        needs, principal = self._needs, visit.principal
        place = parse_place(visit.query.get("before"))
        before = None if place is None else (place.begun_at, place.call_id)

        def read() -> dict[str, Any]:
            found = needs.export_orders.list_orders(principal, before=before, limit=PAGE_SIZE + 1)
            orders = found[:PAGE_SIZE]
            shown = {each.enterprise_id for each in orders}
            enterprises = needs.business.enterprises.list_enterprises(principal)
            return {
                "orders": orders,
                "has_more": len(found) > PAGE_SIZE,
                "enterprise_options": [(each.enterprise_id, each.name) for each in enterprises],
                "names": needs.names.enterprises(principal, shown),
                "accounts": needs.names.accounts(principal, [each.asked_by for each in orders]),
            }

        context = await needs.worker.run(read)
        orders: list[ExportOrder] = context["orders"]
        next_href = ""
        if context["has_more"]:
            last = CallPlace(orders[-1].asked_at, orders[-1].order_id)
            next_href = visit.link("exports", before=render_place(last))
        context |= {
            "form": form,
            "kinds": [(each, each.upper()) for each in ExportKind],
            "states": OrderState,
            "tones": TONES,
            "last_days": [(each, _last_day(each, visit)) for each in orders],
            "is_first": before is None,
            "next_href": next_href,
        }
        return View("operation/exports.html", context, 200 if form.is_valid else 422)

    async def watch(self, visit: Visit) -> Watch:
        """How far they all are."""
        return Watch(("exports",), self._needs.export_orders.version)

    async def ask(self, visit: Visit) -> Answer:
        """POST /exports"""
        form = await visit.read_form()
        enterprise_id = form.text("enterprise_id", characters_max=IDENTIFIER_CHARACTERS_MAX)
        kind = form.one_of("kind", ExportKind)
        since, until = read_day(form, "since"), read_day(form, "until")
        if since is not None and until is not None and until < since:
            form.fail("until", mark("This lies before the first day."))
        if not form.is_valid or kind is None or since is None or until is None:
            return await self._view(visit, form)
        visit.notes.enterprise_id = enterprise_id
        zone = visit.local.zone
        first = datetime.combine(since, time(), zone)
        end = datetime.combine(until + timedelta(days=1), time(), zone)
        try:
            order = await self._needs.worker.run(
                lambda: self._needs.export_orders.ask(
                    visit.principal, enterprise_id, kind, since=first, until=end, now=visit.now
                )
            )
        except NotFound:
            visit.notes.enterprise_id = None
            form.fail("enterprise_id", mark("Choose one of these."))
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
        else:
            visit.notes.subjects["export_order_id"] = order.order_id
            self._needs.take_up_orders()
            return Redirect(
                visit.link("exports"), toast=visit.gettext("It is being written: see the list.")
            )
        return await self._view(visit, form)

    async def download(self, visit: Visit) -> Answer:
        """GET /exports/{export_order_id}/file, from any node."""
        needs = self._needs

        def open_file() -> tuple[ExportOrder, BinaryIO]:
            order = needs.export_orders.find(visit.principal, visit.path["export_order_id"])
            try:
                return order, needs.export_orders.open(order)
            except (ParquetMissing, OSError) as error:
                log.error("export.not_written", export_id=order.order_id, error=str(error))
                raise Overloaded from error

        order, file = await needs.file_worker.run(open_file)
        visit.notes.enterprise_id = order.enterprise_id
        days = f"{order.since.astimezone(visit.local.zone):%Y%m%d}-{_last_day(order, visit):%Y%m%d}"
        return Clip(
            lambda: file,
            os.fstat(file.fileno()).st_size,
            f"cdrs-{order.enterprise_id}-{days}.{order.kind}",
            MEDIA_TYPES[order.kind],
            is_attachment=True,
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="exports",
                path="/exports",
                title=mark("Exports"),
                roles=EXPORTERS,
                show=self.show,
                operations=("listExports",),
                nav=Nav(Section.SYSTEM, 60, "file-up"),
                watch=self.watch,
            ),
            Page(
                name="downloadOrder",
                path="/exports/{export_order_id}/file",
                title=mark("Export"),
                roles=EXPORTERS,
                show=self.download,
                operations=("downloadExport",),
                is_access=True,
                is_file=True,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="orderExport",
                path="/exports",
                roles=EXPORTERS,
                handle=self.ask,
            ),
        ]


def _last_day(order: ExportOrder, visit: Visit) -> datetime:
    """The last day that is in it, in the visitor's zone."""
    return (order.until - timedelta(milliseconds=1)).astimezone(visit.local.zone)
