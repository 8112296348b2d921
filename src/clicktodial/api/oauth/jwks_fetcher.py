"""JWK sets from where others keep them: fetched when needed, kept for a while, guarded.

A URI that an application registered is somebody else's input: the same guards hold as for the
addresses of notifications, and an answer is bounded in time and size.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from clicktodial.accounts.public_key import JWKS_BYTES_MAX, PublicKeys, parse_jwks
from clicktodial.notify.address_guard import AddressForbidden, create_guarded_socket, is_public
from clicktodial.storage.error import ValueInvalid

log = structlog.get_logger()

# Whoever takes a key out of a set means it to hold soon.
FRESH_S = 300
# A key that is not in the set may have been added just now: looked for so often at most, whoever
# names unknown ones. Also after a fetch that failed.
REFETCH_AFTER_S = 10
TIMEOUT_S = 5
# About 10 KB each. The one that was fetched first is forgotten.
SETS_MAX = 1_000
_FETCHES_MAX = 32
_FETCH_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ValueError, ValueInvalid)


class JwksUnavailable(Exception):
    """The JWK set cannot be had."""


class _GuardedResolver(ThreadedResolver):
    """Refuses a name of which any address is not public: such a name is set up to deceive."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As the one without a guard. Raises AddressForbidden, and OSError as that one does."""
        results = await super().resolve(host, port, family)
        if not all(is_public(result["host"]) for result in results):
            raise AddressForbidden
        return results


@dataclass(frozen=True, slots=True)
class _Fetched:
    """`keys` are None where it failed."""

    keys: PublicKeys | None
    at: float


class JwksFetcher:
    """Fetches JWK sets by their URIs."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a monotonic clock in seconds."""
        self._now = now
        self._fetched: dict[tuple[str, bool], _Fetched] = {}
        self._fetches: dict[tuple[str, bool], asyncio.Task[_Fetched]] = {}
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Stop what is under way, and close every connection."""
        for task in self._fetches.values():
            task.cancel()
        await asyncio.gather(*self._fetches.values(), return_exceptions=True)
        for session in self._sessions.values():
            await session.close()

    async def find(
        self, uri: str, kid: str | None, *, allows_private_addresses: bool
    ) -> PublicKeys:
        """The set, fetched anew where it has no key of that name. Raises JwksUnavailable."""
        place = (uri, allows_private_addresses)
        known = self._fetched.get(place)
        if known is None or self._is_to_fetch(known, kid):
            known = await self._fetch_once(place)
        if known.keys is None:
            raise JwksUnavailable
        return known.keys

    def _is_to_fetch(self, known: _Fetched, kid: str | None) -> bool:
        age_s = self._now() - known.at
        if age_s < REFETCH_AFTER_S:
            return False
        return known.keys is None or age_s >= FRESH_S or not known.keys.find(kid)

    async def _fetch_once(self, place: tuple[str, bool]) -> _Fetched:
        fetch = self._fetches.get(place)
        if fetch is None:
            if len(self._fetches) >= _FETCHES_MAX:
                raise JwksUnavailable
            fetch = asyncio.create_task(self._fetch(place))
            self._fetches[place] = fetch
            fetch.add_done_callback(lambda _: self._fetches.pop(place, None))
        # Several wait for one; that one of them goes away is nothing to the others.
        return await asyncio.shield(fetch)

    async def _fetch(self, place: tuple[str, bool]) -> _Fetched:
        uri, allows_private_addresses = place
        try:
            async with asyncio.timeout(TIMEOUT_S):
                text = await self._get(uri, self._session(allows_private_addresses))
            fetched = _Fetched(parse_jwks(text, skips_unusable=True), self._now())
        except _FETCH_ERRORS as error:
            # Not the whole of it: some put a key into a URI.
            host = URL(uri, encoded=True).host
            log.warning(
                "oauth.jwks_unavailable", host=host, error=str(error) or type(error).__name__
            )
            fetched = _Fetched(None, self._now())
        self._fetched.pop(place, None)
        self._fetched[place] = fetched
        if len(self._fetched) > SETS_MAX:
            del self._fetched[next(iter(self._fetched))]
        return fetched

    async def _get(self, uri: str, session: aiohttp.ClientSession) -> bytes:
        headers = {"Accept": "application/jwk-set+json, application/json"}
        async with session.get(
            URL(uri, encoded=True), headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            text = await response.content.read(JWKS_BYTES_MAX + 1)
            while len(text) <= JWKS_BYTES_MAX and not response.content.at_eof():
                text += await response.content.read(JWKS_BYTES_MAX + 1 - len(text))
            return text

    def _session(self, allows_private_addresses: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(allows_private_addresses)
        if session is None:
            connector = (
                aiohttp.TCPConnector(force_close=True)
                if allows_private_addresses
                else aiohttp.TCPConnector(
                    force_close=True,
                    resolver=_GuardedResolver(),
                    socket_factory=create_guarded_socket,
                )
            )
            session = self._sessions[allows_private_addresses] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                trust_env=False,
            )
        return session
