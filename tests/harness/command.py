"""The program as processes of its own, without a new interpreter for each.

Half a second of processor went into loading Python and the platform for every command, of which
each stage needs three, and two seconds for every server. Here a server process loads them once;
each command, and each platform that a test starts, is a fork of it: the same program with
arguments, directory, environment and standard streams of its own. Where the program as it is
installed is the subject, `COMMAND` is run instead (tests/cli, acceptance/test_serve.py).
"""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import reduction
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, BinaryIO

# What commands and the server load on their way, each only where it is needed. None may be missing:
# that is told by nobody, and costs only time.
_PRELOADED = [
    "clicktodial.cli",
    "clicktodial.main",
    "clicktodial.accounts.business",
    "clicktodial.accounts.number_order",
    "clicktodial.api.request",
    "clicktodial.cli.client",
    "clicktodial.config",
    "clicktodial.observe.logging",
    "clicktodial.storage.administration",
    "clicktodial.storage.history",
    "phonenumbers.data.region_CN",
    "pydantic.type_adapter",
    "sqlalchemy.dialects.sqlite",
    "typer._adapters",
    "tests.harness.command",
]


class ForkedProgram:
    """The program with these arguments, leading a session of its own; a part of `Popen`.

    What it writes goes to `output` and `errors`, descriptors that are the caller's. `stdout` is
    where its output is read, if the caller reads it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        output: int,
        errors: int,
        environment: Mapping[str, str] | None = None,
        stdout: BinaryIO | None = None,
    ) -> None:
        chosen = dict(os.environ if environment is None else environment)
        streams = (_Descriptor(output), _Descriptor(errors))
        self._arguments = list(arguments)
        self._process: ForkServerProcess = _context().Process(
            target=_run, args=(self._arguments, str(directory), chosen, streams)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.stdout = stdout

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: the signal); None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, when it has ended. Raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self._arguments, timeout)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it to the process alone, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, sig)


def run_forked(
    arguments: Sequence[str],
    *,
    directory: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The program with these arguments, and this process's environment where none is given.

    Raises TimeoutExpired, after its end, where it hangs.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        program = ForkedProgram(
            arguments,
            directory=directory,
            output=output.fileno(),
            errors=errors.fileno(),
            environment=environment,
        )
        try:
            status = program.wait(timeout_s)
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait()
        return subprocess.CompletedProcess(
            list(arguments), status, _read_all(output), _read_all(errors)
        )


def _read_all(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


class _Descriptor:
    """An open file of this process; in the fork, its number there."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[object, ...]:
        return _take, (reduction.DupFd(self._number),)


def _take(descriptor: Any) -> int:
    number: int = descriptor.detach()
    return number


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _run(
    arguments: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    streams: tuple[int, int],
) -> None:
    """In the fork. Raises SystemExit, as the program does at its end."""
    os.setsid()
    for number, descriptor in enumerate(streams, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["clicktodial", *arguments]
    from clicktodial.cli import app

    app()
