"""In which time zones the holder of a number may be."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

# Looking one up costs some 30 us; the same people are called again. About 300 bytes an entry.
NUMBERS_CACHED_MAX = 8_192
CHINA = "Asia/Shanghai"
# All of the mainland keeps one time, and most of what is called is there.
_CHINA_PREFIX = "+86"


class ZoneError(ValueError):
    """There is no time zone of that name."""


def find_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name such as `Asia/Shanghai`. Raises ZoneError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneError("there is no time zone of that name") from error


def zones_of_number(e164: str) -> tuple[ZoneInfo, ...]:
    """Where a number may be, by its prefix; none where nothing is known of it.

    Several where the prefix is that of a country with several zones: a mobile phone there may be
    in any of them.
    """
    if e164.startswith(_CHINA_PREFIX):
        return (ZoneInfo(CHINA),)
    return _look_up(e164)


@lru_cache(NUMBERS_CACHED_MAX)
def _look_up(e164: str) -> tuple[ZoneInfo, ...]:
    try:
        names = time_zones_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return ()
    zones = []
    for name in names:
        try:
            zones.append(find_zone(name))
        except ZoneError:  # UNKNOWN_TIMEZONE, or one that this machine's tables have not
            assert name == UNKNOWN_TIMEZONE or "/" in name
    return tuple(zones)
