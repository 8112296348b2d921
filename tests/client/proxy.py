"""A proxy before the platform that loses answers: what was asked is done, and nobody is told."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_TIMEOUT_S = 30.0


class LossyProxy:
    """Forwards to `upstream`. Where `loses` says so of a request (its number from 1, method and
    path), the platform's answer is read and thrown away, and the connection closed; of a stream so
    much as `stream_bytes` is passed on before."""

    def __init__(self, upstream: str, host: str) -> None:
        self.loses: Callable[[int, str, str], bool] = lambda number, method, path: False
        self.asked: list[tuple[str, str]] = []
        self.lost = 0
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S

            def do_POST(self) -> None:
                proxy._forward(self)

            do_GET = do_DELETE = do_POST  # the names that the base class calls

            def log_message(self, format: str, *arguments: object) -> None:
                """pytest tells enough."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def lose_first(self, count: int, method: str, path: str) -> None:
        """Lose the answers of so many requests whose path begins so."""
        left = [count]

        def loses(number: int, asked_method: str, asked_path: str) -> bool:
            if left[0] and asked_method == method and asked_path.startswith(path):
                left[0] -= 1
                return True
            return False

        self.loses = loses

    def _forward(self, request: BaseHTTPRequestHandler) -> None:
        method, path = request.command, request.path
        with self._lock:
            self.asked.append((method, path))
            is_lost = self.loses(len(self.asked), method, path)
            self.lost += is_lost
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        upstream = http.client.HTTPConnection(
            str(self._upstream.hostname), self._upstream.port, timeout=_TIMEOUT_S
        )
        try:
            upstream.request(method, path, body, headers | {"Connection": "close"})
            answer = upstream.getresponse()
            self._answer(request, answer, is_lost=is_lost)
        finally:
            upstream.close()

    def _answer(
        self, request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse, *, is_lost: bool
    ) -> None:
        is_stream = answer.headers.get_content_type() == "text/event-stream"
        if is_lost and not is_stream:
            answer.read()
            return
        request.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                request.send_header(name, value)
        request.end_headers()
        if not is_stream:
            request.wfile.write(answer.read())
            return
        # A stream that is lost ends behind its first event; the others when the client goes.
        while line := answer.readline():
            try:
                request.wfile.write(line)
            except OSError:
                return
            if is_lost and line.startswith(b"data:"):
                request.wfile.write(b"\n")
                return
