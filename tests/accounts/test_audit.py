"""The audit log, read by whoever may."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from clicktodial.accounts.audit import AuditEntry, AuditFilter, AuditLog
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def log(engine: Engine) -> AuditLog:
    log = AuditLog(Transactions(engine))
    rows = (("olga", "changeOptions", "acme"), ("ray", "logIn", "acme"), ("bea", "logIn", "brave"))
    log.add(
        [
            AuditEntry(
                at=NOW + timedelta(days=number),
                principal=principal,
                roles=("owner",),
                address="192.0.2.1",
                operation=operation,
                enterprise_id=enterprise_id,
            )
            for number, (principal, operation, enterprise_id) in enumerate(rows)
        ]
    )
    return log


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (AuditFilter(), ["ray", "olga"]),
        (AuditFilter(principal="olga"), ["olga"]),
        (AuditFilter(principal="bea"), []),
        (AuditFilter(operation="logIn"), ["ray"]),
        (AuditFilter(since=NOW + timedelta(hours=1)), ["ray"]),
        (AuditFilter(until=NOW + timedelta(days=1)), ["olga"]),
        (AuditFilter(principal="ray", operation="changeOptions"), []),
    ],
)
def test_log_of_an_enterprise_is_narrowed(
    log: AuditLog, which: AuditFilter, expected: list[str]
) -> None:
    found = log.list_entries(limit=10, enterprise_id="acme", which=which)
    assert [each.principal for each in found] == expected
