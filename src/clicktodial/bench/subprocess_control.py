"""Starting and ending the processes of a measurement."""

import asyncio
import contextlib
from asyncio.subprocess import Process
from pathlib import Path

# Of a program's complaints only the end is shown.
_TAIL_BYTES = 2_000


async def end_process(process: Process, *, grace_s: float) -> int:
    """Ask the process to end, then make it; returns its exit status."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            process.kill()
    return await process.wait()


def read_tail(path: Path) -> str:
    """The last lines of a log file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
