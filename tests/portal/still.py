"""A platform that goes by another clock: `python still.py FILE serve --config FILE`.

It is as late as the file says by the time of its last change: pictures of what it shows are then
the same whenever they are made.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace

from clicktodial.composition.foundation import SystemClock
from clicktodial.config import load_settings
from clicktodial.domain import identifier
from clicktodial.main import run


def main() -> int:
    """Serve until a signal comes."""
    [clock, _, _, config] = sys.argv[1:]

    def read() -> datetime:
        return datetime.fromtimestamp(Path(clock).stat().st_mtime, UTC)

    chance = Random(7)

    def create_uuid() -> SimpleNamespace:
        millis = int(read().timestamp() * 1_000)
        return SimpleNamespace(hex=f"{millis:012x}7{chance.getrandbits(76):019x}")

    SystemClock.utc = staticmethod(read)
    # Identifiers tell when they were made.
    setattr(identifier, "uuid_utils", SimpleNamespace(uuid7=create_uuid))  # noqa: B010 - no part of it
    return run(load_settings(Path(config)))


if __name__ == "__main__":
    raise SystemExit(main())
