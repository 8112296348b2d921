"""What the shell blocks of all pages share: one running server, a carrier, an application server.

Each listens at the port that the pages name, on a loopback host of its own; the hosts are put in
place of those that the pages name. Nothing leaves the machine: the names of the pages' trunks are
looked up at a name server that knows `sip.example.org` alone, which is the carrier.
"""

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.address import allocate_host, format_address
from tests.harness.database import FILE_NAME, place_database
from tests.harness.name_server import open_name_server
from tests.harness.platform import COMMAND, READY_TIMEOUT_S, Platform
from tests.harness.process import OwnedProcess

APP_ID = "12345678"
SECRET = "Secretkey"
SPONSOR = "01052680000"
TOKEN = "a-token-of-16-or-more"
# Phones of the pages talk for an hour when nobody hangs up. Long enough for whatever a page does
# with a call, however busy the machine is.
_CALL_S = 120
_HTTP_PORT = 8080
_SIP_PORT = 5060
_APPLICATION_PORT = 9000


@dataclass(frozen=True, slots=True)
class World:
    """The server, and the processes that it speaks with, by the name that pages have for them."""

    platform: Platform
    carrier: str
    processes: dict[str, list[str]]

    @property
    def host(self) -> str:
        return self.platform.host

    def place(self, text: str) -> str:
        """The text with the addresses that hold here."""
        text = text.replace("127.0.0.1:5062", f"{self.carrier}:{_SIP_PORT}")
        text = re.sub(r"https://platform\.example\b", f"http://{self.host}:{_HTTP_PORT}", text)
        return re.sub(r"\b(localhost|127\.0\.0\.1)(?=[:\"'])", self.host, text)


@asynccontextmanager
async def open_world(directory: Path) -> AsyncIterator[World]:
    """Start all of it side by side, and end it."""
    carrier = allocate_host()
    host = allocate_host()
    zone = {("sip.example.org.", "A"): [carrier]}
    async with open_name_server(zone, host=host) as names:
        tables: dict[str, dict[str, Any]] = {
            "http": {"host": host, "port": _HTTP_PORT, "trusted_proxies": ["127.0.0.1"]},
            "sip": {
                "host": host,
                "port": _SIP_PORT,
                "name_servers": [format_address(names.address)],
            },
            "media": {"host": host, "port_min": 20_000, "port_max": 29_999},
            "accounts": {"base_url": f"http://{host}:{_HTTP_PORT}"},
            "management": {"token": TOKEN},
            "oauth": {"client_secrets": True},
            "calls": {"max_duration_s": _CALL_S},
        }
        platform = Platform(directory, tables)
        platform.host = host
        place_database(platform.data_dir / FILE_NAME)
        await platform.command(*application_arguments(host))
        arguments = {
            "the server": ["serve", "--config", str(platform.config_path)],
            "the carrier": ["sandbox", "carrier", "--sip", f"{carrier}:{_SIP_PORT}"],
            "the application": ["sandbox", "app", "--http", f"{host}:{_APPLICATION_PORT}"],
        }
        with ExitStack() as stack:
            stack.callback(platform.close)
            children = [
                _open(stack, directory / name[4:], arguments[name])
                for name in ("the carrier", "the application")
            ]
            platform.start()
            for child in children:
                line = child.read_line(READY_TIMEOUT_S)
                assert '"ready"' in line, line
            yield World(platform, carrier, arguments)


def application_arguments(host: str) -> list[str]:
    """The command that creates the application which pages take for granted."""
    return [
        *("app", "create", "--app-id", APP_ID, "--secret", SECRET, "--sponsor", SPONSOR),
        *("--notify-url", f"http://{host}:{_APPLICATION_PORT}", "--allow-private-addresses"),
    ]


def _open(stack: ExitStack, log_stem: Path, arguments: list[str]) -> OwnedProcess:
    process = OwnedProcess([str(COMMAND), *arguments], log_stem=log_stem, pipe_output=True)
    stack.callback(process.stop)
    return process
