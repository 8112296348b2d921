"""Durable state: tables, migrations, the group-commit writer and what is read from them.

SQLite is embedded; every statement is SQLAlchemy Core, so that PostgreSQL stays possible. What
only SQLite understands stands in `engine.py` alone.
"""
