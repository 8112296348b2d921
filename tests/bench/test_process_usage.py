"""Tests of what the operating system is asked for."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.harness.address import allocate_host

from clicktodial.bench.process_usage import (
    busy_time_s,
    cpu_time_s,
    find_processes,
    is_udp_port_bound,
    memory_use,
    parse_smaps,
    peak_resident_kb,
)

_WAIT = "import sys; sys.stdin.read()"
_SMAPS = """\
55e0c0000000-55e0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Pss:                  40 kB
Pss_Dirty:            40 kB
7f0040000000-7f0040021000 rw-p 00000000 00:00 0
Pss:                   7 kB
7f1234567000-7f1234568000 r--p 00000000 fe:00 1234       /usr/lib/a library.so
Pss:                   3 kB
VmFlags: rd mr mw me
"""


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that prints a line when it is ready and lives until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


def test_child_of_a_child_is_found_with_its_root() -> None:
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_WAIT!r}])\n"
        "print('ready', flush=True); sys.stdin.read(); child.wait()"
    )
    with running(script) as process:
        found = find_processes(process.pid)
        assert found[0] == process.pid
        assert len(found) == 2
        assert os.getpid() not in found


def test_orphan_of_the_session_is_found_with_its_leader() -> None:
    # The parent between ends at once: only the session still tells whose process it is.
    inner = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_WAIT!r}])"
    script = (
        "import os, subprocess, sys\n"
        "os.setsid()\n"
        f"subprocess.run([sys.executable, '-W', 'ignore', '-c', {inner!r}])\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with running(script) as process:
        assert len(find_processes(process.pid)) == 2


def test_busy_process_costs_what_it_says_itself() -> None:
    script = (
        "import resource, sys, time\n"
        "while time.process_time() < 0.3: pass\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with running(script) as process:
        total = sum(cpu_time_s([process.pid]))
    # The process's own count has its exit in addition.
    assert 0.28 <= total < 0.6


def test_ended_child_counts_with_its_parent() -> None:
    before = sum(cpu_time_s([os.getpid()]))
    own_before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_utime - own_before
    assert sum(cpu_time_s([os.getpid()])) - before - own >= 0.15


def test_process_that_has_ended_costs_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=20)
    assert cpu_time_s([process.pid]) == (0, 0)
    assert memory_use([process.pid]).total_kb == 0
    assert peak_resident_kb([process.pid]) == 0


def test_smaps_is_read_with_names_and_proportional_sizes() -> None:
    mappings = parse_smaps(_SMAPS)
    assert [mapping.pss_kb for mapping in mappings] == [40, 7, 3]
    assert [mapping.name for mapping in mappings] == ["[heap]", "", "/usr/lib/a library.so"]
    assert mappings[1].start % (64 * 1024 * 1024) == 0


def test_memory_that_a_process_fills_is_seen() -> None:
    script = (
        "import sys\nprint('ready', flush=True); sys.stdin.read(1)\n"
        "held = bytearray(b'x' * 30_000_000)\nprint('held', flush=True); sys.stdin.read()"
    )
    with running(script) as process:
        assert process.stdin is not None and process.stdout is not None
        before = memory_use([process.pid])
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.readline() == b"held\n"
        during = memory_use([process.pid])
        assert peak_resident_kb([process.pid]) > 30_000
    assert during.total_kb - before.total_kb == pytest.approx(30_000_000 / 1024, rel=0.2)
    assert before.descriptors == during.descriptors > 0
    parts = during.heap_kb + during.thread_arenas_kb + during.anonymous_kb + during.files_kb
    assert parts == during.total_kb


def test_cpu_that_works_grows_busier() -> None:
    cpu = min(os.sched_getaffinity(0))
    assert busy_time_s(cpu) > 0
    assert busy_time_s(100_000) == 0


def test_bound_udp_port_is_told_from_a_free_one() -> None:
    # Whoever asks for any port gets a higher one: it stays free on all hosts meanwhile.
    port = next(port for port in range(10_000, 20_000) if not is_udp_port_bound(port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((allocate_host(), port))
        assert is_udp_port_bound(port)
    assert not is_udp_port_bound(port)
