"""Results to test reports with."""

import msgspec

from clicktodial.bench.result import (
    Cost,
    Machine,
    MemoryResult,
    Quantiles,
    RateResult,
    Report,
    Timings,
)

MACHINE = Machine("CPU", 2, "6.1", "3.11.2", "ext4", is_pinned=True)
MEMORY = MemoryResult(
    held=500,
    before_kb=60_000,
    during_kb=85_000,
    after_kb=80_000,
    heap_kb_per_call=10.0,
    thread_arenas_kb_per_call=20.0,
    anonymous_kb_per_call=19.0,
    files_kb_per_call=1.0,
    descriptors_per_call=4.0,
)


def rate_result(
    rate_per_s: float,
    *,
    succeeded_share: float = 1.0,
    cpu_ms: float = 1.5,
    pace: float = 1.0,
    work_us: float = 500.0,
    connected: Quantiles | None = Quantiles(6.0, 15.0),  # noqa: B008 - immutable
) -> RateResult:
    """Ten seconds of a rate."""
    offered = int(rate_per_s * 10)
    succeeded = round(offered * succeeded_share)
    return RateResult(
        rate_per_s=rate_per_s,
        offered=offered,
        succeeded=succeeded,
        completed_per_s=rate_per_s * pace,
        failures={"begin: 503 0000002": offered - succeeded} if succeeded < offered else {},
        timings=Timings(
            begin=Quantiles(1.0, 2.0),
            connected=connected,
            joined=Quantiles(5.5, 14.0),
            sent_late=Quantiles(0.1, 0.9),
        ),
        cost=Cost(
            platform_user_s=succeeded * cpu_ms * 0.75 / 1_000,
            platform_system_s=succeeded * cpu_ms * 0.25 / 1_000,
            bench_s=0.5,
            phones_s=0.6,
            elapsed_s=11.0,
            others_s=0.1,
            idle_ms_per_s=10.0,
        ),
        work_us=work_us,
        peak_rss_kb=100 * 1024,
        process_count=1,
        warnings=0,
        first_warning="",
    )


def report_of(*rates: RateResult, memory: MemoryResult | None = None) -> Report:
    """A report of these rates."""
    return Report(MACHINE, duration_s=10.0, hold_s=1.0, rates=list(rates), memory=memory)


def unpinned(report: Report) -> Report:
    """The same, measured without a core for the platform alone."""
    machine = msgspec.structs.replace(report.machine, is_pinned=False)
    return msgspec.structs.replace(report, machine=machine)
