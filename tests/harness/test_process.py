"""Processes of tests: waited for, and ended with all that they started."""

import os
import select
import signal
import sys
from pathlib import Path

import pytest
from tests.harness.process import OwnedProcess, ProcessTimeout

_PARENT_OF_ONE = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); "
    "print(child.pid, flush=True); child.wait()"
)


async def test_exit_status_is_waited_for(tmp_path: Path) -> None:
    process = OwnedProcess(
        [sys.executable, "-c", "raise SystemExit(3)"], log_stem=tmp_path / "exit"
    )
    assert await process.wait(10) == 3
    process.kill_group()


async def test_running_process_is_a_timeout_and_then_stopped(tmp_path: Path) -> None:
    process = OwnedProcess(
        [sys.executable, "-c", "import signal; signal.pause()"], log_stem=tmp_path / "run"
    )
    with pytest.raises(ProcessTimeout):
        await process.wait(0.01)
    assert process.stop() == -signal.SIGTERM


def test_kill_of_group_ends_children_too(tmp_path: Path) -> None:
    process = OwnedProcess(
        [sys.executable, "-c", _PARENT_OF_ONE], log_stem=tmp_path / "group", pipe_output=True
    )
    child = os.pidfd_open(int(process.read_line(10)))
    try:
        process.kill_group()
        # The descriptor becomes readable when its process has ended.
        assert select.select([child], [], [], 10)[0]
    finally:
        os.close(child)


def test_process_that_ends_without_a_line_is_a_timeout(tmp_path: Path) -> None:
    process = OwnedProcess(
        [sys.executable, "-c", "raise SystemExit('no')"],
        log_stem=tmp_path / "line",
        pipe_output=True,
    )
    with pytest.raises(ProcessTimeout, match="no line"):
        process.read_line(10)
    process.kill_group()
