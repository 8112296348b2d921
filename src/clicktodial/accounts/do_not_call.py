"""Numbers that are not to be called, and exceptions from the rules: each enterprise's and the
operator's; and the operator's blacklist.

Whose number is on a do-not-call list wants least to be known, so the list holds keyed hashes
(storage.number_key) and what a person may read of them, a number with its middle hidden. Whoever
knows a number can ask whether it is there; nobody can read the numbers out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from clicktodial.accounts.department import require_enterprise
from clicktodial.accounts.member import BatchOutcome
from clicktodial.accounts.table_row import ListedRow
from clicktodial.domain.number import mask_number
from clicktodial.domain.protection import ListKind
from clicktodial.domain.wording import worded
from clicktodial.storage import member_table, value
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.protection_row import PLATFORM_SCOPE, has_list
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions, note_change

# Of each list. A register of a whole country is for a service that is asked, not for a copy.
LISTED_MAX = 1_000_000
# All of it is shown in pages; every call looks for some 30 prefixes in it.
BLACKLISTED_MAX = 100_000

_list, _blacklist = member_table.number_list, member_table.blacklist
_PREFIX = re.compile(r"\+[1-9][0-9]{1,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNumber:
    """A number of a list, as it may be shown: `shown` has its middle hidden."""

    entry_id: str
    shown: str
    reason: str
    source: str
    added_by: str
    added_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListPlace:
    """One list: `scope` is the enterprise whose it is; empty: the platform's."""

    kind: ListKind
    scope: str = PLATFORM_SCOPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Blacklisted:
    """A number, or all numbers that begin so, that nobody calls or calls from."""

    number: str
    is_prefix: bool
    reason: str
    added_by: str
    added_at: datetime


class NumberLists:
    """Changes of the lists. All methods raise AdministrationError and DatabaseUnavailable, and
    then nothing was changed."""

    def __init__(self, transactions: Transactions, keys: NumberKeys, *, region: str) -> None:
        self._transactions = transactions
        self._keys = keys
        self._region = region

    def add(
        self,
        place: ListPlace,
        written: str,
        *,
        reason: str = "",
        source: str = "",
        expires_at: datetime | None = None,
        added_by: str,
        now: datetime,
    ) -> ListedNumber:
        """A number as people write it; one that is there already is given these in place of its
        own."""
        if expires_at is not None and expires_at <= now:
            raise ValueInvalid("it must expire in the future")
        row = ListedRow(
            value.check_sponsor(written, self._region),
            _check_words(reason, "the reason"),
            _check_words(source, "the source"),
            None if expires_at is None else round(expires_at.timestamp()),
        )
        with self._transactions.change(concerns_calls=False) as connection:
            _require_owner(connection, place)
            _write(connection, self._keys, place, [(1, row)], added_by=added_by, now=now)
            return _require(self._find(connection, place, row.e164))

    def remove(self, place: ListPlace, entry_id: str) -> None:
        """From the next call on."""
        where = (_list.c.id == entry_id) & _in(place)
        with self._transactions.change(concerns_calls=False) as connection:
            if not connection.execute(delete(_list).where(where)).rowcount:
                raise NotFound(worded("there is no entry %(entry_id)s", entry_id=entry_id))

    def find(self, place: ListPlace, written: str) -> ListedNumber:
        """The entry of a number as people write it, one that has expired included."""
        e164 = value.check_sponsor(written, self._region)
        with self._transactions.read() as connection:
            return _require(self._find(connection, place, e164))

    def list_all(self, place: ListPlace, *, after: str = "", limit: int) -> list[ListedNumber]:
        """In the order in which they were added, behind the entry `after`."""
        query = (
            select(_list).where(_in(place), _list.c.id > after).order_by(_list.c.id).limit(limit)
        )
        with self._transactions.read() as connection:
            _require_owner(connection, place)
            return [_read(row) for row in connection.execute(query)]

    def _find(self, connection: Connection, place: ListPlace, e164: str) -> ListedNumber | None:
        where = (_list.c.number_key == self._keys.key_of(e164)) & _in(place)
        row = connection.execute(select(_list).where(where)).first()
        return None if row is None else _read(row)

    # The blacklist

    def blacklist(
        self, number: str, *, is_prefix: bool, reason: str, added_by: str, now: datetime
    ) -> Blacklisted:
        """A number as people write it, or a prefix in E.164 with plus."""
        if is_prefix:
            if not _PREFIX.fullmatch(number):
                raise ValueInvalid("a prefix must be a plus and 2 to 15 digits")
        else:
            number = value.check_sponsor(number, self._region)
        row = Blacklisted(
            number=number,
            is_prefix=is_prefix,
            reason=_check_words(reason, "the reason"),
            added_by=added_by,
            added_at=now,
        )
        with self._transactions.change("it is on the blacklist already") as connection:
            count = connection.scalar(select(func.count()).select_from(_blacklist)) or 0
            if count >= BLACKLISTED_MAX:
                raise ValueInvalid(
                    worded("the blacklist holds %(most)s entries at most", most=BLACKLISTED_MAX)
                )
            connection.execute(
                insert(_blacklist).values(
                    number=number,
                    is_prefix=is_prefix,
                    reason=row.reason,
                    added_by=added_by,
                    added_at=now,
                )
            )
        return row

    def unblacklist(self, number: str) -> None:
        """A number as people write it, or a prefix as it stands there."""
        numbers = [number]
        if not _PREFIX.fullmatch(number):
            numbers = [value.check_sponsor(number, self._region)]
        with self._transactions.change() as connection:
            removed = connection.execute(delete(_blacklist).where(_blacklist.c.number.in_(numbers)))
            if not removed.rowcount:
                raise NotFound("it is not on the blacklist")

    def list_blacklist(self, *, after: str = "", limit: int) -> list[Blacklisted]:
        """By number, behind the one of `after`."""
        query = (
            select(_blacklist)
            .where(_blacklist.c.number > after)
            .order_by(_blacklist.c.number)
            .limit(limit)
        )
        with self._transactions.read() as connection:
            return [
                Blacklisted(
                    number=row.number,
                    is_prefix=row.is_prefix,
                    reason=row.reason,
                    added_by=row.added_by,
                    added_at=row.added_at,
                )
                for row in connection.execute(query)
            ]


def write_listed(
    connection: Connection,
    keys: NumberKeys,
    scope: str,
    rows: Sequence[tuple[int, ListedRow]],
    *,
    added_by: str,
    now: datetime,
) -> BatchOutcome:
    """Put rows of a file on the do-not-call list, within the caller's transaction. No number
    twice. Raises ValueInvalid where there is no room for so many."""
    place = ListPlace(ListKind.DO_NOT_CALL, scope)
    return _write(connection, keys, place, rows, added_by=added_by, now=now)


def _write(
    connection: Connection,
    keys: NumberKeys,
    place: ListPlace,
    rows: Sequence[tuple[int, ListedRow]],
    *,
    added_by: str,
    now: datetime,
) -> BatchOutcome:
    outcome = BatchOutcome()
    key_by_number = {row.e164: keys.key_of(row.e164) for _, row in rows}
    known = {
        each.number_key: each
        for each in connection.execute(
            select(_list).where(_list.c.number_key.in_(key_by_number.values()), _in(place))
        )
    }
    is_first = not has_list(connection, place.scope)
    added = []
    for _, row in rows:
        key = key_by_number[row.e164]
        expires_at = None if row.expires_at is None else datetime.fromtimestamp(row.expires_at, UTC)
        values = {"reason": row.reason, "source": row.source, "expires_at": expires_at}
        before = known.get(key)
        if before is None:
            added.append(
                values
                | {
                    "number_key": key,
                    "scope": place.scope,
                    "kind": place.kind,
                    "id": uuid_utils.uuid7().hex,
                    "shown": mask_number(row.e164),
                    "added_by": added_by,
                    "added_at": now,
                }
            )
        elif all(getattr(before, name) == each for name, each in values.items()):
            outcome.unchanged += 1
        else:
            connection.execute(update(_list).where(_list.c.id == before.id).values(values))
            outcome.changed += 1
    _require_room(connection, place, len(added))
    if added:
        connection.execute(insert(_list), added)
        if is_first:
            note_change(connection)
    outcome.added = len(added)
    return outcome


def _in(place: ListPlace) -> Any:
    return (_list.c.scope == place.scope) & (_list.c.kind == place.kind)


def _require_owner(connection: Connection, place: ListPlace) -> None:
    if place.scope != PLATFORM_SCOPE:
        require_enterprise(connection, place.scope)


def _require_room(connection: Connection, place: ListPlace, more: int) -> None:
    # Stepping over them takes some 20 ms where there are a million: by the index alone.
    beyond = (
        select(_list.c.id)
        .where(_in(place))
        .order_by(_list.c.id)
        .offset(max(LISTED_MAX - more, 0))
        .limit(1)
    )
    if more and connection.scalar(beyond) is not None:
        raise ValueInvalid(worded("the list holds %(most)s numbers at most", most=LISTED_MAX))


def _check_words(text: str, what: str) -> str:
    if len(text) > DETAIL_CHARACTERS_MAX or not text.isprintable():
        raise ValueInvalid(
            worded(
                "%(what)s must be at most %(most)s printable characters",
                what=what,
                most=DETAIL_CHARACTERS_MAX,
            )
        )
    return text


def _require(entry: ListedNumber | None) -> ListedNumber:
    if entry is None:
        raise NotFound("the number is not on the list")
    return entry


def _read(row: Row[Any]) -> ListedNumber:
    return ListedNumber(
        entry_id=row.id,
        shown=row.shown,
        reason=row.reason,
        source=row.source,
        added_by=row.added_by,
        added_at=row.added_at,
        expires_at=row.expires_at,
    )
