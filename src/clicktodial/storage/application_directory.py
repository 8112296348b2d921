"""Applications, trunks and the operator's rules from memory, fresh within a second of a change.

Every administrative change, by whatever process, counts up one version in the database. The
directory polls that version and forgets what it knew when it has changed.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection

from clicktodial.control.port import StoreError
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import AppId
from clicktodial.domain.protection import NO_PLATFORM_RULES, PlatformRules
from clicktodial.domain.trunk import Trunk
from clicktodial.storage.application_row import VersionQuery, read_application, read_trunks
from clicktodial.storage.database import Database
from clicktodial.storage.error import OptionsUnreadable, SecretUnreadable
from clicktodial.storage.protection_row import read_platform_rules
from clicktodial.storage.secret import SecretVault

log = structlog.get_logger()

# Half of the second within which a change must be in force.
POLL_INTERVAL_S = 0.5
# About 1 KB each. Beyond it the one loaded first is forgotten, and loaded again when needed.
APPLICATIONS_MAX = 10_000
# Identifiers that name nothing, so that guessing them does not keep the database busy. They
# have a bound of their own, so that guesses cannot drive applications out of memory.
ABSENT_MAX = 10_000


class ApplicationDirectory:
    """Implements `control.port.Applications`, and knows the trunks and the operator's rules."""

    def __init__(
        self,
        database: Database,
        vault: SecretVault,
        *,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """`on_change` is called on the loop after each administrative change."""
        self._reader = database.reader
        self._version_query = VersionQuery(database.engine.dialect)
        self._vault = vault
        self.on_change = on_change
        self._version = -1
        self._applications: dict[AppId, Application] = {}
        self._absent: dict[AppId, None] = {}
        self._loads: dict[AppId, asyncio.Task[Application | None]] = {}
        self._trunks: tuple[Trunk, ...] = ()
        self._platform_rules = NO_PLATFORM_RULES
        self._poll: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the trunks and begin to watch for changes. Raises StoreError."""
        await self.refresh()
        self._poll = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop to watch."""
        tasks = [*self._loads.values(), *([self._poll] if self._poll else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def trunks(self) -> Sequence[Trunk]:
        """The enabled trunks, in the order in which they are to be tried."""
        return self._trunks

    def platform_rules(self) -> PlatformRules:
        """What the operator set for all calls."""
        return self._platform_rules

    async def find(self, app_id: AppId) -> Application | None:
        """The application, of any status; from memory where it is known. Raises StoreError."""
        application = self._applications.get(app_id)
        if application is not None:
            return application
        if app_id in self._absent:
            return None
        load = self._loads.get(app_id)
        if load is None:
            load = asyncio.create_task(self._load(app_id))
            self._loads[app_id] = load
            load.add_done_callback(lambda done: self._on_loaded(app_id, done))
        # Several wait for one load; that one of them goes away is nothing to the others.
        return await asyncio.shield(load)

    async def refresh(self) -> None:
        """Take up what has changed, now. Raises StoreError."""
        version = await self._reader.run(self._version_query.run)
        if version == self._version:
            return
        trunks = await self._reader.run(lambda connection: read_trunks(connection, self._vault))
        rules = await self._read_platform_rules()
        is_first = self._version == -1
        self._version = version
        self._trunks = trunks
        self._platform_rules = rules
        self._applications.clear()
        self._absent.clear()
        self._loads.clear()
        if not is_first:
            log.info("administration.changed", version=version)
            if self.on_change is not None:
                self.on_change()

    async def _read_platform_rules(self) -> PlatformRules:
        try:
            return await self._reader.run(read_platform_rules)
        except OptionsUnreadable as error:
            # Another version wrote it. Those that held are better than none.
            log.error("administration.rules_unreadable", error=str(error))
            return self._platform_rules

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            try:
                await self.refresh()
            except StoreError as error:
                log.error("administration.poll_failed", error=str(error))

    async def _load(self, app_id: AppId) -> Application | None:
        def read(connection: Connection) -> tuple[Application | None, int]:
            application = read_application(connection, app_id, self._vault)
            return application, self._version_query.run(connection)

        try:
            application, version = await self._reader.run(read)
        except (SecretUnreadable, OptionsUnreadable) as error:
            log.error("application.unreadable", app_id=app_id, error=str(error))
            raise StoreError(str(error)) from error
        if version != self._version:
            # An application that was made after a trunk is not to call without it.
            await self.refresh()
        # What was read before a change, and came after it was noticed, is not kept.
        if version == self._version:
            self._keep(app_id, application)
        return application

    def _keep(self, app_id: AppId, application: Application | None) -> None:
        if application is None:
            self._absent[app_id] = None
            if len(self._absent) > ABSENT_MAX:
                del self._absent[next(iter(self._absent))]
            return
        self._applications[app_id] = application
        if len(self._applications) > APPLICATIONS_MAX:
            del self._applications[next(iter(self._applications))]

    def _on_loaded(self, app_id: AppId, load: asyncio.Task[Application | None]) -> None:
        if self._loads.get(app_id) is load:
            del self._loads[app_id]
        if not load.cancelled():
            load.exception()  # each that waits is told; with none left, nobody need be
