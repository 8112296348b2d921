"""The platform as its user runs it: a settings file, the command line, a process."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.address import Address, allocate_host, format_address, parse_address
from tests.harness.command import run_forked
from tests.harness.process import OwnedProcess

COMMAND = Path(sys.executable).with_name("clicktodial")
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_CLI_TIMEOUT_S = 60.0
_READY_LINE = re.compile(r"^clicktodial ready http=(\S+) sip=(\S+)$")
# Enough for some hundred calls; the host is the platform's own, so nobody else is in the range.
MEDIA_PORTS = range(20_000, 30_000)

Tables = Mapping[str, Mapping[str, Any]]


class CommandFailed(Exception):
    """An administrative command ended with another status than 0."""


class Platform:
    """One installation: its directory, its settings, and the server when it runs."""

    def __init__(
        self,
        directory: Path,
        tables: Tables | None = None,
        *,
        command: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self._command = list(command)
        self.host = allocate_host()
        self.data_dir = directory / "data"
        self.config_path = directory / "clicktodial.toml"
        self.config_path.write_text(_to_toml(self._merge(tables or {})))
        self._process: OwnedProcess | None = None
        self.http: Address = ("", 0)
        self.sip: Address = ("", 0)

    def _merge(self, tables: Tables) -> dict[str, dict[str, Any]]:
        merged: dict[str, dict[str, Any]] = {
            "http": {"host": self.host, "port": 0},
            "sip": {"host": self.host, "port": 0},
            "media": {
                "host": self.host,
                "port_min": MEDIA_PORTS.start,
                "port_max": MEDIA_PORTS.stop - 1,
            },
            "storage": {"data_dir": str(self.data_dir)},
        }
        for table, values in tables.items():
            merged.setdefault(table, {}).update(values)
        return merged

    # The server

    @property
    def process(self) -> OwnedProcess:
        assert self._process is not None
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    @property
    def log(self) -> str:
        """What the server logged since it was first started."""
        path = self.directory / "serve.err"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server and wait until it says that it is ready."""
        assert self._process is None
        self._process = OwnedProcess(
            [*self._command, "serve", "--config", str(self.config_path)],
            log_stem=self.directory / "serve",
            pipe_output=True,
            is_forked=not self._command,
        )
        line = self._process.read_line(READY_TIMEOUT_S)
        match = _READY_LINE.match(line)
        assert match is not None, f"not the ready line: {line!r}"
        self.http = parse_address(match[1])
        self.sip = parse_address(match[2])

    async def restart(self) -> None:
        """Start it again on the same data, without holding up the loop of the phones."""
        await asyncio.to_thread(self.start)

    def kill(self) -> None:
        """SIGKILL to every process of the platform."""
        self.process.kill_group()
        self._process = None

    async def terminate(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM; returns the exit status."""
        self.process.signal(signal.SIGTERM)
        status = await self.process.wait(timeout_s)
        self.kill()
        return status

    def close(self) -> None:
        """End it, however it is."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    # The command line

    def run_command(self, *arguments: str) -> Any:
        """An administrative command with --config and --json; returns what it answered."""
        done = run_forked(
            [*arguments, "--config", str(self.config_path), "--json"],
            directory=self.directory,
            timeout_s=_CLI_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise CommandFailed(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    async def command(self, *arguments: str) -> Any:
        """`run_command` while the loop goes on."""
        return await asyncio.to_thread(self.run_command, *arguments)

    def add_trunk(
        self,
        name: str,
        target: Address,
        *,
        priority: int | None = None,
        answer_timeout_s: int | None = None,
        options_interval_s: int | None = None,
    ) -> None:
        """A SIP peer through which legs leave; what is None is left to the platform."""
        options = [] if priority is None else ["--priority", str(priority)]
        if answer_timeout_s is not None:
            options += ["--answer-timeout", str(answer_timeout_s)]
        if options_interval_s is not None:
            options += ["--options-interval", str(options_interval_s)]
        self.run_command("trunk", "add", name, "--target", format_address(target), *options)


def _to_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    # A JSON string, number, boolean or list of them is TOML as it stands.
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in values.items())
    return "\n".join(lines) + "\n"
