"""SIPp as a phone: a scenario file, a process, and its verdict."""

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.harness.address import Address, allocate_host, format_address, free_port
from tests.harness.process import OwnedProcess, ProcessTimeout

SCENARIOS = Path(__file__).parent.parent / "interop" / "scenarios"
PARTS = SCENARIOS / "part"
_INCLUDE = re.compile(r"\[include ([a-z_.]+)\]")
VERDICT_TIMEOUT_S = 30.0
_BOUND_TIMEOUT_S = 30.0
_POLL_S = 0.005
# Of what a failure tells, the end: who reads it has room for a few thousand characters.
_ERRORS_SHOWN = 1_500
_MESSAGES_SHOWN = 2_000
_MESSAGE_RULE = "-----------------------------------------------"
# SIPp gives up by itself, should the test that started it be killed.
_LIFETIME_S = 180


class SippFailed(Exception):
    """A call of the scenario did not go as the scenario says; the message holds SIPp's log."""


class Sipp:
    """One SIPp process on a host of its own.

    `keys` fill the scenario's `[name]` places before SIPp reads it, since SIPp itself takes no
    keyword for a status; `[include NAME]` is a file of `scenarios/part`. A server scenario names
    `target` None; a client scenario calls the target at once. `speed` is that of the FastLoop on
    which SIPp is waited for.
    """

    def __init__(
        self,
        directory: Path,
        scenario: str,
        *,
        calls: int = 1,
        keys: Mapping[str, str] | None = None,
        target: Address | None = None,
        arguments: tuple[str, ...] = (),
        speed: float = 1.0,
    ) -> None:
        host = allocate_host()
        self.scenario = scenario
        self._speed = speed
        self.address: Address = (host, free_port(host))
        self._stem = directory / f"sipp-{Path(scenario).stem}-{self.address[0]}"
        self._process = OwnedProcess(
            self._command(self._source(scenario, keys or {}), calls, target, arguments),
            log_stem=self._stem,
        )

    def _source(self, scenario: str, keys: Mapping[str, str]) -> list[str]:
        if not scenario.endswith(".xml"):
            return ["-sn", scenario]
        text = (SCENARIOS / scenario).read_text()
        # Parts may have parts of their own.
        while _INCLUDE.search(text):
            text = _INCLUDE.sub(lambda found: (PARTS / found[1]).read_text().rstrip(), text)
        for name, value in keys.items():
            text = text.replace(f"[{name}]", value)
        path = Path(f"{self._stem}.xml")
        path.write_text(text)
        return ["-sf", str(path)]

    def _command(
        self, source: list[str], calls: int, target: Address | None, arguments: tuple[str, ...]
    ) -> list[str]:
        sipp = shutil.which("sipp")
        assert sipp is not None, "SIPp is missing: apt-get install sip-tester"
        host, port = self.address
        # SIPp binds its control and media sockets too: on its own host they meet nobody's.
        command = [sipp, *source, "-i", host, "-p", str(port), "-bind_local", "-ci", host]
        command += ["-mi", host, "-m", str(calls), "-nostdin", "-timeout", str(_LIFETIME_S)]
        command += ["-trace_err", "-error_file", f"{self._stem}.errors"]
        command += ["-trace_msg", "-message_file", f"{self._stem}.messages"]
        command += arguments
        return command if target is None else [*command, format_address(target)]

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    async def wait_bound(self) -> None:
        """Return when the SIP socket is open; the kernel's table is where SIPp tells it."""
        try:
            async with asyncio.timeout(_BOUND_TIMEOUT_S * self._speed):
                while not _is_bound(self.address):
                    if not self._process.is_running:
                        raise SippFailed(self._report("it ended before it listened"))
                    await asyncio.sleep(_POLL_S * self._speed)
        except TimeoutError:
            raise SippFailed(self._report("it does not listen")) from None

    async def finish(self, timeout_s: float = VERDICT_TIMEOUT_S) -> int:
        """Wait until all calls were handled; returns the exit status, 1 where some went wrong."""
        try:
            return await self._process.wait(timeout_s * self._speed)
        except ProcessTimeout:
            raise SippFailed(self._report("its calls did not end")) from None

    async def verdict(self, timeout_s: float = VERDICT_TIMEOUT_S) -> None:
        """Wait until all calls were handled; raises SippFailed unless each went as written."""
        status = await self.finish(timeout_s)
        if status != 0:
            raise SippFailed(self._report(f"exit status {status}"))

    async def wait_received(self, text: str, *, times: int = 1) -> None:
        """Return when so many messages with that text have reached SIPp."""
        await self._wait_message(text, times, "message received")

    async def wait_sent(self, text: str, *, times: int = 1) -> None:
        """Return when SIPp has sent so many messages with that text."""
        await self._wait_message(text, times, "message sent")

    async def _wait_message(self, text: str, times: int, way: str) -> None:
        try:
            async with asyncio.timeout(VERDICT_TIMEOUT_S * self._speed):
                while True:
                    entries = self.messages.split(_MESSAGE_RULE)
                    if sum(way in entry and text in entry for entry in entries) >= times:
                        return
                    if not self._process.is_running:
                        raise SippFailed(self._report(f"it ended without {text!r}"))
                    await asyncio.sleep(_POLL_S * self._speed)
        except TimeoutError:
            raise SippFailed(self._report(f"no {way} with {text!r}, {times} times")) from None

    @property
    def messages(self) -> str:
        """Every message that SIPp sent and received."""
        path = Path(f"{self._stem}.messages")
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End it at once."""
        self._process.kill_group()

    def _report(self, what: str) -> str:
        errors = Path(f"{self._stem}.errors")
        text = errors.read_text(errors="replace") if errors.exists() else self._process.errors
        errors_shown, messages = text[-_ERRORS_SHOWN:], self.messages[-_MESSAGES_SHOWN:]
        return f"{self.scenario}: {what}\n{errors_shown}\n--- messages\n{messages}"


def _is_bound(address: Address) -> bool:
    # /proc/net/udp writes the host as one little-endian word.
    host = "".join(f"{int(octet):02X}" for octet in reversed(address[0].split(".")))
    wanted = f" {host}:{address[1]:04X} "
    return wanted in Path("/proc/net/udp").read_text()
