"""Whatever is asked first of a platform that has nothing yet makes its database."""

import pytest
from tests.cli.conftest import Command
from tests.harness.database import FILE_NAME

# One of each kind: of the administration, the business, the inventory, the history, the people,
# the support, the messages, the members, the minutes.
FIRST = [
    ("trunk", "list"),
    ("enterprise", "list"),
    ("number", "list"),
    ("calls", "list"),
    ("user", "list"),
    ("ticket", "list"),
    ("messages", "list"),
    ("blacklist", "list"),
    ("ledger", "verify"),
]


@pytest.mark.parametrize("arguments", FIRST, ids=" ".join)
def test_first_command_makes_the_database(
    empty_command: Command, arguments: tuple[str, ...]
) -> None:
    data_dir = empty_command.config_path.parent / "data"
    assert not data_dir.exists()
    first = empty_command.run_json(*arguments)
    assert (data_dir / FILE_NAME).is_file()
    assert data_dir.stat().st_mode & 0o077 == 0
    assert empty_command.run_json(*arguments) == first
