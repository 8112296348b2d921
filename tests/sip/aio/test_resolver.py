"""Names of trunks, remembered."""

import asyncio
import socket
from collections.abc import Sequence
from typing import TypeAlias

import pytest
from structlog.testing import capture_logs
from tests.sip.aio.support import Log

from clicktodial.domain.trunk import Transport
from clicktodial.sip.aio import resolver as resolver_module
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import CACHE_ENTRIES_MAX, TargetResolver
from clicktodial.sip.location import Location, Naptr, Srv, Target

FOUND = (Location(0, 1, ("192.0.2.5",), 5060, Transport.UDP),)


def target(host: str) -> Target:
    return Target(host, 5060, Transport.UDP)


Found: TypeAlias = tuple[Location, ...]


class Names:
    """A name server: answers, fails or hangs as it is told, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: str | OSError = "192.0.2.5"
        self.open = asyncio.Event()
        self.open.set()

    async def find_addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        await self.open.wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        return [self.answer]

    async def find_srv(self, name: str) -> Sequence[Srv]:
        raise AssertionError("the port is known")

    async def find_naptr(self, name: str) -> Sequence[Naptr]:
        raise AssertionError("the port is known")


def is_any(_result: Found) -> bool:
    return True


async def resolve(resolver: TargetResolver, host: str) -> tuple[str, ...]:
    results: Log[Found] = Log()
    resolver.resolve(target(host), results.add)
    assert results.items == []
    return addresses(await results.wait_for(is_any))


def addresses(found: Found | None) -> tuple[str, ...]:
    return tuple(address for location in found or () for address in location.addresses)


async def test_name_is_looked_up_once_and_remembered() -> None:
    names = Names()
    resolver = TargetResolver(names)
    assert resolver.find(target("trunk")) is None
    assert await resolve(resolver, "trunk") == ("192.0.2.5",)
    assert addresses(resolver.find(target("trunk"))) == ("192.0.2.5",)
    assert names.asked == ["trunk"]
    await resolver.close()


async def test_name_asked_for_by_many_is_looked_up_once() -> None:
    names = Names()
    names.open.clear()
    resolver = TargetResolver(names)
    results: Log[Found] = Log()
    for _ in range(50):
        resolver.resolve(target("trunk"), results.add)
    names.open.set()
    await results.wait_for(is_any)
    assert results.items == [FOUND] * 50
    assert names.asked == ["trunk"]
    await resolver.close()


async def test_name_that_fails_is_none_and_asked_again() -> None:
    names = Names()
    names.answer = socket.gaierror(-2, "unknown")
    resolver = TargetResolver(names)
    with capture_logs() as logs:
        assert await resolve(resolver, "trunk") == ()
    assert [entry["event"] for entry in logs] == ["sip.name_not_resolved"]
    names.answer = "192.0.2.6"
    assert await resolve(resolver, "trunk") == ("192.0.2.6",)
    await resolver.close()


async def test_name_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "LOOKUP_TIMEOUT_S", 0.05)
    names = Names()
    names.open.clear()
    resolver = TargetResolver(names)
    with capture_logs():
        assert await resolve(resolver, "trunk") == ()
    await resolver.close()


async def test_stale_name_is_answered_at_once_and_looked_up_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolver_module, "CACHE_TTL_S", -1.0)
    names = Names()
    resolver = TargetResolver(names)
    await resolve(resolver, "trunk")
    names.answer = socket.gaierror(-3, "try again")
    assert addresses(resolver.find(target("trunk"))) == ("192.0.2.5",)
    with capture_logs():
        assert await resolve(resolver, "trunk") == ()
    assert addresses(resolver.find(target("trunk"))) == ("192.0.2.5",)
    assert len(names.asked) >= 2
    await resolver.close()


async def test_names_without_end_are_forgotten() -> None:
    resolver = TargetResolver(Names())
    for number in range(CACHE_ENTRIES_MAX + 1):
        await resolve(resolver, f"trunk{number}")
    assert resolver.find(target("trunk0")) is None
    assert resolver.find(target(f"trunk{CACHE_ENTRIES_MAX}")) is not None
    await resolver.close()


async def test_close_while_looking_up_calls_nobody() -> None:
    names = Names()
    names.open.clear()
    resolver = TargetResolver(names)
    results: Log[Found] = Log()
    resolver.resolve(target("trunk"), results.add)
    await resolver.close()
    assert results.items == []


async def test_system_knows_localhost() -> None:
    assert await DnsNames().find_addresses("localhost") == ["127.0.0.1"]
    both = await DnsNames(speaks=lambda _host: True).find_addresses("localhost")
    assert both[0] == "127.0.0.1"


async def test_what_is_no_host_name_is_an_error() -> None:
    with pytest.raises(OSError, match="no host name"):
        await DnsNames().find_addresses("x" * 300)
