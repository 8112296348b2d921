"""Adds audio that comes from elsewhere to the library, decoded in a process of its own.

Decoders are C code fed by strangers, and a minute of sound takes a second of the processor and
some hundred megabytes: neither may be the server's, nor taken from it by a command. The process
has nothing of either but standard error, is bounded in memory and time, and ends when its one file
is done.
"""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import IO

import msgspec
import structlog

from clicktodial.domain.wording import worded
from clicktodial.media.audio_library import Audio, AudioError, AudioLibrary

log = structlog.get_logger()

# A minute of stereo at 192 kHz takes 400 MB while it is converted; what takes more is no speech.
MEMORY_BYTES_MAX = 1_536 * 1024 * 1024
# That minute takes two seconds of an idle processor.
IMPORT_TIMEOUT_S = 30
# Signalling and audio of live calls come before.
_NICENESS = 5
_STANDARD_INPUT = Path("/dev/stdin")


class _Answer(msgspec.Struct, frozen=True):
    """What became of it."""

    audio: Audio | None = None
    error: str | None = None


async def import_audio(directory: Path, name: str, file: IO[bytes]) -> Audio:
    """Add what the file holds, which need have no name itself, to the library of that directory,
    replacing one of that name. Raises AudioError."""
    return await asyncio.to_thread(_run, directory, name, file)


def _run(directory: Path, name: str, file: IO[bytes]) -> Audio:
    try:
        # By the standard library and not by the loop, as in recordings/worker_pool.py.
        done = subprocess.run(
            # Nothing of the directory that it is started in is a module (-P).
            [sys.executable, "-P", "-m", __name__, str(directory), name],
            stdin=file.fileno(),
            stdout=subprocess.PIPE,
            timeout=IMPORT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AudioError(
            worded(
                "it cannot be read within %(import_timeout_s)s seconds",
                import_timeout_s=IMPORT_TIMEOUT_S,
            )
        ) from error
    except OSError as error:
        raise AudioError(
            worded("it cannot be read: %(strerror)s", strerror=error.strerror)
        ) from error
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError as error:
        log.warning("audio.import_died", exit_status=done.returncode)
        raise AudioError("whatever reads it dies of it") from error
    if answer.audio is None:
        raise AudioError(answer.error)
    return answer.audio


def main(directory: str, name: str) -> None:
    """Add standard input, and tell on standard output what became of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (IMPORT_TIMEOUT_S, IMPORT_TIMEOUT_S))
    # A core would keep what was sent, where nobody looks for it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = _Answer(audio=AudioLibrary(Path(directory)).add(name, _STANDARD_INPUT))
    except AudioError as error:
        answer = _Answer(error=str(error))
    except MemoryError:
        answer = _Answer(error="it takes more memory than audio may")
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    os.nice(_NICENESS)
    main(*sys.argv[1:])
