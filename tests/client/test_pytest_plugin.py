"""What other people's test runs have of the plugin: next to nothing, until a test asks for it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clicktodial.cli.playground import PlaygroundExists, PlaygroundPlan, run_playground
from clicktodial.client import testing
from clicktodial.client.testing import PhoneKind, Sandbox, SandboxError, open_sandbox
from clicktodial.domain.number import parse_number
from clicktodial.sandbox.behaviour import create_numbering_plan

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 60
_LOADED = """
import sys
import {module}
heavy = {{"httpx", "litestar", "aiohttp", "sqlalchemy", "numpy", "cryptography"}}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & heavy))
print(*sorted(name for name in sys.modules if name.startswith("clicktodial")))
"""


def loaded_by(module: str) -> list[list[str]]:
    """The libraries of note that a fresh interpreter has with it, and the parts of ours."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_plugin_loads_nothing_but_itself() -> None:
    assert loaded_by("clicktodial.pytest_plugin") == [
        [],
        ["clicktodial", "clicktodial.pytest_plugin"],
    ]


def test_client_loads_httpx_and_nothing_of_the_server() -> None:
    libraries, ours = loaded_by("clicktodial.client.testing")
    assert libraries == ["httpx"]
    assert [name for name in ours if not name.startswith("clicktodial.client")] == ["clicktodial"]


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {
        "clicktodial.pytest_plugin": "clicktodial.pytest_plugin"
    }


@pytest.fixture
def program_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    program = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr(testing, "_PROGRAM", program)


@pytest.mark.usefixtures("program_that_fails")
def test_sandbox_that_does_not_start_tells_why(tmp_path: Path) -> None:
    with (
        pytest.raises(SandboxError, match="no such luck"),
        open_sandbox(directory=tmp_path),
    ):
        raise AssertionError("it started")


@pytest.mark.usefixtures("program_that_fails")
def test_command_that_fails_tells_why(clicktodial_sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="app show failed: no such luck"):
        clicktodial_sandbox.command("app", "show", "99999999")


def test_phones_are_those_of_the_sandbox(clicktodial_sandbox: Sandbox) -> None:
    plan = create_numbering_plan()
    for kind in PhoneKind:
        number = clicktodial_sandbox.phone(kind)
        assert plan.behaviour_of(number).name == kind.name.lower().replace("_", "-")
        assert str(parse_number(number, "ZZ").e164) == number


def test_sandbox_is_not_made_where_one_is(tmp_path: Path) -> None:
    (tmp_path / "clicktodial.toml").touch()
    with pytest.raises(PlaygroundExists):
        run_playground(PlaygroundPlan(directory=tmp_path, host="127.0.0.1"))
