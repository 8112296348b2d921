"""Where the platform's time goes: py-spy watches it from outside while it is under load."""

import asyncio
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clicktodial.bench.error import BenchError
from clicktodial.bench.placement import Placement, running_on
from clicktodial.bench.subprocess_control import end_process

_SAMPLES_PER_S = 250
_WRITE_TIMEOUT_S = 60.0
# A profiler that cannot attach says so within this.
_ATTACH_S = 1.0


def require_profiler() -> str:
    """The profiler's path. Raises BenchError where there is none."""
    program = shutil.which("py-spy")
    if program is None:
        raise BenchError("--profile needs py-spy on the PATH: pip install py-spy")
    return program


@asynccontextmanager
async def profiling(pid: int, output: Path, placement: Placement) -> AsyncIterator[None]:
    """Write the stacks of the process, with counts, while the block runs. Raises BenchError."""
    with running_on(placement.bench):
        process = await asyncio.create_subprocess_exec(
            require_profiler(), "record", "--pid", str(pid), "--format", "raw",
            "--rate", str(_SAMPLES_PER_S), "--output", str(output),
            stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
        )  # fmt: skip
    watched = asyncio.ensure_future(process.communicate())
    try:
        done, _ = await asyncio.wait({watched}, timeout=_ATTACH_S)
        if done:
            raise BenchError(f"py-spy cannot watch: {watched.result()[1].decode().strip()}")
        yield
        # The profiler writes what it has when it is interrupted.
        process.send_signal(signal.SIGINT)
        await asyncio.wait({watched}, timeout=_WRITE_TIMEOUT_S)
    finally:
        await end_process(process, grace_s=0.0)
        await watched


def find_costliest(output: Path, *, count: int) -> list[tuple[str, float, float]]:
    """The functions with most samples of their own: name, own share, share with callees."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in output.read_text(errors="replace").splitlines():
        stack, _, samples = line.rpartition(" ")
        if not samples.isdecimal():  # a stack that was read while it changed
            continue
        frames = [_function_of(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(samples)
        for frame in set(frames):
            inclusive[frame] += int(samples)
    total = own.total()
    return [(name, n / total, inclusive[name] / total) for name, n in own.most_common(count)]


def _function_of(frame: str) -> str:
    # handle (clicktodial/domain/call.py:120) becomes handle (clicktodial/domain/call.py).
    name, colon, rest = frame.rpartition(":")
    return f"{name})" if colon and rest.rstrip(")").isdigit() else frame
