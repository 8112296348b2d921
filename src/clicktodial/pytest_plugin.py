"""Fixtures for tests of applications: pytest finds them where the package is installed.

Every pytest run of such a place loads this file, so that it imports nothing but pytest; what a
fixture needs is loaded when a test asks for it, and the platform runs in another process.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clicktodial.client.testing import Sandbox


@pytest.fixture(scope="session")
def clicktodial_notify_url() -> str | None:
    """Whom the platform tells of v1 calls: to be overridden by the address of one's own server.
    None stands for the inbox."""
    return None


@pytest.fixture(scope="session")
def clicktodial_sandbox(
    clicktodial_notify_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Sandbox]":
    """A platform with an application and simulated phones, once for all tests of a run."""
    from clicktodial.client.testing import open_sandbox

    directory = tmp_path_factory.mktemp("clicktodial")
    with open_sandbox(directory=directory, notify_url=clicktodial_notify_url) as sandbox:
        yield sandbox
