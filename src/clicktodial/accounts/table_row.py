"""A row of a file as a member, or as a number not to be called; what is wrong with it, in words."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.protection import CALL_CAP_MAX
from clicktodial.domain.wording import worded

# As the tables have them (a test holds them together), which the process that reads files need
# not load.
NAME_CHARACTERS_MAX = 200
IDENTIFIER_CHARACTERS_MAX = 64
DETAIL_CHARACTERS_MAX = 256
# More than any of the kinds has; what a spreadsheet's stray cell far to the right must not cost.
COLUMNS_MAX = 32
# A header longer than this is none, and is not shown back.
_SHOWN_CHARACTERS_MAX = 40


class TableKind(StrEnum):
    """What the rows of a file are."""

    MEMBERS = "members"
    DO_NOT_CALL = "do-not-call"


class RowError(ValueError):
    """The row cannot be taken; says why, without repeating what it holds."""


class TableError(ValueError):
    """The file cannot be read as a whole; says why."""


class MemberRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of members, checked."""

    e164: str
    name: str
    department: str
    employee_id: str
    note: str
    calls_per_day: int | None
    calls_per_month: int | None


class ListedRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of numbers not to be called, checked. `expires_at` in seconds since 1970."""

    e164: str
    reason: str
    source: str
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    spellings: frozenset[str]


def _column(name: str, *spellings: str) -> _Column:
    return _Column(name, frozenset({name, *spellings}))


_NUMBER = _column(
    "number", "phone", "phone_number", "mobile", "msisdn", "号码", "手机", "手机号", "手机号码",
    "电话", "电话号码", "成员号码",
)  # fmt: skip
_COLUMNS = {
    TableKind.MEMBERS: (
        _NUMBER,
        _column("name", "姓名", "成员姓名"),
        _column("department", "部门"),
        _column("employee_id", "employee", "employee_no", "工号", "员工编号"),
        _column("note", "remark", "备注"),
        _column("calls_per_day", "每日次数"),
        _column("calls_per_month", "每月次数"),
    ),
    TableKind.DO_NOT_CALL: (
        _NUMBER,
        _column("reason", "原因"),
        _column("source", "来源"),
        _column("expires", "expires_at", "到期", "到期日期"),
    ),
}
# What spreadsheets take for a formula (OWASP, CSV injection), in any of their spellings.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_QUOTE = "'"
_SEPARATORS = re.compile(r"[\s-]+")


def neutralize(cell: str) -> str:
    """What no spreadsheet takes for a formula: an apostrophe before what begins like one."""
    return _QUOTE + cell if cell.startswith(_FORMULA_STARTS) else cell


def _restore(cell: str) -> str:
    """The inverse, so that what was exported is taken as it was."""
    if cell.startswith(_QUOTE) and cell[1:].startswith(_FORMULA_STARTS):
        return cell[1:]
    return cell


def column_names(kind: TableKind) -> list[str]:
    """Those that a file of that kind may have, in their order in an export."""
    return [column.name for column in _COLUMNS[kind]]


def read_header(kind: TableKind, cells: Sequence[str]) -> list[str]:
    """The names of the columns, in the file's order; empty for one without a heading. Raises
    TableError."""
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        spelled = _SEPARATORS.sub("_", cell.strip().casefold())
        name = next((each.name for each in _COLUMNS[kind] if spelled in each.spellings), "")
        if spelled and not name:
            known = ", ".join(column_names(kind))
            shown = cell.strip()[:_SHOWN_CHARACTERS_MAX]
            shown = f" ({shown!r})" if shown.isprintable() and not shown.isdigit() else ""
            raise TableError(
                worded(
                    "column %(place)s%(shown)s is none of %(known)s",
                    place=place,
                    shown=shown,
                    known=known,
                )
            )
        if name and name in names:
            raise TableError(worded("there are two columns %(name)s", name=name))
        names.append(name)
    if "number" not in names:
        raise TableError("the first row must name the columns, and one of them must be number")
    return names


def parse_member_row(values: Mapping[str, str], region: str) -> MemberRow:
    """Raises RowError."""
    return MemberRow(
        e164=_read_number(values, region),
        name=_read_text(values, "name", NAME_CHARACTERS_MAX),
        department=_read_text(values, "department", NAME_CHARACTERS_MAX),
        employee_id=_read_text(values, "employee_id", IDENTIFIER_CHARACTERS_MAX),
        note=_read_text(values, "note", DETAIL_CHARACTERS_MAX),
        calls_per_day=_read_cap(values, "calls_per_day"),
        calls_per_month=_read_cap(values, "calls_per_month"),
    )


def parse_listed_row(values: Mapping[str, str], region: str) -> ListedRow:
    """Raises RowError."""
    return ListedRow(
        e164=_read_number(values, region),
        reason=_read_text(values, "reason", DETAIL_CHARACTERS_MAX),
        source=_read_text(values, "source", DETAIL_CHARACTERS_MAX),
        expires_at=_read_expiry(values),
    )


PARSERS: dict[TableKind, Callable[[Mapping[str, str], str], MemberRow | ListedRow]] = {
    TableKind.MEMBERS: parse_member_row,
    TableKind.DO_NOT_CALL: parse_listed_row,
}


def _read_number(values: Mapping[str, str], region: str) -> str:
    written = _restore(values.get("number", "").strip())
    if not written:
        raise RowError("there is no number")
    try:
        return parse_number(written, region).e164
    except NumberError as error:
        raise RowError("the number is not a telephone number") from error


def _read_text(values: Mapping[str, str], name: str, most: int) -> str:
    text = _restore(values.get(name, "").strip())
    if len(text) > most:
        raise RowError(worded("%(name)s has more than %(most)s characters", name=name, most=most))
    if not text.isprintable():
        raise RowError(worded("%(name)s has characters that cannot be printed", name=name))
    return text


def _read_cap(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= CALL_CAP_MAX:
        raise RowError(
            worded(
                "%(name)s must be a whole number between 1 and %(most)s",
                name=name,
                most=CALL_CAP_MAX,
            )
        )
    return int(text)


def _read_expiry(values: Mapping[str, str]) -> int | None:
    text = values.get("expires", "").strip()
    if not text:
        return None
    try:
        last = date.fromisoformat(text[: len("2026-01-31")])
        # To the end of that day, everywhere in the world.
        end = datetime.combine(last, time(12), UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise RowError("expires must be a day such as 2026-01-31") from error
    return round(end.timestamp())
