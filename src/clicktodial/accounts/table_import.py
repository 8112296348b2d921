"""Files of members, and of numbers not to be called, on their way into the database.

Theory of operation. A job is a row that says how far it has come; whoever asks reads it there,
on whatever node. Rows come from a process that reads the file (table_reader), and go into the
database some hundred at a time, so that calls never wait for more than such a batch:

    waiting --> running --> done        every row written, or told what is wrong with it
                   |------> refused     all or nothing, and something was wrong: nothing written
                   |------> failed      the file cannot be read; the rows before that are written
                   '------> interrupted the process ended; as with failed

All or nothing reads to the end before it writes; the rows wait in a file meanwhile, and are
written in one transaction, which bounds how many they may be.
"""

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import IO, Any, TypeAlias

import msgspec
import structlog
import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select, update

from clicktodial.accounts.do_not_call import write_listed
from clicktodial.accounts.member import BatchOutcome, write_members
from clicktodial.accounts.table_reader import TableLine, open_table
from clicktodial.accounts.table_row import ListedRow, MemberRow, TableError, TableKind
from clicktodial.domain.wording import worded
from clicktodial.storage import member_table
from clicktodial.storage.error import AdministrationError, NotFound
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# A batch holds the database for some 20 ms.
BATCH_ROWS = 500
# One transaction writes as many where it is all or nothing, and calls wait for its end: some two
# seconds on a slow machine, while they give up after five (database.commit_timeout_s).
WHOLE_ROWS_MAX = 20_000
# Kept of each enterprise; the older ones go when a new one comes.
JOBS_KEPT_MAX = 100
PROBLEMS_PAGE_MAX = 1_000

_job, _problem = member_table.import_job, member_table.import_problem


class ImportState(StrEnum):
    """How far a job has come."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


_OPEN = (ImportState.WAITING, ImportState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """What is to be imported. `scope` is the enterprise; empty: the platform's own list."""

    kind: TableKind
    scope: str
    is_all_or_nothing: bool
    ordered_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """A job as it is now. Rows that are the same as before count as `unchanged`."""

    job_id: str
    order: ImportOrder
    state: ImportState
    rows_read: int
    added: int
    changed: int
    unchanged: int
    refused: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row of the file, as a spreadsheet numbers it, and what is wrong with it."""

    row: int
    problem: str


_Row: TypeAlias = MemberRow | ListedRow


@dataclass(slots=True)
class _Progress:
    """What is written of a job with each batch."""

    rows_read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    refused: int = 0

    def add(self, outcome: BatchOutcome) -> None:
        self.added += outcome.added
        self.changed += outcome.changed
        self.unchanged += outcome.unchanged
        self.refuse(outcome.problems)

    def refuse(self, problems: Iterable[tuple[int, str]]) -> None:
        for problem in problems:
            self.problems.append(problem)
            self.refused += 1


class _Refused(Exception):
    """Nothing of the file is to be written."""


class TableImport:
    """Makes, runs and shows jobs. Blocking; a job runs on the thread that calls `run`."""

    def __init__(
        self, transactions: Transactions, keys: NumberKeys, *, region: str, node_id: str
    ) -> None:
        self._transactions = transactions
        self._keys = keys
        self._region = region
        self._node_id = node_id
        self.stopping = threading.Event()
        self._end_reader: Callable[[], None] | None = None

    def stop(self) -> None:
        """From any thread: end the job that runs after the batch that it writes, whether or not
        whatever reads its file tells any more rows."""
        self.stopping.set()
        if self._end_reader is not None:
            self._end_reader()

    def _take_reader(self, end: Callable[[], None]) -> None:
        self._end_reader = end
        if self.stopping.is_set():
            end()  # `stop` came before, and found none

    def create(self, order: ImportOrder, *, now: datetime) -> str:
        """A job that waits; returns its identifier."""
        job_id: str = uuid_utils.uuid7().hex
        with self._transactions.change(concerns_calls=False) as connection:
            _forget_old(connection, order)
            connection.execute(
                insert(_job).values(
                    id=job_id,
                    node_id=self._node_id,
                    scope=order.scope,
                    kind=order.kind,
                    state=ImportState.WAITING,
                    is_all_or_nothing=order.is_all_or_nothing,
                    rows_read=0,
                    added=0,
                    changed=0,
                    unchanged=0,
                    refused=0,
                    created_by=order.ordered_by,
                    created_at=now,
                )
            )
        return job_id

    def interrupt_open(self, *, now: datetime) -> None:
        """End the jobs that this node left open when it died."""
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(
                update(_job)
                .where(_job.c.node_id == self._node_id, _job.c.state.in_(_OPEN))
                .values(state=ImportState.INTERRUPTED, finished_at=now)
            )

    def show(self, kind: TableKind, scope: str, job_id: str) -> ImportJob:
        """One job of that enterprise, or of the platform. Raises NotFound."""
        query = select(_job).where(_job.c.id == job_id, _job.c.scope == scope, _job.c.kind == kind)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(worded("there is no import %(job_id)s", job_id=job_id))
        return _read_job(row)

    def list_recent(self, kind: TableKind, scope: str) -> list[ImportJob]:
        """Those that are kept, the newest first."""
        query = (
            select(_job)
            .where(_job.c.scope == scope, _job.c.kind == kind)
            .order_by(_job.c.id.desc())
            .limit(JOBS_KEPT_MAX)
        )
        with self._transactions.read() as connection:
            return [_read_job(row) for row in connection.execute(query)]

    def problems(self, job_id: str, *, after: int = 0, limit: int) -> list[RowProblem]:
        """What is wrong, by row, behind the row `after`."""
        query = (
            select(_problem.c.row, _problem.c.problem)
            .where(_problem.c.job_id == job_id, _problem.c.row > after)
            .order_by(_problem.c.row)
            .limit(min(limit, PROBLEMS_PAGE_MAX))
        )
        with self._transactions.read() as connection:
            return [RowProblem(row.row, row.problem) for row in connection.execute(query)]

    def run(self, job_id: str, order: ImportOrder, file: IO[bytes]) -> ImportState:
        """Import the file; whatever is wrong with it is told in the job. Raises
        DatabaseUnavailable."""
        progress = _Progress()
        self._save(job_id, progress, ImportState.RUNNING)
        try:
            with open_table(file, order.kind, self._region, on_start=self._take_reader) as lines:
                rows = self._take_rows(order.kind, lines, progress)
                if order.is_all_or_nothing:
                    self._write_all(job_id, order, rows, progress)
                else:
                    self._write_each(job_id, order, rows, progress)
        except _Refused:
            state, error = ImportState.REFUSED, None
        except (TableError, AdministrationError) as failure:
            state, error = ImportState.FAILED, str(failure)
        else:
            state, error = ImportState.DONE, None
        if self.stopping.is_set():
            state, error = ImportState.INTERRUPTED, None
        self._save(job_id, progress, state, error)
        log.info("import.ended", job_id=job_id, state=state.value, rows=progress.rows_read)
        return state

    def _take_rows(
        self, kind: TableKind, lines: Iterator[TableLine], progress: _Progress
    ) -> Iterator[tuple[int, _Row] | None]:
        """Those that are sound and not of the same number as one before; None for each other one,
        so that a batch has no more problems than rows."""
        row_type = _ROW_TYPES[kind]
        first_rows: dict[str, int] = {}
        for line in lines:
            if self.stopping.is_set():
                return
            progress.rows_read += 1
            if line.values is None:
                progress.refuse([(line.row, line.problem or "")])
                yield None
                continue
            row: _Row = msgspec.convert(line.values, row_type)
            first = first_rows.setdefault(row.e164, line.row)
            if first == line.row:
                yield line.row, row
            else:
                problem = worded("the number stands in row %(first)s already", first=first)
                progress.refuse([(line.row, str(problem))])
                yield None

    def _write_each(
        self,
        job_id: str,
        order: ImportOrder,
        rows: Iterator[tuple[int, _Row] | None],
        progress: _Progress,
    ) -> None:
        for batch in _batches(rows):
            with self._transactions.change(concerns_calls=False) as connection:
                if batch:
                    progress.add(self._write(connection, order, batch))
                _write_progress(connection, job_id, progress, ImportState.RUNNING)

    def _write_all(
        self,
        job_id: str,
        order: ImportOrder,
        rows: Iterator[tuple[int, _Row] | None],
        progress: _Progress,
    ) -> None:
        with tempfile.TemporaryFile() as spool:
            for batch in _batches(rows):
                spool.write(msgspec.json.encode(batch) + b"\n")
                if progress.rows_read > WHOLE_ROWS_MAX:
                    raise TableError(
                        worded(
                            "a file with more than %(most)s rows is imported in parts only",
                            most=WHOLE_ROWS_MAX,
                        )
                    )
                self._save(job_id, progress, ImportState.RUNNING)
            if progress.refused or self.stopping.is_set():
                raise _Refused
            spool.seek(0)
            decoder = _BATCH_DECODERS[order.kind]
            written = _Progress()
            with self._transactions.change(concerns_calls=False) as connection:
                for line in spool:
                    written.add(self._write(connection, order, decoder.decode(line)))
                if written.refused:
                    progress.refuse(written.problems)
                    raise _Refused
            progress.added, progress.changed = written.added, written.changed
            progress.unchanged = written.unchanged

    def _write(
        self, connection: Connection, order: ImportOrder, batch: Sequence[tuple[int, Any]]
    ) -> BatchOutcome:
        now = datetime.now(UTC)
        if order.kind is TableKind.MEMBERS:
            return write_members(connection, order.scope, batch, now)
        return write_listed(
            connection, self._keys, order.scope, batch, added_by=order.ordered_by, now=now
        )

    def _save(
        self, job_id: str, progress: _Progress, state: ImportState, error: str | None = None
    ) -> None:
        with self._transactions.change(concerns_calls=False) as connection:
            _write_progress(connection, job_id, progress, state, error)


_ROW_TYPES: dict[TableKind, type[Any]] = {
    TableKind.MEMBERS: MemberRow,
    TableKind.DO_NOT_CALL: ListedRow,
}
_BATCH_DECODERS: dict[TableKind, msgspec.json.Decoder[Any]] = {
    TableKind.MEMBERS: msgspec.json.Decoder(list[tuple[int, MemberRow]]),
    TableKind.DO_NOT_CALL: msgspec.json.Decoder(list[tuple[int, ListedRow]]),
}


def _batches(rows: Iterator[tuple[int, _Row] | None]) -> Iterator[list[tuple[int, _Row]]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield [row for row in batch if row is not None]


def _write_progress(
    connection: Connection,
    job_id: str,
    progress: _Progress,
    state: ImportState,
    error: str | None = None,
) -> None:
    connection.execute(
        update(_job)
        .where(_job.c.id == job_id)
        .values(
            state=state,
            rows_read=progress.rows_read,
            added=progress.added,
            changed=progress.changed,
            unchanged=progress.unchanged,
            refused=progress.refused,
            error=None if error is None else error[:DETAIL_CHARACTERS_MAX],
            finished_at=None if state in _OPEN else datetime.now(UTC),
        )
    )
    if progress.problems:
        rows = [
            {"job_id": job_id, "row": row, "problem": problem[:DETAIL_CHARACTERS_MAX]}
            for row, problem in progress.problems
        ]
        connection.execute(insert(_problem), rows)
        progress.problems.clear()


def _forget_old(connection: Connection, order: ImportOrder) -> None:
    """Those beyond JOBS_KEPT_MAX, with what was wrong with their rows."""
    old = list(
        connection.scalars(
            select(_job.c.id)
            .where(
                _job.c.scope == order.scope,
                _job.c.kind == order.kind,
                _job.c.state.not_in(_OPEN),
            )
            .order_by(_job.c.id.desc())
            .offset(JOBS_KEPT_MAX - 1)
        )
    )
    if old:
        connection.execute(delete(_problem).where(_problem.c.job_id.in_(old)))
        connection.execute(delete(_job).where(_job.c.id.in_(old)))


def _read_job(row: Row[Any]) -> ImportJob:
    return ImportJob(
        job_id=row.id,
        order=ImportOrder(
            kind=TableKind(row.kind),
            scope=row.scope,
            is_all_or_nothing=row.is_all_or_nothing,
            ordered_by=row.created_by,
        ),
        state=ImportState(row.state),
        rows_read=row.rows_read,
        added=row.added,
        changed=row.changed,
        unchanged=row.unchanged,
        refused=row.refused,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
