"""The demonstration as its user runs it."""

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import soundfile

from clicktodial.bench.process_usage import find_processes

COMMAND = (sys.executable, "-m", "clicktodial.sandbox.demo")
# A minute is the promise, on a machine that does nothing else. This one runs other tests beside,
# and a demonstration is four programs that start.
DEMO_TIMEOUT_S = 120
# It, the server, the carrier and the application.
PROCESSES = 4


class Demo:
    """A demonstration under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def read_until(self, wanted: str) -> None:
        """Read on, to the line that contains this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if wanted in line:
                return
        raise AssertionError(f"no {wanted!r} in:\n{self.text}")

    def read_rest(self) -> int:
        """Read to the end; returns the exit status."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout
        return self.process.wait(DEMO_TIMEOUT_S)


@contextmanager
def run_demo(*arguments: str) -> Generator[Demo]:
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Demo(process)
    finally:
        # Asked first, so that it ends what it started even where a test failed.
        process.send_signal(signal.SIGTERM)
        process.wait(DEMO_TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def all_ending(demo: Demo) -> Generator[None]:
    """Within it the demonstration ends, and all the processes that it started end with it."""
    with ExitStack() as opened:
        pids = find_processes(demo.process.pid)
        assert len(pids) >= PROCESSES
        watched = []
        for pid in pids:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                watched.append(os.pidfd_open(pid))
                opened.callback(os.close, watched[-1])
        yield
        for ending in watched:
            ended, _, _ = select.select([ending], [], [], DEMO_TIMEOUT_S)
            assert ended


def read_curl(text: str) -> Request:
    """The last command of the output, as a request."""
    words = shlex.split(text[text.rindex("curl -X POST") :].split("\n\n")[0].replace("\\\n", ""))
    headers = [words[index + 1] for index, word in enumerate(words) if word == "-H"]
    body = words[words.index("-d") + 1]
    fields = dict(header.split(": ", 1) for header in headers)
    return Request(words[3], body.encode(), fields, method="POST")


@pytest.mark.timeout(240)
def test_demo_shows_checks_and_draws_one_call_and_takes_another(tmp_path: Path) -> None:
    began_at = time.monotonic()
    with run_demo("--output", str(tmp_path), "--keep") as demo:
        demo.read_until("Checks")
        demo.read_until("Ctrl-C")
        assert time.monotonic() - began_at < DEMO_TIMEOUT_S
        with urlopen(read_curl(demo.text), timeout=10) as response:
            assert json.load(response)["code"] == "0000000"
        demo.read_until("is told: CallingCaller")
        with all_ending(demo):
            demo.process.send_signal(signal.SIGINT)
            status = demo.read_rest()
    assert status == 0
    assert demo.text.count("✓") == 9
    assert "✗" not in demo.text
    for told in ("caller      rings", "callee      answers", "hears the melody", "Disconnected"):
        assert told in demo.text
    assert soundfile.info(tmp_path / "recording.wav").channels == 2
    for name in ("recording.svg", "ladder.svg"):
        ElementTree.parse(tmp_path / name)


@pytest.mark.timeout(180)
def test_demo_that_is_interrupted_ends_all_that_it_started(tmp_path: Path) -> None:
    with run_demo("--output", str(tmp_path)) as demo:
        demo.read_until("caller      rings")
        with all_ending(demo):
            demo.process.send_signal(signal.SIGINT)
            assert demo.read_rest() == 130


def test_demo_into_a_directory_of_others_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with run_demo("--output", str(tmp_path)) as demo:
        assert demo.read_rest() == 1
    assert "is not empty" in demo.text
    assert (tmp_path / "mine.txt").read_text() == "mine"
