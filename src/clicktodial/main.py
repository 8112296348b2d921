"""The composition root: builds every part of a node, joins them, runs them, stops them."""

import asyncio
import fcntl
import gc
import os
import resource
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop

from clicktodial.api.bearer import AccessTokens
from clicktodial.composition.billing import open_billing
from clicktodial.composition.business import open_enterprises
from clicktodial.composition.call import open_calls
from clicktodial.composition.foundation import open_foundation
from clicktodial.composition.http import open_http
from clicktodial.composition.people import open_membership, open_people, open_retention
from clicktodial.config import ConfigError, Settings
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.control.port import RelayError, StoreError
from clicktodial.domain.identifier import create_call_id
from clicktodial.observe.logging import configure_logging
from clicktodial.storage.error import StorageError

log = structlog.get_logger()

# Anyone else on the machine has no business with recordings, keys or numbers.
_DATA_DIR_MODE = 0o700
# The writer and the relay's reader threads need the interpreter for microseconds at a time; at
# the default of 5 ms each of them could hold up the loop for as long as a whole call set-up.
_SWITCH_INTERVAL_S = 0.0005
# Objects of live calls are many and not cyclic: collect rarely, or every call pays for it.
_GC_THRESHOLDS = (20_000, 20, 100)


def run(settings: Settings) -> int:
    """Run a node until SIGTERM or SIGINT; returns the exit status of the process."""
    configure_logging(settings.log, is_final=True)
    _raise_file_limit()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with own_data_dir(settings.data_dir):
            uvloop.run(_serve(settings))
    except (ConfigError, RelayError, StorageError, StoreError, OSError) as error:
        log.error("node.not_started", detail=str(error))
        return 1
    return 0


@contextmanager
def own_data_dir(path: Path) -> Generator[None]:
    """Hold the data directory alone: a second node on it would end the first one's calls."""
    path.mkdir(parents=True, exist_ok=True, mode=_DATA_DIR_MODE)
    lock = os.open(path / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another node is running on {path}") from error
        yield
    finally:
        os.close(lock)


def read_node_id(data_dir: Path) -> str:
    """The node's own identifier, made at its first start; calls are owned in its name."""
    path = data_dir / "node-id"
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    node_id = create_call_id()
    path.write_text(node_id + "\n", encoding="ascii")
    return node_id


@dataclass(frozen=True, slots=True)
class Node:
    """A running node, as seen by its process."""

    service: LiveCallService
    http_address: tuple[str, int]
    sip_address: tuple[str, int]


@asynccontextmanager
async def open_node(
    settings: Settings, *, tokens: AccessTokens | None = None
) -> AsyncGenerator[Node]:
    """Build a node from the inside out, and take it down the other way round.

    What accepts work from outside comes up last and goes down first, so that nothing is accepted
    that cannot be done. `tokens` takes the place of who knows the access tokens. Raises
    ConfigError, OSError, or an adapter's own error where a part does not start; those that had
    started are stopped.
    """
    async with AsyncExitStack() as stack:
        base = await open_foundation(stack, settings, node_id=read_node_id(settings.data_dir))
        calls = await open_calls(base)
        enterprises = open_enterprises(base)
        people, support = open_people(base)
        billing = open_billing(base, on_alert=calls.notifier.request_rescan)
        membership = await open_membership(base)
        open_retention(base, calls.recordings_root)
        server = await open_http(
            base,
            calls,
            enterprises=enterprises,
            people=people,
            support=support,
            billing=billing,
            membership=membership,
            tokens=tokens,
        )
        yield Node(calls.service, server.address, calls.telephony.endpoint.address)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with open_node(settings) as node:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        _tell_ready(node)
        await stop.wait()
        log.info("node.stopping", live_calls=node.service.live_count)
        await node.service.stop()


def _tell_ready(node: Node) -> None:
    http, sip = (
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for host, port in (node.http_address, node.sip_address)
    )
    sys.stdout.write(f"clicktodial ready http={http} sip={sip}\n")
    sys.stdout.flush()


def _raise_file_limit() -> None:
    """Sockets of calls and connections: take what the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
