"""Host names to addresses, off the loop, remembered."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

log = structlog.get_logger()

# getaddrinfo does not tell a record's own time to live; a minute follows a move soon enough.
CACHE_TTL_S = 60.0
LOOKUP_TIMEOUT_S = 5.0
# Only trunks are looked up, and an operator has some dozens at most.
CACHE_ENTRIES_MAX = 1024


LookUp: TypeAlias = Callable[[str, socket.AddressFamily], Awaitable[str]]


async def look_up(host: str, family: socket.AddressFamily) -> str:
    """Ask the system, in a thread of the loop. Raises OSError or UnicodeError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 0, family=family, type=socket.SOCK_DGRAM)
    return str(found[0][4][0])


@dataclass(slots=True)
class _Entry:
    address: str
    fresh_until: float


class HostResolver:
    """Resolves the names of trunks to one address of the endpoint's family each.

    A name once resolved is answered from memory ever after, and looked up again behind that
    answer when it is older than CACHE_TTL_S: a name server that fails costs no call.
    """

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._entries: dict[str, _Entry] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, list[Callable[[str | None], None]]] = {}

    def find(self, host: str, family: socket.AddressFamily) -> str | None:
        """The remembered address, or None."""
        entry = self._entries.get(host)
        if entry is None:
            return None
        if entry.fresh_until < asyncio.get_running_loop().time():
            self._start(host, family)
        return entry.address

    def resolve(
        self, host: str, family: socket.AddressFamily, on_result: Callable[[str | None], None]
    ) -> None:
        """Look the name up; `on_result` gets the address, or None, in a later turn of the loop."""
        self._waiting.setdefault(host, []).append(on_result)
        self._start(host, family)

    async def close(self) -> None:
        """Cancel the look-ups that are under way; nobody is called any more."""
        self._waiting.clear()
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _start(self, host: str, family: socket.AddressFamily) -> None:
        if host not in self._lookups:
            task = asyncio.get_running_loop().create_task(self._run(host, family))
            self._lookups[host] = task

    async def _run(self, host: str, family: socket.AddressFamily) -> None:
        address: str | None = None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                address = await self._look_up(host, family)
        except (OSError, UnicodeError, TimeoutError) as error:
            log.warning("sip.name_not_resolved", host=host, error=str(error))
        finally:
            self._lookups.pop(host, None)
        if address is not None:
            self._remember(host, _Entry(address, loop.time() + CACHE_TTL_S))
        for on_result in self._waiting.pop(host, []):
            on_result(address)

    def _remember(self, host: str, entry: _Entry) -> None:
        if host not in self._entries and len(self._entries) >= CACHE_ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]
        self._entries[host] = entry
