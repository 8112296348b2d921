"""What holds for all tests: how Hypothesis draws, what is collected as garbage, that none
configures another's log, and how much a failure tells.

In a run of the suite each property gets the same examples every time: a run fails for what was
changed, not for what was drawn, and no example is too slow because the machine is busy. To look
further, `pytest --hypothesis-profile=explore` draws anew, and much more.
"""

import gc
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Times are bounded where they are the subject of a test; here they would be the machine's.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_EXPLORED_EXAMPLES = 5_000
# Of what a failed test wrote to each of its streams and to the log, the end is shown: whoever reads
# it where changes are checked may see a few thousand characters of the whole run.
_CAPTURED_SHOWN = 4_000

settings.register_profile("suite", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("explore", _PATIENT, max_examples=_EXPLORED_EXAMPLES)
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """All that is loaded by now stays, and is not walked again by every collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A command that a test runs in this process keeps to warnings; the next test hears all."""
    yield
    structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shorten what a report shows of what the test wrote."""
    report = yield
    report.sections = [(title, text[-_CAPTURED_SHOWN:]) for title, text in report.sections]
    return report
