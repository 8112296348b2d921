"""The demonstration as a command."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from rich.console import Console

from clicktodial.sandbox.demo.performance import Performance

DEFAULT_DIRECTORY = Path("demo-output")


def run_demo(directory: Path = DEFAULT_DIRECTORY, *, keep: bool | None = None) -> int:
    """Make one whole call on this machine: two phones, notifications, a recording.

    `keep` leaves the server running at the end; None does so in a terminal. Returns the exit
    status: 0 where every check holds.
    """
    if keep is None:
        keep = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(highlight=False)
    return asyncio.run(_perform(Performance(console, directory, keep=keep)))


async def _perform(performance: Performance) -> int:
    """Run until it ends or a signal comes; either way every process is ended."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(performance.run())
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        return performance.status
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
