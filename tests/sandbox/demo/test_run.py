"""The demonstration as its user runs it."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import soundfile

COMMAND = (sys.executable, "-m", "clicktodial.sandbox.demo")
# The issue's own limit is 60 s after set-up; a busy machine is allowed no more.
DEMO_TIMEOUT_S = 60
_ADDRESSES = re.compile(r"(?:at|http:/)[ /](?:http://)?127\.0\.0\.1:(\d+)")


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

    def ports(self) -> set[int]:
        """The ports of all that was started."""
        return {int(port) for port in _ADDRESSES.findall(self.text)}


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


def assert_all_is_ended(ports: set[int]) -> None:
    assert len(ports) == 4
    for port in ports:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                # A server's connections that it closed itself linger; its socket does not.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))


def read_curl(text: str) -> Request:
    """The last command of the output, as a request."""
    words = shlex.split(text[text.rindex("curl -X POST") :].split("\n\n")[0].replace("\\\n", ""))
    headers = [words[index + 1] for index, word in enumerate(words) if word == "-H"]
    body = words[words.index("-d") + 1]
    fields = dict(header.split(": ", 1) for header in headers)
    return Request(words[3], body.encode(), fields, method="POST")


@pytest.mark.timeout(180)
def test_demo_shows_checks_and_draws_one_call_and_takes_another(tmp_path: Path) -> None:
    began_at = time.monotonic()
    with run_demo("--output", str(tmp_path), "--keep") as demo:
        demo.read_until("Checks")
        demo.read_until("Ctrl-C")
        assert time.monotonic() - began_at < DEMO_TIMEOUT_S
        with urlopen(read_curl(demo.text), timeout=10) as response:
            assert json.load(response)["code"] == "0000000"
        demo.read_until("is told: CallingCaller")
        demo.process.send_signal(signal.SIGINT)
        status = demo.read_rest()
    assert status == 0
    assert demo.text.count("✓") == 7
    assert "✗" not in demo.text
    for told in ("caller      rings", "callee      answers", "hears the melody", "Disconnected"):
        assert told in demo.text
    assert soundfile.info(tmp_path / "recording.wav").channels == 2
    for name in ("recording.svg", "ladder.svg"):
        ElementTree.parse(tmp_path / name)
    assert_all_is_ended(demo.ports())


@pytest.mark.timeout(120)
def test_demo_that_is_interrupted_ends_all_that_it_started(tmp_path: Path) -> None:
    with run_demo("--output", str(tmp_path)) as demo:
        demo.read_until("caller      rings")
        demo.process.send_signal(signal.SIGINT)
        assert demo.read_rest() == 130
    assert_all_is_ended(demo.ports())


def test_demo_into_a_directory_of_others_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with run_demo("--output", str(tmp_path)) as demo:
        assert demo.read_rest() == 1
    assert "is not empty" in demo.text
    assert (tmp_path / "mine.txt").read_text() == "mine"
