"""nginx with the configuration of its page, but for addresses, before the shared server."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tests.documentation.world import SECRET, SPONSOR, TOKEN, World
from tests.harness.address import allocate_host, free_port
from tests.harness.certificate import Authority
from tests.harness.process import OwnedProcess
from tests.harness.sink import basic_credential

_PROGRAM = "/usr/sbin/nginx"
_ENTERPRISE = "proxied"
_APP_ID = "20260003"
_START_TIMEOUT_S = 30.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Proxy:
    """`host` is where it listens, and one client's address; `stranger` is another's."""

    host: str
    stranger: str
    url: str
    tls: ssl.SSLContext

    def client(self, address: str) -> aiohttp.ClientSession:
        """Who asks from that address."""
        connector = aiohttp.TCPConnector(ssl=self.tls, local_addr=(address, 0))
        return aiohttp.ClientSession(connector=connector)


@contextmanager
def open_proxy(world: World, configuration: str, directory: Path) -> Iterator[Proxy]:
    """Start it, in the foreground as one process, and end it."""
    host, stranger = allocate_host(), allocate_host()
    port = free_port(host)
    authority = Authority(directory)
    certificate = authority.issue(host)
    text = world.place(configuration)
    for shown, actual in {
        "listen 443 ssl": f"listen {host}:{port} ssl",
        "/etc/clicktodial/us.pem": certificate.certificate_file,
        "/etc/clicktodial/us.key": certificate.key_file,
        "error.log;": "stderr notice;",
    }.items():
        assert shown in text, shown
        text = text.replace(shown, actual)
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    process = OwnedProcess(
        [
            *(_PROGRAM, "-p", str(directory), "-c", str(directory / "nginx.conf")),
            *("-e", "stderr", "-g", "daemon off; master_process off;"),
        ],
        log_stem=directory / "nginx",
    )
    try:
        _wait_until_it_listens(process, host, port)
        tls = ssl.create_default_context(cafile=authority.ca_file)
        yield Proxy(host, stranger, f"https://{host}:{port}", tls)
    finally:
        process.stop()


def _wait_until_it_listens(process: OwnedProcess, host: str, port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        assert process.is_running, process.errors
        try:
            socket.create_connection((host, port), timeout=_START_TIMEOUT_S).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, process.errors
            time.sleep(_POLL_S)


async def create_listed_application(world: World, proxy: Proxy) -> tuple[str, str]:
    """An application that may ask from the proxy's own address alone: its APPID and credential."""
    await world.platform.command("enterprise", "create", _ENTERPRISE)
    options = ["--enterprise", _ENTERPRISE, "--secret", SECRET, "--sponsor", SPONSOR]
    await world.platform.command("app", "create", "--app-id", _APP_ID, *options)
    # By the server itself, which so knows at once of all that was done.
    url = f"http://{world.host}:8080/management/v1/applications/{_APP_ID}/allow-list"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(url, json={"networks": [proxy.host]}) as answer,
    ):
        assert answer.ok, await answer.text()
    return _APP_ID, basic_credential(_APP_ID, SECRET)
