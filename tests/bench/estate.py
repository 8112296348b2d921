"""An estate that is small, for tests that look at much of everything."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from clicktodial.bench.estate import EstateSize, furnish
from clicktodial.storage.secret import SecretVault

NOW = datetime(2026, 6, 3, 9, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
SMALL = EstateSize(
    enterprises=7,
    members=5,
    members_of_largest=50,
    departments=3,
    departments_of_largest=9,
    people=35,
    applications_of_largest=2,
    audited=300,
    tickets=100,
    numbers=200,
    orders=50,
    orders_open=5,
    intentions=20,
    calls=60,
    listed=30,
    blacklisted=10,
    imports=20,
)


def furnish_small(engine: Engine, vault: SecretVault) -> None:
    """Put it there."""
    furnish(engine, SMALL, vault, password=PASSWORD, now=NOW)
