"""A process killed in the middle of writing loses nothing that it was told is durable."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from clicktodial.storage.engine import open_engine

# Acknowledged identifiers are printed at once; the parent kills while they come.
WRITER = """
import asyncio, sys
from clicktodial.domain.identifier import AppId
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from tests.storage.support import create_call, create_event

async def main():
    database = Database(sys.argv[1])
    database.open()
    store = SqlCallStore(database, node_id="killed")

    async def place():
        while True:
            call = create_call()
            await store.create(call, [create_event(call)])
            await store.update(call, [create_event(call, 2)])
            sys.stdout.write(call.plan.call_id + "\\n")
            sys.stdout.flush()

    await asyncio.gather(*(place() for _ in range(20)))

asyncio.run(main())
"""
ACKNOWLEDGED_MIN = 300


def test_writer_killed_while_writing_keeps_every_acknowledged_unit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(ACKNOWLEDGED_MIN)]
    os.kill(process.pid, signal.SIGKILL)
    # A last line may have been cut off by the kill; it was not read whole, so it counts not.
    rest, _ = process.communicate(timeout=10)
    acknowledged += rest.split("\n")[:-1]
    assert len(acknowledged) >= ACKNOWLEDGED_MIN

    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        seqs: dict[str, list[int]] = {}
        for call_id, seq in connection.execute(
            text("SELECT call_id, seq FROM call_event ORDER BY call_id, seq")
        ):
            seqs.setdefault(call_id, []).append(seq)
        counts = {
            row.id: row.event_count
            for row in connection.execute(text("SELECT id, event_count FROM call"))
        }
    engine.dispose()
    assert all(seqs[call_id] == [1, 2] for call_id in acknowledged)
    # What was not acknowledged is there whole or not at all.
    assert all(len(seqs[call_id]) == count for call_id, count in counts.items())
