"""Tests of the command line, run as users run it."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from clicktodial.bench.__main__ import RATE_MAX, main, parse_rates
from clicktodial.bench.table import COLUMNS

ROOT = Path(__file__).parents[2]


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clicktodial.bench", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def wrap(command: tuple[str, ...], directory: Path) -> Path:
    program = directory / "clicktodial"
    program.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
    program.chmod(0o755)
    return program


def test_bench_prints_a_table_and_writes_json(
    tmp_path: Path, fake_command: tuple[str, ...]
) -> None:
    program = wrap(fake_command, tmp_path)
    results = tmp_path / "results.json"
    done = run_bench(
        "--platform", str(program), "--rates", "40", "--duration", "0.5", "--hold", "0",
        "--memory-calls", "0", "--json", str(results),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100.00" in done.stdout.splitlines()[2]
    assert "bench: 40 calls/s for 0.5 s" in done.stderr
    assert json.loads(results.read_text())["rates"][0]["succeeded"] == 20


def test_platform_that_cannot_be_run_ends_with_an_error(tmp_path: Path) -> None:
    done = run_bench("--platform", str(tmp_path / "none"), "--rates", "20", "--memory-calls", "0")
    assert done.returncode == 1
    assert "not measured: 20 calls/s: cannot run" in done.stdout
    assert "not everything could be measured" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--rates", "0"], ["--duration", "0"], ["--hold", "61"], ["--rates", "many"]]
)
def test_option_out_of_bounds_is_refused(arguments: list[str]) -> None:
    done = run_bench(*arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr or "rate" in done.stderr or "numbers" in done.stderr


def test_every_option_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text()
    page = page.partition("\n## The relays")[0]
    for name, parameter in inspect.signature(main).parameters.items():
        if name == "context":
            continue
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `--{option(name)}`"))
        if isinstance(parameter.default, float | int | str) and name != "pin":
            default = parameter.default
            written = default if isinstance(default, str) else f"{default:g}"
            assert row.split("|")[2].strip() == f"`{written}`"


def option(name: str) -> str:
    return name.replace("_", "-")


def test_every_column_is_documented() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text()
    for column in COLUMNS:
        assert f"`{column}`" in page


def test_rates_are_read_as_written() -> None:
    assert parse_rates("20, 50,0.5,") == (20.0, 50.0, 0.5)
    assert parse_rates("") == ()


@pytest.mark.parametrize("text", ["a", "1,x", "-1", "0", str(RATE_MAX + 1), "nan", "inf"])
def test_rates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_rates(text)
