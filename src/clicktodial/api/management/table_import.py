"""Imports: a file that is sent, and the job that it becomes."""

import re
import tempfile
from typing import Any, Protocol

from clicktodial.accounts.table_import import (
    ImportJob,
    ImportOrder,
    ImportState,
    RowProblem,
    TableImport,
)
from clicktodial.accounts.table_reader import FILE_BYTES_MAX, ROWS_MAX
from clicktodial.accounts.table_row import TableKind, column_names
from clicktodial.api.management.enterprise_scope import ENTERPRISE_ID, EnterpriseScope
from clicktodial.api.management.paging import PAGE_MAX, PAGE_PARAMETERS, parse_limit
from clicktodial.api.management.problem import (
    BODY_TOO_LONG,
    INVALID_PARAMETER,
    NOT_FOUND,
    OVERLOADED,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.upload import UPLOAD_MEDIA, write_body
from clicktodial.api.management.user_view import EXAMPLE_ID
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.storage.protection_row import PLATFORM_SCOPE

# Each is a file of 20 MB that is on its way to the disk.
UPLOADS_MAX = 4
_MODES = ("partial", "all-or-nothing")
_CURSOR = re.compile(r"[0-9]{1,7}")


class Runner(Protocol):
    """What imports files beside the server's calls."""

    @property
    def has_room(self) -> bool: ...

    async def submit(self, order: ImportOrder, file: Any) -> str: ...


class ImportView(Strict, frozen=True):
    """An import. `rows` were read so far; `refused` of them are not in it, and told one by one
    as problems. `error` says why the file as a whole could not be read."""

    import_id: str
    state: ImportState
    is_all_or_nothing: bool
    rows: int
    added: int
    changed: int
    unchanged: int
    refused: int
    error: str | None
    created_by: str
    created_at: Instant
    finished_at: Instant | None


class ImportList(Strict, frozen=True):
    """The last imports, the newest first."""

    imports: list[ImportView]


class RowProblemView(Strict, frozen=True):
    """What is wrong with a row, which is numbered as a spreadsheet numbers it."""

    row: int
    problem: str


class RowProblemPage(Strict, frozen=True):
    """Problems, by row; `next` is the cursor of the page after, null on the last."""

    problems: list[RowProblemView]
    next: str | None


class ImportResource:
    """Imports of one kind: of each enterprise, or the operator's own."""

    def __init__(
        self,
        kind: TableKind,
        importing: TableImport,
        runner: Runner,
        scope: EnterpriseScope,
        worker: Worker,
        *,
        is_platform: bool = False,
    ) -> None:
        self._kind = kind
        self._importing = importing
        self._runner = runner
        self._scope = scope
        self._worker = worker
        self._is_platform = is_platform
        self._uploads = 0

    async def upload(self, ask: Ask) -> Created:
        """POST: the file goes to disk as it comes, and is read by a process of its own."""
        owner = await self._owner(ask)
        mode = ask.query.get("mode", _MODES[0])
        if mode not in _MODES:
            raise Refused(INVALID_PARAMETER, f"mode must be one of {', '.join(_MODES)}")
        if self._uploads >= UPLOADS_MAX or not self._runner.has_room:
            raise Refused(OVERLOADED)
        order = ImportOrder(
            kind=self._kind,
            scope=owner,
            is_all_or_nothing=mode == _MODES[1],
            ordered_by=ask.principal.name,
        )
        self._uploads += 1
        # Without a name, so that nothing is left of it whatever happens.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the runner closes it
        try:
            await write_body(ask.receive, file, bytes_max=FILE_BYTES_MAX)
            job_id = await self._runner.submit(order, file)
        except BaseException:
            file.close()
            raise
        finally:
            self._uploads -= 1
        job = await self._worker.run(lambda: self._importing.show(self._kind, owner, job_id))
        return Created(_render(job), f"{self._location(owner)}/{job_id}")

    async def list_all(self, ask: Ask) -> ImportList:
        """GET of all"""
        owner = await self._owner(ask)
        jobs = await self._worker.run(lambda: self._importing.list_recent(self._kind, owner))
        return ImportList(imports=[_render(job) for job in jobs])

    async def show(self, ask: Ask) -> ImportView:
        """GET of one"""
        return _render(await self._find(ask))

    async def problems(self, ask: Ask) -> RowProblemPage:
        """GET of what is wrong with its rows"""
        limit, cursor = parse_limit(ask.query), ask.query.get("cursor", "0")
        if not _CURSOR.fullmatch(cursor):
            raise Refused(INVALID_PARAMETER, "cursor must be what a page said in `next`")
        job = await self._find(ask)
        found: list[RowProblem] = await self._worker.run(
            lambda: self._importing.problems(job.job_id, after=int(cursor), limit=limit + 1)
        )
        return RowProblemPage(
            problems=[RowProblemView(row=each.row, problem=each.problem) for each in found[:limit]],
            next=str(found[limit - 1].row) if len(found) > limit else None,
        )

    async def _owner(self, ask: Ask) -> str:
        if self._is_platform:
            return PLATFORM_SCOPE
        return await self._scope.run(ask, lambda own: own)

    async def _find(self, ask: Ask) -> ImportJob:
        owner, job_id = await self._owner(ask), ask.path[self._id_name]
        return await self._worker.run(lambda: self._importing.show(self._kind, owner, job_id))

    @property
    def _id_name(self) -> str:
        return "import_id" if self._kind is TableKind.MEMBERS else "list_import_id"

    def _location(self, owner: str) -> str:
        path = "/member-imports" if self._kind is TableKind.MEMBERS else "/do-not-call-imports"
        return path if self._is_platform else f"/enterprises/{owner}{path}"

    def routes(self, tag: str, readers: frozenset[Role], editors: frozenset[Role]) -> list[Route]:
        """The rows of this resource."""
        path = self._location("{enterprise_id}")
        own = () if self._is_platform else (ENTERPRISE_ID,)
        import_id = Parameter(
            self._id_name, "The import.", {"type": "string", "maxLength": 64}, example=EXAMPLE_ID
        )
        one: dict[str, Any] = {"parameters": (*own, import_id)}
        name = "Members" if self._kind is TableKind.MEMBERS else "DoNotCall"
        name = f"Platform{name}" if self._is_platform else name
        what = "members" if self._kind is TableKind.MEMBERS else "numbers not to be called"
        columns = ", ".join(f"`{column}`" for column in column_names(self._kind))
        example = _EXAMPLE
        return [
            Route(
                name=f"import{name}",
                method="POST",
                path=path,
                tag=tag,
                roles=editors,
                summary=f"Import {what}",
                about="The body is the file: CSV (UTF-8 or GB18030; comma, semicolon or tab) or "
                f"XLSX, of at most {FILE_BYTES_MAX} bytes and {ROWS_MAX} rows, whose first row "
                f"names the columns: {columns}. It is imported beside the calls; the answer says "
                "where to read how far it is.",
                handle=self.upload,
                media=UPLOAD_MEDIA,
                body=bytes,
                answer=ImportView,
                answer_example=example,
                status=201,
                parameters=own,
                query=(_MODE,),
                problems=(NOT_FOUND, INVALID_PARAMETER, BODY_TOO_LONG),
            ),
            Route(
                name=f"list{name}Imports",
                method="GET",
                path=path,
                tag=tag,
                roles=readers,
                summary=f"List imports of {what}",
                about=f"The last {PAGE_MAX}, the newest first.",
                handle=self.list_all,
                answer=ImportList,
                answer_example={"imports": [example]},
                parameters=own,
                problems=(NOT_FOUND,),
            ),
            Route(
                name=f"show{name}Import",
                method="GET",
                path=f"{path}/{{{self._id_name}}}",
                tag=tag,
                roles=readers,
                summary=f"Read an import of {what}",
                about="How far it is, and what came of it.",
                handle=self.show,
                answer=ImportView,
                answer_example=example,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name=f"list{name}ImportProblems",
                method="GET",
                path=f"{path}/{{{self._id_name}}}/problems",
                tag=tag,
                roles=readers,
                summary=f"Read what was wrong with the rows of an import of {what}",
                about="In words, by row.",
                handle=self.problems,
                answer=RowProblemPage,
                answer_example={
                    "problems": [{"row": 3, "problem": "the number is not a telephone number"}],
                    "next": None,
                },
                query=PAGE_PARAMETERS,
                problems=(NOT_FOUND, INVALID_PARAMETER),
                **one,
            ),
        ]


def _render(job: ImportJob) -> ImportView:
    return ImportView(
        import_id=job.job_id,
        state=job.state,
        is_all_or_nothing=job.order.is_all_or_nothing,
        rows=job.rows_read,
        added=job.added,
        changed=job.changed,
        unchanged=job.unchanged,
        refused=job.refused,
        error=job.error,
        created_by=job.order.ordered_by,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


_MODE = Parameter(
    "mode",
    "`partial` (default) imports the sound rows, `all-or-nothing` nothing where one is not.",
    {"type": "string", "enum": list(_MODES)},
)
_EXAMPLE = {
    "import_id": EXAMPLE_ID,
    "state": "done",
    "is_all_or_nothing": False,
    "rows": 1_000,
    "added": 990,
    "changed": 5,
    "unchanged": 3,
    "refused": 2,
    "error": None,
    "created_by": EXAMPLE_ID,
    "created_at": "2026-03-01T12:00:00Z",
    "finished_at": "2026-03-01T12:00:02Z",
}
