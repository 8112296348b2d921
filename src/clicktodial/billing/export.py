"""CDRs as files: CSV (RFC 4180) and Parquet, written a page at a time.

A file is written beside its place and renamed when it is whole and on disk, so that whoever finds
it finds all of it. The catalog knows each by enterprise, kind and period, with its length and
hash. Parquet needs the package `pyarrow`, which the extra `clicktodial[parquet]` installs.

CDRs never change, so any node can make any file of the catalog again: one that is asked of a node
that has it not, or has another than the catalog knows, is written there anew. Another it is after
a CDR came late, or where another version of the program writes another form; then the catalog
takes over what was written last, and every node comes to have the same.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from sqlalchemy import delete, exists, insert, or_, select, update

from clicktodial.accounts.scope import require_visible
from clicktodial.accounts.table_row import neutralize
from clicktodial.billing.cdr import COLUMNS, CdrDetail, CdrQuery, CdrReader
from clicktodial.billing.package import create_identifier
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.billing_table import cdr, export_file, pool
from clicktodial.storage.error import AlreadyExists, NotFound, StorageError
from clicktodial.storage.transaction import Transactions

if TYPE_CHECKING:
    import pyarrow

log = structlog.get_logger()

Pages: TypeAlias = Iterable[list[CdrDetail]]

# Both kinds of a year, and some days more.
EXPORTS_LISTED_MAX = 1_000
# A node that was away makes up for so many days, the oldest first; more is for the command line.
DAYS_MADE_UP_MAX = 7
# A call of a node that died ended when the node was last seen, and is written when another takes
# notice: so long after its end a day has all of its CDRs.
WRITTEN_LATE = timedelta(minutes=10)
_FILE_OF_DAY = re.compile(r"\.?([0-9]{4}-[0-9]{2}-[0-9]{2})\.")
_PERIOD = "%Y-%m-%d"
_FILE_MODE = 0o600
_DIR_MODE = 0o700
_HASH_PIECE_BYTES = 1_048_576
_LOTS = "lots"
_TIMES = frozenset(name for name in COLUMNS if name.endswith("_at"))
_INTEGERS = frozenset(
    {
        "duration_s",
        "sip_status",
        "q850",
        "legs_counted",
        "rated_s",
        "billed_s",
        "overage_s",
        "price_micros",
    }
)


class ExportKind(StrEnum):
    """What a file is written as; also the ending of its name."""

    CSV = "csv"
    PARQUET = "parquet"


class ParquetMissing(StorageError):
    """Parquet needs the Python package pyarrow: install clicktodial[parquet]."""


@dataclass(frozen=True, slots=True)
class ExportDetail:
    """A file of CDRs. `path` is below the data directory's `exports`."""

    export_id: str
    enterprise_id: str
    kind: ExportKind
    period: str
    path: str
    row_count: int
    size_bytes: int
    sha256: str
    created_at: datetime


# Writing


def csv_pieces(pages: Pages) -> Iterator[bytes]:
    """The file, in UTF-8: the headings, so that it begins at once, then a page at a time."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, _LOTS])
    yield text.getvalue().encode()
    for page in pages:
        text.seek(0)
        text.truncate()
        writer.writerows(_csv_row(each) for each in page)
        yield text.getvalue().encode()


def _csv_row(detail: CdrDetail) -> list[Any]:
    values = [_csv_cell(name, value) for name, value in detail.values.items()]
    return [*values, " ".join(f"{lot}:{seconds}" for lot, seconds in detail.lots)]


def _csv_cell(name: str, value: Any) -> Any:
    if value is None or name in _INTEGERS:
        return value
    if name in _TIMES:
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Numbers of E.164 begin like a formula by their nature, and are digits behind it.
    return value if value[1:].isdigit() else neutralize(value)


def write_csv(pages: Pages, path: Path) -> int:
    """Returns how many CDRs were written."""
    count = 0

    def counted() -> Iterator[list[CdrDetail]]:
        nonlocal count
        for page in pages:
            count += len(page)
            yield page

    with _open_private(path) as file:
        for piece in csv_pieces(counted()):
            file.write(piece)
        _to_disk(file)
    return count


def write_parquet(pages: Pages, path: Path) -> int:
    """As `write_csv`, a row group a page. Raises ParquetMissing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ParquetMissing from error
    schema = _parquet_schema(pyarrow)
    count = 0
    with _open_private(path) as file:
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            for page in pages:
                count += len(page)
                rows = [{**each.values, _LOTS: dict(each.lots)} for each in page]
                for row in rows:
                    row[_LOTS] = list(row[_LOTS].items())
                writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
        _to_disk(file)
    return count


def _parquet_schema(pyarrow: Any) -> "pyarrow.Schema":
    def kind(name: str) -> Any:
        if name in _TIMES:
            return pyarrow.timestamp("ms", tz="UTC")
        return pyarrow.int64() if name in _INTEGERS else pyarrow.string()

    lots = pyarrow.map_(pyarrow.string(), pyarrow.int64())
    return pyarrow.schema([*((name, kind(name)) for name in COLUMNS), (_LOTS, lots)])


WRITERS: dict[ExportKind, Callable[[Pages, Path], int]] = {
    ExportKind.CSV: write_csv,
    ExportKind.PARQUET: write_parquet,
}


def write_whole(kind: ExportKind, pages: Pages, path: Path) -> int:
    """Write a file that is there whole or not at all; returns how many CDRs it has."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=_DIR_MODE)
    part = path.with_name(f".{path.name}.{create_identifier()}.part")
    try:
        count = WRITERS[kind](pages, part)
        part.rename(path)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return count


def _open_private(path: Path) -> io.BufferedWriter:
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, _FILE_MODE))


def _to_disk(file: io.BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def hash_file(path: Path) -> str:
    """SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


# The schedule and the catalog


class Exports:
    """Files of whole days, below one directory. Blocking; all raise DatabaseUnavailable."""

    def __init__(
        self, transactions: Transactions, root: Path, *, zone: tzinfo, keep_days: int
    ) -> None:
        self._transactions = transactions
        self._reader = CdrReader(transactions)
        self._root = root
        self._zone = zone
        self._keep = timedelta(days=keep_days)

    def run(self, kinds: Iterable[ExportKind], now: datetime) -> int:
        """Write what of the last days is missing, for each enterprise with a pool or with calls
        on that day, and drop what is too old; returns how many files were written."""
        self.drop_old(now)
        kinds = tuple(kinds)
        if not kinds:
            return 0
        today = self._day_start(now - WRITTEN_LATE)
        written = 0
        for back in range(DAYS_MADE_UP_MAX, 0, -1):
            day = self._day_start(today - timedelta(days=back) + timedelta(hours=12))
            if self._day_end(day) < now - self._keep:
                continue  # it would be dropped, and written again
            for enterprise_id in self._exported_on(day):
                for kind in kinds:
                    written += self.write_day(enterprise_id, kind, day, now)
        return written

    def _exported_on(self, day: datetime) -> list[str]:
        """Whose files of that day are to be there: of who pays one each day, of others where
        there is something in it."""
        columns = table.enterprise.c
        has_cdrs = exists().where(
            cdr.c.enterprise_id == columns.id,
            cdr.c.ended_at >= day,
            cdr.c.ended_at < self._day_end(day),
        )
        had_pool = exists().where(
            pool.c.enterprise_id == columns.id, pool.c.created_at < self._day_end(day)
        )
        query = select(columns.id).where(or_(had_pool, has_cdrs)).order_by(columns.id)
        with self._transactions.read() as connection:
            return list(connection.scalars(query))

    def write_day(self, enterprise_id: str, kind: ExportKind, day: datetime, now: datetime) -> bool:
        """Write the file of the day that begins then, unless there is one."""
        period = day.strftime(_PERIOD)
        place = str(Path(enterprise_id) / f"{period}.{kind}")
        if self._is_known(enterprise_id, kind, period):
            return False
        count = self._write(place, enterprise_id, kind, day)
        row = {
            "id": create_identifier(),
            "enterprise_id": enterprise_id,
            "kind": kind.value,
            "period": period,
            "path": place,
            "created_at": now,
            **self._measure(place, count),
        }
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(insert(export_file).values(row))
        except AlreadyExists:
            return False  # another node was quicker, and wrote the same
        log.info("export.written", enterprise_id=enterprise_id, period=period, rows=count)
        return True

    def _write(self, place: str, enterprise_id: str, kind: ExportKind, day: datetime) -> int:
        query = CdrQuery(enterprise_id, day, self._day_end(day))
        return write_whole(kind, self._reader.stream(query), self._root / place)

    def _measure(self, place: str, count: int) -> dict[str, Any]:
        path = self._root / place
        return {
            "row_count": count,
            "size_bytes": path.stat().st_size,
            "sha256": hash_file(path),
        }

    def drop_old(self, now: datetime) -> int:
        """Remove the files that were kept long enough; returns how many."""
        with self._transactions.read() as connection:
            old = connection.execute(
                select(export_file).where(export_file.c.created_at < now - self._keep)
            ).all()
        for row in old:
            with suppress(FileNotFoundError):
                (self._root / row.path).unlink()
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(delete(export_file).where(export_file.c.id == row.id))
        self._drop_forgotten(now)
        return len(old)

    def _drop_forgotten(self, now: datetime) -> None:
        """Files of days so old that none in the catalog is theirs: another node dropped it there
        or was quicker to write it, or the process died while it wrote."""
        oldest = now - self._keep - timedelta(days=DAYS_MADE_UP_MAX + 2)
        for path in self._root.glob("*/*"):
            day = _FILE_OF_DAY.match(path.name)
            if day is not None and day[1] < f"{oldest:%Y-%m-%d}":
                path.unlink(missing_ok=True)

    def list(self, principal: Principal, enterprise_id: str) -> list[ExportDetail]:
        """The newest first."""
        columns = export_file.c
        query = (
            select(export_file)
            .where(columns.enterprise_id == enterprise_id)
            .order_by(columns.period.desc(), columns.kind)
            .limit(EXPORTS_LISTED_MAX)
        )
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return [_export_detail(row) for row in connection.execute(query)]

    def find(self, principal: Principal, enterprise_id: str, export_id: str) -> ExportDetail:
        """Raises NotFound."""
        columns = export_file.c
        query = select(export_file).where(
            columns.enterprise_id == enterprise_id, columns.id == export_id
        )
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(worded("there is no export %(export_id)s", export_id=export_id))
        return _export_detail(row)

    def open(self, detail: ExportDetail) -> io.BufferedReader:
        """The file that the catalog knows, written anew where this node has it not. Raises OSError
        where there is no room for it, and ParquetMissing."""
        path = self._root / detail.path
        if not is_same(path, size_bytes=detail.size_bytes, sha256=detail.sha256):
            self._write_again(detail)
        return path.open("rb")

    def _write_again(self, detail: ExportDetail) -> None:
        day = datetime.strptime(detail.period, _PERIOD).replace(tzinfo=self._zone)
        count = self._write(detail.path, detail.enterprise_id, detail.kind, day)
        written = self._measure(detail.path, count)
        log.info("export.written_again", export_id=detail.export_id, rows=count)
        if written["sha256"] == detail.sha256:
            return
        log.warning("export.differs", export_id=detail.export_id, rows_before=detail.row_count)
        with self._transactions.change(concerns_calls=False) as connection:
            where = export_file.c.id == detail.export_id
            connection.execute(update(export_file).where(where).values(written))

    def _is_known(self, enterprise_id: str, kind: ExportKind, period: str) -> bool:
        columns = export_file.c
        query = select(columns.id).where(
            columns.enterprise_id == enterprise_id,
            columns.kind == kind.value,
            columns.period == period,
        )
        with self._transactions.read() as connection:
            return connection.scalar(query) is not None

    def _day_start(self, moment: datetime) -> datetime:
        local = moment.astimezone(self._zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0)

    def _day_end(self, day: datetime) -> datetime:
        return self._day_start(day + timedelta(hours=36))


def is_same(path: Path, *, size_bytes: int, sha256: str) -> bool:
    """Whether this is the file that the catalog knows."""
    try:
        return path.stat().st_size == size_bytes and hash_file(path) == sha256
    except FileNotFoundError:
        return False


def _export_detail(row: Any) -> ExportDetail:
    return ExportDetail(
        row.id,
        row.enterprise_id,
        ExportKind(row.kind),
        row.period,
        row.path,
        row.row_count,
        row.size_bytes,
        row.sha256,
        row.created_at,
    )
