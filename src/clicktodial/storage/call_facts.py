"""What the rules of a call need to know of its parties: one read, by indexes alone."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from clicktodial.domain.cause import Side
from clicktodial.domain.protection import (
    Calendar,
    CallCaps,
    CalleeHistory,
    CalleeRecord,
    CallFacts,
    CountedCalls,
    ListKind,
    MemberFacts,
    RulesInForce,
    Scope,
)
from clicktodial.storage.database import Database
from clicktodial.storage.member_table import (
    blacklist,
    call_count,
    callee_window,
    department,
    member,
    number_list,
)
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.protection_row import PLATFORM_SCOPE, is_listed_at

# A plus and two digits: no prefix is shorter, or a typing error would silence a continent.
PREFIX_CHARACTERS_MIN = 3


class SqlFactsReader:
    """Implements `control.port.FactsReader`."""

    def __init__(self, database: Database, keys: NumberKeys) -> None:
        self._reader = database.reader
        self._keys = keys

    async def read(
        self, rules: RulesInForce, enterprise_id: str, caller: str, callee: str, now: datetime
    ) -> CallFacts:
        """See control.port.FactsReader."""
        key = self._keys.key_of(callee)

        def look(connection: Connection) -> CallFacts:
            member_facts = None
            calls: Mapping[CountedCalls, int] = {}
            if rules.own.needs_member:
                member_facts = read_member(connection, enterprise_id, caller)
            if member_facts is not None and rules.own.has_caps:
                calls = _read_calls(connection, rules, member_facts, now)
            return CallFacts(
                enterprise_id=enterprise_id,
                callee_key=key,
                blacklisted=(
                    _read_blacklisted(connection, caller, callee)
                    if rules.platform.has_blacklist
                    else frozenset()
                ),
                listed=(
                    _read_listed(connection, enterprise_id, key, now)
                    if rules.needs_lists
                    else frozenset()
                ),
                member=member_facts,
                calls=calls,
                records=(
                    _read_records(connection, enterprise_id, key) if rules.scopes_that_count else {}
                ),
            )

        return await self._reader.run(look)


def read_member(connection: Connection, enterprise_id: str, e164: str) -> MemberFacts | None:
    """The member of that number; None where it is none."""
    query = (
        select(
            member.c.id,
            member.c.calls_per_day,
            member.c.calls_per_month,
            member.c.department_id,
            department.c.calls_per_day.label("department_calls_per_day"),
            department.c.calls_per_month.label("department_calls_per_month"),
        )
        .outerjoin_from(member, department, department.c.id == member.c.department_id)
        .where(member.c.enterprise_id == enterprise_id, member.c.e164 == e164)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return MemberFacts(
        member_id=row.id,
        caps=CallCaps(per_day=row.calls_per_day, per_month=row.calls_per_month),
        department_id=row.department_id,
        department_caps=CallCaps(
            per_day=row.department_calls_per_day, per_month=row.department_calls_per_month
        ),
    )


def department_of(connection: Connection, enterprise_id: str, e164: str) -> str | None:
    """The name of the department of the member of that number; None where there is none."""
    query = (
        select(department.c.name)
        .join(member, member.c.department_id == department.c.id)
        .where(member.c.enterprise_id == enterprise_id, member.c.e164 == e164)
    )
    return connection.scalar(query)


def _read_calls(
    connection: Connection, rules: RulesInForce, facts: MemberFacts, now: datetime
) -> Mapping[CountedCalls, int]:
    subjects = [subject.key for subject in facts.subjects(rules.own.enterprise)]
    if not subjects:
        return {}
    calendar = Calendar.at(now, rules.own.enterprise.time_zone)
    columns = call_count.c
    query = select(columns.subject, columns.period, columns.calls).where(
        columns.subject.in_(subjects),
        columns.period.in_([calendar.day.name, calendar.month.name]),
    )
    return {CountedCalls(row.subject, row.period): row.calls for row in connection.execute(query)}


def _read_blacklisted(connection: Connection, caller: str, callee: str) -> frozenset[Side]:
    numbers = {Side.CALLER: caller, Side.CALLEE: callee}
    columns = blacklist.c
    prefixes = {prefix for number in numbers.values() for prefix in _prefixes(number)}
    query = select(columns.number, columns.is_prefix).where(columns.number.in_(sorted(prefixes)))
    found = connection.execute(query).all()
    return frozenset(
        side
        for side, number in numbers.items()
        if any(
            number == row.number or (row.is_prefix and number.startswith(row.number))
            for row in found
        )
    )


def _prefixes(e164: str) -> list[str]:
    return [e164[:length] for length in range(PREFIX_CHARACTERS_MIN, len(e164) + 1)]


def _read_listed(
    connection: Connection, enterprise_id: str, key: str, now: datetime
) -> frozenset[tuple[Scope, ListKind]]:
    columns = number_list.c
    query = select(columns.scope, columns.kind).where(
        columns.number_key == key,
        columns.scope.in_([PLATFORM_SCOPE, enterprise_id]),
        is_listed_at(now),
    )
    return frozenset(
        (_scope_of(row.scope), ListKind(row.kind)) for row in connection.execute(query)
    )


def _read_records(
    connection: Connection, enterprise_id: str, key: str
) -> Mapping[Scope, CalleeRecord]:
    columns = callee_window.c
    query = select(columns.scope, columns.times_ms, columns.version).where(
        columns.callee_key == key, columns.scope.in_([PLATFORM_SCOPE, enterprise_id])
    )
    return {
        _scope_of(row.scope): CalleeRecord(
            CalleeHistory(tuple(json.loads(row.times_ms))), row.version
        )
        for row in connection.execute(query)
    }


def _scope_of(scope: str) -> Scope:
    return Scope.PLATFORM if scope == PLATFORM_SCOPE else Scope.ENTERPRISE
