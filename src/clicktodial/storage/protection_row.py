"""The rules of calls as rows: what an application's calls, and all calls, are bound by."""

from sqlalchemy import Connection, exists, or_, select

from clicktodial.domain.protection import (
    NO_CAPS,
    NO_PLATFORM_RULES,
    NO_RULES,
    CallRules,
    EnterpriseProtection,
    PlatformProtection,
    PlatformRules,
)
from clicktodial.storage.member_table import (
    application_protection,
    blacklist,
    department,
    enterprise_protection,
    member,
    number_list,
    platform_protection,
)
from clicktodial.storage.protection_codec import (
    decode_enterprise_protection,
    decode_platform_protection,
)

# `number_list.scope` and `callee_window.scope` of what is the operator's.
PLATFORM_SCOPE = ""
PLATFORM_ROW = 1


def read_enterprise_protection(connection: Connection, enterprise_id: str) -> EnterpriseProtection:
    """What the enterprise set. Raises OptionsUnreadable."""
    columns = enterprise_protection.c
    query = select(columns.settings).where(columns.enterprise_id == enterprise_id)
    return decode_enterprise_protection(connection.scalar(query))


def read_platform_protection(connection: Connection) -> PlatformProtection:
    """What the operator set. Raises OptionsUnreadable."""
    columns = platform_protection.c
    query = select(columns.settings).where(columns.id == PLATFORM_ROW)
    return decode_platform_protection(connection.scalar(query))


def read_call_rules(connection: Connection, enterprise_id: str, app_id: str) -> CallRules:
    """The rules of an application's calls; NO_RULES itself where there are none. Raises
    OptionsUnreadable."""
    columns = application_protection.c
    row = connection.execute(
        select(
            columns.ignores_quiet_hours,
            columns.ignores_platform_quiet_hours,
        ).where(columns.app_id == app_id)
    ).first()
    protection = read_enterprise_protection(connection, enterprise_id)
    rules = CallRules(
        enterprise=protection,
        has_caps=protection.member_caps != NO_CAPS or _has_caps(connection, enterprise_id),
        has_lists=has_list(connection, enterprise_id),
        ignores_quiet_hours=row is not None and row.ignores_quiet_hours,
        ignores_platform_quiet_hours=row is not None and row.ignores_platform_quiet_hours,
    )
    return NO_RULES if rules == NO_RULES else rules


def read_platform_rules(connection: Connection) -> PlatformRules:
    """The operator's; NO_PLATFORM_RULES itself where there are none. Raises OptionsUnreadable."""
    rules = PlatformRules(
        protection=read_platform_protection(connection),
        has_blacklist=bool(connection.scalar(select(exists(select(blacklist.c.number))))),
        has_lists=has_list(connection, PLATFORM_SCOPE),
    )
    return NO_PLATFORM_RULES if rules == NO_PLATFORM_RULES else rules


def has_list(connection: Connection, scope: str) -> bool:
    """Whether any number is listed there, expired ones included."""
    query = select(exists(select(number_list.c.id).where(number_list.c.scope == scope)))
    return bool(connection.scalar(query))


def _has_caps(connection: Connection, enterprise_id: str) -> bool:
    members, departments = member.c, department.c
    query = select(
        or_(
            exists(
                select(members.id).where(
                    members.enterprise_id == enterprise_id,
                    or_(members.calls_per_day.is_not(None), members.calls_per_month.is_not(None)),
                )
            ),
            exists(
                select(departments.id).where(
                    departments.enterprise_id == enterprise_id,
                    or_(
                        departments.calls_per_day.is_not(None),
                        departments.calls_per_month.is_not(None),
                    ),
                )
            ),
        )
    )
    return bool(connection.scalar(query))
