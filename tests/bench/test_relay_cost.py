"""Tests of measuring relays, with real ones."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from clicktodial.bench.__main__ import parse_drivers, relay
from clicktodial.bench.process_usage import find_processes
from clicktodial.bench.relay_cost import RelayOptions, RelayReport, measure_relays
from clicktodial.bench.relay_server import DRIVERS
from clicktodial.bench.relay_table import RELAY_COLUMNS

ROOT = Path(__file__).parents[2]
CALLS = 3


async def measure(directory: Path, *drivers: str) -> RelayReport:
    told: list[str] = []
    options = RelayOptions(drivers, CALLS, 0.5, directory=directory)
    report = await measure_relays(options, told.append)
    assert len(told) == 2 * len(drivers)
    return report


@pytest.mark.parametrize("driver", DRIVERS)
async def test_relay_is_measured_plain_and_recorded_and_leaves_nothing(
    tmp_path: Path, driver: str
) -> None:
    before = set(find_processes(os.getpid()))
    report = await measure(tmp_path, driver)
    assert report.errors == []
    assert [(each.driver, each.is_recorded) for each in report.results] == [
        (driver, False),
        (driver, True),
    ]
    for result in report.results:
        sent = result.load.sent
        assert sent == 2 * CALLS * 25
        assert result.load.heard == sent
        # With the packets that came before the measurement, which do not count.
        assert result.told.packets > sent
        assert result.told.packets_lost == 0
        assert 0 <= result.cpu_s_per_s < 10
        assert result.generator_s_per_s > 0
    assert os.listdir(tmp_path) == []
    assert set(find_processes(os.getpid())) <= before


async def test_relay_that_does_not_start_is_told(tmp_path: Path) -> None:
    # No such driver is in the process that is to run it.
    report = await measure(tmp_path, "none")
    assert [error.split(":")[0] for error in report.errors] == ["none, plain", "none, recorded"]
    assert all("KeyError" in error for error in report.errors)


def test_command_prints_a_row_for_each_mode(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "clicktodial.bench", "relay", "--drivers", "rtpio"),
            *("--calls", str(CALLS), "--duration", "0.5", "--directory", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    header, plain, recorded = done.stdout.splitlines()[1:4]
    assert header.split()[:3] == list(RELAY_COLUMNS[:3])
    assert plain.split()[:3] == ["rtpio", "plain", str(CALLS)]
    assert recorded.split()[:3] == ["rtpio", "recorded", str(CALLS)]


@pytest.mark.parametrize("text", ["", "asterisk", "rtpio,asterisk"])
def test_driver_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_drivers(text)


def test_drivers_are_read_as_written() -> None:
    assert parse_drivers("rtpengine, rtpio,") == ("rtpengine", "rtpio")


def test_every_option_and_column_is_documented() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text()
    section = page.partition("## The relays")[2].partition("\n## ")[0]
    for name, parameter in inspect.signature(relay).parameters.items():
        (row,) = (line for line in section.splitlines() if line.startswith(f"| `--{name}`"))
        if isinstance(parameter.default, float | int | str) and name != "pin":
            default = parameter.default
            written = default if isinstance(default, str) else f"{default:g}"
            assert row.split("|")[2].strip() == f"`{written}`"
    for column in RELAY_COLUMNS:
        assert f"`{column}`" in section
