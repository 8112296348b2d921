"""Runs render jobs in processes of their own, each started when first needed.

Plain subprocesses with pipes, and not multiprocessing, which would import the server's main
module into every worker, and whose workers outlive a server that is killed.
"""

import asyncio
import sys

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


class WorkerPool:
    """Up to `workers` processes, each doing one job at a time."""

    def __init__(self, workers: int, job_timeout_s: float = JOB_TIMEOUT_S) -> None:
        self._job_timeout_s = job_timeout_s
        self._places = asyncio.Semaphore(workers)
        self._waiting = 0
        self._idle: list[asyncio.subprocess.Process] = []
        self._processes: set[asyncio.subprocess.Process] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Start one worker, so that the first job does not wait for it."""
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
        for process in tuple(self._processes):
            await self._end_worker(process)
        self._idle.clear()

    async def _run_with_retry(self, line: bytes) -> JobAnswer:
        for _ in range(ATTEMPTS_MAX):
            if self._is_closed:
                break
            try:
                process = self._idle.pop() if self._idle else await self._start_worker()
            except OSError as error:
                raise WorkerError(f"no worker can be started: {error}") from error
            answer = await self._run_on(process, line)
            if answer is not None:
                return answer
            log.warning("recording_worker_died", exit_status=process.returncode)
        raise WorkerError("the worker died")

    async def _run_on(self, process: asyncio.subprocess.Process, line: bytes) -> JobAnswer | None:
        """None where the worker died; it is idle again only where it answered."""
        answered = False
        try:
            async with asyncio.timeout(self._job_timeout_s):
                reply = await self._exchange(process, line)
            answered = reply.endswith(b"\n")
            return msgspec.json.decode(reply, type=JobAnswer) if answered else None
        except TimeoutError as error:
            raise WorkerError(f"not done within {self._job_timeout_s:.0f} s") from error
        finally:
            if answered and not self._is_closed:
                self._idle.append(process)
            else:
                await self._end_worker(process, at_once=not answered)

    async def _exchange(self, process: asyncio.subprocess.Process, line: bytes) -> bytes:
        if process.stdin is None or process.stdout is None:
            return b""
        try:
            process.stdin.write(line)
            await process.stdin.drain()
            return await process.stdout.readline()
        except ConnectionError:
            return b""

    async def _start_worker(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clicktodial.recordings.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes.add(process)
        return process

    async def _end_worker(
        self, process: asyncio.subprocess.Process, *, at_once: bool = False
    ) -> None:
        if process not in self._processes:
            return
        self._processes.discard(process)
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(0 if at_once else _CLOSE_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            if process.returncode is None:
                process.kill()
            await process.wait()
