"""Administrative commands as processes of their own, without a new interpreter for each.

Half a second of processor went into loading Python and the platform for every command, and each
stage needs three. Here a server process loads them once; each command is a fork of it: the same
program with arguments, directory, environment and standard streams of its own. Where the program
as it is installed is the subject, `COMMAND` is run instead (tests/cli, acceptance/test_serve.py).
"""

import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

# What commands load on their way, each only where it is needed. None may be missing: that is told
# by nobody, and costs only time.
_PRELOADED = [
    "clicktodial.cli",
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
    chosen = dict(os.environ if environment is None else environment)
    with tempfile.TemporaryDirectory() as streams:
        process = _context().Process(
            target=_run, args=(list(arguments), str(directory), chosen, streams)
        )
        process.start()
        try:
            process.join(timeout_s)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(list(arguments), timeout_s)
            output, errors = (Path(streams, name).read_text() for name in ("out", "err"))
            return subprocess.CompletedProcess(list(arguments), process.exitcode, output, errors)
        finally:
            process.kill()
            process.join()
            process.close()


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _run(
    arguments: Sequence[str], directory: str, environment: Mapping[str, str], streams: str
) -> None:
    """In the fork. Raises SystemExit, as the program does at its end."""
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(Path(streams, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["clicktodial", *arguments]
    from clicktodial.cli import app

    app()
