"""Files of many rows, imported beside the calls, as their pages show them: what is under way, and
what was wrong with which row. Members and lists of numbers have these pages each."""

import csv
import io
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import IO

from clicktodial.accounts.table_import import (
    PROBLEMS_PAGE_MAX,
    ImportJob,
    ImportOrder,
    ImportState,
    RowProblem,
)
from clicktodial.accounts.table_reader import FILE_BYTES_MAX, ROWS_MAX
from clicktodial.accounts.table_row import TableKind, column_names, neutralize
from clicktodial.domain.principal import Role
from clicktodial.portal.form import Form, Upload
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Download, Page, Redirect, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound
from clicktodial.storage.protection_row import PLATFORM_SCOPE

# On the page; all of them are in the report.
PROBLEMS_SHOWN = 100
# Jobs whose number of rows this node knows; of others the bar only says that they run.
_TOTALS_MAX = 100
_PIECE = 1024 * 1024
STATE_WORDS = {
    ImportState.WAITING: (mark("Waiting"), "busy"),
    ImportState.RUNNING: (mark("Running"), "busy"),
    ImportState.DONE: (mark("Done"), "good"),
    ImportState.REFUSED: (mark("Refused as a whole"), "bad"),
    ImportState.FAILED: (mark("Not readable"), "bad"),
    ImportState.INTERRUPTED: (mark("Interrupted"), "warn"),
}
_OPEN = (ImportState.WAITING, ImportState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportNames:
    """What the pages of one kind of import are called, and where they are."""

    kind: TableKind
    is_platform: bool
    # Of pages, "memberImport" say, and of operations of the management API, "Members" say.
    name: str
    operation: str
    path: str
    parameter: str
    parent: str
    readers: frozenset[Role]
    editors: frozenset[Role]


class ImportPages:
    """A list of imports with a form for another, one import, and its report."""

    def __init__(self, needs: ConsoleNeeds, names: ImportNames) -> None:
        self._needs = needs
        self._names = names
        self._totals: OrderedDict[str, int] = OrderedDict()

    async def list_all(self, visit: Visit) -> Answer:
        """Those that are kept, the newest first."""
        return await self._view_all(visit, visit.form(mode="partial"))

    async def take(self, visit: Visit) -> Answer:
        """A file: it is read by a process of its own, after the answer."""
        names = self._names
        form = await visit.read_form()
        upload = form.upload("file")
        is_all_or_nothing = form.value("mode") == "all-or-nothing"
        if not form.is_valid or upload is None:
            return await self._view_all(visit, form, 422)
        order = ImportOrder(
            kind=names.kind,
            scope=self._scope(visit),
            is_all_or_nothing=is_all_or_nothing,
            ordered_by=visit.principal.name,
        )
        # The upload is closed with its request; the runner owns and closes what it is given.
        file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            total = await self._needs.worker.run(lambda: _copy(upload, file))
            job_id = await self._needs.import_runner.submit(order, file)
        except BaseException:
            file.close()
            raise
        if total is not None:
            self._totals[job_id] = total
            while len(self._totals) > _TOTALS_MAX:
                self._totals.popitem(last=False)
        visit.notes.subjects[names.parameter] = job_id
        return Redirect(visit.link(names.name, **{names.parameter: job_id}))

    async def show(self, visit: Visit) -> Answer:
        """How far one is, and what was wrong with its rows."""

        def read() -> tuple[ImportJob, list[RowProblem]]:
            job = self._find(visit)
            problems = self._needs.importing.problems(job.job_id, limit=PROBLEMS_SHOWN + 1)
            return job, problems

        job, problems = await self._needs.worker.run(read)
        words, tone = STATE_WORDS[job.state]
        names = self._names
        context = {
            "job": job,
            "problems": problems[:PROBLEMS_SHOWN],
            "has_more": len(problems) > PROBLEMS_SHOWN,
            "words": visit.words.look_up(words),
            "tone": tone,
            "is_open": job.state in _OPEN,
            "total": self._totals.get(job.job_id),
            "report_href": visit.link(f"{names.name}Report", **visit.path),
            "again_href": visit.link(f"{names.name}s"),
            "back_href": visit.link(names.parent),
        }
        return View("layout/import.html", context)

    async def watch(self, visit: Visit) -> Watch:
        """How far it is."""
        path, scope = dict(visit.path), self._scope(visit)
        await self._needs.worker.run(lambda: self._find(visit))
        importing, kind = self._needs.importing, self._names.kind
        job_id = path[self._names.parameter]
        return Watch(("import", scope, job_id), lambda: importing.show(kind, scope, job_id))

    async def report(self, visit: Visit) -> Answer:
        """What is wrong with its rows, as a file."""
        job = await self._needs.worker.run(lambda: self._find(visit))
        return Download(self._report(visit, job.job_id), f"import-{job.job_id}.csv", "text/csv")

    async def _report(self, visit: Visit, job_id: str) -> AsyncIterator[bytes]:
        heading = [visit.gettext("Row"), visit.gettext("What is wrong")]
        yield "\ufeff".encode() + _csv([heading])
        after = 0
        while True:
            found = await self._needs.worker.run(
                lambda last=after: self._needs.importing.problems(  # type: ignore[misc]
                    job_id, after=last, limit=PROBLEMS_PAGE_MAX
                )
            )
            if not found:
                return
            rows = [[str(each.row), visit.explain(each.problem)] for each in found]
            yield _csv(rows)
            after = found[-1].row

    async def _view_all(self, visit: Visit, form: Form, status: int = 200) -> View:
        names, importing = self._names, self._needs.importing
        scope = self._scope(visit)
        jobs = await self._needs.worker.run(lambda: importing.list_recent(names.kind, scope))
        word = visit.words.look_up
        context = {
            "form": form,
            "jobs": jobs,
            "state_words": {each: (word(text), tone) for each, (text, tone) in _states()},
            "hrefs": {
                job.job_id: visit.link(names.name, **{names.parameter: job.job_id}) for job in jobs
            },
            "may_import": visit.may(names.editors),
            "import_href": visit.link(f"import{names.operation}"),
            "columns": ", ".join(column_names(names.kind)),
            "megabytes_max": FILE_BYTES_MAX // 1_000_000,
            "rows_max": ROWS_MAX,
        }
        return View("layout/imports.html", context, status)

    def _scope(self, visit: Visit) -> str:
        if self._names.is_platform:
            return PLATFORM_SCOPE
        own = visit.principal.enterprise_id
        if own is None:
            raise NotFound
        return own

    def _find(self, visit: Visit) -> ImportJob:
        job_id = visit.path[self._names.parameter]
        return self._needs.importing.show(self._names.kind, self._scope(visit), job_id)

    def pages(self) -> list[Page]:
        """What is shown."""
        names = self._names
        one = f"{names.path}/{{{names.parameter}}}"
        return [
            Page(
                name=f"{names.name}s",
                path=names.path,
                title=mark("Imports"),
                roles=names.readers,
                show=self.list_all,
                operations=(f"list{names.operation}Imports",),
                parent=names.parent,
            ),
            Page(
                name=names.name,
                path=one,
                title=mark("Import"),
                roles=names.readers,
                show=self.show,
                operations=(
                    f"show{names.operation}Import",
                    f"list{names.operation}ImportProblems",
                ),
                parent=f"{names.name}s",
                watch=self.watch,
            ),
            Page(
                name=f"{names.name}Report",
                path=f"{one}/report",
                title=mark("What was wrong with an import"),
                roles=names.readers,
                show=self.report,
                operations=(f"list{names.operation}ImportProblems",),
                parent=names.name,
                is_file=True,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        names = self._names
        return [
            Action(
                operation=f"import{names.operation}",
                path=names.path,
                roles=names.editors,
                handle=self.take,
                file_bytes_max=FILE_BYTES_MAX,
            )
        ]


def _states() -> Sequence[tuple[ImportState, tuple[str, str]]]:
    return list(STATE_WORDS.items())


def _copy(upload: Upload, file: IO[bytes]) -> int | None:
    """Copy it; how many rows a CSV file has about, None of another: the bar's other end."""
    if upload.name.lower().endswith(".xlsx"):
        shutil.copyfileobj(upload.file, file)
        total = None
    else:
        lines = 0
        while piece := upload.file.read(_PIECE):
            lines += piece.count(b"\n")
            file.write(piece)
        total = max(lines - 1, 1)
    file.seek(0)
    return total


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[neutralize(cell) for cell in row] for row in rows])
    return text.getvalue().encode()
