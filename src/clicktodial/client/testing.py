"""The sandbox for tests of one's own: a platform, its phones, and an inbox for what it tells.

`clicktodial.pytest_plugin` makes a fixture of it; `open_sandbox` serves any other test runner. The
platform is a process of its own (`clicktodial sandbox run`): nothing of it is imported here.
"""

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clicktodial.client.authority import ClientSecret
from clicktodial.client.camara import AsyncCamaraClient, CamaraClient
from clicktodial.client.error import NotificationInvalid
from clicktodial.client.notification import (
    BODY_BYTES_MAX,
    CallStatusChanged,
    Notification,
    StatusNotification,
    verify_notification,
)
from clicktodial.client.v1 import AsyncClickToDial, ClickToDial

# Some four seconds, unless the machine is very busy.
READY_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 20.0
# How soon the inbox notices that it is to be closed.
_POLL_S = 0.05
_COMMAND_TIMEOUT_S = 60.0
# Answers come at once, unless the machine is very busy.
REQUEST_TIMEOUT_S = 30.0
WAIT_TIMEOUT_S = 30.0
# The oldest are forgotten: no test wants as many.
NOTIFICATIONS_MAX = 10_000
_ERROR_CHARACTERS_MAX = 2_000
# The same program, whatever its script is called here; -P keeps the current directory out of it.
_PROGRAM = [sys.executable, "-P", "-c", "from clicktodial.cli import app; app()"]


class SandboxError(Exception):
    """The sandbox did not start, or a command of it failed."""


class PhoneKind(StrEnum):
    """What a phone does when it is called; docs/sandbox.md tells more. The value is the last two
    digits of its number."""

    ANSWERS = "00"
    BUSY = "01"
    RINGS_ON = "02"
    DECLINES = "03"
    UNKNOWN = "04"
    UNAVAILABLE = "05"
    HANGS_UP = "06"
    EARLY_MEDIA = "07"
    VOICEMAIL = "08"
    LATE = "09"
    SILENT = "10"
    PRESSES_KEY = "11"
    SAYS_HELLO = "12"


class Inbox:
    """An application's server: it takes what the platform tells, where that is signed."""

    def __init__(self, host: str) -> None:
        self._changed = threading.Condition()
        self._signing_secret: str | None = None
        self._received: deque[Notification] = deque(maxlen=NOTIFICATIONS_MAX)
        self.rejected = 0
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_TIMEOUT_S

            def do_POST(self) -> None:
                inbox._take(self)

            def log_message(self, format: str, *arguments: object) -> None:
                """Tests tell what they want to be told."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The notify URL of v1, and the sink of CAMARA calls."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def expect(self, signing_secret: str) -> None:
        """What comes is signed with that secret; before this, nothing is taken."""
        self._signing_secret = signing_secret

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def notifications(self) -> list[Notification]:
        """All there were, in the order in which they came."""
        with self._changed:
            return list(self._received)

    def of_call(self, call_id: str) -> list[StatusNotification | CallStatusChanged]:
        """Those of a call, each once, in the order in which they came."""
        found = [
            one
            for one in self.notifications
            if isinstance(one, StatusNotification | CallStatusChanged) and one.call_id == call_id
        ]
        return list({one.id: one for one in reversed(found)}.values())[::-1]

    def wait_for(
        self, call_id: str, status: str, *, timeout_s: float = WAIT_TIMEOUT_S
    ) -> StatusNotification | CallStatusChanged:
        """The notification of that status of that call, spelled as its API does. Raises
        TimeoutError, which tells what came instead."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                of_call = self.of_call(call_id)
                for one in of_call:
                    if one.status == status:
                        return one
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    told = [str(one.status) for one in of_call]
                    raise TimeoutError(f"no {status} of {call_id} came, only {told}")
                self._changed.wait(left_s)

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        length = request.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and int(length) <= BODY_BYTES_MAX):
            self._answer(request, 400)
            return
        body = request.rfile.read(int(length))
        secret = self._signing_secret
        try:
            if secret is None:
                raise NotificationInvalid("nothing is expected yet")
            notification = verify_notification(request.headers, body, secret)
        except NotificationInvalid:
            with self._changed:
                self.rejected += 1
                self._changed.notify_all()
            self._answer(request, 401)
            return
        # Before it is answered: the next of its call comes then, in another thread.
        with self._changed:
            self._received.append(notification)
            self._changed.notify_all()
        self._answer(request, 204)

    def _answer(self, request: BaseHTTPRequestHandler, status: int) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A platform that runs, with an application that may call."""

    base_url: str
    app_id: str
    secret: str = field(repr=False)
    signing_secret: str = field(repr=False)
    sponsor: str
    config: Path
    pid: int
    inbox: Inbox = field(repr=False)
    _numbers: Any = field(default_factory=lambda: itertools.count(1), repr=False)

    def phone(self, kind: PhoneKind = PhoneKind.ANSWERS) -> str:
        """The number of a phone that nobody has called before, with a plus."""
        return f"+86139{next(self._numbers) % 1_000_000:06}{kind.value}"

    def client(self) -> ClickToDial:
        """A client of v1, to be closed."""
        return ClickToDial(self.base_url, self.app_id, self.secret, timeout_s=REQUEST_TIMEOUT_S)

    def async_client(self) -> AsyncClickToDial:
        """As `client`, async."""
        return AsyncClickToDial(
            self.base_url, self.app_id, self.secret, timeout_s=REQUEST_TIMEOUT_S
        )

    def camara_client(self) -> CamaraClient:
        """A client of CAMARA, to be closed. It proves itself by the Secretkey, which only
        sandboxes allow."""
        proof = ClientSecret(self.app_id, self.secret)
        return CamaraClient(self.base_url, proof, timeout_s=REQUEST_TIMEOUT_S)

    def async_camara_client(self) -> AsyncCamaraClient:
        """As `camara_client`, async."""
        proof = ClientSecret(self.app_id, self.secret)
        return AsyncCamaraClient(self.base_url, proof, timeout_s=REQUEST_TIMEOUT_S)

    def command(self, *arguments: str) -> Any:
        """What `clicktodial ARGUMENTS` (docs/cli.md) answers about this platform, decoded. Raises
        SandboxError."""
        done = subprocess.run(
            [*_PROGRAM, *arguments, "--config", str(self.config), "--json"],
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            told = (done.stdout + done.stderr)[-_ERROR_CHARACTERS_MAX:]
            raise SandboxError(f"clicktodial {' '.join(arguments[:2])} failed: {told}")
        return json.loads(done.stdout) if done.stdout.strip() else None


@contextlib.contextmanager
def open_sandbox(
    *, directory: Path | None = None, host: str | None = None, notify_url: str | None = None
) -> Generator[Sandbox]:
    """A sandbox that is ended with the block, by its process id.

    Its files go to a new `directory`, else to a temporary one; `host` is a loopback address, else
    one that is no other process's; `notify_url` is whom v1 calls are told to, else the inbox.
    Raises SandboxError.
    """
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="clicktodial-"))
            )
        host = host or _choose_host()
        inbox = Inbox(host)
        stack.callback(inbox.close)
        process, ready = stack.enter_context(
            _run(directory / "sandbox", host, notify_url or inbox.url)
        )
        inbox.expect(ready["signing_secret"])
        yield Sandbox(
            base_url=f"http://{ready['http']}",
            app_id=ready["app_id"],
            secret=ready["secret"],
            signing_secret=ready["signing_secret"],
            sponsor=ready["sponsor"],
            config=Path(ready["config"]),
            pid=process.pid,
            inbox=inbox,
        )


def _choose_host() -> str:
    """A loopback address that follows from the process id: tests that run side by side meet
    nowhere, and nobody else's connections take the ports."""
    rest, fourth = divmod(os.getpid(), 254)
    second, third = divmod(rest, 256)
    return f"127.{128 + second % 127}.{third}.{1 + fourth}"


@contextlib.contextmanager
def _run(
    directory: Path, host: str, notify_url: str
) -> Generator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    directory.mkdir(parents=True)
    errors = directory / "errors.log"
    with errors.open("wb") as error_file:
        process = subprocess.Popen(
            [
                *_PROGRAM,
                *("sandbox", "run", "--fast", "--attached"),
                *("--directory", str(directory), "--http", f"{host}:0"),
                *("--notify-url", notify_url),
            ],
            # Never written to: it ends when this process does, however that comes.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=error_file,
            # Ctrl-C in the terminal is for the tests alone, which then end it.
            start_new_session=True,
        )
    try:
        yield process, _read_ready(process, errors)
    finally:
        _stop(process)


def _read_ready(process: "subprocess.Popen[bytes]", errors: Path) -> dict[str, Any]:
    assert process.stdout is not None
    deadline = time.monotonic() + READY_TIMEOUT_S
    line = b""
    while not line.endswith(b"\n"):
        left_s = max(0.0, deadline - time.monotonic())
        is_readable, _, _ = select.select([process.stdout], [], [], left_s)
        piece = os.read(process.stdout.fileno(), 65_536) if is_readable else b""
        if not piece:
            told = errors.read_text(errors="replace")[-_ERROR_CHARACTERS_MAX:]
            raise SandboxError(f"the sandbox is not ready; its last words:\n{told}")
        line += piece
    ready: dict[str, Any] = json.loads(line)
    return ready


def _stop(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
