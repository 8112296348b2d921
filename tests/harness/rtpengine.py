"""rtpengine, as Debian packages it: a media relay that no one here wrote, in user space."""

import asyncio
import shutil
from pathlib import Path
from typing import Self

from tests.harness.address import Address, allocate_host, format_address, free_port
from tests.harness.process import OwnedProcess

PACKAGE = "rtpengine-daemon"
_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_START_TIMEOUT_S = 30.0
_POLL_S = 0.05
# The host is this daemon's own, so nobody else is in the range.
_MEDIA_PORTS = (30_000, 39_999)


class Rtpengine:
    """One daemon on a host of its own. `directory` is where it records, for many if need be."""

    def __init__(self, directory: Path, logs: Path, *options: str) -> None:
        self.host = allocate_host()
        self.address: Address = (self.host, free_port(self.host))
        self.directory = directory
        self._logs = logs
        self._options = options
        self._process: OwnedProcess | None = None

    @property
    def name(self) -> str:
        """As the settings name it."""
        return format_address(self.address)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        assert self._process is not None
        return self._process.errors

    async def start(self) -> Self:
        """Start it; returns when it answers."""
        program = shutil.which("rtpengine", path=_SEARCH_PATH)
        assert program is not None, f"rtpengine is missing: apt-get install {PACKAGE}"
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [
            program,
            # Not what Debian's service is set up with.
            "--config-file=none",
            *("--foreground", "--log-stderr", "--log-level=5"),
            # Without the kernel's module.
            "--table=-1",
            f"--interface={self.host}",
            f"--listen-ng={self.name}",
            *(f"--port-min={_MEDIA_PORTS[0]}", f"--port-max={_MEDIA_PORTS[1]}"),
            f"--recording-dir={self.directory}",
            "--recording-method=pcap",
            "--mos=LQ",
            # Whoever steers it says when a call is dead.
            *("--timeout=86400", "--silent-timeout=86400"),
            # Two threads that read one socket may pass a burst on in another order, which phones
            # put right again and tests do not.
            "--num-threads=1",
            *self._options,
        ]
        self._process = OwnedProcess(command, log_stem=self._logs / f"rtpengine-{self.host}")
        async with asyncio.timeout(_START_TIMEOUT_S):
            await self._wait_answering()
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill_group()

    def close(self) -> None:
        """End it, however it is."""
        if self._process is not None:
            self._process.stop()

    async def _wait_answering(self) -> None:
        """Ask until there is an answer: before it listens, a datagram is lost without a word."""
        answered = asyncio.Event()

        class Asker(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Address) -> None:
                answered.set()

            def error_received(self, exc: Exception) -> None:
                """It does not listen yet."""

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Asker, remote_addr=self.address)
        try:
            while not answered.is_set():
                assert self._process is not None
                assert self._process.is_running, self.log[-4000:]
                transport.sendto(b'harness {"command": "ping"}')
                await asyncio.sleep(_POLL_S)
        finally:
            transport.close()
