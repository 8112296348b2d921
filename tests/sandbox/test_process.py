"""The two sandbox processes as they are run: ready line, reports, SIGTERM."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from clicktodial.sandbox.report import LineWriter, Report, ReportKind

COMMAND = Path(sys.executable).with_name("clicktodial")
STOP_TIMEOUT_S = 15


@contextmanager
def run_command(*arguments: str) -> Generator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """The process, and what its first line says."""
    process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_carrier_is_ready_and_ends_with_0(number: signal.Signals, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    arguments = ("sandbox", "carrier", "--sip", "127.0.0.1:0", "--events", str(events))
    with run_command(*arguments) as (process, ready):
        process.send_signal(number)
        assert process.wait(STOP_TIMEOUT_S) == 0
    assert ready["event"] == "ready"
    host, _, port = ready["sip"].rpartition(":")
    assert (host, int(port) > 0) == ("127.0.0.1", True)
    assert json.loads(events.read_text()) == ready


def test_app_is_ready_serves_and_ends_with_0() -> None:
    with run_command("sandbox", "app", "--http", "127.0.0.1:0") as (process, ready):
        with urlopen(f"http://{ready['http']}/events") as response:
            assert json.load(response) == {"events": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) == 0


class Pipe:
    """A stream whose reader goes away after some lines."""

    def __init__(self, lines: int) -> None:
        self._left = lines
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> int:
        if not self._left:
            raise BrokenPipeError
        self._left -= 1
        self.lines.append(line)
        return len(line)

    def flush(self) -> None:
        pass


def test_reader_that_goes_away_does_not_stop_the_other() -> None:
    one, two = Pipe(1), Pipe(10)
    writer = LineWriter(one, two)  # type: ignore[arg-type] # only these two methods are used
    for _ in range(3):
        writer(Report(ReportKind.READY))
    assert (len(one.lines), len(two.lines)) == (1, 3)
