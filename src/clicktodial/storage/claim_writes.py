"""Claims as statements of the transaction that makes the call: each holds, or the call is not."""

import json
from collections.abc import Iterable
from typing import assert_never

from sqlalchemy import Dialect, Insert, bindparam, literal_column

from clicktodial.domain.protection import CalleeClaim, Claim, CountClaim
from clicktodial.storage.instant import to_millis
from clicktodial.storage.member_table import call_count, callee_window
from clicktodial.storage.statement import compile_statement, dialect_insert
from clicktodial.storage.writer import Write

# After the call's row, before its events; a claim that fails undoes all of them.
_RANK = 1
# A history that is not there, or no longer, may be begun by any version: it has expired.
_COUNT_NAMES = ["subject", "period", "expires_at", "most"]
_CALLEE_NAMES = ["callee_key", "scope", "times_ms", "version", "expires_at", "old_version"]


class ClaimWrites:
    """Finished statements for one database."""

    def __init__(self, dialect: Dialect) -> None:
        self._count = compile_statement(
            _count_statement(dialect), dialect, _COUNT_NAMES, rank=_RANK
        )
        self._callee = compile_statement(
            _callee_statement(dialect), dialect, _CALLEE_NAMES, rank=_RANK
        )

    def writes(self, claims: Iterable[Claim]) -> list[Write]:
        """To be written with the call that makes them."""
        return [self._write(claim) for claim in claims]

    def _write(self, claim: Claim) -> Write:
        match claim:
            case CountClaim():
                ends_at = to_millis(claim.ends_at)
                return self._count, (*claim.counted, ends_at, claim.limit)
            case CalleeClaim():
                times_ms = json.dumps(claim.history.times_ms, separators=(",", ":"))
                return self._callee, (
                    claim.callee_key,
                    claim.owner,
                    times_ms,
                    claim.version + 1,
                    to_millis(claim.expires_at),
                    claim.version,
                )
            case _:
                assert_never(claim)


def _count_statement(dialect: Dialect) -> Insert:
    columns = call_count.c
    return (
        dialect_insert(call_count, dialect)
        .values(
            subject=bindparam("subject"),
            period=bindparam("period"),
            calls=literal_column("1"),
            expires_at=bindparam("expires_at"),
        )
        .on_conflict_do_update(
            index_elements=[columns.subject, columns.period],
            set_={"calls": columns.calls + literal_column("1")},
            where=columns.calls < bindparam("most"),
        )
    )


def _callee_statement(dialect: Dialect) -> Insert:
    columns = callee_window.c
    statement = dialect_insert(callee_window, dialect).values(
        {name: bindparam(name) for name in _CALLEE_NAMES[:-1]}
    )
    taken = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[columns.callee_key, columns.scope],
        set_={
            "times_ms": taken.times_ms,
            "version": taken.version,
            "expires_at": taken.expires_at,
        },
        where=columns.version == bindparam("old_version"),
    )
