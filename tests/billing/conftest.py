"""Databases for the tests of billing: the same as those of storage."""

from tests.storage.conftest import (
    database,
    database_url,
    empty_url,
    engine,
    migrated_file,
)

__all__ = ["database", "database_url", "empty_url", "engine", "migrated_file"]
