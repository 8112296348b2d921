"""Where a measurement is made."""

import os
import platform
from pathlib import Path

from clicktodial.bench.result import Machine


def describe_machine(directory: Path, *, is_pinned: bool) -> Machine:
    """This machine; `directory` is where the platform's data lies."""
    return Machine(
        cpu=_cpu_name(),
        cpu_count=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        filesystem=_filesystem_of(directory),
        is_pinned=is_pinned,
    )


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _filesystem_of(directory: Path) -> str:
    device = directory.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == wanted:
            return source.split()[0]
    return "unknown"
