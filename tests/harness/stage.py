"""A stage: a running platform, its application, the switch and the phones behind it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness.address import Address, format_address
from tests.harness.client import CALLEE, CALLER, Application, PlacedCall
from tests.harness.database import FILE_NAME, place_database
from tests.harness.phone import Phone
from tests.harness.platform import MEDIA_PORTS, Platform, Tables
from tests.harness.sink import Behaviour, Sink
from tests.harness.sipp import Sipp
from tests.harness.switch import Switch

log = logging.getLogger(__name__)

# Set-up starts four programs in a row, each of which loads half the platform.
TEST_TIMEOUT_S = 180
# Of what a failure shows, the end: who reads it has room for a few thousand characters.
_LOG_SHOWN = 2_000
_LADDER_SHOWN = 2_000
# A fifth of the standard's, so that retransmission and its limits show within seconds.
FAST_T1_MS = 100
# Nobody who answers is too late, however busy the machine is; tests of phones that nobody answers
# say how long those ring.
FAST_TABLES: Tables = {
    "sip": {"t1_ms": FAST_T1_MS},
    "calls": {"caller_ring_timeout_s": 25, "callee_ring_timeout_s": 25},
    "notify": {"retry_after_s": [1] * 30},
}
# How long SIPp keeps a call after its end, to answer what is repeated.
_LINGER_MS = 300
# SIPp takes a repeated INVITE after its 200 for an unexpected one, and sends a final response
# only six times.
_PATIENT = ("-default_behaviors", "none", "-max_retrans", "12")
ANSWERED = ["CallingCaller", "CallingCallee", "Connected", "Disconnected"]
NOT_ANSWERED = ["CallingCaller", "CallingCallee", "Disconnected"]
CALLER_NOT_ANSWERED = ["CallingCaller", "Disconnected"]


class Stage:
    """What a test needs to have two people called, and to see all that comes of it."""

    def __init__(
        self, directory: Path, platform: Platform, sink: Sink, switch: Switch, backup: Switch
    ) -> None:
        self.directory = directory
        self.platform = platform
        self.sink = sink
        self.switch = switch
        self.backup = backup
        self.application = Application(platform, sink)
        self._sipps: list[Sipp] = []
        self._phones: list[Phone] = []
        self._log_shown = 0

    async def sipp(
        self,
        scenario: str,
        number: str,
        *,
        calls: int = 1,
        pause_ms: int = 0,
        linger_ms: int = _LINGER_MS,
        status: str = "",
        switch: Switch | None = None,
        patient: bool = False,
    ) -> Sipp:
        """SIPp as the phone of that number; its verdict is asked for by `phones_agree`.

        A `patient` one ignores what its scenario does not expect instead of ending the call.
        """
        switch = switch or self.switch
        keys = {"contact": format_address(switch.address), "status": status}
        sipp = Sipp(
            self.directory,
            scenario,
            calls=calls,
            keys={**keys, "linger": str(linger_ms)},
            arguments=("-d", str(pause_ms), *(_PATIENT if patient else ())),
        )
        self._sipps.append(sipp)
        await sipp.wait_bound()
        await switch.connect(number, sipp.address)
        return sipp

    async def probe(self, scenario: str) -> None:
        """SIPp as a client that calls the platform itself; returns when it is content."""
        sipp = Sipp(self.directory, scenario, target=self.platform.sip)
        self._sipps.append(sipp)
        await sipp.verdict()

    async def phone(
        self,
        number: str,
        *,
        rings: bool = True,
        answers: bool = True,
        refuses_with: int | None = None,
        has_keys: bool = False,
    ) -> Phone:
        """A phone in the test's own hands, for one call."""
        phone = Phone(
            self.switch.address,
            number=number,
            rings=rings,
            answers=answers,
            refuses_with=refuses_with,
            has_keys=has_keys,
            foreign_ports={
                *MEDIA_PORTS,
                self.platform.sip[1],
                self.switch.address[1],
                self.backup.address[1],
            },
        )
        self._phones.append(await phone.start())
        await self.switch.connect(number, phone.sip_address)
        return phone

    async def begin(
        self, *, caller: str = CALLER, callee: str = CALLEE, **optional: Any
    ) -> PlacedCall:
        """Begin a call."""
        return await self.application.begin(caller=caller, callee=callee, **optional)

    async def phones_agree(self) -> None:
        """Every SIPp phone's calls went exactly as its scenario says."""
        for sipp in self._sipps:
            await sipp.verdict()

    async def clear(self) -> None:
        """End the calls that are left, then the phones: nothing of them meets the next test.

        What passed and what the platform logged is told, which pytest shows of a test that failed.
        """
        log.warning("what passed the switch:\n%s", self.switch.ladder()[-_LADDER_SHOWN:])
        self.sink.behaviour = Behaviour()
        if not self.sink.is_running:
            await self.sink.start()
        try:
            if self.platform.is_running:
                await self.application.end_calls()
            for switch in (self.switch, self.backup):
                await switch.settle()
        finally:
            for sipp in self._sipps:
                sipp.close()
            for phone in self._phones:
                await phone.close()
            self._sipps.clear()
            self._phones.clear()
            self.switch.reset()
            self.backup.reset()
            logged = self.platform.log
            log.warning("platform log:\n%s", logged[self._log_shown :][-_LOG_SHOWN:])
            self._log_shown = len(logged)

    async def close(self) -> None:
        """End all of it."""
        try:
            await self.clear()
        finally:
            await asyncio.to_thread(self.platform.close)
            await self.application.close()
            await self.sink.stop()
            self.switch.close()
            self.backup.close()


@contextlib.asynccontextmanager
async def open_stage(
    directory: Path,
    tables: Tables | None = None,
    *,
    is_set_up: bool = True,
    is_first_start: bool = False,
    backup_after_s: int | None = None,
    trunk: Address | None = None,
    options_interval_s: int | None = None,
) -> AsyncIterator[Stage]:
    """A stage of one's own: its platform runs, with an application, and a trunk to the switch.

    Where not `is_set_up`, the platform runs without either. One of an `is_first_start` finds
    nothing, not even a directory; others a database that is empty. With `backup_after_s` there is a
    second trunk, for which the first is left after so long without any response. `trunk` stands
    in for the switch; with `options_interval_s` of 0 no OPTIONS asks for its health.
    """
    merged = {name: dict(values) for name, values in FAST_TABLES.items()}
    for name, values in (tables or {}).items():
        merged.setdefault(name, {}).update(values)
    sink = await Sink().start()
    switch = await Switch().start()
    backup = await Switch().start()
    platform = Platform(directory, merged)
    if not is_first_start:
        place_database(platform.data_dir / FILE_NAME)
    stage = Stage(directory, platform, sink, switch, backup)
    try:
        if is_set_up:
            address = trunk or switch.address
            await asyncio.to_thread(_set_up, stage, address, backup_after_s, options_interval_s)
        await asyncio.to_thread(stage.platform.start)
        yield stage
    finally:
        await stage.close()


def _set_up(
    stage: Stage, trunk: Address, backup_after_s: int | None, options_interval_s: int | None
) -> None:
    platform = stage.platform
    stage.application.register()
    platform.add_trunk(
        "main",
        trunk,
        priority=1,
        answer_timeout_s=backup_after_s,
        options_interval_s=options_interval_s,
    )
    if backup_after_s is not None:
        platform.add_trunk("backup", stage.backup.address, priority=2)


@contextlib.asynccontextmanager
async def lend(stage: Stage, directory: Path) -> AsyncIterator[Stage]:
    """The stage of many tests for one of them.

    Whatever the test before did to it, the platform runs, the sink takes all, and no call lives.
    """
    stage.directory = directory
    if not stage.platform.is_running:
        stage.platform.close()
        await stage.platform.restart()
    try:
        yield stage
    finally:
        await stage.clear()


def allow_time(items: list[pytest.Item], directory: Path) -> None:
    """Give the tests of that folder the time that a busy machine takes to start programs."""
    for item in items:
        if directory in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


def sequence_numbers(call: PlacedCall) -> list[int]:
    """The place of each notification within its call, as its webhook-id tells it."""
    prefix = call.call_id
    numbers = []
    for delivery in call.deliveries:
        assert prefix in delivery.webhook_id, delivery.webhook_id
        numbers.append(int(delivery.webhook_id.rpartition(prefix)[2].lstrip("-_.:/")))
    return numbers
