"""Critical periods, and who is on call: kept by the operator, read by whoever must be called."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import uuid_utils
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.roster import Line, Shift, Span, find_gaps, find_overlaps
from clicktodial.domain.support_clock import BusinessHours, CriticalPeriod, Timetable
from clicktodial.domain.ticket import GOALS, TicketPriority
from clicktodial.domain.wording import worded, words_of
from clicktodial.messaging.mail import queue_mail
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.ticket_table import (
    OPEN_TICKET,
    critical_period,
    roster_shift,
    ticket,
)
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_name

# Two lines around the clock in shifts of eight hours, for the longest period: 1116.
SHIFTS_AHEAD_MAX = 2_000
# A dozen festivals a year are many; each ticket's clock looks at all that it lived through.
PERIODS_AHEAD_MAX = 50
PERIOD_DAYS_MAX = 60
# A turn is a person's: nobody answers the telephone for longer.
SHIFT_DAYS_MAX = 14
SPAN_DAYS_MAX = 366
# Early enough to find somebody, late enough for rosters to be made.
GAPS_TOLD_BEFORE = timedelta(days=3)
_periods = critical_period.c
_shifts = roster_shift.c
_READERS = frozenset({Role.SUPPORT, Role.ACCOUNT_MANAGER, Role.OPERATOR})
_HURRIED = [each.value for each in TicketPriority if GOALS[each].pace.is_hurried]


class ShiftContact(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a shift, as it is sealed."""

    name: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShift:
    """Somebody's turn, as it is entered."""

    line: Line
    name: str
    phone: str
    email: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRoster:
    """One line's shifts within a time, and what is wrong with them."""

    line: Line
    shifts: Sequence[Shift]
    gaps: Sequence[Span]
    overlaps: Sequence[Span]


def read_timetable(connection: Connection, hours: BusinessHours, since: datetime) -> Timetable:
    """Business hours, and the critical periods that were not over by then."""
    query = select(critical_period).where(_periods.until_at > since).order_by(_periods.from_at)
    return Timetable(
        hours=hours, periods=tuple(_period_of(row) for row in connection.execute(query))
    )


def find_on_call(
    connection: Connection, vault: SecretVault, line: Line, at: datetime
) -> list[Shift]:
    """Who of that line is on call then; more than one where shifts overlap."""
    query = select(roster_shift).where(
        _shifts.line == line.value, _shifts.until_at > at, _shifts.from_at <= at
    )
    rows = connection.execute(query.order_by(_shifts.from_at))
    return [_shift_of(row, vault) for row in rows]


class Rosters:
    """What people do with the roster and with critical periods. All methods block, and raise
    AdministrationError or DatabaseUnavailable."""

    def __init__(
        self, transactions: Transactions, vault: SecretVault, *, region: str, operator_email: str
    ) -> None:
        """Telephone numbers are read in that country."""
        self._transactions = transactions
        self._vault = vault
        self._region = region
        self._operator_email = operator_email

    def show(self, principal: Principal, wanted: Span) -> list[LineRoster]:
        """Both lines within that time: shifts, gaps and overlaps."""
        _require(principal, _READERS)
        _check_span(wanted, days_max=SPAN_DAYS_MAX)
        with self._transactions.read() as connection:
            return self._read_lines(connection, wanted)

    def add_shift(self, principal: Principal, new: NewShift, now: datetime) -> str:
        """Somebody's turn; returns its identifier."""
        _require(principal, frozenset({Role.OPERATOR}))
        _check_span(new.span, days_max=SHIFT_DAYS_MAX)
        if new.span.until_at <= now:
            raise ValueInvalid("the shift is over already")
        contact = self._check_contact(new)
        shift_id = uuid_utils.uuid7().hex
        with self._transactions.change(concerns_calls=False) as connection:
            ahead = select(func.count()).where(_shifts.until_at > now)
            if (connection.scalar(ahead) or 0) >= SHIFTS_AHEAD_MAX:
                raise Conflict(
                    worded(
                        "there are %(most)s shifts ahead, which are the most", most=SHIFTS_AHEAD_MAX
                    )
                )
            connection.execute(
                insert(roster_shift).values(
                    id=shift_id,
                    line=new.line.value,
                    contact_encrypted=self._vault.seal(
                        msgspec.json.encode(contact), shift_place(shift_id)
                    ),
                    from_at=new.span.from_at,
                    until_at=new.span.until_at,
                )
            )
        return shift_id

    def remove_shift(self, principal: Principal, shift_id: str, now: datetime) -> None:
        """Take a turn off the roster that has not begun, or end one that runs."""
        _require(principal, frozenset({Role.OPERATOR}))
        with self._transactions.change(concerns_calls=False) as connection:
            row = connection.execute(select(roster_shift).where(_shifts.id == shift_id)).first()
            if row is None:
                raise NotFound("there is no such shift")
            if row.until_at <= now:
                raise Conflict("the shift is over: who had it is kept")
            if row.from_at >= now:
                connection.execute(delete(roster_shift).where(_shifts.id == shift_id))
            else:
                connection.execute(
                    update(roster_shift).where(_shifts.id == shift_id).values(until_at=now)
                )

    def list_periods(self, principal: Principal) -> list[CriticalPeriod]:
        """All critical periods, the latest first, at most a thousand."""
        _require(principal, _READERS)
        query = select(critical_period).order_by(_periods.from_at.desc()).limit(1_000)
        with self._transactions.read() as connection:
            return [_period_of(row) for row in connection.execute(query)]

    def add_period(self, principal: Principal, name: str, span: Span, now: datetime) -> str:
        """A festival ahead; returns its identifier. What was counted is not counted anew, so it
        begins now at the earliest."""
        _require(principal, frozenset({Role.OPERATOR}))
        _check_span(span, days_max=PERIOD_DAYS_MAX)
        if span.from_at < now:
            raise ValueInvalid("a critical period begins now at the earliest")
        period_id = uuid_utils.uuid7().hex
        with self._transactions.change(concerns_calls=False) as connection:
            ahead = select(func.count()).where(_periods.until_at > now)
            if (connection.scalar(ahead) or 0) >= PERIODS_AHEAD_MAX:
                raise Conflict(
                    worded(
                        "there are %(most)s periods ahead, which are the most",
                        most=PERIODS_AHEAD_MAX,
                    )
                )
            connection.execute(
                insert(critical_period).values(
                    id=period_id,
                    name=check_name(name),
                    from_at=span.from_at,
                    until_at=span.until_at,
                )
            )
            _wake_clocks(connection, now)
        return period_id

    def end_period(self, principal: Principal, period_id: str, now: datetime) -> None:
        """Take a period away that has not begun, or end one that runs."""
        _require(principal, frozenset({Role.OPERATOR}))
        with self._transactions.change(concerns_calls=False) as connection:
            row = connection.execute(
                select(critical_period).where(_periods.id == period_id)
            ).first()
            if row is None:
                raise NotFound("there is no such critical period")
            if row.until_at <= now:
                raise Conflict("the critical period is over, and clocks have counted it")
            this = _periods.id == period_id
            if row.from_at >= now:
                connection.execute(delete(critical_period).where(this))
            else:
                connection.execute(update(critical_period).where(this).values(until_at=now))
            _wake_clocks(connection, now)

    def tell_gaps(self, now: datetime) -> int:
        """Mail the operator the gaps of periods that are near, once each; returns of how many."""
        near = select(critical_period).where(
            _periods.gaps_told_at.is_(None),
            _periods.from_at <= now + GAPS_TOLD_BEFORE,
            _periods.until_at > now,
        )
        with self._transactions.read() as connection:
            if not connection.execute(near.limit(1)).first():
                return 0
        told = 0
        with self._transactions.change(concerns_calls=False) as connection:
            for row in connection.execute(near).all():
                claim = update(critical_period).where(
                    _periods.id == row.id, _periods.gaps_told_at.is_(None)
                )
                if connection.execute(claim.values(gaps_told_at=now)).rowcount:
                    told += self._tell_gaps_of(connection, _period_of(row), now)
        return told

    def _tell_gaps_of(self, connection: Connection, period: CriticalPeriod, now: datetime) -> bool:
        lines = self._read_lines(connection, Span(period.from_at, period.until_at))
        gaps = [(each.line, gap) for each in lines for gap in each.gaps]
        if not gaps:
            return False
        listed = [f"{line}: {_words(gap)}" for line, gap in gaps[:_GAPS_LISTED_MAX]]
        if len(gaps) > _GAPS_LISTED_MAX:
            listed.append(f"and {len(gaps) - _GAPS_LISTED_MAX} more")
        queue_mail(
            connection,
            to=self._operator_email,
            subject="Nobody is on call for parts of a critical period",
            text="\n".join([f"In the critical period {period.name}:", "", *listed]),
            now=now,
        )
        return True

    def _read_lines(self, connection: Connection, wanted: Span) -> list[LineRoster]:
        query = select(roster_shift).where(
            _shifts.until_at > wanted.from_at, _shifts.from_at < wanted.until_at
        )
        rows = connection.execute(query.order_by(_shifts.from_at, _shifts.id)).all()
        shifts = [_shift_of(row, self._vault) for row in rows]
        return [_line_roster(line, shifts, wanted) for line in Line]

    def _check_contact(self, new: NewShift) -> ShiftContact:
        try:
            phone = parse_number(new.phone, self._region).e164
            email = parse_email(new.email)
        except NumberError as error:
            raise ValueInvalid("the phone is not a telephone number") from error
        except EmailError as error:
            raise ValueInvalid(words_of(error)) from error
        return ShiftContact(name=check_name(new.name), phone=phone, email=email)


# What a mail of a page holds.
_GAPS_LISTED_MAX = 50


def shift_place(shift_id: str) -> str:
    """Where a shift's contact stands."""
    return f"roster_shift.contact:{shift_id}"


def _wake_clocks(connection: Connection, now: datetime) -> None:
    """Have the tickets that a period hurries looked at anew: their deadlines moved."""
    connection.execute(
        update(ticket).where(OPEN_TICKET, ticket.c.priority.in_(_HURRIED)).values(due_at=now)
    )


def _line_roster(line: Line, shifts: Sequence[Shift], wanted: Span) -> LineRoster:
    own = [shift for shift in shifts if shift.line is line]
    spans = [shift.span for shift in own]
    return LineRoster(
        line=line, shifts=own, gaps=find_gaps(spans, wanted), overlaps=find_overlaps(spans)
    )


def _check_span(span: Span, *, days_max: int) -> None:
    if span.from_at >= span.until_at:
        raise ValueInvalid("it must end after it begins")
    if span.until_at - span.from_at > timedelta(days=days_max):
        raise ValueInvalid(worded("it may last %(days_max)s days", days_max=days_max))


def _require(principal: Principal, roles: frozenset[Role]) -> None:
    if principal.enterprise_id is not None or not principal.has_any(roles):
        raise NotPermitted


def _words(span: Span) -> str:
    return f"{span.from_at:%Y-%m-%d %H:%M} to {span.until_at:%Y-%m-%d %H:%M} UTC"


def _period_of(row: Row[Any]) -> CriticalPeriod:
    return CriticalPeriod(row.id, row.name, row.from_at, row.until_at)


def _shift_of(row: Row[Any], vault: SecretVault) -> Shift:
    opened = vault.open(row.contact_encrypted, shift_place(row.id))
    contact = msgspec.json.decode(opened, type=ShiftContact)
    return Shift(
        shift_id=row.id,
        line=Line(row.line),
        name=contact.name,
        phone=contact.phone,
        email=contact.email,
        span=Span(row.from_at, row.until_at),
    )
