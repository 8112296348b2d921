"""Brings a database to the schema of this version."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from clicktodial.storage.engine import migration_transaction, open_engine

# The newest file of migrations/versions. Known here, so that a start without changes need not
# load Alembic; a test holds the two together.
SCHEMA_VERSION = "0021"
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Apply what is missing, in one transaction; at once when nothing is.

    Two processes may call it at the same time. Raises DatabaseUrlInvalid, or what SQLAlchemy
    raises when the database cannot be reached.
    """
    engine = open_engine(url)
    try:
        migrate_engine(engine)
    finally:
        engine.dispose()


def migrate_engine(engine: Engine) -> None:
    """As `migrate`, on an engine that is open."""
    if _is_current(engine):
        return
    with migration_transaction(engine) as connection:
        _upgrade(connection)


def _is_current(engine: Engine) -> bool:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version == SCHEMA_VERSION


def _upgrade(connection: Connection) -> None:
    # Alembic takes longer to import than everything else here together.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # The value is a format string, in which a path's per cent signs would be read as fields.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
