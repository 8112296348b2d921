"""What the bench's tests share."""

import sys
from pathlib import Path

import pytest

from clicktodial.bench.placement import Placement, choose_placement

FAKE_PLATFORM = Path(__file__).with_name("fake_platform.py")


@pytest.fixture
def fake_command() -> tuple[str, ...]:
    """How the fake platform is run."""
    return (sys.executable, str(FAKE_PLATFORM))


@pytest.fixture
def placement() -> Placement:
    """The usual placement of this machine."""
    return choose_placement(is_pinned=True)
