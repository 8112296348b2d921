"""Alembic's home: `env.py` runs the versions beside it on a connection that it is given."""
