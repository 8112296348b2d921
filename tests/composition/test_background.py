"""Work beside the calls: what fails is told, and keeps nothing from being closed."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from clicktodial.composition.background import Background


async def fail() -> None:
    raise ValueError("planted")


async def end() -> None:
    """Work that ends of itself, which none should."""


async def wait() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("work", "error"), [(fail, "ValueError('planted')"), (end, "None")])
async def test_work_that_ends_is_told_at_once_and_counted(
    work: Callable[[], Coroutine[Any, Any, None]], error: str
) -> None:
    closed: list[str] = []
    with capture_logs() as told:
        async with AsyncExitStack() as stack:
            stack.callback(closed.append, "before")
            background = Background(stack)
            background.run("fails", work())
            background.run("goes on", wait())
            for _ in range(3):  # the task, its end, and what is called then
                await asyncio.sleep(0)
            (line,) = told
        gc.collect()
    assert (line["event"], line["log_level"]) == ("node.background_died", "error")
    assert (line["work"], repr(line["exc_info"])) == ("fails", error)
    assert background.died == 1
    assert closed == ["before"]
    assert len(told) == 1


async def test_end_of_the_node_is_no_death() -> None:
    with capture_logs() as told:
        async with AsyncExitStack() as stack:
            background = Background(stack)
            background.run("waits", wait())
            background.run("waits", wait())
    assert background.died == 0
    assert told == []
