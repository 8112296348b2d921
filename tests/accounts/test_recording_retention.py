"""Which recordings are deleted, when, and by which node."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select
from tests.storage.support import NODE_ID, NOW

from clicktodial.accounts import recording_retention
from clicktodial.accounts.recording_retention import RecordingRetention
from clicktodial.recordings.store import RecordingFiles
from clicktodial.storage import table
from clicktodial.storage.retention import first_identifier
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database

KEPT = timedelta(days=30)
OLD, YOUNG = NOW - KEPT - timedelta(seconds=1), NOW - KEPT + timedelta(seconds=1)


class Shelf:
    """Recordings, in rows and in files."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self.engine = engine
        self.root = root
        self.retention = RecordingRetention(
            Transactions(engine), RecordingFiles(root), node_id=NODE_ID, kept=KEPT, utc=lambda: NOW
        )

    def add(self, moment: datetime, number: int, node_id: str = NODE_ID) -> str:
        """One of a call of that node; returns its identifier."""
        name = f"{first_identifier(moment)}7{number:019x}"
        key = f"2026/05/01/{name}.wav"
        call = {
            "id": name, "node_id": node_id, "app_id": "a", "sponsor_e164": "+861052680000",
            "sponsor_written": "01052680000", "caller_e164": "+8613912345673",
            "caller_written": "13912345673", "callee_e164": "+8613810268653",
            "callee_written": "13810268653", "begun_at": moment, "state": "ended",
            "duration_s": 9, "event_count": 1, "recording_id": name,
        }  # fmt: skip
        recording = {
            "recording_id": name, "call_id": name, "app_id": "a", "key": key, "size_bytes": 4,
            "duration_ms": 9_000, "sha256": "", "created_at": moment,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(table.call).values(call))
            connection.execute(insert(table.recording).values(recording))
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")
        return name

    def left(self) -> tuple[set[str], set[str]]:
        """Of rows and of files, the identifiers."""
        with self.engine.connect() as connection:
            rows = set(connection.scalars(select(table.recording.c.recording_id)))
        return rows, {path.stem for path in self.root.rglob("*.wav")}


@pytest.fixture
def shelf(engine: Engine, tmp_path: Path) -> Shelf:
    return Shelf(engine, tmp_path / "recordings")


def test_old_ones_of_this_node_go_row_and_file(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_retention, "BATCH_FILES", 2)
    for number in range(5):
        shelf.add(OLD, number)
    kept = {shelf.add(OLD, 5, "another"), shelf.add(YOUNG, 6)}
    assert shelf.retention.run_once() == 5
    assert shelf.left() == (kept, kept)
    assert shelf.retention.run_once() == 0


def test_file_that_is_gone_already_is_fine(shelf: Shelf) -> None:
    name = shelf.add(OLD, 1)
    (shelf.root / f"2026/05/01/{name}.wav").unlink()
    assert shelf.retention.run_once() == 1
    assert shelf.left() == (set(), set())


def test_row_of_a_file_that_cannot_be_deleted_stays_and_holds_up_no_other(shelf: Shelf) -> None:
    stuck, _ = shelf.add(OLD, 1), shelf.add(OLD, 2)
    path = shelf.root / f"2026/05/01/{stuck}.wav"
    path.unlink()
    path.mkdir()
    assert shelf.retention.run_once() == 1
    assert shelf.left()[0] == {stuck}
    path.rmdir()
    assert shelf.retention.run_once() == 1
    assert shelf.left() == (set(), set())
