"""Tests of comparing two checkouts."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench.report_sample import rate_result

from clicktodial.bench.__main__ import compare_checkouts
from clicktodial.bench.comparison import (
    COMPARISON_COLUMNS,
    Pair,
    Sample,
    find_sources,
    sample_of,
    show_comparison,
)
from clicktodial.bench.error import BenchError

ROOT = Path(__file__).parents[2]


def test_machine_that_slows_down_is_taken_out_of_the_ratio() -> None:
    pair = Pair(this=Sample(6.0, 1.5), other=Sample(4.0, 1.0))
    assert pair.ratio == pytest.approx(1.5)
    assert pair.relative_ratio == pytest.approx(1.0)


def test_comparison_tells_the_median_of_the_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [Pair(Sample(each, 1.0), Sample(4.0, 1.0)) for each in (3.0, 4.4, 9.0)]
    show_comparison(pairs, Console())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[-1] == COMPARISON_COLUMNS[-1]
    assert len(lines) == 1 + len(pairs) + 1
    assert "costs 1.100 of" in lines[-1]
    assert "0.750 to 2.250" in lines[-1]


def test_sample_is_of_one_call() -> None:
    result = rate_result(100.0, cpu_ms=3.0)
    sample = sample_of(result)
    offering_s = result.cost.bench_s + result.cost.phones_s
    assert sample.platform_ms == pytest.approx(3.0)
    assert sample.offering_ms == pytest.approx(offering_s * 1_000 / result.succeeded)


def test_calls_that_failed_are_no_sample() -> None:
    with pytest.raises(BenchError, match="not all calls"):
        sample_of(rate_result(100.0, succeeded_share=0.9))


def test_checkout_is_found_by_its_sources(tmp_path: Path) -> None:
    assert find_sources(ROOT) == ROOT / "src"
    with pytest.raises(BenchError, match="no checkout"):
        find_sources(tmp_path)


def test_platform_of_each_checkout_is_measured_by_turns(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "clicktodial.bench", "compare", str(ROOT)),
            *("--pairs", "1", "--rate", "20", "--duration", "0.5", "--hold", "0"),
        ],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("bench: pair")]
    assert told == ["bench: pair 1 of 1: this", "bench: pair 1 of 1: other"]
    assert done.stdout.splitlines()[1].split()[0] == "1"


def test_directory_that_is_no_checkout_ends_with_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clicktodial.bench", "compare", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 1
    assert "no checkout" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_option_and_column_is_documented() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text()
    section = page.partition("## Two checkouts")[2].partition("\n## ")[0]
    for name, parameter in inspect.signature(compare_checkouts).parameters.items():
        if name == "other":
            continue
        (row,) = (line for line in section.splitlines() if line.startswith(f"| `--{name}`"))
        if name != "pin":
            assert row.split("|")[2].strip() == f"`{parameter.default:g}`"
    for column in COMPARISON_COLUMNS:
        assert f"`{column}`" in section
