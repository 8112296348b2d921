"""A platform, an application and simulated phones in one process, ready to be called.

What `sandbox carrier`, `app create`, `trunk add` and `serve` do after one another is done here in
one go and in one loop, since whoever tests an application waits for it. The phones still speak SIP
and RTP with the node, over sockets.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from clicktodial.config import Settings, load_settings
from clicktodial.domain.trunk import Trunk
from clicktodial.main import open_node, own_data_dir
from clicktodial.observe.logging import configure_logging
from clicktodial.sandbox.behaviour import NORMAL_TIMINGS, Timings, create_numbering_plan
from clicktodial.sandbox.carrier import Carrier
from clicktodial.sandbox.report import LineWriter, Report, Reporter, ReportKind
from clicktodial.storage.administration import Administration, CreatedSecrets, NewApplication

TRUNK_NAME = "sandbox"
# For tests, which wait for phones: as short as a person at a screen can still follow.
FAST_TIMINGS = Timings(answer_s=0.2, late_answer_s=2.0, talk_s=1.0, announcement_s=0.5, key_s=0.5)
_DIRECTORY_MODE = 0o700
# What does not arrive is tried again within a test's patience.
_NOTIFY_RETRY_S = (1,) * 30


class PlaygroundExists(Exception):
    """There is something in that directory already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundPlan:
    """What is wanted. Port 0 takes a free one; None has a secret made."""

    directory: Path
    host: str
    http_port: int = 0
    app_id: str = "12345678"
    secret: str | None = None
    sponsor: str = "01052680000"
    notify_url: str | None = None
    is_fast: bool = False
    # Whether it ends when standard input does, so that it never outlives who started it.
    is_attached: bool = False
    events: Path | None = None


def run_playground(plan: PlaygroundPlan) -> None:
    """Run it until SIGTERM or SIGINT. The first line on standard output tells all there is to
    know, secrets too. Raises PlaygroundExists, ConfigError, OSError, StorageError."""
    directory = plan.directory.absolute()
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    config = directory / "clicktodial.toml"
    if config.exists():
        raise PlaygroundExists(f"{plan.directory} has a sandbox already")
    config.touch(mode=0o600)
    config.write_text(_render_settings(plan), encoding="utf-8")
    settings = load_settings(config)
    configure_logging(settings.log, is_final=True)
    with own_data_dir(settings.data_dir):
        uvloop.run(_run(plan, config, settings))


def _render_settings(plan: PlaygroundPlan) -> str:
    # The issuer of access tokens has the port in it, which so must be known before.
    port = plan.http_port or _choose_port(plan.host)
    tables: dict[str, dict[str, object]] = {
        "http": {"host": plan.host, "port": port},
        "sip": {"host": plan.host, "port": 0},
        "media": {"host": plan.host, "webrtc": True},
        "storage": {"data_dir": str((plan.directory / "data").absolute())},
        "accounts": {"base_url": f"http://{plan.host}:{port}"},
        "oauth": {"client_secrets": True},
        "notify": {"retry_after_s": _NOTIFY_RETRY_S},
        "management": {"token": secrets.token_urlsafe(32)},
        "log": {"level": "warning"},
    }
    lines = []
    for table, values in tables.items():
        # A JSON string, number, boolean or list of them is TOML as it stands.
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _choose_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


async def _run(plan: PlaygroundPlan, config: Path, settings: Settings) -> None:
    timings = FAST_TIMINGS if plan.is_fast else NORMAL_TIMINGS
    with _open_events(plan.events) as report:
        carrier = Carrier(report=report, plan=create_numbering_plan(timings))
        await carrier.start(plan.host, 0)
        try:
            created = await asyncio.to_thread(_set_up, plan, settings, carrier.address)
            with _stop_request(is_attached=plan.is_attached) as stopped:
                async with open_node(settings) as node:
                    http, sip, phones = (
                        f"{host}:{port}"
                        for host, port in (node.http_address, node.sip_address, carrier.address)
                    )
                    ready = {
                        "http": http,
                        "sip": sip,
                        "carrier": phones,
                        "app_id": created.app_id,
                        "secret": created.secret,
                        "signing_secret": created.signing_secret,
                        "sponsor": plan.sponsor,
                        "config": str(config),
                    }
                    LineWriter(sys.stdout.buffer)(Report(ReportKind.READY, ready))
                    await stopped.wait()
                    await node.service.stop()
        finally:
            await carrier.close()


@contextlib.contextmanager
def _open_events(path: Path | None) -> Generator[Reporter]:
    """Where the phones tell what they do. Raises OSError."""
    with contextlib.ExitStack() as stack:
        yield LineWriter(*([] if path is None else [stack.enter_context(path.open("ab"))]))


def _set_up(plan: PlaygroundPlan, settings: Settings, carrier: tuple[str, int]) -> CreatedSecrets:
    administration = Administration.open(settings)
    try:
        created = administration.create_application(
            NewApplication(
                app_id=plan.app_id,
                secret=plan.secret,
                name="sandbox",
                sponsors=(plan.sponsor,),
                notify_url=plan.notify_url,
                allow_private_addresses=True,
            )
        )
        administration.add_trunk(Trunk(name=TRUNK_NAME, host=carrier[0], port=carrier[1]))
    finally:
        administration.close()
    return created


@contextlib.contextmanager
def _stop_request(*, is_attached: bool) -> Generator[asyncio.Event]:
    """An event that SIGTERM, SIGINT and, where attached, the end of standard input set."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    descriptor = sys.stdin.fileno() if is_attached else None
    if descriptor is not None:
        loop.add_reader(descriptor, _read_away, descriptor, stopped)
    try:
        yield stopped
    finally:
        if descriptor is not None:
            loop.remove_reader(descriptor)
        for number in signals:
            loop.remove_signal_handler(number)


def _read_away(descriptor: int, stopped: asyncio.Event) -> None:
    if not os.read(descriptor, 4_096):
        asyncio.get_running_loop().remove_reader(descriptor)
        stopped.set()
