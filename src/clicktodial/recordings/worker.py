"""The worker process: a job a line on standard input, an answer a line on standard output.

It has nothing of the server but this: no sockets, no database, no other module. It ends when its
input does, so that none outlives the server, however that dies.
"""

import os
import signal
import sys

import msgspec

from clicktodial.recordings.capture import CaptureError
from clicktodial.recordings.render import Rendered, RenderJob, render_recording

# Signalling and audio of live calls come before the making of files.
_NICENESS = 5


class JobAnswer(msgspec.Struct, frozen=True):
    """What became of a job: what was made of it, or why nothing was."""

    rendered: Rendered | None = None
    error: str | None = None


def run_job(line: bytes) -> JobAnswer:
    """Do one job; every way in which a capture can be bad ends in an answer."""
    try:
        return JobAnswer(rendered=render_recording(msgspec.json.decode(line, type=RenderJob)))
    except (CaptureError, OSError, ValueError, MemoryError) as error:
        return JobAnswer(error=f"{type(error).__name__}: {error}")


def main() -> None:
    """Serve until the input ends."""
    # Control-C on the server's terminal reaches the worker too; the server decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(run_job(line)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
