"""Tests of describing this machine."""

import platform
from pathlib import Path

from clicktodial.bench.machine import describe_machine


def test_this_machine_is_described(tmp_path: Path) -> None:
    machine = describe_machine(tmp_path, is_pinned=True)
    assert machine.cpu
    assert machine.cpu_count >= 1
    assert machine.kernel == platform.release()
    assert machine.filesystem != "unknown"
    assert machine.is_pinned
