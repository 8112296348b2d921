"""Tests of whole measurements, of the fake platform with real phones."""

import os
from pathlib import Path

import pytest

from clicktodial.bench.measurement import Options, measure, profile_path
from clicktodial.bench.result import Report


async def measured(
    command: tuple[str, ...], directory: Path, *, rates: tuple[float, ...], memory_calls: int = 0
) -> Report:
    options = Options(
        command=command,
        rates_per_s=rates,
        duration_s=0.5,
        hold_s=0.05,
        memory_calls=memory_calls,
        directory=directory,
        warm_up_calls=6,
        settle_s=0.1,
    )
    steps: list[str] = []
    report = await measure(options, steps.append)
    assert len(steps) == len(rates) + bool(memory_calls)
    assert os.listdir(directory) == []
    return report


async def test_platform_that_does_all_calls_is_measured(
    tmp_path: Path, fake_command: tuple[str, ...]
) -> None:
    report = await measured(fake_command, tmp_path, rates=(80.0,), memory_calls=20)
    (result,) = report.rates
    assert report.errors == []
    assert (result.offered, result.succeeded, result.failures) == (40, 40, {})
    assert result.process_count == 1
    timings = result.timings
    assert timings.begin is not None and timings.connected is not None
    assert timings.joined is not None
    # The answer comes before the call, and SIPp itself takes a millisecond a leg.
    assert 0 < timings.begin.p50 < timings.connected.p50
    assert timings.joined.p50 > 1.0
    assert result.cpu_ms_per_call is not None
    assert 0 < result.cpu_ms_per_call < 100
    assert result.peak_rss_kb > 5_000
    assert report.memory is not None
    assert report.memory.held == 20
    assert report.memory.before_kb > 0


async def test_calls_that_are_refused_are_counted(
    tmp_path: Path, fake_command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "refuse")
    (result,) = (await measured(fake_command, tmp_path, rates=(80.0,))).rates
    assert result.failures == {"begin: 503 0000002": 13}
    assert result.succeeded == 27
    # Six calls of the warm-up came before.
    assert (result.warnings, result.first_warning) == (13, "refused 9")
    assert not result.is_sustained


async def test_platform_that_dies_is_told_without_waiting(
    tmp_path: Path, fake_command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "die")
    (result,) = (await measured(fake_command, tmp_path, rates=(160.0,))).rates
    assert result.died
    assert result.succeeded < result.offered
    assert "begin: connection failed" in result.failures
    assert result.cpu_ms_per_call is None


async def test_platform_that_repeats_events_fails_the_warm_up(
    tmp_path: Path, fake_command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "repeat")
    report = await measured(fake_command, tmp_path, rates=(80.0, 90.0), memory_calls=5)
    assert report.rates == []
    assert report.memory is None
    assert [error.partition(":")[0] for error in report.errors] == [
        "80 calls/s",
        "90 calls/s",
        "memory",
    ]
    assert "no call succeeds" in report.errors[0]


@pytest.mark.parametrize(
    ("rates", "name"), [((20.0,), "profile.txt"), ((20.0, 300.0), "profile-20.txt")]
)
def test_profile_has_a_file_for_each_rate(rates: tuple[float, ...], name: str) -> None:
    assert profile_path(Path("d/profile.txt"), 20.0, rates) == Path("d") / name
