"""The HTTP server: uvicorn on our own loop, socket and signals."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from litestar import Litestar

from clicktodial.api.protocol import BoundedHttpProtocol

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
# Requests under way when we stop: a download may be long, but a stop may not.
_SHUTDOWN_TIMEOUT_S = 5


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which belongs to the process's composition root."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpServer:
    """Serves one application on one address."""

    def __init__(self, app: Litestar) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The bound address. Raises RuntimeError before `start`."""
        if self._socket is None:
            raise RuntimeError("the server has not been started")
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def start(self, host: str, port: int) -> None:
        """Bind and listen; port 0 takes any free one. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():  # it failed before it listened, and says why
            listening.cancel()
            self._socket.close()
            await self._task

    async def close(self) -> None:
        """Take no more connections, finish what is under way within a limit, then stop."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
