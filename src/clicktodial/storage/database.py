"""One open database: its engine, its writer and its reader."""

from sqlalchemy import Engine

from clicktodial.config import Settings
from clicktodial.storage.engine import Durability, open_engine
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.reader import Reader
from clicktodial.storage.writer import Writer


class Database:
    """Made and closed by the composition root; the stores share it."""

    def __init__(
        self,
        url: str,
        *,
        durability: Durability = "full",
        queue_max: int = 20_000,
        commit_timeout_s: float = 5,
    ) -> None:
        self.engine: Engine = open_engine(url, durability)
        self.writer = Writer(self.engine, queue_max=queue_max, commit_timeout_s=commit_timeout_s)
        self.reader = Reader(self.engine)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Database":
        """The database of these settings, not opened yet."""
        return cls(
            settings.database_url,
            durability=settings.database.durability,
            queue_max=settings.database.queue_max,
            commit_timeout_s=settings.database.commit_timeout_s,
        )

    def open(self) -> None:
        """Migrate, then start to write; blocks for the time of the migration. Raises what
        SQLAlchemy raises when the database cannot be reached."""
        migrate_engine(self.engine)
        self.writer.start()

    async def close(self) -> None:
        """Write what was accepted, then close every connection."""
        await self.writer.close()
        self.reader.close()
        self.engine.dispose()
