"""Runs render jobs in processes of their own, each started when first needed.

Plain subprocesses, and not multiprocessing, which would import the server's main module into
every worker, and whose workers outlive a server that is killed. They are started by the standard
library and not by the loop: uvloop lets a child inherit what C code opened without care, and a
worker that held the relay's sockets would keep their ports from being used again.
"""

import asyncio
import socket
import subprocess
import sys
from dataclasses import dataclass

import msgspec
import structlog

from clicktodial.recordings.render import Rendered, RenderJob
from clicktodial.recordings.worker import JobAnswer

log = structlog.get_logger()

# A day's recording takes a minute; one that takes longer will never end.
JOB_TIMEOUT_S = 600.0
# Jobs are small; a backlog of more means that no worker comes through.
JOBS_WAITING_MAX = 10_000
# A worker that dies twice over one job dies of it.
ATTEMPTS_MAX = 2
_CLOSE_TIMEOUT_S = 5.0


class WorkerError(Exception):
    """No worker could do the job; the message says why."""


@dataclass(eq=False, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, line: bytes) -> bytes:
        """The answer's line; without its end where the worker died."""
        try:
            self.writer.write(line)
            await self.writer.drain()
            return await self.reader.readline()
        except ConnectionError:
            return b""

    async def end(self, timeout_s: float) -> None:
        """End its input, which ends it, and force it after `timeout_s`."""
        self.writer.close()
        await asyncio.to_thread(self._reap, timeout_s)

    def _reap(self, timeout_s: float) -> None:
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class WorkerPool:
    """Up to `workers` processes, each doing one job at a time."""

    def __init__(self, workers: int, job_timeout_s: float = JOB_TIMEOUT_S) -> None:
        self._job_timeout_s = job_timeout_s
        self._places = asyncio.Semaphore(workers)
        self._waiting = 0
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Start one worker, so that the first job does not wait for it. Raises OSError."""
        self._idle.append(await self._start_worker())

    async def run(self, job: RenderJob) -> Rendered:
        """Do a job. Raises WorkerError where it cannot be done, the worker dies of it or takes
        too long, and where too many wait or the pool is closed."""
        if self._is_closed or self._waiting >= JOBS_WAITING_MAX:
            raise WorkerError("too many recordings are waiting")
        self._waiting += 1
        try:
            async with self._places:
                answer = await self._run_with_retry(msgspec.json.encode(job) + b"\n")
        finally:
            self._waiting -= 1
        if answer.rendered is None:
            raise WorkerError(answer.error or "no answer")
        return answer.rendered

    async def close(self) -> None:
        """End the workers; one that is at work may finish its job within seconds."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        busy = self._workers.difference(idle)
        await asyncio.gather(
            *(self._end_worker(worker, 0) for worker in idle),
            *(self._end_worker(worker, _CLOSE_TIMEOUT_S) for worker in busy),
        )

    async def _run_with_retry(self, line: bytes) -> JobAnswer:
        for _ in range(ATTEMPTS_MAX):
            if self._is_closed:
                break
            try:
                worker = self._idle.pop() if self._idle else await self._start_worker()
            except OSError as error:
                raise WorkerError(f"no worker can be started: {error}") from error
            answer = await self._run_on(worker, line)
            if answer is not None:
                return answer
            log.warning("recording.worker_died", exit_status=worker.process.returncode)
        raise WorkerError("the worker died")

    async def _run_on(self, worker: _Worker, line: bytes) -> JobAnswer | None:
        """None where the worker died; it is idle again only where it answered."""
        answer = None
        try:
            async with asyncio.timeout(self._job_timeout_s):
                reply = await worker.ask(line)
            if reply.endswith(b"\n"):
                answer = msgspec.json.decode(reply, type=JobAnswer)
            return answer
        except TimeoutError as error:
            raise WorkerError(f"not done within {self._job_timeout_s:g} s") from error
        except msgspec.DecodeError as error:
            raise WorkerError("the worker's answer cannot be read") from error
        finally:
            if answer is None:
                await self._end_worker(worker, 0)
            elif not self._is_closed:
                self._idle.append(worker)

    async def _start_worker(self) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.to_thread(_start_process, theirs)
            reader, writer = await asyncio.open_connection(sock=ours)
        except OSError:
            ours.close()
            raise
        worker = _Worker(process, reader, writer)
        self._workers.add(worker)
        return worker

    async def _end_worker(self, worker: _Worker, timeout_s: float) -> None:
        if worker in self._workers:
            self._workers.discard(worker)
            await worker.end(timeout_s)


def _start_process(connection: socket.socket) -> subprocess.Popen[bytes]:
    """A worker that talks over `connection` and inherits nothing else but standard error."""
    return subprocess.Popen(
        # Nothing of the directory that it is started in is a module (-P).
        [sys.executable, "-P", "-m", "clicktodial.recordings.worker"],
        stdin=connection.fileno(),
        stdout=connection.fileno(),
        close_fds=True,
    )
