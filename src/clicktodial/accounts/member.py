"""Members of enterprises, one by one and many at a time."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from clicktodial.accounts.department import (
    find_or_add_department,
    insert_department,
    require_enterprise,
)
from clicktodial.accounts.table_row import (
    MemberRow,
    RowError,
    TableKind,
    column_names,
    neutralize,
    parse_member_row,
)
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.protection import NO_CAPS, CallCaps
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import member_table
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.protection_codec import check_caps
from clicktodial.storage.transaction import Transactions, note_change

# As many as one file may bring. The largest call centres have some ten thousand.
MEMBERS_MAX = 100_000
SEARCH_CHARACTERS_MAX = 64
# Between what is searched: no search has one.
_LINE = "\n"
# Read at a time for an export, so that it takes the same memory whatever its length.
_EXPORT_PAGE = 1_000

_member, _department = member_table.member, member_table.department
_TAKEN = "there is a member of that number already"
_SEPARATORS = re.compile(r"[ ().+-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member, as the enterprise sees it."""

    member_id: str
    profile: MemberProfile
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberSearch:
    """Which members: those whose number, name or employee id holds `text`, of `department_id`."""

    text: str = ""
    department_id: str | None = None


@dataclass(slots=True)
class BatchOutcome:
    """What came of some rows of a file."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)


class Members:
    """All methods raise AdministrationError and DatabaseUnavailable, and then nothing was
    changed."""

    def __init__(self, transactions: Transactions, *, region: str) -> None:
        self._transactions = transactions
        self._region = region

    def add(self, enterprise_id: str, profile: MemberProfile, *, now: datetime) -> Member:
        """A new member; its number as people write it. The department is made where it is not."""
        profile = self._check(profile)
        member_id: str = uuid_utils.uuid7().hex
        concerns_calls = profile.caps != NO_CAPS
        with self._transactions.change(_TAKEN, concerns_calls=concerns_calls) as connection:
            require_enterprise(connection, enterprise_id)
            _require_room(connection, enterprise_id, 1)
            values = _columns_of(connection, enterprise_id, profile, now)
            values |= {"id": member_id, "enterprise_id": enterprise_id, "created_at": now}
            connection.execute(insert(_member).values(values))
            return _show(connection, enterprise_id, member_id)

    def change(
        self,
        enterprise_id: str,
        member_id: str,
        change: Callable[[MemberProfile], MemberProfile],
        *,
        now: datetime,
    ) -> Member:
        """What is said of a member, its number included; returns it as it is now."""
        with self._transactions.change(_TAKEN, concerns_calls=False) as connection:
            known = _show(connection, enterprise_id, member_id)
            profile = self._check(change(known.profile))
            values = _columns_of(connection, enterprise_id, profile, now)
            connection.execute(update(_member).where(_member.c.id == member_id).values(values))
            if profile.caps != known.profile.caps:
                note_change(connection)
        return replace(known, profile=profile)

    def remove(self, enterprise_id: str, member_id: str) -> None:
        """It may not call any more where only members may, from the next call on."""
        where = (_member.c.id == member_id) & (_member.c.enterprise_id == enterprise_id)
        with self._transactions.change(concerns_calls=False) as connection:
            if not connection.execute(delete(_member).where(where)).rowcount:
                raise NotFound(worded("there is no member %(member_id)s", member_id=member_id))

    def show(self, enterprise_id: str, member_id: str) -> Member:
        """One member."""
        with self._transactions.read() as connection:
            return _show(connection, enterprise_id, member_id)

    def find(
        self,
        enterprise_id: str,
        search: MemberSearch = MemberSearch(),
        *,
        after: str = "",
        limit: int,
    ) -> list[Member]:
        """Those that fit, in the order in which they were added, behind the one of `after`."""
        # By identifier first: an index alone tells which, and where it does not, rows are read.
        ids = _search(enterprise_id, search).where(_member.c.id > after).limit(limit)
        query = _query(enterprise_id).where(_member.c.id.in_(ids)).order_by(_member.c.id)
        with self._transactions.read() as connection:
            require_enterprise(connection, enterprise_id)
            return [_read(row) for row in connection.execute(query)]

    def count(self, enterprise_id: str, *, at_most: int = MEMBERS_MAX) -> int:
        """How many there are, as far as they are counted."""
        some = select(_member.c.id).where(_member.c.enterprise_id == enterprise_id).limit(at_most)
        query = select(func.count()).select_from(some.subquery())
        with self._transactions.read() as connection:
            return connection.scalar(query) or 0

    def export(self, enterprise_id: str) -> Iterator[bytes]:
        """All of them as CSV in UTF-8, piece by piece; what an import takes as it is."""
        yield "\ufeff".encode() + _csv_line(column_names(TableKind.MEMBERS))
        after = ""
        while members := self.find(enterprise_id, after=after, limit=_EXPORT_PAGE):
            yield b"".join(_csv_line(_export_cells(member)) for member in members)
            after = members[-1].member_id

    def _check(self, profile: MemberProfile) -> MemberProfile:
        """Of what a person typed; the number as E.164. Raises ValueInvalid."""
        check_caps(profile.caps)
        values = {
            "number": profile.e164,
            "name": profile.name,
            "department": profile.department,
            "employee_id": profile.employee_id,
            "note": profile.note,
        }
        try:
            row = parse_member_row(values, self._region)
        except RowError as error:
            raise ValueInvalid(words_of(error)) from error
        return replace(_profile_of(row), caps=profile.caps)


def write_members(
    connection: Connection,
    enterprise_id: str,
    rows: Sequence[tuple[int, MemberRow]],
    now: datetime,
) -> BatchOutcome:
    """Add those of new numbers and change the others, within the caller's transaction; what is
    wrong with a row that could not be is among the problems. No number twice. Raises
    ValueInvalid where there is no room for so many."""
    outcome = BatchOutcome()
    known = _known_members(connection, enterprise_id, [row.e164 for _, row in rows])
    departments = _find_departments(connection, enterprise_id, rows, now, outcome)
    added, changed = [], []
    for _, row in rows:
        if row.department and row.department not in departments:
            continue
        before = known.get(row.e164)
        values = _columns(row, departments.get(row.department))
        if before is None:
            values |= {"id": uuid_utils.uuid7().hex, "enterprise_id": enterprise_id}
            added.append(values | {"created_at": now})
        elif any(getattr(before, name) != each for name, each in values.items()):
            changed.append(
                {f"new_{name}": each for name, each in values.items()} | {"key": before.id}
            )
        else:
            outcome.unchanged += 1
    if added:
        _require_room(connection, enterprise_id, len(added))
        connection.execute(insert(_member), added)
    if changed:
        names = _columns(rows[0][1], None)
        statement = update(_member).where(_member.c.id == bindparam("key"))
        connection.execute(
            statement.values({name: bindparam(f"new_{name}") for name in names}), changed
        )
    if any(row.calls_per_day or row.calls_per_month for _, row in rows) or any(
        before.calls_per_day or before.calls_per_month for before in known.values()
    ):
        note_change(connection)
    outcome.added, outcome.changed = len(added), len(changed)
    return outcome


def _known_members(
    connection: Connection, enterprise_id: str, numbers: Sequence[str]
) -> dict[str, Row[Any]]:
    query = select(_member).where(
        _member.c.enterprise_id == enterprise_id, _member.c.e164.in_(numbers)
    )
    return {row.e164: row for row in connection.execute(query)}


def _find_departments(
    connection: Connection,
    enterprise_id: str,
    rows: Sequence[tuple[int, MemberRow]],
    now: datetime,
    outcome: BatchOutcome,
) -> dict[str, str]:
    """By name, made where there is none. Where one cannot be, its rows have a problem."""
    columns = _department.c
    query = select(columns.name, columns.id).where(columns.enterprise_id == enterprise_id)
    found: dict[str, str] = {row.name: row.id for row in connection.execute(query)}
    refused: dict[str, str] = {}
    for number, row in rows:
        name = row.department
        if name and name not in found and name not in refused:
            try:
                found[name] = insert_department(connection, enterprise_id, name, now)
            except ValueInvalid as error:
                refused[name] = str(error)
        if name in refused:
            outcome.problems.append((number, refused[name]))
    return found


def _require_room(connection: Connection, enterprise_id: str, more: int) -> None:
    query = select(func.count()).where(_member.c.enterprise_id == enterprise_id)
    if (connection.scalar(query) or 0) + more > MEMBERS_MAX:
        raise ValueInvalid(worded("an enterprise may have %(most)s members", most=MEMBERS_MAX))


def _columns_of(
    connection: Connection, enterprise_id: str, profile: MemberProfile, now: datetime
) -> dict[str, Any]:
    department_id = None
    if profile.department:
        department_id = find_or_add_department(connection, enterprise_id, profile.department, now)
    row = MemberRow(
        e164=profile.e164,
        name=profile.name,
        department=profile.department,
        employee_id=profile.employee_id,
        note=profile.note,
        calls_per_day=profile.caps.per_day,
        calls_per_month=profile.caps.per_month,
    )
    return _columns(row, department_id)


def _columns(row: MemberRow, department_id: str | None) -> dict[str, Any]:
    # What a search finds it by.
    text = f"{row.e164}{_LINE}{row.employee_id.lower()}{_LINE}{row.name.lower()}"
    return {
        "e164": row.e164,
        "name": row.name,
        "department_id": department_id,
        "employee_id": row.employee_id,
        "note": row.note,
        "calls_per_day": row.calls_per_day,
        "calls_per_month": row.calls_per_month,
        "search_text": text[: member_table.SEARCH_TEXT_CHARACTERS_MAX],
    }


def _profile_of(row: MemberRow) -> MemberProfile:
    return MemberProfile(
        e164=row.e164,
        name=row.name,
        department=row.department,
        employee_id=row.employee_id,
        note=row.note,
        caps=CallCaps(per_day=row.calls_per_day, per_month=row.calls_per_month),
    )


def _query(enterprise_id: str) -> Select[Any]:
    return (
        select(_member, _department.c.name.label("department"))
        .outerjoin_from(_member, _department, _department.c.id == _member.c.department_id)
        .where(_member.c.enterprise_id == enterprise_id)
    )


def _search(enterprise_id: str, search: MemberSearch) -> Select[tuple[str]]:
    """The identifiers of those that fit, in their order."""
    of_enterprise = select(_member.c.id).where(_member.c.enterprise_id == enterprise_id)
    query = of_enterprise.order_by(_member.c.id)
    if search.department_id is not None:
        query = query.where(_member.c.department_id == search.department_id)
    text = search.text.strip()
    if not text:
        return query
    if len(text) > SEARCH_CHARACTERS_MAX:
        raise ValueInvalid(
            worded("a search has %(most)s characters at most", most=SEARCH_CHARACTERS_MAX)
        )
    sought = {text.lower()}
    digits = _SEPARATORS.sub("", text)
    if digits.isdigit():
        sought.add(digits)
    fits = [_member.c.search_text.contains(each, autoescape=True) for each in sorted(sought)]
    return query.where(or_(*fits))


def _show(connection: Connection, enterprise_id: str, member_id: str) -> Member:
    row = connection.execute(_query(enterprise_id).where(_member.c.id == member_id)).first()
    if row is None:
        raise NotFound(worded("there is no member %(member_id)s", member_id=member_id))
    return _read(row)


def _read(row: Row[Any]) -> Member:
    return Member(
        member_id=row.id,
        profile=MemberProfile(
            e164=row.e164,
            name=row.name,
            department=row.department or "",
            employee_id=row.employee_id,
            note=row.note,
            caps=CallCaps(per_day=row.calls_per_day, per_month=row.calls_per_month),
        ),
        created_at=row.created_at,
    )


def _export_cells(member: Member) -> list[str]:
    profile = member.profile
    caps = (profile.caps.per_day, profile.caps.per_month)
    # The plus of the number begins no formula that could do anything: digits follow.
    return [
        profile.e164,
        *map(neutralize, (profile.name, profile.department, profile.employee_id, profile.note)),
        *("" if cap is None else str(cap) for cap in caps),
    ]


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
