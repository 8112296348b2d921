"""Numbers of the inventory from a CSV file, each row for itself."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.domain.sponsor_number import NumberKind
from clicktodial.domain.wording import worded
from clicktodial.storage.error import ValueInvalid

# Some seconds' work. Whoever has more splits the file.
ROWS_MAX = 10_000
FILE_BYTES_MAX = 2_000_000
# No column of ours is longer than a city.
_CELL_CHARACTERS_MAX = 256
_REQUIRED = "number"
_COLUMNS = frozenset({_REQUIRED, "kind", "city", "region", "trunk"})


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of a row; `line` is where it begins in the file, the header's being 1. `why` it
    was not added, or None."""

    line: int
    why: str | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    rows: tuple[RowReport, ...]

    @property
    def added(self) -> int:
        return sum(row.why is None for row in self.rows)

    @property
    def refused(self) -> tuple[RowReport, ...]:
        return tuple(row for row in self.rows if row.why is not None)


def import_numbers(inventory: NumberInventory, content: bytes, now: datetime) -> ImportReport:
    """Add the numbers of a CSV file in UTF-8 with a header of `number`, and perhaps `kind`,
    `city`, `region` and `trunk`. Raises ValueInvalid for a file that is none."""
    if len(content) > FILE_BYTES_MAX:
        raise ValueInvalid(worded("the file has more than %(most)s bytes", most=FILE_BYTES_MAX))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueInvalid("the file is not in UTF-8") from error
    if "\x00" in text:
        raise ValueInvalid("the file is no text")
    lines, rows = [], []
    for line, row in _read_rows(text):
        lines.append(line)
        rows.append(row)
        if len(rows) > ROWS_MAX:
            raise ValueInvalid(worded("the file has more than %(most)s rows", most=ROWS_MAX))
    outcomes = inventory.add_all(rows, now)
    return ImportReport(
        tuple(RowReport(line, why) for line, why in zip(lines, outcomes, strict=True))
    )


def _read_rows(text: str) -> Iterator[tuple[int, NewNumber | ValueInvalid]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, _read_row(header, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueInvalid(
            worded("line %(line_num)s is not CSV", line_num=reader.line_num)
        ) from error


def _check_header(header: list[str]) -> None:
    if _REQUIRED not in header:
        raise ValueInvalid("the first line must name the columns, `number` among them")
    if len(set(header)) < len(header) or not _COLUMNS.issuperset(header):
        raise ValueInvalid(worded("the columns are %(names)s, each once", names=sorted(_COLUMNS)))


def _read_row(header: list[str], cells: list[str]) -> NewNumber | ValueInvalid:
    if len(cells) != len(header):
        return ValueInvalid(
            worded(
                "it has %(count)s cells, and the header %(wanted)s",
                count=len(cells),
                wanted=len(header),
            )
        )
    if any(len(cell) > _CELL_CHARACTERS_MAX for cell in cells):
        return ValueInvalid("a cell is too long")
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    kind = None
    if row.get("kind"):
        try:
            kind = NumberKind(row["kind"].lower())
        except ValueError:
            return ValueInvalid(worded("the kind is one of %(names)s", names=NumberKind))
    return NewNumber(
        number=row[_REQUIRED],
        kind=kind,
        city=row.get("city", ""),
        region=row.get("region", ""),
        trunk=row.get("trunk") or None,
    )
