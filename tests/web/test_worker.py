"""Blocking work on threads, and its bound."""

import asyncio
import threading

import pytest

from clicktodial.control.error import Overloaded
from clicktodial.web import worker as worker_module
from clicktodial.web.worker import Worker


async def test_work_is_done_on_another_thread() -> None:
    worker = Worker()
    assert await worker.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    await worker.close()


async def test_work_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "WAITING_MAX", 3)
    worker, may_end = Worker(), threading.Event()
    waiting = [asyncio.create_task(worker.run(may_end.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await worker.run(lambda: None)
    may_end.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await worker.run(lambda: "again") == "again"
    await worker.close()
