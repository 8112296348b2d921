"""Databases for the tests of billing: the same as those of storage."""

from tests.storage.conftest import database, engine

__all__ = ["database", "engine"]
