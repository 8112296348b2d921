"""What holds for all tests: how Hypothesis draws, what is collected as garbage, that none
configures another's log, and how much a failure tells.

In a run of the suite each property gets the same examples every time: a run fails for what was
changed, not for what was drawn, and no example is too slow because the machine is busy. To look
further, `pytest --hypothesis-profile=explore` draws anew, and much more.
"""

import gc
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings
from tests.harness.database import DatabaseKind, open_database, open_empty_database

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgresqlServer

# Times are bounded where they are the subject of a test; here they would be the machine's.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_EXPLORED_EXAMPLES = 5_000
# Of what a failed test wrote to each of its streams and to the log, the end is shown: whoever reads
# it where changes are checked may see a few thousand characters of the whole run.
_CAPTURED_SHOWN = 4_000

_EVERY_DATABASE = "--every-database"
_EVERY_MARK = "on_every_database"
_POSTGRESQL_MARK = "on_postgresql"

settings.register_profile("suite", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("explore", _PATIENT, max_examples=_EXPLORED_EXAMPLES)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        _EVERY_DATABASE,
        action="store_true",
        help="run every test that takes a database on PostgreSQL too, not the marked ones alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_EVERY_MARK}: it depends on the database's SQL")
    config.addinivalue_line("markers", f"{_POSTGRESQL_MARK}: SQLite has no such case")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked once with each kind of database."""
    if "database_kind" not in metafunc.fixturenames:
        return
    get_marker = metafunc.definition.get_closest_marker
    if get_marker(_POSTGRESQL_MARK) is not None:
        metafunc.parametrize("database_kind", [DatabaseKind.POSTGRESQL], indirect=True)
    elif get_marker(_EVERY_MARK) is not None or metafunc.config.getoption(_EVERY_DATABASE):
        metafunc.parametrize("database_kind", list(DatabaseKind), indirect=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator["PostgresqlServer"]:
    """One for all tests of this worker."""
    # Most workers need neither it nor its driver.
    from tests.harness.postgresql import PostgresqlServer

    server = PostgresqlServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> DatabaseKind:
    """What the test's database is."""
    return DatabaseKind(getattr(request, "param", DatabaseKind.SQLITE))


@pytest.fixture
def database_url(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of the test's own, with tables."""
    with open_database(database_kind, request) as url:
        yield url


@pytest.fixture
def empty_url(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables."""
    with open_empty_database(database_kind, request) as url:
        yield url


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
