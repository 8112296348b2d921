"""The sandbox, as applications' tests have it: once for all tests of a run."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.client.proxy import LossyProxy

from clicktodial.client.testing import Sandbox

# Where the package is installed pytest knows them by its entry point; here, in any case.
from clicktodial.pytest_plugin import clicktodial_notify_url, clicktodial_sandbox

__all__ = ["clicktodial_notify_url", "clicktodial_sandbox", "proxy"]

# A sandbox is a whole platform: a busy machine takes its time to start one.
_TIMEOUT_S = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


@pytest.fixture
def proxy(clicktodial_sandbox: Sandbox) -> Iterator[LossyProxy]:
    """Stands before the sandbox, and loses nothing until it is told to."""
    base_url = clicktodial_sandbox.base_url
    with LossyProxy(base_url, str(urlsplit(base_url).hostname)) as proxy:
        yield proxy
