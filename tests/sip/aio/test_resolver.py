"""Names of trunks, remembered."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs
from tests.sip.aio.support import Log

from clicktodial.sip.aio import resolver as resolver_module
from clicktodial.sip.aio.resolver import CACHE_ENTRIES_MAX, HostResolver, look_up

INET = socket.AF_INET


class Names:
    """A name server: answers, fails or hangs as it is told, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: str | OSError = "192.0.2.5"
        self.open = asyncio.Event()
        self.open.set()

    async def look_up(self, host: str, _family: socket.AddressFamily) -> str:
        self.asked.append(host)
        await self.open.wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def is_any(_result: str | None) -> bool:
    return True


async def resolve(resolver: HostResolver, host: str) -> str | None:
    results: Log[str | None] = Log()
    resolver.resolve(host, INET, results.add)
    assert results.items == []
    return await results.wait_for(is_any)


async def test_name_is_looked_up_once_and_remembered() -> None:
    names = Names()
    resolver = HostResolver(names.look_up)
    assert resolver.find("trunk", INET) is None
    assert await resolve(resolver, "trunk") == "192.0.2.5"
    assert resolver.find("trunk", INET) == "192.0.2.5"
    assert names.asked == ["trunk"]
    await resolver.close()


async def test_name_asked_for_by_many_is_looked_up_once() -> None:
    names = Names()
    names.open.clear()
    resolver = HostResolver(names.look_up)
    results: Log[str | None] = Log()
    for _ in range(50):
        resolver.resolve("trunk", INET, results.add)
    names.open.set()
    await results.wait_for(is_any)
    assert results.items == ["192.0.2.5"] * 50
    assert names.asked == ["trunk"]
    await resolver.close()


async def test_name_that_fails_is_none_and_asked_again() -> None:
    names = Names()
    names.answer = socket.gaierror(-2, "unknown")
    resolver = HostResolver(names.look_up)
    with capture_logs() as logs:
        assert await resolve(resolver, "trunk") is None
    assert [entry["event"] for entry in logs] == ["sip.name_not_resolved"]
    names.answer = "192.0.2.6"
    assert await resolve(resolver, "trunk") == "192.0.2.6"
    await resolver.close()


async def test_name_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "LOOKUP_TIMEOUT_S", 0.05)
    names = Names()
    names.open.clear()
    resolver = HostResolver(names.look_up)
    with capture_logs():
        assert await resolve(resolver, "trunk") is None
    await resolver.close()


async def test_stale_name_is_answered_at_once_and_looked_up_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolver_module, "CACHE_TTL_S", -1.0)
    names = Names()
    resolver = HostResolver(names.look_up)
    await resolve(resolver, "trunk")
    names.answer = socket.gaierror(-3, "try again")
    assert resolver.find("trunk", INET) == "192.0.2.5"
    with capture_logs():
        assert await resolve(resolver, "trunk") is None
    assert resolver.find("trunk", INET) == "192.0.2.5"
    assert len(names.asked) >= 2
    await resolver.close()


async def test_names_without_end_are_forgotten() -> None:
    resolver = HostResolver(Names().look_up)
    for number in range(CACHE_ENTRIES_MAX + 1):
        await resolve(resolver, f"trunk{number}")
    assert resolver.find("trunk0", INET) is None
    assert resolver.find(f"trunk{CACHE_ENTRIES_MAX}", INET) is not None
    await resolver.close()


async def test_close_while_looking_up_calls_nobody() -> None:
    names = Names()
    names.open.clear()
    resolver = HostResolver(names.look_up)
    results: Log[str | None] = Log()
    resolver.resolve("trunk", INET, results.add)
    await resolver.close()
    assert results.items == []


async def test_system_knows_localhost() -> None:
    assert await look_up("localhost", INET) == "127.0.0.1"
