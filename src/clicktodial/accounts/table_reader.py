"""Reads a CSV or XLSX file of strangers, in a process of its own.

A spreadsheet is a zip of XML: a small file can unfold to gigabytes, and reading it takes seconds
of the processor. Neither may be the server's. The process has nothing of it but the file on
standard input, is bounded in memory and time, and tells each row on standard output as it goes, a
JSON line each. Formulas are not looked at: what counts is the value that a cell was saved with.
"""

import csv
import io
import itertools
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

import msgspec
import structlog

from clicktodial.accounts.table_row import (
    COLUMNS_MAX,
    PARSERS,
    RowError,
    TableError,
    TableKind,
    read_header,
)
from clicktodial.domain.wording import worded

log = structlog.get_logger()

# The largest list that one import takes; longer ones are given in parts.
ROWS_MAX = 100_000
# A hundred thousand rows of a spreadsheet are some 5 MB, of a CSV some 10.
FILE_BYTES_MAX = 20 * 1024 * 1024
# What a spreadsheet of as many rows unfolds to is some 60 MB.
UNFOLDED_BYTES_MAX = 256 * 1024 * 1024
ZIP_ENTRIES_MAX = 1_000
# The strings of a spreadsheet are held in memory, and those of that size with room to spare.
MEMORY_BYTES_MAX = 1_024 * 1024 * 1024
# A hundred thousand rows of a spreadsheet take 6 s of an idle processor.
CPU_S_MAX = 120
CELL_CHARACTERS_MAX = 1_024
# Live calls come before.
_NICENESS = 10
_DELIMITERS = ",;\t"
_XLSX_MAGIC = b"PK\x03\x04"
_OLD_XLS_MAGIC = b"\xd0\xcf\x11\xe0"


class TableLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the process tells: a row, what is wrong with one, or why the file cannot be read."""

    row: int = 0
    values: list[Any] | None = None
    problem: str | None = None
    error: str | None = None


_line_decoder = msgspec.json.Decoder(TableLine)


def _ignore(_: Callable[[], None]) -> None:
    pass


@contextmanager
def open_table(
    file: IO[bytes],
    kind: TableKind,
    region: str,
    *,
    memory_bytes_max: int = MEMORY_BYTES_MAX,
    on_start: Callable[[Callable[[], None]], None] = _ignore,
) -> Generator[Iterator[TableLine]]:
    """The rows of the file, which need have no name. The iterator raises TableError.

    `on_start` is given what ends the process, from any thread: a file can be so that it takes all
    its time before the first row."""
    file.seek(0)
    with subprocess.Popen(
        [sys.executable, "-m", __name__, kind.value, region, str(memory_bytes_max)],
        stdin=file.fileno(),
        stdout=subprocess.PIPE,
    ) as process:
        try:
            on_start(process.kill)
            assert process.stdout is not None
            yield _decode_lines(process.stdout, process)
        finally:
            process.kill()


def _decode_lines(lines: IO[bytes], process: "subprocess.Popen[bytes]") -> Iterator[TableLine]:
    for line in lines:
        try:
            told = _line_decoder.decode(line)
        except msgspec.DecodeError as error:
            raise TableError("whatever reads the file dies of it") from error
        if told.error is not None:
            raise TableError(told.error)
        yield told
    if process.wait() != 0:
        log.warning("table.reader_died", exit_status=process.returncode)
        raise TableError("whatever reads the file dies of it: it takes too much memory or time")


# In the process


def main(kind: str, region: str, memory_bytes_max: str) -> None:
    """Tell the rows of standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes_max), int(memory_bytes_max)))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    # A core would keep what was sent, where nobody looks for it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    out = sys.stdout.buffer
    try:
        for line in read_lines(sys.stdin.buffer, TableKind(kind), region):
            out.write(msgspec.json.encode(line) + b"\n")
    except TableError as error:
        out.write(msgspec.json.encode(TableLine(error=str(error))) + b"\n")
    except MemoryError:
        out.write(msgspec.json.encode(TableLine(error="the file takes too much memory")) + b"\n")
    out.flush()


def read_lines(file: IO[bytes], kind: TableKind, region: str) -> Iterator[TableLine]:
    """Each row that is not empty, numbered as a spreadsheet does. Raises TableError."""
    rows = enumerate(read_rows(file), 1)
    header = next((cells for _, cells in itertools.islice(rows, 1)), None)
    if header is None:
        raise TableError("the file is empty")
    names = read_header(kind, header)
    parse = PARSERS[kind]
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if number > ROWS_MAX + 1:
            raise TableError(worded("the file has more than %(most)s rows", most=ROWS_MAX))
        try:
            values = _name_cells(names, cells)
            yield TableLine(row=number, values=msgspec.to_builtins(parse(values, region)))
        except RowError as error:
            yield TableLine(row=number, problem=str(error))


def _name_cells(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise RowError("the row has more cells than there are columns")
    if any(len(cell) > CELL_CHARACTERS_MAX for cell in cells):
        raise RowError(worded("a cell has more than %(most)s characters", most=CELL_CHARACTERS_MAX))
    return {name: cell for name, cell in zip(names, cells, strict=False) if name}


def read_rows(file: IO[bytes]) -> Iterator[list[str]]:
    """The cells of each row, as text. Raises TableError."""
    content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise TableError(worded("the file has more than %(most)s bytes", most=FILE_BYTES_MAX))
    if content.startswith(_XLSX_MAGIC):
        return _read_spreadsheet(io.BytesIO(content))
    if content.startswith(_OLD_XLS_MAGIC):
        raise TableError("it is an old spreadsheet (.xls), or has a password: save it as .xlsx")
    return _read_csv(content)


def _read_csv(content: bytes) -> Iterator[list[str]]:
    if b"\0" in content:
        raise TableError("it is neither CSV in UTF-8 or GB18030 nor a spreadsheet (.xlsx)")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise TableError("it is neither CSV in UTF-8 or GB18030 nor a spreadsheet (.xlsx)")
    first = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(FILE_BYTES_MAX)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return _checked(rows)


def _checked(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        for row in rows:
            if len(row) > COLUMNS_MAX:
                raise TableError(worded("a row has more than %(most)s columns", most=COLUMNS_MAX))
            yield row
    except csv.Error as error:
        raise TableError("the CSV cannot be read: a quote is open or out of place") from error


def _read_spreadsheet(file: IO[bytes]) -> Iterator[list[str]]:
    import openpyxl  # only here: the server reads none

    try:
        _check_zip(file)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            # What the file says of its size is not to be trusted.
            sheet.reset_dimensions()
            yield from _read_sheet(sheet.iter_rows(max_col=COLUMNS_MAX, values_only=True))
        finally:
            book.close()
    except (TableError, MemoryError):
        raise
    # Whatever a stranger's XML makes the library raise; nothing of it is the server's.
    except Exception as error:
        raise TableError("the spreadsheet cannot be read") from error


def _check_zip(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        # More than an entry says of itself is not read.
        unfolded_bytes = sum(entry.file_size for entry in entries)
        if len(entries) > ZIP_ENTRIES_MAX or unfolded_bytes > UNFOLDED_BYTES_MAX:
            raise TableError("the spreadsheet unfolds to more than one of members can be")
    file.seek(0)


def _read_sheet(rows: Iterable[Sequence[Any]]) -> Iterator[list[str]]:
    for count, row in enumerate(rows):
        # Rows that are left out count too: a file can name a row far below.
        if count > ROWS_MAX:
            raise TableError(worded("the file has more than %(most)s rows", most=ROWS_MAX))
        yield [_cell_text(cell) for cell in row]


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # spreadsheets know no whole numbers
    if isinstance(value, datetime):
        return value.date().isoformat()
    return str(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
