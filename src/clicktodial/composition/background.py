"""Work that goes on beside the calls for as long as a node runs."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog

log = structlog.get_logger()


class Background:
    """Runs coroutines until the stack closes. None of them is to end before that."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        # Those that ended all the same, of themselves or by an error.
        self.died = 0

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start it. Calls go on where it fails: the log and a metric tell of it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._tell)

        async def end() -> None:
            task.remove_done_callback(self._tell)
            task.cancel()
            # Of an error the log has told, and what is to be closed after this must be closed.
            with suppress(asyncio.CancelledError, Exception):
                await task

        self._stack.push_async_callback(end)

    def _tell(self, task: asyncio.Task[None]) -> None:
        self.died += 1
        error = None if task.cancelled() else task.exception()
        log.error("node.background_died", work=task.get_name(), exc_info=error)
