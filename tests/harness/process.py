"""A child process that is always ended, by its own id, and waited for without polling."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from tests.harness.command import ForkedProgram

# Long enough for a program that ends in order on a busy machine: a killed one tells no status.
_STOP_TIMEOUT_S = 20.0
# What was killed is gone at once, unless the machine is very busy.
_REAP_TIMEOUT_S = 30.0


class ProcessTimeout(Exception):
    """The process did not do in time what was waited for."""


class _Program(Protocol):
    """What is used of `Popen`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


class OwnedProcess:
    """A process that leads a group of its own, so that all that it starts ends with it.

    Standard error goes to `<log_stem>.err`; standard output to `<log_stem>.out`, or to a pipe
    whose lines `read_line` gives. One that `is_forked` is this program, and its arguments are what
    follows the name (see tests/harness/command.py).
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log_stem: Path,
        pipe_output: bool = False,
        environment: Mapping[str, str] | None = None,
        is_forked: bool = False,
    ) -> None:
        self.arguments = list(arguments)
        self.error_path = log_stem.with_name(log_stem.name + ".err")
        self.output_path = log_stem.with_name(log_stem.name + ".out")
        start = self._fork if is_forked else self._execute
        with self.error_path.open("ab") as error_file, self.output_path.open("ab") as output_file:
            self._process = start(
                log_stem.parent, None if pipe_output else output_file, error_file, environment
            )
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except ProcessLookupError:
            # A fork that has ended already is nobody's child here to wait for.
            self._pidfd = -1
        self._line_rest = b""

    def _execute(
        self,
        directory: Path,
        output: BinaryIO | None,
        errors: BinaryIO,
        environment: Mapping[str, str] | None,
    ) -> _Program:
        return subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=errors,
            env=None if environment is None else dict(environment),
            cwd=directory,
            start_new_session=True,
        )

    def _fork(
        self,
        directory: Path,
        output: BinaryIO | None,
        errors: BinaryIO,
        environment: Mapping[str, str] | None,
    ) -> _Program:
        def start(to: int, stdout: BinaryIO | None) -> _Program:
            return ForkedProgram(
                self.arguments,
                directory=directory,
                output=to,
                errors=errors.fileno(),
                environment=environment,
                stdout=stdout,
            )

        if output is not None:
            return start(output.fileno(), None)
        reading, writing = os.pipe()
        try:
            return start(writing, os.fdopen(reading, "rb"))
        finally:
            os.close(writing)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def errors(self) -> str:
        """What the process wrote to standard error so far."""
        return self.error_path.read_text(errors="replace")

    def read_line(self, timeout_s: float) -> str:
        """The next line of standard output. Raises ProcessTimeout, also when none will come."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        while b"\n" not in self._line_rest:
            ready, _, _ = select.select([output], [], [], timeout_s)
            piece = os.read(output, 4096) if ready else b""
            if not piece:
                raise ProcessTimeout(f"{self.arguments}: no line came\n{self.errors[-2000:]}")
            self._line_rest += piece
        line, _, self._line_rest = self._line_rest.partition(b"\n")
        return line.decode()

    async def wait(self, timeout_s: float) -> int:
        """The exit status (negative: the signal). Raises ProcessTimeout."""
        if self._pidfd >= 0 and self.is_running:
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            loop.add_reader(self._pidfd, ended.set)
            try:
                await asyncio.wait_for(ended.wait(), timeout_s)
            except TimeoutError:
                raise ProcessTimeout(f"{self.arguments}: still running") from None
            finally:
                loop.remove_reader(self._pidfd)
        return self._process.wait(timeout=_REAP_TIMEOUT_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        if self.is_running:
            self._process.send_signal(number)

    def kill_group(self) -> int:
        """SIGKILL to the process and to all that it started, then reap it; returns the status."""
        if self.is_running:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                # A fork that does not lead its group yet has started nothing.
                self._process.send_signal(signal.SIGKILL)
        status = self._process.wait(timeout=_REAP_TIMEOUT_S)
        self._release()
        return status

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """SIGTERM, then SIGKILL when that does not help; returns the exit status."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=timeout_s)
        return self.kill_group()

    def _release(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
