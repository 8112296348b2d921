"""The processes of the demonstration, set up and taken down."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

from clicktodial.sandbox.demo.child import Child, run_child, run_command
from clicktodial.sandbox.demo.client import Credential
from clicktodial.sandbox.demo.error import ChildError
from clicktodial.sandbox.demo.evidence import Pool, Scenario
from clicktodial.sandbox.demo.journal import Journal, read_entry
from clicktodial.sandbox.demo.mailbox import approve_template
from clicktodial.sandbox.demo.output import Output

_HOST = "127.0.0.1"
# Whose applications are that are made for nobody.
ENTERPRISE = "default"
_READY_LINE = re.compile(rb"clicktodial ready http=(\S+) sip=(\S+)")


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs: addresses as HOST:PORT."""

    http: str
    sip: str
    carrier: str
    application: str

    @property
    def base_url(self) -> str:
        return f"http://{self.http}"


@contextlib.asynccontextmanager
async def open_stage(
    output: Output, credential: Credential, scenario: Scenario, journal: Journal
) -> AsyncGenerator[Stage]:
    """Set up an application and a trunk, and run all three processes until the block is left.

    What they tell goes to the journal. Raises ChildError, also out of the block when one of them
    ends before its time.
    """
    async with contextlib.AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(
            run_child(
                "carrier",
                ["sandbox", "carrier", "--sip", f"{_HOST}:0", "--report-sip"],
                output.log("carrier"),
            )
        )
        # The server must know the secret that its notifications are signed with, and is
        # notified at an address that must be known before: so its port is chosen here.
        application = f"{_HOST}:{_choose_port()}"
        carrier_ready, signing_secret = await asyncio.gather(
            carrier.read_ready(), _create_app(output, credential, scenario, application)
        )
        await _sell_minutes(output)
        carrier_address = _read_address(carrier_ready, "sip")
        sample_app = await stack.enter_async_context(
            run_child(
                "application server",
                [
                    *("sandbox", "app", "--http", application, "--app-id", credential.app_id),
                    *("--secret", credential.secret, "--signing-secret", signing_secret),
                ],
                output.log("application"),
            )
        )
        await approve_template(output, credential.app_id)
        await run_command(
            *("trunk", "add", "sandbox", "--target", carrier_address),
            *("--config", str(output.config)),
        )
        platform = await stack.enter_async_context(
            run_child("platform", ["serve", "--config", str(output.config)], output.log("platform"))
        )
        ready, _ = await asyncio.gather(platform.read_ready(), sample_app.read_ready())
        match = _READY_LINE.match(ready)
        if match is None:
            raise ChildError(f"not the platform's ready line: {ready!r}")
        stage = Stage(match[1].decode(), match[2].decode(), carrier_address, application)
        readers = {"carrier": carrier, "application server": sample_app, "platform": platform}
        async with _read_all(readers, journal):
            yield stage


@contextlib.asynccontextmanager
async def _read_all(children: dict[str, Child], journal: Journal) -> AsyncGenerator[None]:
    """Read all processes into the journal; one that ends cancels the block with ChildError."""
    async with asyncio.TaskGroup() as readers:
        tasks = [
            readers.create_task(_read(name, child, journal)) for name, child in children.items()
        ]
        yield
        for task in tasks:
            task.cancel()


async def _read(name: str, child: Child, journal: Journal) -> None:
    def take(line: bytes) -> None:
        entry = read_entry(name, line)
        if entry is not None:
            journal.add(entry)

    await child.read_lines(take)


async def _create_app(
    output: Output, credential: Credential, scenario: Scenario, application: str
) -> str:
    """Create the application; returns the secret that its notifications are signed with."""
    answer = await run_command(
        *("app", "create", "--app-id", credential.app_id, "--secret", credential.secret),
        *("--sponsor", scenario.sponsor, "--notify-url", f"http://{application}"),
        *("--allow-private-addresses", "--config", str(output.config), "--json"),
    )
    try:
        created = msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise ChildError(f"app create answered {answer!r}") from error
    secret = created.get("signing_secret")
    if not isinstance(secret, str):
        raise ChildError("app create tells no signing secret")
    return secret


async def _sell_minutes(output: Output) -> None:
    """Let the application's enterprise pay for its calls out of a pool."""
    config = ("--config", str(output.config))
    await run_command("pool", "set-up", ENTERPRISE, *config)
    package = ("--name", "Business 600", "--minutes", "600")
    await run_command("package", "add", ENTERPRISE, *package, *config)


async def read_pool(output: Output) -> Pool:
    """What the enterprise has left now."""
    answer = await run_command(
        *("pool", "show", ENTERPRISE, "--config", str(output.config), "--json")
    )
    try:
        return msgspec.json.decode(answer, type=Pool)
    except msgspec.DecodeError as error:
        raise ChildError(f"pool show answered {answer!r}") from error


def _read_address(line: bytes, key: str) -> str:
    entry = read_entry("", line)
    address = entry.fields.get(key) if entry is not None else None
    if not isinstance(address, str):
        raise ChildError(f"not a ready line: {line!r}")
    return address


def _choose_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
