"""Names of trunks to where they lead, remembered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from clicktodial.sip.location import Location, Names, Target, locate

log = structlog.get_logger()

# A record's own time to live may be seconds or days; a minute follows a move soon enough.
CACHE_TTL_S = 60.0
LOOKUP_TIMEOUT_S = 5.0
# Only trunks are looked up, and an operator has some dozens at most.
CACHE_ENTRIES_MAX = 1024


@dataclass(slots=True)
class _Entry:
    locations: tuple[Location, ...]
    fresh_until: float


class TargetResolver:
    """Finds what answers for the names of trunks.

    A name once resolved is answered from memory ever after, and looked up again behind that
    answer when it is older than CACHE_TTL_S: a name server that fails costs no call.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._entries: dict[Target, _Entry] = {}
        self._lookups: dict[Target, asyncio.Task[None]] = {}
        self._waiting: dict[Target, list[Callable[[tuple[Location, ...]], None]]] = {}

    def find(self, target: Target) -> tuple[Location, ...] | None:
        """What is remembered, or None."""
        entry = self._entries.get(target)
        if entry is None:
            return None
        if entry.fresh_until < asyncio.get_running_loop().time():
            self._start(target)
        return entry.locations

    def resolve(self, target: Target, on_result: Callable[[tuple[Location, ...]], None]) -> None:
        """Look the name up; `on_result` gets what is found, be it nothing, in a later turn."""
        self._waiting.setdefault(target, []).append(on_result)
        self._start(target)

    async def close(self) -> None:
        """Cancel the look-ups that are under way; nobody is called any more."""
        self._waiting.clear()
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _start(self, target: Target) -> None:
        if target not in self._lookups:
            task = asyncio.get_running_loop().create_task(self._run(target))
            self._lookups[target] = task

    async def _run(self, target: Target) -> None:
        locations: tuple[Location, ...] = ()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                locations = await locate(target, self._names)
        except (OSError, TimeoutError) as error:
            log.warning("sip.name_not_resolved", host=target.host, error=str(error))
        finally:
            self._lookups.pop(target, None)
        if locations:
            self._remember(target, _Entry(locations, loop.time() + CACHE_TTL_S))
        for on_result in self._waiting.pop(target, []):
            on_result(locations)

    def _remember(self, target: Target, entry: _Entry) -> None:
        if target not in self._entries and len(self._entries) >= CACHE_ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]
        self._entries[target] = entry
