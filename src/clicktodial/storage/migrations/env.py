"""Runs the migrations on the connection that `storage.migration` hands over."""

from alembic import context
from sqlalchemy import Connection

from clicktodial.storage.table import metadata

connection: Connection = context.config.attributes["connection"]
# The caller owns the transaction, so that all versions are applied or none is.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
