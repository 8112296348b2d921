"""How a measurement is shown: a table for people, plain aligned text for files and pipes."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from clicktodial.bench.aim import compare_to_aims
from clicktodial.bench.result import MemoryResult, Quantiles, RateResult, Report

# Above this share of the platform's core in other hands, times are not the platform's alone.
_OTHERS_SHARE_MAX = 0.05
# A request sent later than this was not offered at its rate.
_SENT_LATE_MS_MAX = 5.0
_FAILURES_SHOWN_MAX = 5
_WARNING_CHARACTERS_MAX = 300

COLUMNS = (
    "calls/s", "offered", "success %", "done/s", "begin ms", "connected ms", "joined ms",
    "CPU ms/call", "user", "sys", "peak MB", "bench", "phones", "speed %",
)  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Write all of it."""
    rows = [_row(result, report) for result in report.rates]
    print_line(console, _machine_line(report))
    lines = align([COLUMNS, *rows])
    # Where its frame does not fit, a table would lose digits.
    if console.is_terminal and len(lines[0]) + len(COLUMNS) < console.width:
        console.print(_rich_table(rows))
    else:
        for line in lines:
            print_line(console, line)
    for line in _notes(report):
        print_line(console, line)


def print_line(console: Console, line: str) -> None:
    """Write it as it is, however long."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, every column as wide as its widest cell and flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _rich_table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _machine_line(report: Report) -> str:
    machine = report.machine
    place = "the platform on a core of its own" if machine.is_pinned else "cores not divided"
    return (
        f"{machine.cpu}, {machine.cpu_count} cores, {place}; Linux {machine.kernel}, "
        f"Python {machine.python}, data on {machine.filesystem}; "
        f"{report.duration_s:g} s a rate, calls held {report.hold_s:g} s; times are p50/p95"
    )


def _row(result: RateResult, report: Report) -> list[str]:
    cost = result.cost
    return [
        f"{result.rate_per_s:g}",
        str(result.offered),
        f"{result.success * 100:.2f}",
        f"{result.completed_per_s:.1f}",
        _pair(result.timings.begin),
        _pair(result.timings.connected),
        _pair(result.timings.joined),
        _number(result.cpu_ms_per_call),
        _number(result.per_call_ms(cost.platform_user_s)),
        _number(result.per_call_ms(cost.platform_system_s)),
        f"{result.peak_rss_kb / 1024:.0f}",
        _number(result.per_call_ms(cost.bench_s)),
        _number(result.per_call_ms(cost.phones_s)),
        f"{report.relative_speed(result) * 100:.0f}",
    ]


def _pair(quantiles: Quantiles | None) -> str:
    return "-" if quantiles is None else f"{quantiles.p50:.1f}/{quantiles.p95:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _notes(report: Report) -> list[str]:
    lines = [f"not measured: {error}" for error in report.errors]
    lines += [line for result in report.rates for line in _rate_notes(result)]
    if report.memory is not None:
        lines += _memory_lines(report.memory)
    words = {True: "reached", False: "MISSED", None: "unknown"}
    for aim in compare_to_aims(report):
        lines.append(f"{words[aim.is_reached]:>8}: {aim.text}: {aim.found}")
    return lines


def _rate_notes(result: RateResult) -> list[str]:
    rate = f"{result.rate_per_s:g} calls/s"
    cost = result.cost
    lines = []
    if result.died:
        lines.append(f"{rate}: the platform died")
    for failure, count in list(result.failures.items())[:_FAILURES_SHOWN_MAX]:
        lines.append(f"{rate}: {count} calls failed: {failure}")
    if result.warnings:
        first = result.first_warning[:_WARNING_CHARACTERS_MAX]
        lines.append(f"{rate}: the platform logged {result.warnings} warnings, first {first}")
    if cost.others_s is not None and cost.others_s > _OTHERS_SHARE_MAX * cost.elapsed_s:
        share = cost.others_s / cost.elapsed_s * 100
        lines.append(f"{rate}: others took {share:.0f} % of the platform's core; times suffer")
    late = result.timings.sent_late
    if late is not None and late.p95 > _SENT_LATE_MS_MAX:
        lines.append(f"{rate}: requests were sent {late.p95:.0f} ms late (p95)")
    if result.is_profiled:
        lines.append(f"{rate}: profiled, so not to be compared")
    return lines


def _memory_lines(memory: MemoryResult) -> list[str]:
    if memory.kb_per_call is None:
        return ["memory: no call could be held"]
    return [
        f"memory: {memory.kb_per_call:.1f} KB a live call ({memory.held} held: "
        f"{memory.before_kb / 1024:.1f} MB before, {memory.during_kb / 1024:.1f} during, "
        f"{memory.after_kb / 1024:.1f} after), {memory.descriptors_per_call:.1f} descriptors",
        f"memory: of it {memory.thread_arenas_kb_per_call:.1f} KB by C code of threads (relay), "
        f"{memory.heap_kb_per_call:.1f} heap, {memory.anonymous_kb_per_call:.1f} Python objects "
        f"and stacks, {memory.files_kb_per_call:.1f} files",
    ]
