"""What is set for the protection of callees as the JSON of one column, and its bounds."""

import msgspec

from clicktodial.domain.protection import (
    CALL_CAP_MAX,
    FREQUENCY_MAX,
    MINUTES_PER_DAY,
    CallCaps,
    EnterpriseProtection,
    FrequencyCaps,
    PlatformProtection,
    QuietHours,
)
from clicktodial.domain.time_zone import ZoneError, find_zone
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage.error import OptionsUnreadable, ValueInvalid
from clicktodial.storage.value import check_range

_enterprise_decoder = msgspec.json.Decoder(EnterpriseProtection)
_platform_decoder = msgspec.json.Decoder(PlatformProtection)


def encode_protection(protection: EnterpriseProtection | PlatformProtection) -> str:
    """The column's text."""
    return msgspec.json.encode(protection).decode()


def decode_enterprise_protection(text: str | None) -> EnterpriseProtection:
    """The inverse; the default where there is no row. Raises OptionsUnreadable."""
    if text is None:
        return EnterpriseProtection()
    try:
        return _enterprise_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise OptionsUnreadable(f"stored rules cannot be read: {error}") from error


def decode_platform_protection(text: str | None) -> PlatformProtection:
    """As above, of the operator's."""
    if text is None:
        return PlatformProtection()
    try:
        return _platform_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise OptionsUnreadable(f"stored rules cannot be read: {error}") from error


def check_enterprise_protection(
    protection: EnterpriseProtection, platform: PlatformProtection
) -> None:
    """Raises ValueInvalid. No cap of an enterprise may be higher than the operator's."""
    check_frequency(protection.frequency)
    check_quiet_hours(protection.quiet_hours)
    check_caps(protection.member_caps)
    try:
        find_zone(protection.time_zone)
    except ZoneError as error:
        raise ValueInvalid(words_of(error)) from error
    if not protection.frequency.is_within(platform.frequency):
        raise ValueInvalid("a callee may not be called more often than the operator allows")


def check_platform_protection(protection: PlatformProtection) -> None:
    """Raises ValueInvalid."""
    check_frequency(protection.frequency)
    check_quiet_hours(protection.quiet_hours)


def check_frequency(caps: FrequencyCaps) -> None:
    """Raises ValueInvalid."""
    for cap, what in (
        (caps.per_5_minutes, worded("the calls per 5 minutes")),
        (caps.per_hour, worded("the calls per hour")),
        (caps.per_day, worded("the calls per day")),
    ):
        if cap is not None:
            check_range(cap, what, low=1, high=FREQUENCY_MAX)


def check_caps(caps: CallCaps) -> None:
    """Raises ValueInvalid."""
    for cap, what in (
        (caps.per_day, worded("the calls per day")),
        (caps.per_month, worded("the calls per month")),
    ):
        if cap is not None:
            check_range(cap, what, low=1, high=CALL_CAP_MAX)


def check_quiet_hours(hours: QuietHours | None) -> None:
    """Raises ValueInvalid. A whole day is no quiet hours: that is what suspending is for."""
    if hours is None:
        return
    for minute in (hours.start_minute, hours.end_minute):
        check_range(minute, "a quiet hour", low=0, high=MINUTES_PER_DAY - 1)
    if hours.start_minute == hours.end_minute:
        raise ValueInvalid("quiet hours must end at another time than they begin")
