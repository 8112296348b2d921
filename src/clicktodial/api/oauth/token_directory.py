"""Keys of access tokens and revoked tokens from memory, fresh within half a second of a change."""

import asyncio
import time
from collections.abc import Callable

import structlog

from clicktodial.accounts.token_key import TokenKey, read_token_state, read_token_version
from clicktodial.control.port import StoreError
from clicktodial.storage.database import Database
from clicktodial.storage.secret import SecretVault

log = structlog.get_logger()

POLL_INTERVAL_S = 0.5
# A token may name a key that another node made just now: looked for so often at most.
_LOOK_INTERVAL_S = 0.1


class TokenDirectory:
    """Follows `oauth_state`."""

    def __init__(
        self,
        database: Database,
        vault: SecretVault,
        *,
        now: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """`now` is a monotonic clock in seconds, `unix_s` tells seconds since 1970."""
        self._reader = database.reader
        self._vault = vault
        self._now = now
        self._unix_s = unix_s
        self._version: int | None = None
        self._keys: dict[str, TokenKey] = {}
        self._revoked: dict[str, float] = {}
        self._looked_at = -_LOOK_INTERVAL_S
        self._poll: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what there is and begin to watch for changes. Raises StoreError."""
        await self.refresh()
        self._poll = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop to watch."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)

    @property
    def signing_key(self) -> TokenKey | None:
        """What tokens are signed with; None before the first was made."""
        return next((key for key in self._keys.values() if key.is_signing), None)

    @property
    def keys(self) -> list[TokenKey]:
        """Those that verify now, the newest first."""
        return [key for key in self._keys.values() if self._verifies(key)]

    def find_known(self, kid: str) -> TokenKey | None:
        """The key of that name, where it verifies."""
        key = self._keys.get(kid)
        return key if key is not None and self._verifies(key) else None

    async def find(self, kid: str) -> TokenKey | None:
        """The same, looked for in the database where it is not known. Raises StoreError."""
        if kid not in self._keys and self._now() - self._looked_at >= _LOOK_INTERVAL_S:
            self._looked_at = self._now()
            await self.refresh()
        return self.find_known(kid)

    def is_revoked(self, jti: str) -> bool:
        """Whether that token is refused."""
        return jti in self._revoked

    async def refresh(self) -> None:
        """Take up what has changed, now. Raises StoreError."""
        version = await self._reader.run(read_token_version)
        if version == self._version:
            return
        since = self._version
        state = await self._reader.run(
            lambda connection: read_token_state(connection, self._vault, since=since)
        )
        self._version = state.version
        self._keys = {key.kid: key for key in state.keys}
        self._revoked |= state.revoked
        now = self._unix_s()
        self._revoked = {jti: end for jti, end in self._revoked.items() if end > now}

    def _verifies(self, key: TokenKey) -> bool:
        return key.verifies_until is None or key.verifies_until.timestamp() > self._unix_s()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            try:
                await self.refresh()
            except StoreError as error:
                log.error("oauth.poll_failed", error=str(error))
