"""The operator's inventory of sponsor numbers, and whose each is.

Rules stand in domain.sponsor_number; here they meet the table. Each change is a compare-and-set
on the number's version, so that of two who want one number one gets Conflict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import phonenumbers
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from clicktodial.accounts.scope import (
    require_application,
    require_visible,
    visible_enterprises,
)
from clicktodial.domain.number import mask_number
from clicktodial.domain.number_pool import Place
from clicktodial.domain.place_lookup import NullPlaceLookup, PlaceLookup
from clicktodial.domain.principal import Principal
from clicktodial.domain.sponsor_number import (
    NumberInput,
    NumberKind,
    NumberState,
    NumberStateError,
    Reinstate,
    Release,
    Retire,
    SponsorNumber,
    at,
    process,
)
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.application_codec import check_city
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.number_table import sponsor_number
from clicktodial.storage.options_codec import decode_call_options
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_identifier, check_sponsor

# What one page of a list holds; rows are short.
NUMBERS_PAGE_MAX = 200
# A released number rests for so long by default: whoever was called from it has called back by
# then, or has forgotten it.
COOLING_OFF = timedelta(days=90)
# A country has some hundred cities that have numbers of their own.
PLACES_MAX = 1_000
# Counting a hundred thousand free numbers takes a tenth of a second.
COUNT_KEPT = timedelta(minutes=1)
# In one transaction: it holds SQLite's write lock, for which begins of calls wait meanwhile.
_ROWS_AT_ONCE = 100
_columns = sponsor_number.c
_LAPSING = (NumberState.RESERVED.value, NumberState.COOLING_OFF.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNumber:
    """A number that the operator adds, as written; what is None or empty is found out where it
    can be."""

    number: str
    kind: NumberKind | None = None
    city: str = ""
    region: str = ""
    trunk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDetail:
    """A number of the inventory, as it is by now, and the applications that may show it."""

    number: SponsorNumber
    kind: NumberKind
    place: Place
    trunk: str | None
    applications: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter:
    """Which numbers; None is any."""

    state: NumberState | None = None
    kind: NumberKind | None = None
    city: str | None = None
    region: str | None = None
    trunk: str | None = None
    enterprise_id: str | None = None


class NumberInventory:
    """All methods raise AdministrationError, NotFound also for what is another's."""

    def __init__(
        self,
        transactions: Transactions,
        *,
        region: str,
        places: PlaceLookup | None = None,
        cooling_off: timedelta = COOLING_OFF,
    ) -> None:
        """`region` is that of numbers without a country; `places` fills in cities."""
        self._transactions = transactions
        self._region = region
        self._places = places or NullPlaceLookup()
        self._cooling_off = cooling_off
        self._lock = Lock()
        self._free_by_place: tuple[datetime, Sequence[tuple[Place, int]]] | None = None

    # The operator's

    def add(self, new: NewNumber, now: datetime) -> NumberDetail:
        """A new number, free."""
        row = self._row_of(new, now)
        with self._transactions.change(
            "that number is in the inventory already", concerns_calls=False
        ) as connection:
            _require_trunk(connection, new.trunk)
            connection.execute(insert(sponsor_number).values(row))
            return _read_detail(connection, row["e164"], now)

    def add_all(self, rows: Sequence[NewNumber | ValueInvalid], now: datetime) -> list[str | None]:
        """Many at once, each for itself: None for one that is added, else why it is not. A row
        that could not even be read is given as its error."""
        outcomes: list[str | None] = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            with self._transactions.change(concerns_calls=False) as connection:
                for new in rows[start : start + _ROWS_AT_ONCE]:
                    outcomes.append(self._try_to_add(connection, new, now))
        return outcomes

    def _try_to_add(
        self, connection: Connection, new: NewNumber | ValueInvalid, now: datetime
    ) -> str | None:
        try:
            if isinstance(new, ValueInvalid):
                raise new
            row = self._row_of(new, now)
            _require_trunk(connection, new.trunk)
            with connection.begin_nested():
                connection.execute(insert(sponsor_number).values(row))
        except IntegrityError:
            return str(worded("it is in the inventory already"))
        except (ValueInvalid, NotFound) as error:
            return str(error)
        return None

    def list_numbers(
        self,
        which: NumberFilter,
        now: datetime,
        *,
        after: str | None = None,
        limit: int = NUMBERS_PAGE_MAX,
    ) -> list[NumberDetail]:
        """The inventory, by number, beginning behind `after`."""
        with self._transactions.read() as connection:
            return _read_details(connection, _conditions(which, now), now, after, limit)

    def show(self, written: str, now: datetime) -> NumberDetail:
        """One number."""
        e164 = check_sponsor(written, self._region)
        with self._transactions.read() as connection:
            return _read_detail(connection, e164, now)

    def describe(
        self,
        written: str,
        now: datetime,
        *,
        city: str | None = None,
        region: str | None = None,
        trunk: str | None = None,
        has_trunk: bool | None = None,
    ) -> NumberDetail:
        """Change where it is and the trunk that it belongs to; None leaves each as it is, and
        with `has_trunk` False it belongs to none."""
        e164 = check_sponsor(written, self._region)
        values: dict[str, Any] = {}
        if city is not None:
            values["city"] = check_city(city, "the city")
        if region is not None:
            values["region"] = check_city(region, "the region")
        if trunk is not None or has_trunk is False:
            values["trunk"] = trunk
        with self._transactions.change() as connection:
            _require_trunk(connection, trunk)
            if values:
                connection.execute(
                    update(sponsor_number).where(_columns.e164 == e164).values(values)
                )
            return _read_detail(connection, e164, now)

    def retire(self, written: str, now: datetime) -> NumberDetail:
        """The operator has it no longer; one that is anybody's is released first."""
        return self._move(written, Retire(), now)

    def reinstate(self, written: str, now: datetime) -> NumberDetail:
        """The operator has it again."""
        return self._move(written, Reinstate(), now)

    # Everybody's who may see the enterprise

    def list_free(
        self,
        now: datetime,
        *,
        kind: NumberKind | None = None,
        city: str | None = None,
        region: str | None = None,
        after: str | None = None,
        limit: int = NUMBERS_PAGE_MAX,
    ) -> list[NumberDetail]:
        """Those that may be ordered."""
        which = NumberFilter(state=NumberState.FREE, kind=kind, city=city, region=region)
        return self.list_numbers(which, now, after=after, limit=limit)

    def count_free(self, now: datetime) -> Sequence[tuple[Place, int]]:
        """How many may be ordered of each city, by region and city; PLACES_MAX at most. As they
        were up to COUNT_KEPT ago: each of them is looked at."""
        with self._lock:
            known = self._free_by_place
        if known is not None and timedelta(0) <= now - known[0] < COUNT_KEPT:
            return known[1]
        query = (
            select(_columns.region, _columns.city, func.count())
            .where(*_conditions(NumberFilter(state=NumberState.FREE), now))
            .group_by(_columns.region, _columns.city)
            .order_by(_columns.region, _columns.city)
            .limit(PLACES_MAX)
        )
        with self._transactions.read() as connection:
            rows = connection.execute(query).all()
        found = [(Place(city, region), int(count)) for region, city, count in rows]
        with self._lock:
            self._free_by_place = (now, found)
        return found

    def list_of_enterprise(
        self,
        principal: Principal,
        enterprise_id: str,
        now: datetime,
        *,
        after: str | None = None,
        limit: int = NUMBERS_PAGE_MAX,
    ) -> list[NumberDetail]:
        """Those that are assigned to an enterprise."""
        which = NumberFilter(state=NumberState.ASSIGNED, enterprise_id=enterprise_id)
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return _read_details(connection, _conditions(which, now), now, after, limit)

    def release(self, principal: Principal, written: str, now: datetime) -> NumberDetail:
        """Its enterprise gives it back: no application shows it any more, and it rests."""
        e164 = check_sponsor(written, self._region)
        with self._transactions.change() as connection:
            owner = _read_owner(connection, principal, e164)
            _require_not_in_options(connection, owner, e164)
            move_number(connection, e164, Release(now + self._cooling_off), now)
            _show_no_longer(connection, owner, e164)
            return _read_detail(connection, e164, now)

    def end_enterprise(self, connection: Connection, enterprise_id: str, *, now: datetime) -> None:
        """All numbers of an enterprise that has come to its end, in the transaction of that."""
        held = select(_columns.e164).where(
            _columns.enterprise_id == enterprise_id,
            _columns.state == NumberState.ASSIGNED.value,
        )
        for e164 in connection.scalars(held.order_by(_columns.e164)).all():
            move_number(connection, e164, Release(now + self._cooling_off), now)
            _show_no_longer(connection, enterprise_id, e164)

    def assign(self, principal: Principal, app_id: str, written: str) -> str:
        """Let an application show a number of its enterprise; returns it in E.164."""
        e164 = check_sponsor(written, self._region)
        with self._transactions.change(
            "the application may show that number already"
        ) as connection:
            owner = require_application(connection, principal, app_id).enterprise_id
            if _read_owner(connection, principal, e164) != owner:
                raise NotFound("the enterprise has no such number")
            connection.execute(insert(table.application_number).values(app_id=app_id, e164=e164))
        return e164

    def unassign(self, principal: Principal, app_id: str, written: str) -> str:
        """Let an application show a number no longer; it stays its enterprise's."""
        e164 = check_sponsor(written, self._region)
        shown = table.application_number.c
        with self._transactions.change() as connection:
            owner = require_application(connection, principal, app_id).enterprise_id
            _require_not_in_options(connection, owner, e164, app_id)
            removed = connection.execute(
                delete(table.application_number).where(shown.app_id == app_id, shown.e164 == e164)
            )
            if not removed.rowcount:
                raise NotFound("the application may not show that number anyway")
        return e164

    def list_of_application(self, principal: Principal, app_id: str) -> list[str]:
        """The numbers that an application may show, in E.164; in the inventory or not."""
        shown = table.application_number.c
        with self._transactions.read() as connection:
            require_application(connection, principal, app_id)
            query = select(shown.e164).where(shown.app_id == app_id).order_by(shown.e164)
            return list(connection.scalars(query))

    # What they share

    def _move(self, written: str, asked: NumberInput, now: datetime) -> NumberDetail:
        e164 = check_sponsor(written, self._region)
        with self._transactions.change(concerns_calls=False) as connection:
            move_number(connection, e164, asked, now)
            return _read_detail(connection, e164, now)

    def _row_of(self, new: NewNumber, now: datetime) -> dict[str, Any]:
        e164 = check_sponsor(new.number, self._region)
        city, region = check_city(new.city, "the city"), check_city(new.region, "the region")
        if not city and not region:
            place = self._places.find(e164)
            city, region = (
                check_city(place.city, "the city"),
                check_city(place.region, "the region"),
            )
        return {
            "e164": e164,
            "kind": (new.kind or kind_of(e164)).value,
            "city": city,
            "region": region,
            "trunk": None if new.trunk is None else check_identifier(new.trunk, "the trunk's name"),
            "state": NumberState.FREE.value,
            "added_at": now,
            "version": 0,
        }


def kind_of(e164: str) -> NumberKind:
    """What sort of number it is by its numbering plan."""
    kind = phonenumbers.number_type(phonenumbers.parse(e164))
    types = phonenumbers.PhoneNumberType
    if kind == types.MOBILE:
        return NumberKind.MOBILE
    # Some plans do not tell the two apart.
    is_fixed = kind in (types.FIXED_LINE, types.FIXED_LINE_OR_MOBILE, types.VOIP)
    return NumberKind.FIXED if is_fixed else NumberKind.SERVICE


def has_number(connection: Connection, enterprise_id: str) -> bool:
    """Whether the enterprise has a number to show: of the inventory, or, where the operator keeps
    none, through one of its applications."""
    assigned = select(_columns.e164).where(
        _columns.enterprise_id == enterprise_id, _columns.state == NumberState.ASSIGNED.value
    )
    if connection.execute(assigned.limit(1)).first() is not None:
        return True
    shown, applications = table.application_number.c, table.application.c
    query = (
        select(shown.e164)
        .join(table.application, applications.app_id == shown.app_id)
        .where(applications.enterprise_id == enterprise_id)
    )
    return connection.execute(query.limit(1)).first() is not None


def move_number(
    connection: Connection, e164: str, asked: NumberInput, now: datetime
) -> SponsorNumber:
    """The number after that. Raises NotFound, or Conflict where it is in another state, or
    somebody else was quicker; then nothing is changed."""
    row = connection.execute(select(sponsor_number).where(_columns.e164 == e164)).first()
    if row is None:
        raise NotFound(worded("%(number)s is not in the inventory", number=mask_number(e164)))
    try:
        following = process(_number_of(row), asked, now)
    except NumberStateError as error:
        raise Conflict(
            worded("%(number)s: %(error)s", number=mask_number(e164), error=error)
        ) from error
    changed = connection.execute(
        update(sponsor_number)
        .where(_columns.e164 == e164, _columns.version == row.version)
        .values(
            state=following.state.value,
            enterprise_id=following.enterprise_id,
            order_id=following.order_id,
            until=following.until,
            version=row.version + 1,
        )
    )
    if not changed.rowcount:
        raise Conflict(worded("%(number)s: somebody else was quicker", number=mask_number(e164)))
    return following


def _number_of(row: Row[Any]) -> SponsorNumber:
    return SponsorNumber(
        e164=row.e164,
        state=NumberState(row.state),
        enterprise_id=row.enterprise_id,
        order_id=row.order_id,
        until=row.until,
    )


def _conditions(which: NumberFilter, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if which.state is not None:
        conditions.append(_is_in_state(which.state, now))
    if which.kind is not None:
        conditions.append(_columns.kind == which.kind.value)
    for column, wanted in (
        (_columns.city, which.city),
        (_columns.region, which.region),
        (_columns.trunk, which.trunk),
        (_columns.enterprise_id, which.enterprise_id),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    return conditions


def _is_in_state(state: NumberState, now: datetime) -> ColumnElement[bool]:
    """As domain.sponsor_number.at says it, in SQL."""
    has_lapsed = and_(_columns.state.in_(_LAPSING), _columns.until <= now)
    if state is NumberState.FREE:
        return or_(_columns.state == state.value, has_lapsed)
    if state.value in _LAPSING:
        return and_(_columns.state == state.value, _columns.until > now)
    return _columns.state == state.value


def _read_details(
    connection: Connection,
    conditions: Sequence[ColumnElement[bool]],
    now: datetime,
    after: str | None,
    limit: int,
) -> list[NumberDetail]:
    query = select(sponsor_number).where(*conditions).order_by(_columns.e164)
    if after is not None:
        query = query.where(_columns.e164 > after)
    rows = connection.execute(query.limit(min(limit, NUMBERS_PAGE_MAX + 1))).all()
    shown = table.application_number.c
    applications: dict[str, list[str]] = {}
    of_page = select(shown.e164, shown.app_id).where(shown.e164.in_([row.e164 for row in rows]))
    for row in connection.execute(of_page.order_by(shown.app_id)):
        applications.setdefault(row.e164, []).append(row.app_id)
    return [_detail_of(row, now, tuple(applications.get(row.e164, ()))) for row in rows]


def _read_detail(connection: Connection, e164: str, now: datetime) -> NumberDetail:
    found = _read_details(connection, [_columns.e164 == e164], now, None, 1)
    if not found:
        raise NotFound(worded("%(number)s is not in the inventory", number=mask_number(e164)))
    return found[0]


def _detail_of(row: Row[Any], now: datetime, applications: tuple[str, ...]) -> NumberDetail:
    number = at(_number_of(row), now)
    return NumberDetail(
        number=number,
        kind=NumberKind(row.kind),
        place=Place(row.city, row.region),
        trunk=row.trunk,
        # Before there was an inventory, others may have been let show it.
        applications=applications,
    )


def without_applications(detail: NumberDetail) -> NumberDetail:
    """What whoever may order a number is told of it."""
    return replace(detail, applications=())


def _read_owner(connection: Connection, principal: Principal, e164: str) -> str:
    """The enterprise that has the number. Raises NotFound, also for another's."""
    query = (
        select(_columns.enterprise_id)
        .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
        .where(_columns.e164 == e164, _columns.state == NumberState.ASSIGNED.value)
        .where(visible_enterprises(principal))
        # So that nobody releases it while an application is let show it.
        .with_for_update(of=sponsor_number)
    )
    owner: str | None = connection.scalar(query)
    if owner is None:
        raise NotFound("no enterprise of yours has that number")
    return owner


def _show_no_longer(connection: Connection, enterprise_id: str, e164: str) -> None:
    applications = select(table.application.c.app_id).where(
        table.application.c.enterprise_id == enterprise_id
    )
    shown = table.application_number.c
    connection.execute(
        delete(table.application_number).where(shown.e164 == e164, shown.app_id.in_(applications))
    )


def _require_trunk(connection: Connection, name: str | None) -> None:
    if name is None:
        return
    if connection.scalar(select(table.trunk.c.name).where(table.trunk.c.name == name)) is None:
        raise NotFound("there is no trunk of that name")


def _require_not_in_options(
    connection: Connection, enterprise_id: str, e164: str, app_id: str | None = None
) -> None:
    """Options that name a number which is gone would have every call refused."""
    columns, shown = table.application.c, table.application_number.c
    query = (
        select(columns.app_id, columns.options)
        .join(table.application_number, shown.app_id == columns.app_id)
        .where(columns.enterprise_id == enterprise_id, shown.e164 == e164)
    )
    if app_id is not None:
        query = query.where(columns.app_id == app_id)
    for row in connection.execute(query):
        options = decode_call_options(row.options)
        if e164 in (options.shown_to_caller, options.shown_to_callee):
            raise Conflict(
                worded("the options of application %(app_id)s show that number", app_id=row.app_id)
            )
