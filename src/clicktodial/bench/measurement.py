"""One measurement: a rig of platform, phones and sink for each rate, and one for the memory."""

import asyncio
import contextlib
import gc
import math
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clicktodial.bench.error import BenchError, PlatformError
from clicktodial.bench.gauge import SpeedGauge
from clicktodial.bench.http_client import HttpClient
from clicktodial.bench.load import Load
from clicktodial.bench.machine import describe_machine
from clicktodial.bench.phone import Phones, read_ack_times, run_phones
from clicktodial.bench.placement import Placement, choose_placement, running_on
from clicktodial.bench.platform import Platform, run_platform
from clicktodial.bench.process_usage import (
    MemoryUse,
    busy_time_s,
    cpu_time_s,
    memory_use,
    peak_resident_kb,
)
from clicktodial.bench.profiler import profiling
from clicktodial.bench.result import (
    Cost,
    MemoryResult,
    RateResult,
    Report,
    completed_per_s,
    count_failures,
    time_calls,
)
from clicktodial.bench.sink import NotificationSink, run_sink
from clicktodial.bench.subprocess_control import read_tail

_WARM_UP_RATE_PER_S = 20.0
_WARM_UP_TIMEOUT_S = 30.0
_IDLE_S = 1.0
# After the last request: what is queued by then is waited for, but not for ever.
_TAIL_TIMEOUT_S = 30.0
# Fast enough to hold hundreds of calls within seconds, slow enough to be no overload.
_HOLD_RATE_PER_S = 50.0
_CONNECTIONS_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured. `memory_calls` 0 leaves the memory out."""

    command: tuple[str, ...]
    rates_per_s: tuple[float, ...]
    duration_s: float
    hold_s: float
    memory_calls: int
    is_pinned: bool = True
    profile: Path | None = None
    directory: Path | None = None  # where temporary data lies; default: the system's place
    # Enough for the first use of every path; what comes once is no cost of a call.
    warm_up_calls: int = 40
    settle_s: float = 2.0  # before memory is read


@dataclass(frozen=True, slots=True)
class _Rig:
    platform: Platform
    phones: Phones
    sink: NotificationSink
    client: HttpClient


async def measure(options: Options, tell: Callable[[str], None]) -> Report:
    """Make all measurements, telling what is being done.

    One that cannot be made leaves an error in the report; the others are made nevertheless.
    """
    placement = choose_placement(is_pinned=options.is_pinned)
    directory = options.directory or Path(tempfile.gettempdir())
    rates: list[RateResult] = []
    memory: MemoryResult | None = None
    errors: list[str] = []
    with running_on(placement.bench):
        for rate in options.rates_per_s:
            tell(f"{rate:g} calls/s for {options.duration_s:g} s")
            try:
                rates.append(await measure_rate(rate, options, placement))
            except BenchError as error:
                errors.append(f"{rate:g} calls/s: {error}")
        if options.memory_calls:
            tell(f"{options.memory_calls} calls held live")
            try:
                memory = await _measure_memory(options, placement)
            except BenchError as error:
                errors.append(f"memory: {error}")
    return Report(
        machine=describe_machine(directory, is_pinned=placement.platform_cpu is not None),
        duration_s=options.duration_s,
        hold_s=options.hold_s,
        rates=rates,
        memory=memory,
        errors=errors,
    )


@asynccontextmanager
async def _run_rig(directory: Path, placement: Placement, options: Options) -> AsyncIterator[_Rig]:
    async with AsyncExitStack() as stack:
        phones = await stack.enter_async_context(run_phones(directory, placement))
        sink = await stack.enter_async_context(run_sink())
        platform = await stack.enter_async_context(
            run_platform(
                options.command,
                directory=directory,
                notify_port=sink.port,
                phone_port=phones.port,
                placement=placement,
            )
        )
        client = HttpClient(platform.http_host, platform.http_port)
        stack.push_async_callback(client.close)
        rig = _Rig(platform, phones, sink, client)
        await _warm_up(rig, options.warm_up_calls)
        yield rig


async def _warm_up(rig: _Rig, count: int) -> None:
    """Make some calls that do not count. Raises PlatformError where none of them succeeds."""
    try:
        await rig.client.open_connections(_CONNECTIONS_AHEAD)
    except OSError as error:
        raise PlatformError(f"the platform does not take connections: {error}") from error
    load = Load(rig.client, rig.sink, hold_s=0.0)
    await load.offer(_WARM_UP_RATE_PER_S, count)
    await _unless_dead(rig, load.wait_over(_WARM_UP_TIMEOUT_S))
    if not any(call.is_success for call in load.calls):
        said = read_tail(rig.platform.log_path)
        raise PlatformError(f"no call succeeds: {count_failures(load.calls)} {said}".strip())


async def _unless_dead(rig: _Rig, waiting: Coroutine[None, None, bool]) -> None:
    """Wait for the calls, but not for those of a platform that has died."""
    over = asyncio.ensure_future(waiting)
    death = asyncio.ensure_future(rig.platform.process.wait())
    try:
        await asyncio.wait({over, death}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.cancel()
        death.cancel()


async def measure_rate(rate_per_s: float, options: Options, placement: Placement) -> RateResult:
    """Offer one rate to a platform of its own. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="clicktodial-bench-", dir=options.directory) as name:
        directory = Path(name)
        async with _run_rig(directory, placement, options) as rig:
            idle_ms_per_s = await _measure_idle(rig.platform)
            earlier_warnings = len(rig.platform.read_warnings())
            load = Load(rig.client, rig.sink, hold_s=options.hold_s)
            meter = _Meter(rig, placement)
            async with AsyncExitStack() as stack:
                if options.profile is not None:
                    output = profile_path(options.profile, rate_per_s, options.rates_per_s)
                    await stack.enter_async_context(
                        profiling(rig.platform.process.pid, output, placement)
                    )
                gauge = await stack.enter_async_context(SpeedGauge())
                meter.start()
                with _without_collections():
                    await load.offer(
                        rate_per_s,
                        math.ceil(rate_per_s * options.duration_s),
                        first_number=options.warm_up_calls,
                    )
                    await _unless_dead(rig, load.wait_over(_TAIL_TIMEOUT_S + options.hold_s))
                cost = meter.stop(idle_ms_per_s)
            pids = rig.platform.pids
            peak_rss_kb, process_count = peak_resident_kb(pids), len(pids)
            warnings = rig.platform.read_warnings()[earlier_warnings:]
            died = not rig.platform.is_alive
        # The phones have ended, so their log is whole.
        ack_times = read_ack_times(rig.phones.ack_log)
    return RateResult(
        rate_per_s=rate_per_s,
        offered=len(load.calls),
        succeeded=sum(call.is_success for call in load.calls),
        completed_per_s=completed_per_s(load.calls),
        failures=count_failures(load.calls),
        timings=time_calls(load.calls, late_s=load.late_s, ack_times=ack_times),
        cost=cost,
        work_us=gauge.work_us,
        peak_rss_kb=peak_rss_kb,
        process_count=process_count,
        warnings=len(warnings),
        first_warning=warnings[0] if warnings else "",
        is_profiled=options.profile is not None,
        died=died,
    )


def profile_path(base: Path, rate_per_s: float, rates_per_s: tuple[float, ...]) -> Path:
    """The profile's file: of its own for each rate, where there are several."""
    if len(rates_per_s) == 1:
        return base
    return base.with_name(f"{base.stem}-{rate_per_s:g}{base.suffix}")


async def _measure_idle(platform: Platform) -> float:
    pids = platform.pids
    before = sum(cpu_time_s(pids))
    await asyncio.sleep(_IDLE_S)
    return (sum(cpu_time_s(pids)) - before) * 1_000 / _IDLE_S


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage collection of ours in the middle of what is timed; the calls are bounded."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Meter:
    """Counts CPU time from `start` to `stop`."""

    def __init__(self, rig: _Rig, placement: Placement) -> None:
        self._rig = rig
        self._placement = placement
        self._readings = self._read()

    def start(self) -> None:
        self._readings = self._read()

    def stop(self, idle_ms_per_s: float) -> Cost:
        user, system, bench, phones, busy, now = (
            after - before for after, before in zip(self._read(), self._readings, strict=True)
        )
        has_own_cpu = self._placement.platform_cpu is not None
        return Cost(
            # A platform that has died took its counts with it.
            platform_user_s=max(0.0, user),
            platform_system_s=max(0.0, system),
            bench_s=bench,
            phones_s=phones,
            elapsed_s=now,
            others_s=max(0.0, busy - user - system) if has_own_cpu else None,
            idle_ms_per_s=idle_ms_per_s,
        )

    def _read(self) -> tuple[float, ...]:
        cpu = self._placement.platform_cpu
        return (
            *cpu_time_s(self._rig.platform.pids),
            time.process_time(),
            sum(cpu_time_s([self._rig.phones.process.pid])),
            0.0 if cpu is None else busy_time_s(cpu),
            time.perf_counter(),
        )


async def _measure_memory(options: Options, placement: Placement) -> MemoryResult:
    with tempfile.TemporaryDirectory(prefix="clicktodial-bench-", dir=options.directory) as name:
        async with _run_rig(Path(name), placement, options) as rig:
            await asyncio.sleep(options.settle_s)
            before = memory_use(rig.platform.pids)
            load = Load(rig.client, rig.sink, hold_s=None)
            await load.offer(
                _HOLD_RATE_PER_S, options.memory_calls, first_number=options.warm_up_calls
            )
            await _unless_dead(rig, load.wait_connected(_TAIL_TIMEOUT_S))
            await asyncio.sleep(options.settle_s)
            held = load.connected_count
            during = memory_use(rig.platform.pids)
            await load.release_all(_HOLD_RATE_PER_S)
            await _unless_dead(rig, load.wait_over(_TAIL_TIMEOUT_S))
            after = memory_use(rig.platform.pids)
    return _compare_memory(before, during, after, held)


def _compare_memory(
    before: MemoryUse, during: MemoryUse, after: MemoryUse, held: int
) -> MemoryResult:
    calls = max(1, held)
    return MemoryResult(
        held=held,
        before_kb=before.total_kb,
        during_kb=during.total_kb,
        after_kb=after.total_kb,
        heap_kb_per_call=(during.heap_kb - before.heap_kb) / calls,
        thread_arenas_kb_per_call=(during.thread_arenas_kb - before.thread_arenas_kb) / calls,
        anonymous_kb_per_call=(during.anonymous_kb - before.anonymous_kb) / calls,
        files_kb_per_call=(during.files_kb - before.files_kb) / calls,
        descriptors_per_call=(during.descriptors - before.descriptors) / calls,
    )
