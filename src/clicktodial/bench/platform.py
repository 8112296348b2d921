"""The platform under measurement: a process of its own, set up by its own commands."""

import asyncio
import os
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clicktodial.bench.error import PlatformError
from clicktodial.bench.placement import Placement, running_on
from clicktodial.bench.process_usage import find_processes
from clicktodial.bench.subprocess_control import end_process, read_tail

APP_ID = "12345678"
SECRET = "bench-secret"
SPONSOR = "01052680000"
# Generous for a cold start on a busy machine; a warm one takes about two seconds.
_START_TIMEOUT_S = 60.0
_COMMAND_TIMEOUT_S = 60.0
# More than the platform allows itself for its last calls.
_STOP_GRACE_S = 20.0
# Above what any rate of the bench leaves live, so that the machine is the limit measured.
LIVE_CALLS_MAX = 5_000
# Four ports a call, below the ports that Linux gives to outgoing connections.
_MEDIA_PORT_MIN = 10_000
_MEDIA_PORT_MAX = 32_000

_READY = re.compile(r"clicktodial ready http=(\S+):(\d+) sip=\S+:\d+")

_SETTINGS = """\
[http]
host = "127.0.0.1"
port = 0

[sip]
host = "127.0.0.1"
port = 0

[media]
host = "127.0.0.1"
port_min = {port_min}
port_max = {port_max}
sessions_max = {calls_max}
# The phones of a measurement send no media; that must not end a call.
dead_after_s = 3600

[calls]
live_max = {calls_max}

[storage]
data_dir = "{data_dir}"

[log]
level = "warning"
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that is ready to be offered calls."""

    process: Process
    http_host: str
    http_port: int
    log_path: Path

    @property
    def pids(self) -> list[int]:
        """Every process of it."""
        return find_processes(self.process.pid)

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def read_warnings(self) -> list[str]:
        """The lines that it logged so far, all of them warnings or errors."""
        try:
            return self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return []


@asynccontextmanager
async def run_platform(
    command: Sequence[str],
    *,
    directory: Path,
    notify_port: int,
    phone_port: int,
    placement: Placement,
) -> AsyncIterator[Platform]:
    """A platform with one application and one trunk, until the block ends.

    Raises PlatformError.
    """
    config = _write_settings(directory)
    await _administer(command, _create_app(notify_port), config)
    await _administer(
        command, ["trunk", "add", "bench", "--target", f"127.0.0.1:{phone_port}"], config
    )
    async with serve_platform(command, config, placement) as platform:
        yield platform


@asynccontextmanager
async def serve_platform(
    command: Sequence[str], config: Path, placement: Placement
) -> AsyncIterator[Platform]:
    """A platform of settings that are there, until the block ends; it logs beside them. Raises
    PlatformError."""
    log_path = config.with_name("platform.log")
    with log_path.open("wb") as log_file, running_on(placement.platform):
        process = await asyncio.create_subprocess_exec(
            *command, "serve", "--config", str(config),
            stdin=DEVNULL, stdout=PIPE, stderr=log_file, env=clean_environment(),
            start_new_session=True,
        )  # fmt: skip
    try:
        host, port = await _wait_ready(process, log_path)
        yield Platform(process, host, port, log_path)
    finally:
        await end_process(process, grace_s=_STOP_GRACE_S)


def _write_settings(directory: Path) -> Path:
    data_dir = directory / "data"
    data_dir.mkdir()
    config = directory / "clicktodial.toml"
    config.write_text(
        _SETTINGS.format(
            port_min=_MEDIA_PORT_MIN,
            port_max=_MEDIA_PORT_MAX,
            calls_max=LIVE_CALLS_MAX,
            data_dir=data_dir,
        )
    )
    return config


def _create_app(notify_port: int) -> list[str]:
    return [
        "app", "create", "--app-id", APP_ID, "--secret", SECRET, "--sponsor", SPONSOR,
        "--notify-url", f"http://127.0.0.1:{notify_port}", "--allow-private-addresses",
    ]  # fmt: skip


def clean_environment() -> dict[str, str]:
    """A setting of the caller's shell must not change what is measured."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("CLICKTODIAL_")
    }


async def _administer(command: Sequence[str], arguments: Sequence[str], config: Path) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, "--config", str(config), "--json",
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=clean_environment(),
        )  # fmt: skip
    except OSError as error:
        raise PlatformError(f"cannot run {command[0]}: {error}") from error
    try:
        out, complaint = await asyncio.wait_for(process.communicate(), _COMMAND_TIMEOUT_S)
    except TimeoutError as error:
        raise PlatformError(f"{' '.join(arguments[:2])} does not end") from error
    finally:
        await end_process(process, grace_s=0.0)
    if process.returncode != 0:
        said = (out + complaint).decode(errors="replace").strip()
        raise PlatformError(f"{' '.join(arguments[:2])} failed: {said}")


async def _wait_ready(process: Process, log_path: Path) -> tuple[str, int]:
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            return await _read_ready(process)
    except (TimeoutError, EOFError) as error:
        raise PlatformError(f"the platform is not ready: {read_tail(log_path)}") from error


async def _read_ready(process: Process) -> tuple[str, int]:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        match = _READY.search(line.decode(errors="replace"))
        if match is not None:
            return match[1], int(match[2])
    raise EOFError
