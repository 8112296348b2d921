"""Tests of profiling, with a stand-in for py-spy."""

import os
import sys
from pathlib import Path

import pytest

from clicktodial.bench.error import BenchError
from clicktodial.bench.placement import Placement
from clicktodial.bench.profiler import find_costliest, profiling, require_profiler

_STACKS = """\
main (app.py:1);handle (app.py:10);parse (wire.py:5) 30
main (app.py:1);handle (app.py:12);parse (wire.py:9) 20
main (app.py:1);handle (app.py:12) 40
main (app.py:1);idle loop 10
main (app.py:1);torn
"""


def install(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = directory / "py-spy"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


async def test_profile_is_written_when_the_block_ends(
    tmp_path: Path, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import pathlib, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "signal.sigwait([signal.SIGINT])\n"
        "arguments = sys.argv[1:]\n"
        "output = pathlib.Path(arguments[arguments.index('--output') + 1])\n"
        "output.write_text(f\"pid {arguments[arguments.index('--pid') + 1]} 1\\n\")\n"
    )
    install(tmp_path, script, monkeypatch)
    output = tmp_path / "out.txt"
    async with profiling(os.getpid(), output, placement):
        assert not output.exists()
    assert output.read_text() == f"pid {os.getpid()} 1\n"


async def test_profiler_that_cannot_attach_is_told(
    tmp_path: Path, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "import sys\nsys.exit('Permission denied')\n", monkeypatch)
    with pytest.raises(BenchError, match="Permission denied"):
        async with profiling(os.getpid(), tmp_path / "out.txt", placement):
            pass


def test_missing_profiler_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="pip install py-spy"):
        require_profiler()


def test_functions_are_ordered_by_their_own_time(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text(_STACKS)
    assert find_costliest(output, count=2) == [
        ("parse (wire.py)", 0.5, 0.5),
        ("handle (app.py)", 0.4, 0.9),
    ]


def test_profile_of_nothing_has_no_functions(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text("")
    assert find_costliest(output, count=5) == []
