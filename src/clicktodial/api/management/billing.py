"""`/enterprises/{enterprise_id}/pool`, `packages`, `caps`, `cdrs`, `statements`, `exports`."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from clicktodial.api.management.billing_view import (
    AlertsBody,
    CapBody,
    CapList,
    CapView,
    CdrList,
    ExportList,
    MinutePoolBody,
    MinutePoolView,
    PackageBody,
    PackageList,
    PackageView,
    StatementView,
    render_cap,
    render_cdr,
    render_export,
    render_package,
    render_pool,
    render_statement,
)
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_cursor,
    parse_limit,
    render_cursor,
)
from clicktodial.api.management.problem import (
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
    UNAVAILABLE,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Download, Parameter, Route
from clicktodial.api.management.worker import Worker
from clicktodial.billing.cdr import CdrPlace, CdrQuery, CdrReader
from clicktodial.billing.export import Exports, ParquetMissing, csv_pieces
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statement, Statements
from clicktodial.billing.statement_page import render_html, render_pdf
from clicktodial.domain.principal import Role
from clicktodial.storage.history import CallPlace

_READERS = frozenset(
    {Role.OWNER, Role.FINANCE, Role.READER, Role.ACCOUNT_MANAGER, Role.SUPPORT, Role.OPERATOR}
)
# Who was called is personal data: not for everybody who may see a sum.
_BOOK_KEEPERS = frozenset({Role.OWNER, Role.FINANCE, Role.ACCOUNT_MANAGER, Role.OPERATOR})
_SELLERS = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})

_PIECE_BYTES = 262_144
log = structlog.get_logger()

_TAG = "Minutes and money"
_ENTERPRISE = Parameter("enterprise_id", "The enterprise.", {"type": "string"}, example="default")
_PACKAGE = Parameter("package_id", "The package.", {"type": "string"}, example="019a3f6e8b5c7d2e")
_CAP = Parameter("cap_id", "The cap.", {"type": "string"}, example="019a3f6e8b5c7d2e")
_MONTH = Parameter(
    "month", "The month.", {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}, example="2026-01"
)
_EXPORT = Parameter("export_id", "The file.", {"type": "string"}, example="019a3f6e8b5c7d2e")
_INSTANT = {"type": "string", "format": "date-time"}
_SPAN = (
    Parameter("since", "The first moment at which a call may have ended.", _INSTANT),
    Parameter("until", "The first moment that is too late.", _INSTANT),
)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_EVER = (datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingNeeds:
    """What the resource works with."""

    pools: Pools
    cdrs: CdrReader
    statements: Statements
    exports: Exports
    # Writes files anew, which may take long, and holds up nobody else meanwhile.
    file_worker: Worker
    pdf_font: str | None = None


class BillingResource:
    """Minutes and money of enterprises."""

    def __init__(self, needs: BillingNeeds, worker: Worker) -> None:
        self._needs = needs
        self._pools = needs.pools
        self._worker = worker

    # The pool

    async def show(self, ask: Ask) -> MinutePoolView:
        """GET .../pool"""
        detail = await self._worker.run(
            lambda: self._pools.show(ask.principal, ask.path["enterprise_id"], ask.now)
        )
        return render_pool(detail)

    async def set_up(self, ask: Ask) -> MinutePoolView:
        """PUT .../pool"""
        settings = (await ask.read(MinutePoolBody)).settings()
        await self._worker.run(
            lambda: self._pools.set_up(ask.principal, ask.path["enterprise_id"], settings, ask.now)
        )
        return await self.show(ask)

    async def set_alerts(self, ask: Ask) -> MinutePoolView:
        """PUT .../pool/alerts"""
        body = await ask.read(AlertsBody)
        await self._worker.run(
            lambda: self._pools.set_alerts(
                ask.principal,
                ask.path["enterprise_id"],
                percents=tuple(body.alert_percents),
                emails=tuple(body.alert_emails),
            )
        )
        return await self.show(ask)

    # Packages

    async def list_packages(self, ask: Ask) -> PackageList:
        """GET .../packages"""
        details = await self._worker.run(
            lambda: self._pools.list_packages(ask.principal, ask.path["enterprise_id"])
        )
        return PackageList(packages=[render_package(each) for each in details])

    async def add_package(self, ask: Ask) -> Created:
        """POST .../packages"""
        new = (await ask.read(PackageBody)).package(ask.now)
        enterprise_id = ask.path["enterprise_id"]
        detail = await self._worker.run(
            lambda: self._pools.add_package(ask.principal, enterprise_id, new, ask.now)
        )
        location = f"/enterprises/{enterprise_id}/packages/{detail.package_id}"
        return Created(render_package(detail), location)

    async def end_package(self, ask: Ask) -> None:
        """POST .../packages/{package_id}/end"""
        await self._worker.run(
            lambda: self._pools.end_package(
                ask.principal, ask.path["enterprise_id"], ask.path["package_id"], ask.now
            )
        )

    # Caps

    async def list_caps(self, ask: Ask) -> CapList:
        """GET .../caps"""
        details = await self._worker.run(
            lambda: self._pools.list_caps(ask.principal, ask.path["enterprise_id"])
        )
        return CapList(caps=[render_cap(each) for each in details])

    async def set_cap(self, ask: Ask) -> CapView:
        """PUT .../caps"""
        body = await ask.read(CapBody)
        detail = await self._worker.run(
            lambda: self._pools.set_cap(
                ask.principal,
                ask.path["enterprise_id"],
                scope=body.scope,
                key=body.key,
                period=body.period,
                limit_s=body.limit_s,
            )
        )
        return render_cap(detail)

    async def remove_cap(self, ask: Ask) -> None:
        """DELETE .../caps/{cap_id}"""
        await self._worker.run(
            lambda: self._pools.remove_cap(
                ask.principal, ask.path["enterprise_id"], ask.path["cap_id"]
            )
        )

    # CDRs

    async def list_cdrs(self, ask: Ask) -> CdrList:
        """GET .../cdrs"""
        query, limit = _parse_span(ask), parse_limit(ask.query)
        cursor = parse_cursor(ask.query)
        after = None if cursor is None else CdrPlace(cursor.begun_at, cursor.call_id)
        page = await self._worker.run(
            lambda: self._needs.cdrs.page(ask.principal, query, after=after, limit=limit + 1)
        )
        place = page[limit - 1].place if len(page) > limit else None
        return CdrList(
            cdrs=[render_cdr(each) for each in page[:limit]],
            next=None if place is None else render_cursor(CallPlace(*place)),
        )

    async def stream_cdrs(self, ask: Ask) -> Download:
        """GET .../cdrs.csv"""
        query = _parse_span(ask)
        # Whether it may be seen at all, while that can still be answered.
        await self._worker.run(lambda: self._needs.cdrs.page(ask.principal, query, limit=1))
        pieces = csv_pieces(self._needs.cdrs.stream(query))
        return Download(self._iterate(pieces), f"cdrs-{query.enterprise_id}.csv")

    async def _iterate(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        while piece := await self._worker.run(lambda: next(pieces, b"")):
            yield piece

    # Statements

    async def show_statement(self, ask: Ask) -> StatementView:
        """GET .../statements/{month}"""
        return render_statement(await self._make_statement(ask))

    async def page_statement(self, ask: Ask) -> Download:
        """GET .../statements/{month}/html"""
        made = await self._make_statement(ask)
        return Download(_once(render_html(made)), f"statement-{made.month}.html")

    async def print_statement(self, ask: Ask) -> Download:
        """GET .../statements/{month}/pdf"""
        made = await self._make_statement(ask)
        font = None if self._needs.pdf_font is None else Path(self._needs.pdf_font)
        pdf = await self._worker.run(lambda: render_pdf(made, font))
        return Download(_once(pdf), f"statement-{made.month}.pdf")

    async def _make_statement(self, ask: Ask) -> Statement:
        return await self._worker.run(
            lambda: self._needs.statements.make(
                ask.principal, ask.path["enterprise_id"], ask.path["month"], ask.now
            )
        )

    # Exports

    async def list_exports(self, ask: Ask) -> ExportList:
        """GET .../exports"""
        details = await self._worker.run(
            lambda: self._needs.exports.list(ask.principal, ask.path["enterprise_id"])
        )
        return ExportList(exports=[render_export(each) for each in details])

    async def download_export(self, ask: Ask) -> Download:
        """GET .../exports/{export_id}/file"""

        def open_file() -> tuple[str, BinaryIO]:
            detail = self._needs.exports.find(
                ask.principal, ask.path["enterprise_id"], ask.path["export_id"]
            )
            name = f"cdrs-{detail.enterprise_id}-{detail.period}.{detail.kind}"
            try:
                return name, self._needs.exports.open(detail)
            except (ParquetMissing, OSError) as error:
                # It is not here, and this node cannot write it.
                log.error("export.not_written", export_id=detail.export_id, error=str(error))
                raise Refused(UNAVAILABLE) from error

        name, file = await self._needs.file_worker.run(open_file)
        return Download(self._iterate(_read_pieces(file)), name)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._pool_routes(), *self._package_routes(), *self._book_routes()]

    def _pool_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}"
        return [
            Route(
                name="showMinutePool",
                method="GET",
                path=f"{path}/pool",
                tag=_TAG,
                summary="Read what is left",
                about="The pool of minutes, and how calls are charged.",
                roles=_READERS,
                handle=self.show,
                answer=MinutePoolView,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="setUpPool",
                method="PUT",
                path=f"{path}/pool",
                tag=_TAG,
                summary="Charge an enterprise's calls",
                about="From then on its calls need minutes; those that run are charged as they "
                "began. The currency of a pool stays.",
                roles=_SELLERS,
                handle=self.set_up,
                body=MinutePoolBody,
                body_example={"tariff": {"unit_s": 60}, "alert_emails": ["books@example.com"]},
                answer=MinutePoolView,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name="setPoolAlerts",
                method="PUT",
                path=f"{path}/pool/alerts",
                tag=_TAG,
                summary="Tell when minutes run low",
                about="A mail each time that a share of the minutes in valid packages is used.",
                roles=_BOOK_KEEPERS,
                handle=self.set_alerts,
                body=AlertsBody,
                body_example={"alert_percents": [80, 100], "alert_emails": ["books@example.com"]},
                answer=MinutePoolView,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name="listCaps",
                method="GET",
                path=f"{path}/caps",
                tag=_TAG,
                summary="List caps",
                about="What members, departments and applications may use.",
                roles=_READERS,
                handle=self.list_caps,
                answer=CapList,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="setCap",
                method="PUT",
                path=f"{path}/caps",
                tag=_TAG,
                summary="Set a cap",
                about="One of the same scope, key and period is changed.",
                roles=_BOOK_KEEPERS,
                handle=self.set_cap,
                body=CapBody,
                body_example={"scope": "member", "period": "month", "limit_s": 36_000},
                answer=CapView,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name="removeCap",
                method="DELETE",
                path=f"{path}/caps/{{cap_id}}",
                tag=_TAG,
                summary="Remove a cap",
                about="It bounds nobody any more.",
                roles=_BOOK_KEEPERS,
                handle=self.remove_cap,
                status=204,
                parameters=(_ENTERPRISE, _CAP),
                problems=(NOT_FOUND,),
            ),
        ]

    def _package_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}/packages"
        return [
            Route(
                name="listPackages",
                method="GET",
                path=path,
                tag=_TAG,
                summary="List packages",
                about="All that were sold.",
                roles=_READERS,
                handle=self.list_packages,
                answer=PackageList,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="addPackage",
                method="POST",
                path=path,
                tag=_TAG,
                summary="Sell a package",
                about="What it grants now may be used at once.",
                roles=_SELLERS,
                handle=self.add_package,
                body=PackageBody,
                body_example={
                    "kind": "monthly",
                    "name": "Business 600",
                    "seconds": 36_000,
                    "price_micros": 50_000_000,
                    "carry_months": 1,
                },
                answer=PackageView,
                status=201,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name="endPackage",
                method="POST",
                path=f"{path}/{{package_id}}/end",
                tag=_TAG,
                summary="End a package",
                about="It grants nothing more; what is left of overage is taken back.",
                roles=_SELLERS,
                handle=self.end_package,
                status=204,
                parameters=(_ENTERPRISE, _PACKAGE),
                problems=(NOT_FOUND,),
            ),
        ]

    def _book_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}"
        statement: dict[str, Any] = {
            "method": "GET",
            "tag": _TAG,
            "about": "The calls that ended in a month; of one that is not over, as far as it "
            "has come.",
            "roles": _READERS,
            "parameters": (_ENTERPRISE, _MONTH),
            "problems": (NOT_FOUND, INVALID_VALUE),
        }
        return [
            Route(
                name="listCdrs",
                method="GET",
                path=f"{path}/cdrs",
                tag=_TAG,
                summary="List CDRs",
                about="In the order in which the calls ended.",
                roles=_BOOK_KEEPERS,
                handle=self.list_cdrs,
                answer=CdrList,
                parameters=(_ENTERPRISE,),
                query=(*_SPAN, *PAGE_PARAMETERS),
                problems=(NOT_FOUND,),
                is_access=True,
            ),
            Route(
                name="downloadCdrs",
                method="GET",
                path=f"{path}/cdrs.csv",
                tag=_TAG,
                summary="Download CDRs",
                about="All of a period, as CSV.",
                roles=_BOOK_KEEPERS,
                handle=self.stream_cdrs,
                answer_media=CSV_MEDIA_TYPE,
                parameters=(_ENTERPRISE,),
                query=_SPAN,
                problems=(NOT_FOUND,),
                is_access=True,
            ),
            Route(
                name="showStatement",
                path=f"{path}/statements/{{month}}",
                summary="Read a statement",
                handle=self.show_statement,
                answer=StatementView,
                **statement,
            ),
            Route(
                name="showStatementPage",
                path=f"{path}/statements/{{month}}/html",
                summary="Download a statement as HTML",
                handle=self.page_statement,
                answer_media=HTML_MEDIA_TYPE,
                **statement,
            ),
            Route(
                name="printStatement",
                path=f"{path}/statements/{{month}}/pdf",
                summary="Download a statement as PDF",
                handle=self.print_statement,
                answer_media=PDF_MEDIA_TYPE,
                **statement,
            ),
            Route(
                name="listExports",
                method="GET",
                path=f"{path}/exports",
                tag=_TAG,
                summary="List exported files",
                about="Those that the schedule wrote and that are kept.",
                roles=_BOOK_KEEPERS,
                handle=self.list_exports,
                answer=ExportList,
                parameters=(_ENTERPRISE,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="downloadExport",
                method="GET",
                path=f"{path}/exports/{{export_id}}/file",
                tag=_TAG,
                summary="Download an exported file",
                about="CSV or Parquet, from any node: one that has it not writes it anew.",
                roles=_BOOK_KEEPERS,
                handle=self.download_export,
                answer_media=FILE_MEDIA_TYPE,
                parameters=(_ENTERPRISE, _EXPORT),
                problems=(NOT_FOUND,),
                is_access=True,
            ),
        ]


CSV_MEDIA_TYPE = "text/csv"
HTML_MEDIA_TYPE = "text/html"
PDF_MEDIA_TYPE = "application/pdf"
FILE_MEDIA_TYPE = "application/octet-stream"


def _parse_span(ask: Ask) -> CdrQuery:
    since, until = (
        _parse_instant(ask.query.get(parameter.name), default, parameter.name)
        for parameter, default in zip(_SPAN, _EVER, strict=True)
    )
    return CdrQuery(ask.path["enterprise_id"], since, until)


def _parse_instant(text: str | None, default: datetime, name: str) -> datetime:
    if text is None:
        return default
    try:
        if _RFC3339.fullmatch(text):
            return min(max(datetime.fromisoformat(text), _EVER[0]), _EVER[1])
    except ValueError:
        pass  # told below, as what does not look like a time
    raise Refused(INVALID_PARAMETER, f"{name} must be a time of RFC 3339")


def _read_pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
