"""What every part of a node stands on."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from clicktodial.composition.background import Background
from clicktodial.composition.reading import add_background_readings
from clicktodial.config import Settings
from clicktodial.control.port import StoreError
from clicktodial.observe.metrics import Metrics
from clicktodial.storage.administration import Administration
from clicktodial.storage.application_directory import ApplicationDirectory
from clicktodial.storage.database import Database
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()


class SystemClock:
    """The machine's clocks."""

    monotonic_s = staticmethod(time.monotonic)
    utc = staticmethod(partial(datetime.now, UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """Open for as long as `stack` is, which stops what was started, the other way round."""

    stack: AsyncExitStack
    background: Background
    settings: Settings
    node_id: str
    clock: SystemClock
    database: Database
    vault: SecretVault
    keys: NumberKeys
    transactions: Transactions
    administration: Administration
    applications: ApplicationDirectory
    metrics: Metrics

    @property
    def region(self) -> str:
        """Of telephone numbers that say none."""
        return self.settings.calls.default_region

    async def take_up_changes(self) -> None:
        """What was changed here holds here at once, and not only with the next poll."""
        try:
            await self.applications.refresh()
        except StoreError as error:
            # The change itself is done, and the poll takes it up.
            log.error("administration.not_taken_up", error=str(error))


async def open_foundation(stack: AsyncExitStack, settings: Settings, *, node_id: str) -> Foundation:
    """The database, and what is read of it all the time. Raises StorageError, ConfigError."""
    database = Database.from_settings(settings)
    database.open()
    stack.push_async_callback(database.close)
    vault = SecretVault(load_master_key(settings))
    applications = ApplicationDirectory(database, vault)
    await applications.start()
    stack.push_async_callback(applications.close)
    background, metrics = Background(stack), Metrics()
    add_background_readings(metrics, background)
    return Foundation(
        stack=stack,
        background=background,
        settings=settings,
        node_id=node_id,
        clock=SystemClock(),
        database=database,
        vault=vault,
        keys=NumberKeys(vault),
        transactions=Transactions(database.engine),
        administration=Administration(database.engine, vault, region=settings.calls.default_region),
        applications=applications,
        metrics=metrics,
    )
