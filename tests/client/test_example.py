"""The examples take what the platform signed, and nothing else, in every framework."""

import importlib.util
import sys
import threading
import time
import wsgiref.simple_server
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.client.support import (
    CALL_ID,
    SIGNING_SECRET,
    render_alert,
    render_camara,
    render_v1,
    sign,
)

from clicktodial.client import CallStatusChanged, CamaraStatus, PoolAlert, StatusNotification
from clicktodial.client.notification import BODY_BYTES_MAX
from clicktodial.client.testing import PhoneKind, Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*_app.py"))
V1 = f"/clicktodial/v1/clicktodialstatusnotify/{CALL_ID}"
DELIVERIES = [
    (V1, render_v1, StatusNotification),
    ("/clicktodial/events/v1/poolalert", render_alert, PoolAlert),
    ("/events", render_camara, CallStatusChanged),
]
HOST = "localhost"


@pytest.fixture(scope="module")
def examples(clicktodial_sandbox: Sandbox) -> Iterator[dict[str, ModuleType]]:
    """All of them, loaded with two secrets: that of the tests here, and the sandbox's."""
    with pytest.MonkeyPatch.context() as patch:
        secrets = f"{SIGNING_SECRET} {clicktodial_sandbox.signing_secret}"
        patch.setenv("CLICKTODIAL_SIGNING_SECRET", secrets)
        yield {name: load(name) for name in NAMES}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Django looks its URLs up by the name
    spec.loader.exec_module(module)
    return module


async def post(app: Any, path: str, headers: dict[str, str], body: bytes) -> int:
    """The status of the answer, of an ASGI or a WSGI application."""
    headers = {**headers, "content-type": "application/json"}
    if type(app).__module__.startswith(("flask", "django")):
        return post_wsgi(app, path, headers, body)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.post(f"http://{HOST}{path}", headers=headers, content=body)
        return answer.status_code


def post_wsgi(app: Any, path: str, headers: dict[str, str], body: bytes) -> int:
    with httpx.Client(transport=httpx.WSGITransport(app)) as client:
        return client.post(f"http://{HOST}{path}", headers=headers, content=body).status_code


def test_there_is_one_for_each_framework() -> None:
    assert NAMES == ["django_app", "fastapi_app", "flask_app", "litestar_app"]


@pytest.mark.parametrize("name", NAMES)
async def test_example_takes_what_was_signed_now_and_nothing_else(
    name: str, examples: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = examples[name].app
    taken: list[Any] = []
    monkeypatch.setattr(examples[name], "take", taken.append)
    now_s = int(time.time())
    for path, render, kind in DELIVERIES:
        headers, body = render()
        signed = sign(headers["webhook-id"], body, at_s=now_s)
        assert await post(app, path, signed, body) == 204
        assert (taken[-1].id, type(taken[-1])) == (headers["webhook-id"], kind)
        assert await post(app, path, headers, body) == 401  # signed long ago
        assert await post(app, path, signed, body + b" ") == 401
        assert await post(app, path, {}, body) == 401
    long = b"x" * (BODY_BYTES_MAX + 1)
    assert await post(app, V1, sign("a-1", long, at_s=now_s), long) in (400, 401, 413)
    assert len(taken) == len(DELIVERIES)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """pytest tells enough."""


def test_example_is_told_of_a_call_by_the_platform(
    examples: dict[str, ModuleType],
    clicktodial_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox, flask_app = clicktodial_sandbox, examples["flask_app"]
    told: list[Any] = []
    has_ended = threading.Event()

    def take(notification: Any) -> None:
        told.append(notification.status)
        if notification.status is CamaraStatus.DISCONNECTED:
            has_ended.set()

    monkeypatch.setattr(flask_app, "take", take)
    host = str(urlsplit(sandbox.base_url).hostname)
    server = wsgiref.simple_server.make_server(host, 0, flask_app.app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with sandbox.camara_client() as client:
            client.create_call(
                caller=sandbox.phone(PhoneKind.BUSY),
                callee=sandbox.phone(),
                sink=f"http://{host}:{server.server_port}/events",
            )
            assert has_ended.wait(30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert told == [CamaraStatus.CALLING_CALLER, CamaraStatus.DISCONNECTED]
