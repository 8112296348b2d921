"""The pages about PostgreSQL, on a server of the tests: a database is made, dumped and restored."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from tests.documentation.block import DOCS, Block, read_blocks

from clicktodial.storage.migration import migrate

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgresqlServer

# Whoever is named on the pages is the server's own user here.
OWNER, PASSWORD = "reader_of_the_page", "of-a-test"
_TIMEOUT_S = 60
_COUNT = "SELECT count(*) FROM enterprise"


def find_block(page: Path, language: str, word: str) -> Block:
    [block] = [
        each for each in read_blocks(page) if each.language == language and word in each.text
    ]
    return block


def test_database_is_made_dumped_and_restored_as_the_pages_say(
    postgresql_server: "PostgresqlServer", tmp_path: Path
) -> None:
    making = find_block(DOCS / "postgresql.md", "sql", "CREATE DATABASE")
    keeping = find_block(DOCS / "howto" / "backup.md", "sh", "pg_dump")
    with (
        postgresql_server.empty_database() as url,
        psycopg.connect(url, autocommit=True) as server,
    ):
        try:
            for statement in place(making).replace("...", PASSWORD).split(";"):
                server.execute(sql.SQL(statement))
            restore(place(keeping), url, tmp_path)
        finally:
            for kind in ("DATABASE", "USER"):
                server.execute(f"DROP {kind} IF EXISTS {OWNER}")


def place(block: Block) -> str:
    return block.text.replace("clicktodial", OWNER)


def restore(commands: str, url: str, directory: Path) -> None:
    """Each command is typed; between the two all is lost."""
    told = conninfo_to_dict(url)
    own = f"postgresql://{OWNER}:{PASSWORD}@{told['host']}:{told['port']}/{OWNER}"
    migrate(own)
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": str(told["host"]),
        "PGPORT": str(told["port"]),
        "PGUSER": OWNER,
        "PGPASSWORD": PASSWORD,
    }
    dumping, restoring = commands.strip().splitlines()
    with psycopg.connect(own, autocommit=True) as database:
        database.execute("INSERT INTO enterprise (id, name, status) VALUES ('a', 'A', 'active')")
        before = database.execute(_COUNT).fetchone()
        type_command(dumping, environment, directory)
        database.execute("DELETE FROM enterprise WHERE id = 'a'")
    type_command(restoring, environment, directory)
    with psycopg.connect(own, autocommit=True) as database:
        assert database.execute(_COUNT).fetchone() == before


def type_command(command: str, environment: dict[str, str], directory: Path) -> None:
    done = subprocess.run(
        ["bash", "-ec", command],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
