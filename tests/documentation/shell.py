"""Shell blocks as a reader types them: bash, the real curl, the real `clicktodial`.

A page is one session: what a block exports the next one has. Stops at the first command that
fails. `clicktodial` on the PATH hands its arguments to a fork of the loaded program
(tests/harness/command.py), since loading it anew takes half a second of processor each time.
"""

import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness.command import run_forked

COMMAND_TIMEOUT_S = 60.0
BLOCK_TIMEOUT_S = 90.0
_SHOWN = 2_000
# A request that fails is to fail its block; what the server said is shown all the same.
_PREAMBLE = """
set -eu -o pipefail
[ -e .exported ] && . ./.exported
curl() { command curl --silent --show-error --fail-with-body --max-time 30 "$@"; }
until_so() {
    for turn in $(seq 300); do if eval "$1"; then return 0; fi; sleep 0.1; done
    echo "never so: $1" >&2; return 1
}
state_of() { curl -u $APP $API/calls/$1 | jq -r .state; }
set -a
"""
_EPILOGUE = "\nset +a\nexport -p > .exported\n"
_CLIENT = """#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
asked = {{"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}}
connection.sendall(json.dumps(asked).encode() + b"\\n")
told = json.loads(connection.makefile("rb").read())
sys.stdout.write(told["output"]); sys.stderr.write(told["errors"]); sys.exit(told["status"])
"""


class BlockFailed(Exception):
    """A command of a block ended with another status than 0."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        done = run_forked(
            asked["arguments"],
            directory=Path(asked["directory"]),
            timeout_s=COMMAND_TIMEOUT_S,
            environment=asked["environment"],
        )
        told = {"output": done.stdout, "errors": done.stderr, "status": done.returncode}
        self.wfile.write(json.dumps(told).encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def open_commands() -> Iterator[Path]:
    """A directory for the PATH that has `clicktodial`."""
    with tempfile.TemporaryDirectory() as directory:
        socket_path = str(Path(directory, "socket"))
        client = Path(directory, "clicktodial")
        client.write_text(_CLIENT.format(python=sys.executable, path=socket_path))
        client.chmod(0o700)
        with _Server(socket_path, _Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield Path(directory)
            finally:
                server.shutdown()
                thread.join()


class Session:
    """One page's shell, in a directory of its own."""

    def __init__(self, directory: Path, commands: Path, variables: Mapping[str, str]) -> None:
        self.directory = directory
        inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        python_path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        self._environment = {**inherited, **python_path, "PATH": path, **variables}

    def run(self, script: str) -> str:
        """What the script wrote to standard output. Raises BlockFailed."""
        done = subprocess.run(
            ["bash", "-c", _PREAMBLE + script + _EPILOGUE],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            shown = f"{script}\n{done.stdout[-_SHOWN:]}\n{done.stderr[-_SHOWN:]}"
            raise BlockFailed(f"ended with {done.returncode}:\n{shown}")
        return done.stdout
