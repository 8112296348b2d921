"""The recorder with its real worker processes."""

import asyncio
import hashlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from tests.recordings.synthetic import START_US, Network, Sender, write_capture

from clicktodial.config import RecordingSettings
from clicktodial.control.port import Capture, StoreError
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.identifier import (
    AppId,
    CallId,
    RecordingId,
    create_call_id,
    create_recording_id,
)
from clicktodial.domain.recording import Recording
from clicktodial.recordings.recorder import FileRecorder
from clicktodial.recordings.render import RenderJob
from clicktodial.recordings.worker_pool import WorkerError, WorkerPool

APP_ID = AppId("12345678")
DAY = "2023/11/14"  # that of START_US
EVENT_TIMEOUT_S = 20.0
# Rendering takes a quarter of a second, in which the worker must be met.
CATCHES_MAX = 20


class MemoryCatalog:
    """A catalog that keeps what it is given, unless it is to fail."""

    def __init__(self) -> None:
        self.recordings: dict[RecordingId, Recording] = {}
        self.is_failing = False

    async def add(self, recording: Recording) -> None:
        if self.is_failing:
            raise StoreError("the disk is full")
        self.recordings[recording.recording_id] = recording

    async def find(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId
    ) -> Recording | None:
        return self.recordings.get(recording_id)


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog()


@pytest_asyncio.fixture
async def recorder(tmp_path: Path, catalog: MemoryCatalog) -> AsyncIterator[FileRecorder]:
    recorder = FileRecorder(tmp_path / "recordings", catalog, RecordingSettings(workers=2))
    await recorder.start()
    yield recorder
    await recorder.close()


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return Capture(
        write_capture(tmp_path / "caller.rtp", Sender(5).create_packets(Network())),
        write_capture(tmp_path / "callee.rtp", Sender(4, ssrc=5).create_packets(Network())),
        START_US / 1e6,
    )


async def finish(recorder: FileRecorder, capture: Capture) -> tuple[RecordingId, RecordingResult]:
    recording_id = create_recording_id()
    outcome = await recorder.finish(recording_id, create_call_id(), APP_ID, capture)
    return recording_id, outcome.result


def published(root: Path) -> list[Path]:
    return [path for path in (root / "recordings").rglob("*") if path.is_file()]


def exists(path: str | None) -> bool:
    return path is not None and Path(path).exists()


def overwrite(path: str | None, content: bytes) -> None:
    assert path is not None
    Path(path).write_bytes(content)


def worker_pids() -> list[int]:
    """The worker processes that are children of this one."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if is_worker(entry)]


def is_worker(process: Path) -> bool:
    try:
        parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
        command = process.joinpath("cmdline").read_bytes()
    except OSError:  # it ended while we looked
        return False
    return parent == str(os.getpid()) and b"clicktodial.recordings.worker" in command


async def wait_for(condition: Callable[[], bool]) -> None:
    """For what only the file system or the process table tells."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)


async def test_capture_of_both_sides_is_published_catalogued_and_deleted(
    recorder: FileRecorder, catalog: MemoryCatalog, capture: Capture, tmp_path: Path
) -> None:
    recording_id, result = await finish(recorder, capture)
    assert result is RecordingResult.SUCCESS
    recording = catalog.recordings[recording_id]
    assert recording.key == f"{DAY}/{recording_id}.wav"
    content = (tmp_path / "recordings" / recording.key).read_bytes()
    assert recording.size_bytes == len(content)
    assert recording.sha256 == hashlib.sha256(content).hexdigest()
    assert recording.duration_ms == pytest.approx(5_030, abs=50)
    assert not exists(capture.caller_path) and not exists(capture.callee_path)


async def test_capture_of_one_side_is_a_success(recorder: FileRecorder, capture: Capture) -> None:
    one_side = Capture(None, capture.callee_path, capture.started_at)
    _, result = await finish(recorder, one_side)
    assert result is RecordingResult.SUCCESS


async def test_capture_without_files_is_no_record(
    recorder: FileRecorder, catalog: MemoryCatalog
) -> None:
    _, result = await finish(recorder, Capture(None, None))
    assert result is RecordingResult.NO_RECORD
    assert not catalog.recordings


async def test_capture_without_audio_is_no_record_and_deleted(
    recorder: FileRecorder, tmp_path: Path, catalog: MemoryCatalog
) -> None:
    path = write_capture(tmp_path / "caller.rtp", [])
    _, result = await finish(recorder, Capture(path, None))
    assert result is RecordingResult.NO_RECORD
    assert not exists(path)
    assert not catalog.recordings and not published(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
async def test_capture_that_is_bad_fails_and_is_kept(
    recorder: FileRecorder, capture: Capture, tmp_path: Path, content: bytes
) -> None:
    overwrite(capture.callee_path, content)
    _, result = await finish(recorder, capture)
    assert result is RecordingResult.FAIL
    assert exists(capture.caller_path) and exists(capture.callee_path)
    assert not published(tmp_path)


async def test_capture_whose_file_is_gone_fails(recorder: FileRecorder, tmp_path: Path) -> None:
    _, result = await finish(recorder, Capture(str(tmp_path / "gone"), None))
    assert result is RecordingResult.FAIL


async def test_capture_in_parts_is_one_recording_and_every_part_is_deleted(
    recorder: FileRecorder, catalog: MemoryCatalog, tmp_path: Path
) -> None:
    packets = Sender(9).create_packets(Network())
    parts = [
        write_capture(tmp_path / f"{n}.rtp", [p for p in packets if begin <= p.arrival_us < end])
        for n, (begin, end) in enumerate(
            [(START_US, START_US + 2_000_000), (START_US + 6_000_000, START_US + 20_000_000)]
        )
    ]
    capture = Capture(
        None, parts[0], START_US / 1e6, (Capture(None, parts[1], START_US / 1e6 + 6),)
    )
    recording_id = create_recording_id()
    outcome = await recorder.finish(recording_id, create_call_id(), APP_ID, capture)
    assert outcome.result is RecordingResult.SUCCESS
    assert catalog.recordings[recording_id].duration_ms == pytest.approx(9_030, abs=50)
    # Five of its nine clicks are there, and each makes half a second loud: 9.03 - 2.5 s.
    assert (outcome.caller_silence_s, outcome.callee_silence_s) == (9, 7)
    assert not any(exists(path) for path in parts)


async def test_catalog_that_fails_then_works_again_gives_the_recording(
    recorder: FileRecorder, catalog: MemoryCatalog, capture: Capture, tmp_path: Path
) -> None:
    catalog.is_failing = True
    recording_id = create_recording_id()
    call_id = create_call_id()
    first = await recorder.finish(recording_id, call_id, APP_ID, capture)
    assert first.result is RecordingResult.FAIL
    assert exists(capture.caller_path)
    catalog.is_failing = False
    second = await recorder.finish(recording_id, call_id, APP_ID, capture)
    assert second.result is RecordingResult.SUCCESS
    assert published(tmp_path) == [tmp_path / "recordings" / catalog.recordings[recording_id].key]


@pytest.mark.parametrize("recording_id", ["", "../../x", "a/b", "x" * 65, "."])
async def test_identifier_that_is_no_file_name_fails(
    recorder: FileRecorder, capture: Capture, tmp_path: Path, recording_id: str
) -> None:
    outcome = await recorder.finish(RecordingId(recording_id), create_call_id(), APP_ID, capture)
    assert outcome.result is RecordingResult.FAIL
    assert not published(tmp_path)


async def test_directory_that_cannot_be_written_fails(
    recorder: FileRecorder, capture: Capture, tmp_path: Path
) -> None:
    (tmp_path / "recordings" / "2023").write_bytes(b"in the way")
    _, result = await finish(recorder, capture)
    assert result is RecordingResult.FAIL


async def test_worker_killed_while_idle_is_replaced(
    recorder: FileRecorder, capture: Capture
) -> None:
    (pid,) = worker_pids()
    os.kill(pid, signal.SIGKILL)
    _, result = await finish(recorder, capture)
    assert result is RecordingResult.SUCCESS
    assert pid not in worker_pids()


async def test_worker_killed_in_the_middle_publishes_nothing_and_another_does_it(
    recorder: FileRecorder, tmp_path: Path, catalog: MemoryCatalog
) -> None:
    packets = Sender(1_800).create_packets(Network())
    (pid,) = worker_pids()
    for _ in range(CATCHES_MAX):
        capture = Capture(write_capture(tmp_path / "caller.rtp", packets), None, START_US / 1e6)
        recording_id = create_recording_id()
        finishing = asyncio.create_task(
            recorder.finish(recording_id, create_call_id(), APP_ID, capture)
        )
        target = tmp_path / "recordings" / DAY / f"{recording_id}.wav"
        if await is_stopped_in_the_middle(pid, target):
            break
        # On a busy machine it may be done before it is stopped.
        os.kill(pid, signal.SIGCONT)
        assert (await finishing).result is RecordingResult.SUCCESS
        target.unlink()
    else:
        pytest.fail("the worker was never met in the middle")
    os.kill(pid, signal.SIGKILL)
    assert (await finishing).result is RecordingResult.SUCCESS
    assert published(tmp_path) == [target]
    assert catalog.recordings[recording_id].size_bytes == target.stat().st_size


async def is_stopped_in_the_middle(pid: int, target: Path) -> bool:
    """Stop the worker once it writes that file; false where it had finished by then."""
    unfinished = target.with_name(f".{target.name}.part")
    await wait_for(lambda: target.exists() or has_content(unfinished))
    os.kill(pid, signal.SIGSTOP)
    await wait_for(lambda: state_of(pid) == "T")
    return not exists(str(target))


def has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # not yet there, or renamed meanwhile
        return False


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_many_recordings_at_once_are_all_made(
    recorder: FileRecorder, tmp_path: Path, catalog: MemoryCatalog
) -> None:
    packets = Sender(2).create_packets(Network())
    captures = [
        Capture(write_capture(tmp_path / f"{index}.rtp", packets), None) for index in range(40)
    ]
    results = await asyncio.gather(*(finish(recorder, each) for each in captures))
    assert {result for _, result in results} == {RecordingResult.SUCCESS}
    assert len(catalog.recordings) == 40
    assert len(worker_pids()) == 2


async def test_recorder_closed_refuses_and_leaves_no_process(
    tmp_path: Path, catalog: MemoryCatalog, capture: Capture
) -> None:
    recorder = FileRecorder(tmp_path / "recordings", catalog, RecordingSettings(workers=2))
    await recorder.start()
    assert worker_pids()
    await recorder.close()
    assert not worker_pids()
    _, result = await finish(recorder, capture)
    assert result is RecordingResult.FAIL


async def test_job_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    pool = WorkerPool(workers=1, job_timeout_s=0.05)
    capture = write_capture(tmp_path / "a.rtp", Sender(900).create_packets(Network()))
    with pytest.raises(WorkerError, match="not done within"):
        await pool.run(RenderJob(capture, None, None, str(tmp_path / "2026/a.wav")))
    assert not worker_pids()
    await pool.close()


async def test_worker_whose_input_ends_ends() -> None:
    """As it does when the server is killed: the connection ends with it."""
    pool = WorkerPool(workers=1)
    await pool.start()
    (worker,) = pool._idle
    worker.writer.close()
    assert await asyncio.to_thread(worker.process.wait, EVENT_TIMEOUT_S) == 0
    await pool.close()


async def test_worker_runs_nothing_of_the_directory_that_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    capture = write_capture(tmp_path / "a.rtp", Sender(900).create_packets(Network()))
    monkeypatch.chdir(tmp_path)
    pool = WorkerPool(workers=1)
    assert await pool.run(RenderJob(capture, None, None, str(tmp_path / "2026/a.wav")))
    await pool.close()


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_worker_inherits_no_socket_of_the_server(
    runner: Callable[[Coroutine[Any, Any, set[str]]], set[str]],
) -> None:
    with socket.socket() as listener:
        # As C code leaves it that knows nothing of programs being started.
        listener.set_inheritable(True)
        assert link_of(os.getpid(), listener.fileno()) not in runner(list_worker_files())


async def list_worker_files() -> set[str]:
    pool = WorkerPool(workers=1)
    await pool.start()
    try:
        (pid,) = worker_pids()
        return {link_of(pid, int(name)) for name in os.listdir(f"/proc/{pid}/fd")}
    finally:
        await pool.close()


def link_of(pid: int, descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except FileNotFoundError:  # a module that it was reading
        return ""
