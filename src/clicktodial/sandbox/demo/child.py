"""Processes that the demonstration starts, and ends whatever happens."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from clicktodial.sandbox.demo.error import ChildError

# The console script that was installed beside this interpreter.
COMMAND = Path(sys.executable).with_name("clicktodial")
# As a person at the top of a checkout would type it.
COMMAND_SHOWN = ".venv/bin/clicktodial"
_COMMAND_TIMEOUT_S = 60.0
_READY_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 10.0
# A line holds at most one SIP message of 64 KiB, written as JSON.
_LINE_BYTES_MAX = 1_048_576
_ERROR_CHARACTERS_MAX = 2000


class Child:
    """A running process whose standard output is read line by line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self._name = name
        self._process = process
        self._log_path = log_path

    async def read_ready(self) -> bytes:
        """The first line. Raises ChildError where none comes."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise ChildError(self._describe("is not ready")) from error
        if not line:
            raise ChildError(self._describe("ended at its start"))
        return line

    async def read_lines(self, on_line: Callable[[bytes], None]) -> None:
        """Hand on every further line; raises ChildError where the process ends."""
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # a line over the limit: nothing of ours
            while line := await self._process.stdout.readline():
                on_line(line)
        raise ChildError(self._describe("ended"))

    async def stop(self) -> None:
        """SIGTERM to the process, and after a while SIGKILL to it and all that it started."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await self._process.wait()
        # It leads a session of its own: the group has its number, and may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def _describe(self, what: str) -> str:
        return f"the {self._name} {what}; its last words:\n{_read_tail(self._log_path)}"


@contextlib.asynccontextmanager
async def run_child(name: str, arguments: Sequence[str], log_path: Path) -> AsyncGenerator[Child]:
    """Run `clicktodial ARGUMENTS` until the block is left. Standard error goes to the file."""
    with log_path.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            limit=_LINE_BYTES_MAX,
            # Ctrl-C in the terminal is for the demonstration alone, which then ends the others.
            start_new_session=True,
        )
    child = Child(name, process, log_path)
    try:
        yield child
    finally:
        await asyncio.shield(child.stop())


async def run_command(*arguments: str) -> bytes:
    """Run `clicktodial ARGUMENTS` to its end; returns its output. Raises ChildError."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise ChildError(f"clicktodial {arguments[0]} takes too long") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        told = (output + errors).decode(errors="replace").strip()[-_ERROR_CHARACTERS_MAX:]
        raise ChildError(f"clicktodial {' '.join(arguments[:2])} failed: {told}")
    return output


def _read_tail(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(none)"
    return text.strip()[-_ERROR_CHARACTERS_MAX:] or "(none)"
