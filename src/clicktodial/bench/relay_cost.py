"""What a relay costs: CPU time of its processes while phones talk through it."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clicktodial.bench.error import BenchError
from clicktodial.bench.gauge import SpeedGauge
from clicktodial.bench.machine import describe_machine
from clicktodial.bench.placement import Placement, choose_placement, running_on
from clicktodial.bench.platform import clean_environment
from clicktodial.bench.process_usage import cpu_time_s
from clicktodial.bench.relay_server import RelayJob, RelayReady, RelayTold
from clicktodial.bench.result import Machine
from clicktodial.bench.rtp_load import LoadCount, RtpLoad
from clicktodial.bench.subprocess_control import end_process, read_tail

# Costs are told for so many calls, whatever number was measured.
COST_CALLS = 100
_HOST = "127.0.0.1"
# Before the load come packets that do not count: first uses, and addresses that are learnt.
_WARM_UP_S = 1.0
_IDLE_S = 1.0
# A relay of hundreds of calls, on a busy machine.
_READY_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 60.0
# Addresses of thousands of calls in one line.
_LINE_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What is measured: each driver, plain and recorded."""

    drivers: tuple[str, ...]
    calls: int
    duration_s: float
    is_pinned: bool = True
    directory: Path | None = None  # where captures lie; default: the system's place


@dataclass(frozen=True, slots=True)
class RelayResult:
    """One driver in one mode."""

    driver: str
    is_recorded: bool
    calls: int
    user_s: float
    system_s: float
    idle_s_per_s: float
    load: LoadCount
    told: RelayTold
    work_us: float

    @property
    def cpu_s_per_s(self) -> float:
        """CPU seconds a second for COST_CALLS calls, what it takes with nobody talking included."""
        return self._per_s(self.user_s + self.system_s)

    @property
    def user_s_per_s(self) -> float:
        return self._per_s(self.user_s)

    @property
    def system_s_per_s(self) -> float:
        return self._per_s(self.system_s)

    @property
    def generator_s_per_s(self) -> float:
        """CPU seconds a second of the phones of COST_CALLS calls; no part of the above."""
        return self._per_s(self.load.cpu_s)

    @property
    def packets_per_s(self) -> float:
        return self.load.sent / self.load.elapsed_s

    def _per_s(self, seconds: float) -> float:
        return seconds / self.load.elapsed_s * COST_CALLS / self.calls


@dataclass(frozen=True, slots=True)
class RelayReport:
    """All results, and what could not be measured."""

    machine: Machine
    duration_s: float
    results: list[RelayResult]
    errors: list[str]


async def measure_relays(options: RelayOptions, tell: Callable[[str], None]) -> RelayReport:
    """Measure each driver plain and recorded, telling what is being done."""
    placement = choose_placement(is_pinned=options.is_pinned)
    directory = options.directory or Path(tempfile.gettempdir())
    results: list[RelayResult] = []
    errors: list[str] = []
    with running_on(placement.bench):
        for driver in options.drivers:
            for is_recorded in (False, True):
                mode = "recorded" if is_recorded else "plain"
                tell(f"relay {driver}, {mode}: {options.calls} calls for {options.duration_s:g} s")
                try:
                    results.append(await _measure(driver, options, placement, is_recorded))
                except BenchError as error:
                    errors.append(f"{driver}, {mode}: {error}")
    machine = describe_machine(directory, is_pinned=placement.platform_cpu is not None)
    return RelayReport(machine, options.duration_s, results, errors)


async def _measure(
    driver: str, options: RelayOptions, placement: Placement, is_recorded: bool
) -> RelayResult:
    with (
        tempfile.TemporaryDirectory(prefix="clicktodial-bench-", dir=options.directory) as name,
        RtpLoad(_HOST, 2 * options.calls) as phones,
    ):
        addresses = phones.addresses
        pairs = list(zip(addresses[0::2], addresses[1::2], strict=True))
        job = RelayJob(driver, name, _HOST, pairs, is_recorded)
        async with _run_relay(job, placement) as (process, ready):
            phones.connect([address for pair in ready.addresses for address in pair])
            warmed = await asyncio.to_thread(phones.run, _WARM_UP_S)
            if not warmed.heard:
                raise BenchError("nothing comes through the relay")
            before = cpu_time_s(ready.pids)
            await asyncio.sleep(_IDLE_S)
            idle_s = sum(cpu_time_s(ready.pids)) - sum(before)
            async with SpeedGauge() as gauge:
                before = cpu_time_s(ready.pids)
                load = await asyncio.to_thread(phones.run, options.duration_s)
                user_s, system_s = (
                    after - earlier
                    for after, earlier in zip(cpu_time_s(ready.pids), before, strict=True)
                )
            told = await _end(process)
    return RelayResult(
        driver=driver,
        is_recorded=is_recorded,
        calls=options.calls,
        user_s=user_s,
        system_s=system_s,
        idle_s_per_s=idle_s / _IDLE_S,
        load=load,
        told=told,
        work_us=gauge.work_us,
    )


@asynccontextmanager
async def _run_relay(
    job: RelayJob, placement: Placement
) -> AsyncIterator[tuple[Process, RelayReady]]:
    log_path = Path(job.directory) / "relay.log"
    with log_path.open("wb") as log_file, running_on(placement.platform):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clicktodial.bench.relay_server", msgspec.json.encode(job)),
            stdin=PIPE, stdout=PIPE, stderr=log_file, env=clean_environment(),
            start_new_session=True, limit=_LINE_BYTES_MAX,
        )  # fmt: skip
    try:
        try:
            ready = msgspec.json.decode(
                await _read_line(process, _READY_TIMEOUT_S), type=RelayReady
            )
        except (TimeoutError, msgspec.DecodeError) as error:
            raise BenchError(f"the relay is not ready: {read_tail(log_path)}") from error
        yield process, ready
    finally:
        await end_process(process, grace_s=_END_TIMEOUT_S)
        # What it started is of its session, and has ended with it unless it was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _end(process: Process) -> RelayTold:
    assert process.stdin is not None
    process.stdin.close()
    try:
        told = msgspec.json.decode(await _read_line(process, _END_TIMEOUT_S), type=RelayTold)
        await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
        return told
    except (TimeoutError, msgspec.DecodeError) as error:
        raise BenchError("the relay does not tell what it carried") from error


async def _read_line(process: Process, timeout_s: float) -> bytes:
    assert process.stdout is not None
    return await asyncio.wait_for(process.stdout.readline(), timeout_s)
