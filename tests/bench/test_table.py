"""Tests of what is shown."""

import io

import msgspec
from rich.console import Console
from tests.bench.report_sample import MEMORY, rate_result, report_of

from clicktodial.bench.result import Cost, Quantiles, RateResult, Report, Timings
from clicktodial.bench.table import align, show


def shown(report: Report, *, is_terminal: bool = False) -> str:
    out = io.StringIO()
    show(report, Console(file=out, force_terminal=is_terminal, width=160, color_system=None))
    return out.getvalue()


def with_cost(result: RateResult, **changes: float | None) -> RateResult:
    cost: Cost = msgspec.structs.replace(result.cost, **changes)
    return msgspec.structs.replace(result, cost=cost)


def test_plain_table_is_aligned_and_whole() -> None:
    text = shown(report_of(rate_result(20.0, cpu_ms=2.0), rate_result(300.0), memory=MEMORY))
    head, row, other = text.splitlines()[1:4]
    assert len(head) == len(row) == len(other)
    assert row.split() == [
        "20", "200", "100.00", "20.0", "1.0/2.0", "6.0/15.0", "5.5/14.0",
        "2.00", "1.50", "0.50", "100", "2.50", "3.00", "100",
    ]  # fmt: skip
    assert "\x1b" not in text


def test_terminal_gets_a_table_with_the_same_cells() -> None:
    text = shown(report_of(rate_result(20.0, cpu_ms=2.0)), is_terminal=True)
    assert "│" in text
    assert "6.0/15.0" in text


def test_narrow_terminal_still_shows_every_number() -> None:
    out = io.StringIO()
    show(report_of(rate_result(20.0)), Console(file=out, force_terminal=True, width=60))
    assert "6.0/15.0" in out.getvalue()


def test_machine_and_conditions_come_first() -> None:
    first = shown(report_of(rate_result(20.0))).splitlines()[0]
    assert first == (
        "CPU, 2 cores, the platform on a core of its own; Linux 6.1, Python 3.11.2, "
        "data on ext4; 10 s a rate, calls held 1 s; times are p50/p95"
    )


def test_failures_and_warnings_are_told() -> None:
    result = msgspec.structs.replace(
        rate_result(100.0, succeeded_share=0.9),
        warnings=7,
        first_warning="late",
        died=True,
        is_profiled=True,
    )
    text = shown(report_of(result))
    assert "100 calls/s: 100 calls failed: begin: 503 0000002" in text
    assert "100 calls/s: the platform logged 7 warnings, first late" in text
    assert "100 calls/s: the platform died" in text
    assert "100 calls/s: profiled, so not to be compared" in text


def test_disturbed_measurement_says_so() -> None:
    result = with_cost(rate_result(100.0), others_s=5.5)
    timings: Timings = msgspec.structs.replace(result.timings, sent_late=Quantiles(1.0, 12.0))
    text = shown(report_of(msgspec.structs.replace(result, timings=timings)))
    assert "others took 50 % of the platform's core" in text
    assert "requests were sent 12 ms late (p95)" in text


def test_undisturbed_measurement_says_nothing() -> None:
    text = shown(report_of(rate_result(100.0)))
    assert "others took" not in text
    assert "late" not in text
    assert "failed" not in text


def test_slower_machine_is_told_by_its_share_of_the_fastest() -> None:
    report = report_of(rate_result(20.0, work_us=400.0), rate_result(50.0, work_us=500.0))
    rows = [line.split() for line in shown(report).splitlines()[2:4]]
    assert [row[-1] for row in rows] == ["100", "80"]


def test_unknown_numbers_are_dashes() -> None:
    result = with_cost(rate_result(20.0, succeeded_share=0.0, connected=None), others_s=None)
    row = shown(report_of(result)).splitlines()[2].split()
    assert row[5] == row[7] == "-"


def test_measurement_that_could_not_be_made_is_told() -> None:
    report = msgspec.structs.replace(report_of(), errors=["20 calls/s: no trunk today"])
    assert "not measured: 20 calls/s: no trunk today" in shown(report)


def test_memory_is_told_with_its_parts() -> None:
    text = shown(report_of(memory=MEMORY))
    assert "memory: 50.0 KB a live call (500 held: 58.6 MB before, 83.0 during, 78.1 after)" in text
    assert "20.0 KB by C code of threads (relay)" in text


def test_memory_without_a_call_held_says_so() -> None:
    report = report_of(memory=msgspec.structs.replace(MEMORY, held=0))
    assert "memory: no call could be held" in shown(report)


def test_every_aim_has_its_line() -> None:
    text = shown(report_of(rate_result(20.0), rate_result(300.0, pace=0.5)))
    assert " reached: at most 3 ms CPU a call at 20 calls/s: 1.50 ms" in text
    assert "  MISSED: 300 complete calls/s on one core: 20 calls/s were kept up with" in text
    assert " unknown: at most 60 KB a live call: not measured" in text


def test_cells_are_flush_right() -> None:
    assert align([["a", "bbb"], ["cc", "d"]]) == [" a  bbb", "cc    d"]
