"""A platform's files in a directory of the test's own, and commands run on them."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.harness.database import FILE_NAME, place_database
from typer.testing import CliRunner

from clicktodial.cli import app


@dataclass(frozen=True)
class Command:
    """Runs commands in this process, each with --config."""

    config_path: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        """What the command wrote to standard output, or, where it failed, to standard error."""
        result = CliRunner().invoke(app, [*arguments, "--config", str(self.config_path)])
        assert result.exit_code == code, result.output
        # An exception that nothing translated exits with 1 as well.
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result.stdout if code == 0 else result.stderr

    def run_json(self, *arguments: str, code: int = 0) -> Any:
        """What the command answered in JSON; nothing else may be written."""
        full = [*arguments, "--config", str(self.config_path), "--json"]
        result = CliRunner().invoke(app, full)
        assert result.exit_code == code, result.output
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert result.stderr == ""
        assert len(result.stdout.splitlines()) == 1
        return json.loads(result.stdout)


@pytest.fixture
def empty_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands for a platform that has nothing yet, not even a directory for its data."""
    monkeypatch.delenv("CLICKTODIAL_CONFIG", raising=False)
    config_path = tmp_path / "clicktodial.toml"
    config_path.write_text(f'[storage]\ndata_dir = "{tmp_path / "data"}"\n', encoding="utf-8")
    return Command(config_path)


@pytest.fixture
def command(empty_command: Command, tmp_path: Path) -> Command:
    """Commands for a platform that has an empty database: migrating is no subject here."""
    place_database(tmp_path / "data" / FILE_NAME)
    return empty_command


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Commands send logs to their own standard error, which is gone when they end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Handlers of the test runner must not be closed by basicConfig(force=True).
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
