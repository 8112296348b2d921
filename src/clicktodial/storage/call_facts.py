"""What the rules of a call need to know of its parties: one read, by indexes alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam, or_, select

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
from clicktodial.storage.instant import to_millis
from clicktodial.storage.member_table import (
    blacklist,
    call_count,
    callee_window,
    department,
    member,
    number_list,
)
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.protection_row import PLATFORM_SCOPE
from clicktodial.storage.statement import Query

# A plus and two digits: no prefix is shorter, or a typing error would silence a continent.
PREFIX_CHARACTERS_MIN = 3


# The longest E.164 number, with its plus.
_NUMBER_CHARACTERS = 16
_PREFIX_COUNT = 2 * (_NUMBER_CHARACTERS + 1 - PREFIX_CHARACTERS_MIN)
_SUBJECTS, _PERIODS = 2, 2


class SqlFactsReader:
    """Implements `control.port.FactsReader`.

    To build and bind its five queries anew cost ten times what the database does for them, at each
    call.
    """

    def __init__(self, database: Database, keys: NumberKeys) -> None:
        self._reader = database.reader
        self._keys = keys
        self._queries = _Queries.compile(database.engine.dialect)

    async def read(
        self, rules: RulesInForce, enterprise_id: str, caller: str, callee: str, now: datetime
    ) -> CallFacts:
        """See control.port.FactsReader."""
        key = self._keys.key_of(callee)

        def look(connection: Connection) -> CallFacts:
            # A transaction of its own, so that what the queries read is of one moment.
            with connection.begin():
                looking = _Looking(self._queries, connection, rules, enterprise_id, now)
                return looking.read(caller, callee, key)

        return await self._reader.run(look)


@dataclass(frozen=True, slots=True)
class _Queries:
    member: Query
    calls: Query
    blacklisted: Query
    listed: Query
    records: Query

    @classmethod
    def compile(cls, dialect: Dialect) -> "_Queries":
        """For one database."""
        return cls(
            member=Query(_member_query(), dialect),
            calls=Query(_calls_query(), dialect),
            blacklisted=Query(_blacklist_query(), dialect),
            listed=Query(_listed_query(), dialect),
            records=Query(_records_query(), dialect),
        )


@dataclass(frozen=True, slots=True)
class _Looking:
    """One look at the database, for one call."""

    queries: _Queries
    connection: Connection
    rules: RulesInForce
    enterprise_id: str
    now: datetime

    def read(self, caller: str, callee: str, key: str) -> CallFacts:
        """What the rules need."""
        rules, member_facts, calls = self.rules, None, {}
        if rules.own.needs_member:
            member_facts = self._read_member(caller)
        if member_facts is not None and rules.own.has_caps:
            calls = self._read_calls(member_facts)
        return CallFacts(
            enterprise_id=self.enterprise_id,
            callee_key=key,
            blacklisted=(
                self._read_blacklisted(caller, callee)
                if rules.platform.has_blacklist
                else frozenset()
            ),
            listed=self._read_listed(key) if rules.needs_lists else frozenset(),
            member=member_facts,
            calls=calls,
            records=self._read_records(key) if rules.scopes_that_count else {},
        )

    def _read_member(self, caller: str) -> MemberFacts | None:
        rows = self.queries.member.run(
            self.connection, {"enterprise": self.enterprise_id, "e164": caller}
        )
        if not rows:
            return None
        [(member_id, per_day, per_month, department_id, of_all_per_day, of_all_per_month)] = rows
        return MemberFacts(
            member_id=member_id,
            caps=CallCaps(per_day=per_day, per_month=per_month),
            department_id=department_id,
            department_caps=CallCaps(per_day=of_all_per_day, per_month=of_all_per_month),
        )

    def _read_calls(self, facts: MemberFacts) -> dict[CountedCalls, int]:
        protection = self.rules.own.enterprise
        subjects = [subject.key for subject in facts.subjects(protection)]
        if not subjects:
            return {}
        calendar = Calendar.at(self.now, protection.time_zone)
        rows = self.queries.calls.run(
            self.connection,
            _numbered("subject", [subjects[0], subjects[-1]])
            | _numbered("period", [calendar.day.name, calendar.month.name]),
        )
        return {CountedCalls(subject, period): calls for subject, period, calls in rows}

    def _read_blacklisted(self, caller: str, callee: str) -> frozenset[Side]:
        prefixes = [*_prefixes(caller), *_prefixes(callee)]
        # As many as the query has places for; one twice finds nothing twice.
        prefixes += [caller] * (_PREFIX_COUNT - len(prefixes))
        found = self.queries.blacklisted.run(self.connection, _numbered("prefix", prefixes))
        return frozenset(
            side
            for side, number in ((Side.CALLER, caller), (Side.CALLEE, callee))
            if any(
                number == listed or (is_prefix and number.startswith(listed))
                for listed, is_prefix in found
            )
        )

    def _read_listed(self, key: str) -> frozenset[tuple[Scope, ListKind]]:
        rows = self.queries.listed.run(
            self.connection, self._of_callee(key) | {"now": to_millis(self.now)}
        )
        return frozenset((_scope_of(scope), ListKind(kind)) for scope, kind in rows)

    def _read_records(self, key: str) -> dict[Scope, CalleeRecord]:
        rows = self.queries.records.run(self.connection, self._of_callee(key))
        return {
            _scope_of(scope): CalleeRecord(CalleeHistory(tuple(json.loads(times_ms))), version)
            for scope, times_ms, version in rows
        }

    def _of_callee(self, key: str) -> dict[str, Any]:
        return {"key": key, "platform": PLATFORM_SCOPE, "enterprise": self.enterprise_id}


class MemberDepartments:
    """Tells departments of members: a storage.minutes.DepartmentOf."""

    def __init__(self, dialect: Dialect) -> None:
        query = (
            select(department.c.name)
            .join(member, member.c.department_id == department.c.id)
            .where(
                member.c.enterprise_id == bindparam("enterprise"),
                member.c.e164 == bindparam("e164"),
            )
        )
        self._query = Query(query, dialect)

    def __call__(self, connection: Connection, enterprise_id: str, e164: str) -> str | None:
        """The name of the department of the member of that number; None where there is none."""
        rows = self._query.run(connection, {"enterprise": enterprise_id, "e164": e164})
        return rows[0][0] if rows else None


def _binds(name: str, count: int) -> list[BindParameter[Any]]:
    return [bindparam(f"{name}_{place}") for place in range(count)]


def _numbered(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """The parameters of `_binds`."""
    return {f"{name}_{place}": value for place, value in enumerate(values)}


def _member_query() -> Select[Any]:
    return (
        select(
            member.c.id,
            member.c.calls_per_day,
            member.c.calls_per_month,
            member.c.department_id,
            department.c.calls_per_day,
            department.c.calls_per_month,
        )
        .outerjoin_from(member, department, department.c.id == member.c.department_id)
        .where(
            member.c.enterprise_id == bindparam("enterprise"),
            member.c.e164 == bindparam("e164"),
        )
    )


def _calls_query() -> Select[Any]:
    columns = call_count.c
    return select(columns.subject, columns.period, columns.calls).where(
        columns.subject.in_(_binds("subject", _SUBJECTS)),
        columns.period.in_(_binds("period", _PERIODS)),
    )


def _blacklist_query() -> Select[Any]:
    columns = blacklist.c
    return select(columns.number, columns.is_prefix).where(
        columns.number.in_(_binds("prefix", _PREFIX_COUNT))
    )


def _listed_query() -> Select[Any]:
    columns = number_list.c
    return select(columns.scope, columns.kind).where(
        columns.number_key == bindparam("key"),
        columns.scope.in_([bindparam("platform"), bindparam("enterprise")]),
        or_(columns.expires_at.is_(None), columns.expires_at > bindparam("now")),
    )


def _records_query() -> Select[Any]:
    columns = callee_window.c
    return select(columns.scope, columns.times_ms, columns.version).where(
        columns.callee_key == bindparam("key"),
        columns.scope.in_([bindparam("platform"), bindparam("enterprise")]),
    )


def _prefixes(e164: str) -> list[str]:
    last = min(len(e164), _NUMBER_CHARACTERS)
    return [e164[:length] for length in range(PREFIX_CHARACTERS_MIN, last + 1)]


def _scope_of(scope: str) -> Scope:
    return Scope.PLATFORM if scope == PLATFORM_SCOPE else Scope.ENTERPRISE
