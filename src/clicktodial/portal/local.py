"""How dates, numbers, lengths of time and money are written for somebody."""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal

from babel import Locale
from babel.dates import (
    format_date,
    format_datetime,
    format_skeleton,
    format_time,
    format_timedelta,
    get_timezone_name,
)
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent

from clicktodial.domain.number import mask_number

NOTHING = "–"  # noqa: RUF001 - a dash, as typographers set it


@dataclass(frozen=True, slots=True)
class Local:
    """The habits of a language and a time zone."""

    locale: Locale
    zone: tzinfo

    def moment(self, at: datetime | None, length: str = "medium") -> str:
        """A date with its time of day; seconds from `medium` on."""
        if at is None:
            return NOTHING
        return format_datetime(at, length, tzinfo=self.zone, locale=self.locale)

    def day(self, at: date | datetime | None, length: str = "medium") -> str:
        """A date alone."""
        if at is None:
            return NOTHING
        if isinstance(at, datetime):
            at = at.astimezone(self.zone)
        return format_date(at, length, locale=self.locale)

    def day_of_month(self, at: date) -> str:
        """A date without its year, as short as it can be."""
        return format_skeleton("Md", at, locale=self.locale)

    def month(self, at: date) -> str:
        """A month with its year."""
        return format_skeleton("yMMMM", at, locale=self.locale)

    def time(self, at: datetime | None, length: str = "medium") -> str:
        """The time of day alone."""
        if at is None:
            return NOTHING
        return format_time(at, length, tzinfo=self.zone, locale=self.locale)

    def number(self, value: int | float | None) -> str:
        """A number with its separators."""
        return NOTHING if value is None else format_decimal(value, locale=self.locale)

    def compact(self, value: int | float) -> str:
        """A large number in a few characters: 12K, 3.4M; 1.2万."""
        return format_compact_decimal(value, locale=self.locale, fraction_digits=1)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share of 1."""
        if share is None:
            return NOTHING
        pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
        return format_percent(share, format=pattern, locale=self.locale)

    def money(self, micros: int | None, currency: str) -> str:
        """An amount in millionths."""
        if micros is None:
            return NOTHING
        return format_currency(Decimal(micros) / 1_000_000, currency, locale=self.locale)

    def length(self, seconds: int | None) -> str:
        """How long something took, as a clock shows it: 0:42, 12:05, 1:02:33."""
        if seconds is None:
            return NOTHING
        hours, rest = divmod(seconds, 3600)
        minutes, last = divmod(rest, 60)
        return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"

    def age(self, since: datetime, now: datetime) -> str:
        """How long ago something began, in its largest unit: 3 days."""
        # From the next larger unit on at its whole: 25 hours are a day, and 20 are hours.
        return format_timedelta(now - since, threshold=1, locale=self.locale)

    def minutes(self, seconds: int | None) -> str:
        """Whole minutes, rounded up as they are charged, without their name."""
        return NOTHING if seconds is None else self.number(-(-seconds // 60))

    def zone_name(self) -> str:
        """The time zone in words."""
        if str(self.zone) == "UTC":
            return "UTC"
        return str(get_timezone_name(self.zone, locale=self.locale))


def masked(number: str) -> str:
    """A telephone number as those see it who need not know it."""
    return mask_number(number)
