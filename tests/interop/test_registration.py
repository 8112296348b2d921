"""Kamailio as a registrar that asks for a password, and as a trunk that comes and goes."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness.address import format_address
from tests.harness.kamailio import Kamailio
from tests.harness.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "registrar-password"
MIN_EXPIRES_S = 90
POLL_S = 0.05
WAIT_S = 30.0
_REGISTERED = re.compile(
    r"registered (sip:\S+) (\S.*) for (\d+) cseq (\d+) call (\S+)", re.MULTILINE
)


async def until(is_so: Callable[[], bool], told: Callable[[], str]) -> None:
    """Another process tells it, in its log."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(told()[-2000:]) from None


@asynccontextmanager
async def open_pair(
    directory: Path, *, password: str, options: tuple[str, ...]
) -> AsyncIterator[tuple[Platform, Kamailio]]:
    """A platform whose trunk is a Kamailio that registers whoever has PASSWORD."""
    kamailio = Kamailio(directory, {}, password=PASSWORD, min_expires_s=MIN_EXPIRES_S)
    platform = Platform(directory, {"sip": {"t1_ms": 100}})
    secret = directory / "password"
    secret.write_text(password)
    try:
        await kamailio.start()
        await platform.command(
            "trunk", "add", "main", "--target", format_address(kamailio.address),
            "--username", "4711", "--password-file", str(secret), *options,
        )  # fmt: skip
        await asyncio.to_thread(platform.start)
        yield platform, kamailio
    finally:
        await asyncio.to_thread(platform.close)
        kamailio.close()


async def test_trunk_registers_for_as_long_as_the_registrar_wants_and_takes_it_back(
    tmp_path: Path,
) -> None:
    options = ("--register", "--register-expires", "60")
    async with open_pair(tmp_path, password=PASSWORD, options=options) as (platform, kamailio):
        await until(lambda: len(_REGISTERED.findall(kamailio.log)) == 1, lambda: platform.log)
        await until(lambda: "sip.registered" in platform.log, lambda: platform.log)
        await platform.terminate()
        await until(lambda: len(_REGISTERED.findall(kamailio.log)) == 2, lambda: kamailio.log)
        first, last = _REGISTERED.findall(kamailio.log)
        user, contact, asked_s, cseq, call_id = first
        assert user == f"sip:4711@{format_address(kamailio.address)}"
        assert f"<sip:4711@{format_address(platform.sip)}>" in contact
        # 60 s were refused with 423, and the least that was told was asked for.
        assert asked_s == str(MIN_EXPIRES_S)
        assert (last[2], last[4]) == ("0", call_id)
        assert int(last[3]) > int(cseq)
        assert PASSWORD not in platform.log


async def test_wrong_password_is_told_and_not_insisted_on(tmp_path: Path) -> None:
    pair = open_pair(tmp_path, password="another", options=("--register",))
    async with pair as (platform, kamailio):
        await until(lambda: "sip.registration_refused" in platform.log, lambda: platform.log)
        assert '"sip_status": 401' in platform.log or '"sip_status":401' in platform.log
        assert _REGISTERED.findall(kamailio.log) == []


async def test_trunk_that_dies_is_found_down_and_back(tmp_path: Path) -> None:
    options = ("--options-interval", "1", "--answer-timeout", "1")
    async with open_pair(tmp_path, password=PASSWORD, options=options) as (platform, kamailio):
        kamailio.close()
        await until(lambda: "sip.trunk_down" in platform.log, lambda: platform.log)
        await kamailio.start()
        await until(lambda: "sip.trunk_up" in platform.log, lambda: platform.log)
