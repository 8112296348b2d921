"""Databases for the tests of billing: the same as those of storage."""

from tests.storage.conftest import (
    database,
    database_url,
    empty_url,
    engine,
)

__all__ = ["database", "database_url", "empty_url", "engine"]
