"""A migrated SQLite file, made once per process: migrating anew for every test is slow."""

import functools
import tempfile
from pathlib import Path

from clicktodial.storage.migration import migrate

FILE_NAME = "clicktodial.db"


def place_database(path: Path) -> Path:
    """Put one with all tables and no rows there, in a directory as private as the platform's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    return path


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE_NAME
        migrate(f"sqlite:///{path}")
        return path.read_bytes()
