"""How the cost of relays is shown."""

from rich.console import Console

from clicktodial.bench.relay_cost import COST_CALLS, RelayReport, RelayResult
from clicktodial.bench.table import align, print_line

RELAY_COLUMNS = (
    "relay", "mode", "calls", "packets/s", "lost %", "CPU s/s", "user", "sys", "idle",
    "generator", "speed %",
)  # fmt: skip
# A wheel that was further behind than half a packet did not send an even stream.
_LATE_S_MAX = 0.01


def show_relays(report: RelayReport, console: Console) -> None:
    """Write all of it."""
    place = "the relay on a core of its own" if report.machine.is_pinned else "cores not divided"
    print_line(
        console,
        f"{report.machine.cpu}, {report.machine.cpu_count} cores, {place}; packets of 20 ms both "
        f"ways for {report.duration_s:g} s; CPU seconds a second for {COST_CALLS} calls",
    )
    fastest_us = min((result.work_us for result in report.results), default=0.0)
    rows = [_row(result, fastest_us) for result in report.results]
    for line in align([RELAY_COLUMNS, *rows]):
        print_line(console, line)
    for error in report.errors:
        print_line(console, f"not measured: {error}")
    for result in report.results:
        for note in _notes(result):
            print_line(console, f"{result.driver}, {_mode(result)}: {note}")


def _row(result: RelayResult, fastest_us: float) -> list[str]:
    return [
        result.driver,
        _mode(result),
        str(result.calls),
        f"{result.packets_per_s:.0f}",
        f"{result.load.lost_ratio * 100:.2f}",
        f"{result.cpu_s_per_s:.3f}",
        f"{result.user_s_per_s:.3f}",
        f"{result.system_s_per_s:.3f}",
        f"{result.idle_s_per_s:.3f}",
        f"{result.generator_s_per_s:.3f}",
        f"{fastest_us / result.work_us * 100:.0f}" if result.work_us else "-",
    ]


def _mode(result: RelayResult) -> str:
    return "recorded" if result.is_recorded else "plain"


def _notes(result: RelayResult) -> list[str]:
    notes = []
    if result.load.unsent:
        notes.append(f"{result.load.unsent} packets could not be sent")
    if result.load.late_s > _LATE_S_MAX:
        notes.append(f"packets were sent up to {result.load.late_s * 1000:.0f} ms late")
    if result.told.packets_lost:
        notes.append(f"the relay missed {result.told.packets_lost} packets")
    return notes
