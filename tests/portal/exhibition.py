"""What the documentation's pictures show: the demonstration's history, ended at one time for ever,
and calls that are under way then."""

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Thread

import aiohttp
from sqlalchemy import BigInteger, ColumnElement, func, select, type_coerce, update
from tests.harness.address import allocate_host, format_address, parse_address
from tests.harness.platform import COMMAND, READY_TIMEOUT_S, Platform
from tests.harness.process import OwnedProcess, ProcessTimeout
from tests.portal import still
from tests.portal.tongue import Tongue

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.session import Sessions
from clicktodial.config import Settings, load_settings
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.sandbox.demo.history.cast import CUSTOMERS, MEMBERS, SPONSORS, STAFF
from clicktodial.sandbox.demo.history.fill import DISPATCH, fill_history
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

# A Thursday afternoon in Shanghai.
NOW = datetime(2026, 11, 26, 8, 24, tzinfo=UTC)
ENTERPRISE = "default"
PASSWORD = "correct horse battery staple"
SECRET = "Secretkey"
BASE_URL = "https://calls.example"
SETTINGS = {"billing": {"time_zone": "Asia/Shanghai"}}
# What the carriers' simulated phones are called when they have rung.
_CARRIERS = {"unicom-beijing": "sip.unicom.example", "telecom-backup": "sip.telecom.example"}
_HOOK = "https://hooks.harbour.example/calls"
# Somebody who is on the way to the service, and was sent back.
_NEWCOMER, _REJECTED = "luo.cheng", "Learnwell"
# As many calls as make the curves of days and nights smooth: some 170 a working day.
TIMES = 12
# What goes on when the pictures are made: calls of the last minutes, by how their phones end.
MINUTES = 15
GOING_ON_MINUTES = 12
_TALKS, _BUSY, _RINGS = "21", "01", "02"
_SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Exhibition:
    """Where it is served, and a session of each of its people, by their accounts."""

    origin: str
    settings: Settings
    tokens: dict[str, str]
    tongue: Tongue


@asynccontextmanager
async def open_exhibition(folder: Path) -> AsyncIterator[Exhibition]:
    """Served until the block is left."""
    clock = folder / "clock"
    clock.touch()
    platform = Platform(folder, SETTINGS, command=[sys.executable, still.__file__, str(clock)])
    settings = load_settings(platform.config_path)
    administration = Administration.open(settings)
    administration.create_enterprise(ENTERPRISE)
    await fill_history(
        settings,
        enterprise_id=ENTERPRISE,
        base_url=BASE_URL,
        password=PASSWORD,
        secret=SECRET,
        now=NOW,
        times=TIMES,
    )
    carrier = OwnedProcess(
        [str(COMMAND), "sandbox", "carrier", "--sip", f"{allocate_host()}:0"],
        log_stem=folder / "carrier",
        pipe_output=True,
    )
    try:
        host, port = parse_address(json.loads(carrier.read_line(READY_TIMEOUT_S))["sip"])
        Thread(target=_drain, args=[carrier], daemon=True).start()
        for trunk in administration.list_trunks():
            name = trunk.trunk.name
            _lead(administration, name, host, port)
            administration.set_trunk_enabled(name, enabled=True)
        administration.close()
        _set(clock, NOW)
        # While nobody else writes.
        engine = open_engine(settings.database_url, "normal")
        tongue = Tongue.of(engine)
        platform.start()
        origin = f"http://{format_address(platform.http)}"
        await _call(origin, clock, settings)
        tokens = await asyncio.to_thread(_open, settings)
        yield Exhibition(origin, settings, tokens, tongue)
        engine.dispose()
    finally:
        platform.close()
        carrier.stop()


def _millis(column: str) -> ColumnElement[int]:
    return type_coerce(table.call.c[column], BigInteger)


def _lead(administration: Administration, name: str, host: str, port: int) -> None:
    """Let a trunk end there."""
    administration.change_trunk(name, lambda each: replace(each, host=host, port=port))


def _drain(carrier: OwnedProcess) -> None:
    """Nobody wants to know what its phones do, and it waits for who reads it."""
    with suppress(ProcessTimeout, OSError):
        while True:
            carrier.read_line(3_600)


def _set(clock: Path, at: datetime) -> None:
    os.utime(clock, (at.timestamp(), at.timestamp()))


def _open(settings: Settings) -> dict[str, str]:
    """What is seen once the calls are there; returns the sessions of who sees it."""
    engine = open_engine(settings.database_url, "normal")
    vault = SecretVault(load_master_key(settings))
    transactions = Transactions(engine)
    administration = Administration(engine, vault, region="CN")
    for name, host in _CARRIERS.items():
        _lead(administration, name, host, 5_060)
    administration.set_notify_url(DISPATCH, _HOOK, allow_private_addresses=False)
    with engine.begin() as connection:
        # Conversations are timed by a clock that goes on meanwhile.
        connection.execute(
            update(table.call)
            .where(table.call.c.reason == EndReason.HANG_UP)
            .values(duration_s=(_millis("ended_at") - _millis("connected_at")) // 1_000)
        )
    [learner] = [
        each.enterprise_id
        for each in administration.list_enterprises()
        if each.name.endswith(_REJECTED)
    ]
    enrolments = Enrolments(transactions, vault, Letters(BASE_URL), region="CN")
    invited = enrolments.invite(
        OPERATOR_PRINCIPAL,
        email="luo@learnwell.example",
        roles=[Role.OWNER],
        enterprise_id=learner,
        account=_NEWCOMER,
        now=NOW - timedelta(days=20),
    )
    enrolments.activate(invited.token, password=PASSWORD, now=NOW - timedelta(days=20))
    sessions = Sessions(transactions, vault, idle=timedelta(hours=10), life=timedelta(hours=12))
    tokens = {}
    accounts = [part.account for part in (*CUSTOMERS, *STAFF)]
    for number, account in enumerate([*accounts, _NEWCOMER]):
        tokens[account] = sessions.log_in(
            account=account,
            password=PASSWORD,
            code=None,
            address=f"203.0.113.{50 + number}",
            now=NOW,
        ).token
    engine.dispose()
    return tokens


async def _call(origin: str, clock: Path, settings: Settings) -> None:
    """Calls of the last minutes; those that were begun last still go on."""
    chance = Random(7)
    credential = b64encode(f"{DISPATCH}:{SECRET}".encode()).decode()
    async with aiohttp.ClientSession(
        f"{origin}/clicktodial/v1/", headers={"Authorization": f"Basic {credential}"}
    ) as session:
        for minute in range(MINUTES, -1, -1):
            at = NOW - timedelta(minutes=minute, seconds=chance.randrange(8, 50))
            _set(clock, at)
            begun = [
                await _begin(session, chance, is_last=not minute)
                for _ in range(chance.choice((0, 1, 1, 2)))
            ]
            _set(clock, at + timedelta(seconds=4))
            await _settle(settings)
            if minute >= GOING_ON_MINUTES:
                _set(clock, at + timedelta(seconds=chance.randrange(20, 50)))
                for call_id in begun:
                    body = {"APPID": DISPATCH, "operation": "EndCall"}
                    await session.post(f"clicktodialrelease/{call_id}", json=body)
                await _settle(settings)
    _set(clock, NOW)


async def _begin(session: aiohttp.ClientSession, chance: Random, *, is_last: bool) -> str:
    ending = chance.choice((_TALKS, _TALKS, _TALKS, _RINGS if is_last else _BUSY))
    body = {
        "APPID": DISPATCH,
        "sponsor": chance.choice(SPONSORS[:4]),
        "caller": f"86137010{chance.randrange(13, len(MEMBERS)):05}",
        "callee": f"86177{chance.randrange(10**6):06}{ending}",
    }
    async with session.post("clicktodialbegin", json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
    return str(answer["result"]["callidentifier"])


async def _settle(settings: Settings) -> None:
    """Wait until every phone that answers has answered, and all that is over has ended."""
    engine = open_engine(settings.database_url, "normal")
    passing = select(func.count()).where(
        table.call.c.state.in_(
            [CallState.INITIATING, CallState.CALLING_CALLER, CallState.FINISHING]
        )
        | (table.call.c.state == CallState.CALLING_CALLEE)
        & ~table.call.c.callee_e164.endswith(_RINGS)
    )
    async with asyncio.timeout(_SETTLED_S):
        while True:
            with engine.connect() as connection:
                if connection.scalar(passing) == 0:
                    break
            await asyncio.sleep(0.2)
    engine.dispose()
