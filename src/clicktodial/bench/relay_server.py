"""A relay in a process of its own, so that what it costs is what the process costs.

Run as `python -m clicktodial.bench.relay_server JOB`. Prints one line when the calls of the job
are joined, and one when its standard input has ended and they are closed; both are JSON.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from clicktodial.bench.subprocess_control import end_process
from clicktodial.config import MediaSettings
from clicktodial.control.port import Relay, RelaySession
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import PCMA, MediaAddress, MediaDescription
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpio import RtpioRelay

# Below the ports that Linux gives to outgoing connections; four a call.
_MEDIA_PORT_MIN = 10_000
_MEDIA_PORT_MAX = 32_000
# The phones pause between two measurements; that must not end a call.
_DEAD_AFTER_S = 3_600
# Commands given at once, within what a relay lets wait.
_OPENED_AT_ONCE = 20
_DAEMON_TIMEOUT_S = 30.0
_POLL_S = 0.05

Address = tuple[str, int]


class RelayJob(msgspec.Struct, frozen=True):
    """Which relay to run, and the calls to join: the addresses of caller and callee of each."""

    driver: str
    directory: str
    host: str
    phones: list[tuple[Address, Address]]
    is_recorded: bool


class RelayReady(msgspec.Struct, frozen=True):
    """Where the phones of each call send to, and the processes that the relay consists of."""

    addresses: list[tuple[Address, Address]]
    pids: list[int]


class RelayTold(msgspec.Struct, frozen=True):
    """What the relay says of its calls at their end."""

    packets: int
    packets_lost: int


class RunningRelay(msgspec.Struct, frozen=True):
    """A relay that was started, and the processes of it besides this one."""

    relay: Relay
    pids: list[int]


@asynccontextmanager
async def run_rtpio(settings: MediaSettings, directory: Path) -> AsyncIterator[RunningRelay]:
    """The embedded relay: threads of this process."""
    relay = RtpioRelay(settings, directory / "spool")
    await relay.start()
    try:
        yield RunningRelay(relay, [])
    finally:
        await relay.close()


@asynccontextmanager
async def run_rtpengine(settings: MediaSettings, directory: Path) -> AsyncIterator[RunningRelay]:
    """One rtpengine in user space, and this process, which steers it."""
    program = shutil.which("rtpengine", path=f"/usr/sbin:{os.environ.get('PATH', '')}")
    if program is None:
        raise FileNotFoundError("rtpengine is missing: apt-get install rtpengine-daemon")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((settings.host, 0))
        node = f"{settings.host}:{probe.getsockname()[1]}"
    shared_dir = directory / "rtpengine"
    shared_dir.mkdir()
    daemon = await asyncio.create_subprocess_exec(
        program,
        # Not what Debian's service is set up with, nor the kernel's module.
        *("--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=4"),
        *(f"--interface={settings.host}", f"--listen-ng={node}"),
        *(f"--port-min={settings.port_min}", f"--port-max={settings.port_max}"),
        *(f"--recording-dir={shared_dir}", "--recording-method=pcap"),
        *(f"--timeout={settings.dead_after_s}", f"--silent-timeout={settings.dead_after_s}"),
        stdin=DEVNULL,
        stdout=DEVNULL,
    )
    settings = msgspec.structs.replace(settings, driver="rtpengine", rtpengine=(node,))
    fleet = RtpengineFleet(settings, directory / "spool", shared_dir, owner="bench")
    try:
        await fleet.start()
        async with asyncio.timeout(_DAEMON_TIMEOUT_S):
            # The fleet goes on asking a node that does not listen yet, and tells nobody.
            while not fleet.has_room():  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        yield RunningRelay(fleet, [daemon.pid])
    finally:
        await fleet.close()
        await end_process(daemon, grace_s=_DAEMON_TIMEOUT_S)


Runner = Callable[[MediaSettings, Path], AbstractAsyncContextManager[RunningRelay]]
DRIVERS: dict[str, Runner] = {"rtpio": run_rtpio, "rtpengine": run_rtpengine}


async def main(job: RelayJob) -> None:
    """Serve; a SIGTERM ends what was started as well."""
    serving = asyncio.create_task(serve(job))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def serve(job: RelayJob) -> None:
    """Join the calls, wait for the end of standard input, and close them."""
    settings = MediaSettings(
        host=job.host,
        port_min=_MEDIA_PORT_MIN,
        port_max=_MEDIA_PORT_MAX,
        sessions_max=max(1, len(job.phones)),
        dead_after_s=_DEAD_AFTER_S,
    )
    async with DRIVERS[job.driver](settings, Path(job.directory)) as running:
        sessions, addresses = [], []
        for first in range(0, len(job.phones), _OPENED_AT_ONCE):
            joining = job.phones[first : first + _OPENED_AT_ONCE]
            for session, pair in await asyncio.gather(
                *(_join(running.relay, phones, is_recorded=job.is_recorded) for phones in joining)
            ):
                sessions.append(session)
                addresses.append(pair)
        _say(RelayReady(addresses, [os.getpid(), *running.pids]))
        await _end_of_input()
        _say(await _close(sessions))


async def _join(
    relay: Relay, phones: tuple[Address, Address], *, is_recorded: bool
) -> tuple[RelaySession, tuple[Address, Address]]:
    session = await relay.open(create_call_id(), lambda _detail: None)
    for side, (host, port) in zip(Side, phones, strict=True):
        await session.set_remote(side, MediaDescription(MediaAddress(host, port), (PCMA,)))
    if is_recorded:
        await session.start_recording()
    caller, callee = [await session.local_address(side) for side in Side]
    return session, ((caller.host, caller.port), (callee.host, callee.port))


async def _close(sessions: list[RelaySession]) -> RelayTold:
    packets = lost = 0
    for session in sessions:
        quality = await session.quality()
        for side in (quality.caller, quality.callee):
            packets += side.packets
            lost += side.packets_lost
        await session.close()
    return RelayTold(packets, lost)


async def _end_of_input() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    transport.close()


def _say(what: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Standard output is for what the job says.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=RelayJob)))
