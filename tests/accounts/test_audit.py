"""The audit log, read by whoever may."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from sqlalchemy import Engine
from tests.harness.plan import read_plans

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


@pytest.mark.on_every_database
def test_pages_have_each_entry_once_in_the_order_of_time(log: AuditLog) -> None:
    at = NOW + timedelta(days=1)
    entries = [AuditEntry(at=at, principal="x", roles=(), address="", operation="y")] * 5
    log.add(entries)
    found, before = list[AuditEntry](), None
    while page := log.list_entries(limit=2, before=before):
        found += page
        before = page[-1].audit_id
    assert len({each.audit_id for each in found}) == 8
    assert [each.principal for each in found] == ["bea", *"xxxxx", "ray", "olga"]
    assert log.list_entries(limit=2, before="nothing") == []


INDEXES = [
    (None, AuditFilter(), "audit_by_time"),
    (None, AuditFilter(since=NOW, until=NOW), "audit_by_time"),
    (None, AuditFilter(operation="logIn"), "audit_by_operation"),
    (None, AuditFilter(principal="ray"), "audit_by_principal"),
    (None, AuditFilter(principal="ray", operation="logIn"), "audit_by_both"),
    ("acme", AuditFilter(), "audit_by_enterprise"),
    ("acme", AuditFilter(until=NOW), "audit_by_enterprise"),
    ("acme", AuditFilter(operation="logIn"), "audit_by_enterprise_operation"),
    ("acme", AuditFilter(principal="ray"), "audit_by_principal"),
    ("acme", AuditFilter(principal="ray", operation="logIn"), "audit_by_both"),
]


@pytest.mark.on_every_database
def test_whatever_is_wanted_is_found_in_an_index(engine: Engine, log: AuditLog) -> None:
    last = log.list_entries(limit=1)[0].audit_id
    for (enterprise_id, which, index), before in product(INDEXES, (None, last)):
        ask = partial(
            log.list_entries, limit=26, enterprise_id=enterprise_id, before=before, which=which
        )
        [*_, plan] = read_plans(engine, ask)
        assert "Seq Scan" not in plan, index
        if engine.dialect.name == "sqlite":
            assert f"INDEX {index}" in plan.split(" (")[0]
            # What is at one time alone is put in order.
            assert plan.endswith("USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"), index
