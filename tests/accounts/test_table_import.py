"""Imports of members and of numbers not to be called, from the file to the database."""

import asyncio
import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest
from sqlalchemy import Engine, text
from tests.accounts.enterprises import ACME, NOW, add_enterprises, spreadsheet

from clicktodial.accounts import department, import_runner, member, table_import
from clicktodial.accounts.do_not_call import ListPlace, NumberLists
from clicktodial.accounts.import_runner import ImportRunner
from clicktodial.accounts.member import Members
from clicktodial.accounts.table_import import (
    ImportJob,
    ImportOrder,
    ImportState,
    RowProblem,
    TableImport,
)
from clicktodial.accounts.table_reader import read_lines
from clicktodial.accounts.table_row import TableKind
from clicktodial.control.error import Overloaded
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.protection import ListKind
from clicktodial.storage.error import NotFound
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

KEYS = NumberKeys(SecretVault(bytes(32)))
HEADER = "number,name,department,employee_id,note,calls_per_day,calls_per_month\n"


@contextmanager
def read_here(file: IO[bytes], kind: TableKind, region: str, **_: object) -> Iterator[Any]:
    """In this process, for it is not what is tested."""
    file.seek(0)
    yield read_lines(file, kind, region)


@pytest.fixture
def importing(
    engine: Engine, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> TableImport:
    add_enterprises(engine)
    monkeypatch.setattr(table_import, "open_table", read_here)
    return TableImport(transactions, KEYS, region="CN", node_id="node")


@pytest.fixture
def members(transactions: Transactions) -> Members:
    return Members(transactions, region="CN")


def order(*, whole: bool = False, kind: TableKind = TableKind.MEMBERS) -> ImportOrder:
    return ImportOrder(kind=kind, scope=ACME, is_all_or_nothing=whole, ordered_by="person-1")


def run(importing: TableImport, content: bytes, wanted: ImportOrder) -> ImportJob:
    job_id = importing.create(wanted, now=NOW)
    assert importing.show(wanted.kind, ACME, job_id).state is ImportState.WAITING
    importing.run(job_id, wanted, io.BytesIO(content))
    return importing.show(wanted.kind, ACME, job_id)


def numbers(members: Members) -> list[str]:
    return [each.profile.e164 for each in members.find(ACME, limit=1_000)]


FILE = (
    HEADER + "13912345670,Ann,Sales,1,,,\n"
    "12,Bob,Sales,2,,,\n"
    "13912345671,Cid,Support,3,,5,\n"
    "139-1234-5670,Ann again,,,,,\n"
).encode()
PROBLEMS = [
    RowProblem(3, "the number is not a telephone number"),
    RowProblem(5, "the number stands in row 2 already"),
]


@pytest.mark.on_every_database
def test_sound_rows_are_imported_and_the_others_told(
    importing: TableImport, members: Members, transactions: Transactions
) -> None:
    job = run(importing, FILE, order())
    assert job.state is ImportState.DONE
    assert (job.rows_read, job.added, job.refused) == (4, 2, 2)
    assert job.finished_at is not None
    assert importing.problems(job.job_id, limit=9) == PROBLEMS
    assert importing.problems(job.job_id, after=3, limit=9) == PROBLEMS[1:]
    assert numbers(members) == ["+8613912345670", "+8613912345671"]
    listed = department.Departments(transactions).list_all(ACME)
    assert [(each.name, each.member_count) for each in listed] == [("Sales", 1), ("Support", 1)]


def test_all_or_nothing_imports_nothing_where_a_row_is_wrong(
    importing: TableImport, members: Members, engine: Engine
) -> None:
    job = run(importing, FILE, order(whole=True))
    assert job.state is ImportState.REFUSED
    assert (job.rows_read, job.added, job.refused) == (4, 0, 2)
    assert importing.problems(job.job_id, limit=9) == PROBLEMS
    assert numbers(members) == []
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM department")) == 0
    sound = b"".join(FILE.splitlines(keepends=True)[row] for row in (0, 1, 3))
    job = run(importing, sound, order(whole=True))
    assert (job.state, job.added) == (ImportState.DONE, 2)
    assert len(numbers(members)) == 2


@pytest.mark.on_every_database
@pytest.mark.parametrize("whole", [False, True])
def test_row_that_only_the_database_refuses_is_told(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(department, "DEPARTMENTS_MAX", 1)
    content = HEADER + "13912345670,,Sales,,,,\n13912345671,,Support,,,,\n13912345672,,Sales,,,,\n"
    job = run(importing, content.encode(), order(whole=whole))
    problem = RowProblem(3, "an enterprise may have 1 departments")
    assert importing.problems(job.job_id, limit=9) == [problem]
    assert (job.added, len(numbers(members))) == ((0, 0) if whole else (2, 2))


@pytest.mark.on_every_database
def test_import_again_changes_what_is_another_and_leaves_the_rest(
    importing: TableImport, members: Members
) -> None:
    run(importing, FILE, order())
    again = HEADER + "13912345670,Anna,Sales,1,,,\n13912345671,Cid,Support,3,,5,\n"
    job = run(importing, again.encode(), order())
    assert (job.added, job.changed, job.unchanged) == (0, 1, 1)
    assert [each.profile.name for each in members.find(ACME, limit=9)] == ["Anna", "Cid"]


def test_what_is_exported_is_imported_unchanged(importing: TableImport, members: Members) -> None:
    run(importing, FILE, order())
    members.add(ACME, MemberProfile(e164="+442079460000", name="=1+1", note="- x"), now=NOW)
    job = run(importing, b"".join(members.export(ACME)), order())
    assert (job.added, job.changed, job.unchanged, job.refused) == (0, 0, 3, 0)


@pytest.mark.parametrize("whole", [False, True])
def test_batches_of_a_spreadsheet(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(table_import, "BATCH_ROWS", 3)
    rows: list[list[Any]] = [["number"], *([13912345600 + serial] for serial in range(10))]
    job = run(importing, spreadsheet(rows), order(whole=whole))
    assert (job.state, job.added) == (ImportState.DONE, 10)
    assert len(numbers(members)) == 10


def test_file_that_breaks_off_keeps_what_came_before(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_import, "BATCH_ROWS", 1)
    content = b'number\n13912345670\n13912345671\n"13912345672'
    job = run(importing, content, order())
    assert (job.state, job.added) == (ImportState.FAILED, 2)
    assert job.error is not None
    assert "quote" in job.error
    job = run(importing, content.replace(b"391", b"381"), order(whole=True))
    assert (job.state, job.added) == (ImportState.FAILED, 0)
    assert len(numbers(members)) == 2


def test_more_members_than_may_be_fail_and_say_so(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "MEMBERS_MAX", 1)
    job = run(importing, b"number\n13912345670\n13912345671\n", order())
    assert (job.state, job.error) == (ImportState.FAILED, "an enterprise may have 1 members")
    assert numbers(members) == []


def test_all_or_nothing_takes_no_more_rows_than_one_transaction_may_write(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_import, "WHOLE_ROWS_MAX", 2)
    content = b"number\n13912345670\n13912345671\n13912345672\n"
    job = run(importing, content, order(whole=True))
    assert job.state is ImportState.FAILED
    assert job.error == "a file with more than 2 rows is imported in parts only"
    assert numbers(members) == []
    assert run(importing, content, order()).added == 3


def test_progress_is_read_while_it_runs(
    importing: TableImport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_import, "BATCH_ROWS", 2)
    wanted = order()
    job_id = importing.create(wanted, now=NOW)
    seen: list[tuple[ImportState, int]] = []

    @contextmanager
    def watched(file: IO[bytes], kind: TableKind, region: str, **_: object) -> Iterator[Any]:
        def look() -> Iterator[Any]:
            for line in read_lines(file, kind, region):
                job = importing.show(kind, ACME, job_id)
                seen.append((job.state, job.added))
                yield line

        yield look()

    monkeypatch.setattr(table_import, "open_table", watched)
    content = b"number\n" + b"".join(b"1391234567%d\n" % serial for serial in range(5))
    importing.run(job_id, wanted, io.BytesIO(content))
    assert seen == [(ImportState.RUNNING, added) for added in (0, 0, 2, 2, 4)]


@pytest.mark.parametrize("whole", [False, True])
def test_problems_of_a_file_of_which_no_row_is_sound_are_written_by_the_batch(
    importing: TableImport, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    monkeypatch.setattr(table_import, "BATCH_ROWS", 2)
    wanted = order(whole=whole)
    job_id = importing.create(wanted, now=NOW)
    seen: list[int] = []

    @contextmanager
    def watched(file: IO[bytes], kind: TableKind, region: str, **_: object) -> Iterator[Any]:
        def look() -> Iterator[Any]:
            for line in read_lines(file, kind, region):
                seen.append(len(importing.problems(job_id, limit=9)))
                yield line

        yield look()

    monkeypatch.setattr(table_import, "open_table", watched)
    importing.run(job_id, wanted, io.BytesIO(b"number\n" + b"x\n" * 5))
    assert seen == [0, 0, 2, 2, 4]
    assert len(importing.problems(job_id, limit=9)) == 5


def test_stopping_ends_a_job_and_a_restart_those_that_are_open(
    importing: TableImport, members: Members, transactions: Transactions
) -> None:
    wanted = order()
    left_open = importing.create(wanted, now=NOW)
    importing.stopping.set()
    job = run(importing, b"number\n13912345670\n", wanted)
    assert (job.state, job.added) == (ImportState.INTERRUPTED, 0)
    TableImport(transactions, KEYS, region="CN", node_id="another").interrupt_open(now=NOW)
    assert importing.show(wanted.kind, ACME, left_open).state is ImportState.WAITING
    importing.interrupt_open(now=NOW)
    assert importing.show(wanted.kind, ACME, left_open).state is ImportState.INTERRUPTED


def test_old_jobs_are_forgotten(
    importing: TableImport, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(table_import, "JOBS_KEPT_MAX", 2)
    jobs = [run(importing, b"number\n1\n", order()).job_id for _ in range(3)]
    recent = [job.job_id for job in importing.list_recent(TableKind.MEMBERS, ACME)]
    assert recent == [jobs[2], jobs[1]]
    with pytest.raises(NotFound):
        importing.show(TableKind.MEMBERS, ACME, jobs[0])
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM import_problem")) == 2


def test_job_is_shown_to_its_enterprise_alone(importing: TableImport) -> None:
    job = run(importing, b"number\n13912345670\n", order())
    for kind, scope in ((TableKind.MEMBERS, "other"), (TableKind.DO_NOT_CALL, ACME)):
        with pytest.raises(NotFound):
            importing.show(kind, scope, job.job_id)


@pytest.mark.on_every_database
def test_numbers_not_to_be_called_are_imported_as_hashes(
    importing: TableImport, transactions: Transactions, engine: Engine
) -> None:
    content = b"number,reason,expires\n13912345670,asked,2030-01-01\n13912345671,,\n12,,\n"
    job = run(importing, content, order(kind=TableKind.DO_NOT_CALL))
    assert (job.added, job.refused) == (2, 1)
    lists = NumberLists(transactions, KEYS, region="CN")
    place = ListPlace(ListKind.DO_NOT_CALL, ACME)
    entry = lists.find(place, "139 1234 5670")
    assert (entry.shown, entry.reason, entry.added_by) == ("+8613*******70", "asked", "person-1")
    again = content.replace(b"asked", b"told us")
    job = run(importing, again, order(kind=TableKind.DO_NOT_CALL, whole=True))
    assert job.state is ImportState.REFUSED
    job = run(importing, again[: again.rindex(b"12,")], order(kind=TableKind.DO_NOT_CALL))
    assert (job.added, job.changed, job.unchanged) == (0, 1, 1)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM number_list")).all()
    assert "12345670" not in str(rows)


def test_whole_way_with_the_process_that_reads(
    engine: Engine, transactions: Transactions, members: Members
) -> None:
    add_enterprises(engine)
    importing = TableImport(transactions, KEYS, region="CN", node_id="node")
    wanted = order()
    job_id = importing.create(wanted, now=NOW)
    with tempfile.TemporaryFile() as file:
        file.write(FILE)
        file.flush()
        assert importing.run(job_id, wanted, file) is ImportState.DONE
    assert importing.problems(job_id, limit=9) == PROBLEMS
    assert len(numbers(members)) == 2


class Watched(io.BytesIO):
    """Tells that it was closed."""

    def __init__(self, content: bytes, on_close: Callable[[], None]) -> None:
        super().__init__(content)
        self._on_close = on_close

    def close(self) -> None:
        super().close()
        self._on_close()


async def test_runner_imports_one_at_a_time_and_closes_the_files(
    importing: TableImport, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "WAITING_MAX", 2)
    runner = ImportRunner(importing, lambda: NOW)
    left_open = importing.create(order(), now=NOW)
    await runner.start()
    assert importing.show(TableKind.MEMBERS, ACME, left_open).state is ImportState.INTERRUPTED
    entered, go_on = threading.Event(), threading.Event()

    @contextmanager
    def held(file: IO[bytes], kind: TableKind, region: str, **_: object) -> Iterator[Any]:
        entered.set()
        assert go_on.wait(60)
        with read_here(file, kind, region) as lines:
            yield lines

    monkeypatch.setattr(table_import, "open_table", held)
    closed = asyncio.Semaphore(0)
    files = [Watched(b"number\n1391234567%d\n" % serial, closed.release) for serial in range(3)]
    jobs = [await runner.submit(order(), file) for file in files[:2]]
    await asyncio.to_thread(entered.wait, 60)
    with pytest.raises(Overloaded):
        await runner.submit(order(), files[2])
    assert not files[2].closed
    go_on.set()
    for _ in range(2):
        await closed.acquire()
    states = [importing.show(TableKind.MEMBERS, ACME, job_id).state for job_id in jobs]
    assert states == [ImportState.DONE, ImportState.DONE]
    await runner.close()
    with pytest.raises(Overloaded):
        await runner.submit(order(), files[2])
    assert len(numbers(members)) == 2


class Silent(io.BytesIO):
    """A file of which no row comes, as of one that takes minutes before the first."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe

    def fileno(self) -> int:
        return self._pipe


async def test_closing_ends_a_reader_that_tells_nothing(
    engine: Engine, transactions: Transactions
) -> None:
    add_enterprises(engine)
    importing = TableImport(transactions, KEYS, region="CN", node_id="node")
    runner = ImportRunner(importing, lambda: NOW)
    pipe, other_end = os.pipe()
    try:
        job_id = await runner.submit(order(), Silent(pipe))
        # More than a pipe holds: done when the process reads.
        await asyncio.to_thread(os.write, other_end, bytes(1_000_000))
        await asyncio.wait_for(runner.close(), 30)
    finally:
        os.close(other_end)
        os.close(pipe)
    job = importing.show(TableKind.MEMBERS, ACME, job_id)
    assert (job.state, job.error) == (ImportState.INTERRUPTED, None)
