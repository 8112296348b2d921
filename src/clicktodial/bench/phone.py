"""SIPp as the phones: every call's two legs are answered at once by one process of it."""

import asyncio
import re
import shutil
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clicktodial.bench.error import PhoneError
from clicktodial.bench.placement import Placement, running_on
from clicktodial.bench.process_usage import is_udp_port_bound
from clicktodial.bench.subprocess_control import end_process, read_tail

SCENARIO = Path(__file__).with_name("phone.xml")
_START_TIMEOUT_S = 10.0
_STOP_GRACE_S = 2.0
_POLL_S = 0.02
# Room for the datagrams of a second at the highest rates; the kernel may give less.
_SOCKET_BUFFER_BYTES = 1_048_576

# ACK 2026-01-31<tab>12:00:00.123456<tab>1769860800.123456 To: <sip:+8613900000000@host>;tag=1
_ACK = re.compile(r"^ACK \S+\s+\S+\s+(\d+\.\d+) To:[^<]*<sip:\+?(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Phones:
    """Running phones."""

    process: Process
    port: int
    ack_log: Path

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None


@asynccontextmanager
async def run_phones(directory: Path, placement: Placement) -> AsyncIterator[Phones]:
    """SIPp on a free port, until the block ends. Raises PhoneError."""
    program = shutil.which("sipp")
    if program is None:
        raise PhoneError("sipp is missing; as root: apt-get install sip-tester")
    port, media_port, control_port = find_free_udp_ports(3)
    ack_log, error_log = directory / "ack.log", directory / "sipp-errors.log"
    with running_on(placement.bench):
        process = await asyncio.create_subprocess_exec(
            program, "-sf", str(SCENARIO), "-i", "127.0.0.1", "-bind_local", "-p", str(port),
            "-mp", str(media_port), "-cp", str(control_port), "-nostdin", "-timer_resol", "1",
            "-buff_size", str(_SOCKET_BUFFER_BYTES), "-trace_logs", "-log_file", str(ack_log),
            "-trace_err", "-error_file", str(error_log),
            stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, cwd=directory,
        )  # fmt: skip
    try:
        await _wait_bound(process, port, error_log)
        yield Phones(process, port, ack_log)
    finally:
        await end_process(process, grace_s=_STOP_GRACE_S)


async def _wait_bound(process: Process, port: int, error_log: Path) -> None:
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not is_udp_port_bound(port):
                if process.returncode is not None:
                    raise PhoneError(f"sipp ended at once: {read_tail(error_log)}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise PhoneError("sipp does not open its port") from error


def find_free_udp_ports(count: int) -> list[int]:
    """Different UDP ports of the loopback that are free now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def read_ack_times(log: Path) -> dict[str, float]:
    """When each number's phone first got its ACK, in seconds since the epoch."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return {}
    times: dict[str, float] = {}
    for match in _ACK.finditer(text):
        times.setdefault(match[2], float(match[1]))
    return times
