"""Call detail records: looked at, and taken away as files."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, time, timedelta
from typing import Any, BinaryIO

import structlog

from clicktodial.billing.cdr import CdrDetail, CdrPlace, CdrQuery
from clicktodial.billing.export import ExportDetail, ParquetMissing, csv_pieces
from clicktodial.control.error import Overloaded
from clicktodial.domain.cause import EndReason
from clicktodial.portal.form import Form
from clicktodial.portal.local import masked
from clicktodial.portal.moment import read_day
from clicktodial.portal.money.audience import (
    KEEPERS,
    OWN_KEEPERS,
    STAFF_KEEPERS,
    enterprise_of,
    frame,
    link_money,
)
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Download, Page, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_place, render_place
from clicktodial.portal.text import mark
from clicktodial.storage.history import CallPlace

# What is shown where nobody says otherwise.
_SHOWN_DAYS = 30
EXPORTS_SHOWN = 31
_PIECE_BYTES = 262_144
log = structlog.get_logger()


class RecordPages:
    """GET /pool/records and /money/{enterprise_id}/records, and the files of them."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of the records of some days, the latest first, and the files of days."""
        return await self._show(visit, "cdrs", "enterpriseCdrs")

    async def show_numbers(self, visit: Visit) -> Answer:
        """The same with numbers whole: one entry of the audit log tells of all that are shown."""
        view = await self._show(visit, "cdrsNumbers", "enterpriseCdrsNumbers")
        records = view.context["records"]
        visit.notes.subjects["calls"] = str(len(records))
        if records:
            visit.notes.subjects["oldest_call_id"] = records[-1]["call_id"]
            visit.notes.subjects["newest_call_id"] = records[0]["call_id"]
        return view

    async def _show(self, visit: Visit, own: str, staff: str) -> View:
        needs, principal = self._needs, visit.principal
        context = await frame(needs, visit, "cdrs")
        form, query = _read_query(visit)
        place = parse_place(visit.query.get("before"))
        before = None if place is None else CdrPlace(place.begun_at, place.call_id)

        def read() -> tuple[list[CdrDetail], list[ExportDetail]]:
            exports = needs.exports.list(principal, query.enterprise_id)
            if not form.is_valid:
                return [], exports
            found = needs.cdrs.newest(principal, query, before=before, limit=PAGE_SIZE + 1)
            return found, exports

        found, exports = await needs.worker.run(read)
        records = [each.values for each in found[:PAGE_SIZE]]
        days = {name: visit.query.get(name) for name in ("since", "until")}
        next_href = ""
        if len(found) > PAGE_SIZE:
            last = render_place(CallPlace(*found[PAGE_SIZE - 1].place))
            next_href = link_money(visit, own, staff, **days, before=last)
        context |= {
            "form": form,
            "records": records,
            "reasons": {each.value: each for each in EndReason},
            "exports": exports[:EXPORTS_SHOWN],
            "filter_href": link_money(visit, "cdrs", "enterpriseCdrs"),
            "csv_href": visit.link("downloadCdrs", enterprise_id=query.enterprise_id, **days),
            "is_first": before is None,
            "first_href": link_money(visit, own, staff, **days),
            "shows_numbers": own == "cdrsNumbers",
            "show_number": str if own == "cdrsNumbers" else masked,
            "numbers_href": self._here(visit, "cdrsNumbers", "enterpriseCdrsNumbers"),
            "masked_href": self._here(visit, "cdrs", "enterpriseCdrs"),
            "next_href": next_href,
        }
        return View("money/records.html", context, 200 if form.is_valid else 422)

    def _here(self, visit: Visit, own: str, staff: str) -> str:
        """This page of the list, with numbers or without."""
        shown = {name: visit.query.get(name) for name in ("since", "until", "before")}
        return link_money(visit, own, staff, **shown)

    async def download(self, visit: Visit) -> Answer:
        """The same as a file, whole, with numbers: the audit log is told."""
        needs, (_, query) = self._needs, _read_query(visit)
        # Whether it may be seen at all, while that can still be answered.
        await needs.worker.run(lambda: needs.cdrs.page(visit.principal, query, limit=1))
        visit.notes.enterprise_id = query.enterprise_id
        pieces = csv_pieces(needs.cdrs.stream(query))
        name = f"cdrs-{query.enterprise_id}-{query.since:%Y%m%d}-{query.until:%Y%m%d}.csv"
        return Download(self._iterate(pieces), name, "text/csv")

    async def download_export(self, visit: Visit) -> Answer:
        """A file of a day, from any node."""
        needs, enterprise_id = self._needs, enterprise_of(visit)

        def open_file() -> tuple[str, BinaryIO]:
            detail = needs.exports.find(visit.principal, enterprise_id, visit.path["export_id"])
            name = f"cdrs-{detail.enterprise_id}-{detail.period}.{detail.kind}"
            try:
                return name, needs.exports.open(detail)
            except (ParquetMissing, OSError) as error:
                # It is not here, and this node cannot write it.
                log.error("export.not_written", export_id=detail.export_id, error=str(error))
                raise Overloaded from error

        name, file = await needs.file_worker.run(open_file)
        visit.notes.enterprise_id = enterprise_id
        return Download(self._iterate(_read_pieces(file)), name)

    async def _iterate(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        while piece := await self._needs.worker.run(lambda: next(pieces, b"")):
            yield piece

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {
            "title": mark("Call records"),
            "show": self.show,
            "operations": ("listCdrs", "listExports"),
        }
        numbers: dict[str, Any] = {
            "title": mark("Call records with whole numbers"),
            "show": self.show_numbers,
            "operations": ("listCdrs", "listExports"),
            "is_access": True,
        }
        return [
            Page(
                name="cdrs",
                path="/pool/records",
                roles=OWN_KEEPERS,
                parent="pool",
                **shared,
            ),
            Page(
                name="enterpriseCdrs",
                path="/money/{enterprise_id}/records",
                roles=STAFF_KEEPERS,
                parent="enterprisePool",
                **shared,
            ),
            Page(
                name="cdrsNumbers",
                path="/pool/records/numbers",
                roles=OWN_KEEPERS,
                parent="cdrs",
                **numbers,
            ),
            Page(
                name="enterpriseCdrsNumbers",
                path="/money/{enterprise_id}/records/numbers",
                roles=STAFF_KEEPERS,
                parent="enterpriseCdrs",
                **numbers,
            ),
            Page(
                name="downloadCdrs",
                path="/money/{enterprise_id}/records.csv",
                title=mark("Call records"),
                roles=KEEPERS,
                show=self.download,
                operations=("downloadCdrs",),
                is_access=True,
                is_file=True,
            ),
            Page(
                name="downloadExport",
                path="/money/{enterprise_id}/exports/{export_id}",
                title=mark("Call records"),
                roles=KEEPERS,
                show=self.download_export,
                operations=("downloadExport",),
                is_access=True,
                is_file=True,
            ),
        ]


def _read_query(visit: Visit) -> tuple[Form, CdrQuery]:
    """The days of the address, the last ones where it names none; what is wrong is noted."""
    form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
    zone = visit.local.zone
    today = visit.now.astimezone(zone).date()
    since = read_day(form, "since", is_required=False) or today - timedelta(days=_SHOWN_DAYS - 1)
    until = read_day(form, "until", is_required=False) or today
    if until < since:
        form.fail("until", mark("This lies before the first day."))
    form.fill(since=since.isoformat(), until=until.isoformat())
    query = CdrQuery(
        enterprise_of(visit),
        datetime.combine(since, time(), zone),
        datetime.combine(until + timedelta(days=1), time(), zone),
    )
    return form, query


def _read_pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
