"""Trying an application server: what it is sent, and what comes of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from tests.api.support import FakeApplications
from tests.harness.address import allocate_host
from tests.notify.support import SIGNING_SECRET, create_application

from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.control.error import Overloaded
from clicktodial.domain.application import Application
from clicktodial.notify import trial as trial_module
from clicktodial.notify.sender import Sender
from clicktodial.notify.trial import ServerTrial

APP = "app"


@dataclass
class Server:
    """Answers with one status, and remembers what it was asked."""

    status: int = 200
    url: str = ""
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((headers, await request.read()))
        return web.Response(status=self.status, text="busy: ask later")


@asynccontextmanager
async def open_server() -> AsyncIterator[Server]:
    """One that listens until the end of the block."""
    server, app = Server(), web.Application()
    app.router.add_post("/clicktodial/v1/clicktodialstatusnotify/test", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, allocate_host(), 0).start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    sender = Sender(timeout_s=5)
    yield sender
    sender.close()


def create_trial(sender: Sender, *applications: Application) -> ServerTrial:
    return ServerTrial(FakeApplications(*applications), sender, V1NotificationFormat())


async def test_server_is_sent_what_is_signed_and_of_no_call(sender: Sender) -> None:
    async with open_server() as server:
        application = create_application(APP, server.url)
        outcome = await create_trial(sender, application).run(APP)
        assert outcome is not None and outcome.error is None
        assert outcome.url == f"{server.url}/clicktodial/v1/clicktodialstatusnotify/test"
        [(headers, body)] = server.asked
        fields = json.loads(body)
        assert (fields["APPID"], fields["status"]) == (APP, "Test")
        assert headers["authorization"] == "Basic YXBwOlM="
        Webhook(SIGNING_SECRET).verify(body, headers)


async def test_what_goes_wrong_is_told(sender: Sender) -> None:
    async with open_server() as server:
        server.status = 503
        trial = create_trial(sender, create_application(APP, server.url))
        outcome = await trial.run(APP)
    assert outcome is not None and outcome.error == "HTTP 503"
    assert (outcome.status, outcome.text) == (503, "busy: ask later")
    outcome = await trial.run(APP)
    assert outcome is not None and outcome.error is not None
    assert outcome.error.startswith("cannot connect")
    assert (outcome.status, outcome.text) == (None, None)


async def test_without_a_server_there_is_nothing_to_try(sender: Sender) -> None:
    trial = create_trial(sender, create_application(APP, None))
    assert await trial.run(APP) is None
    assert await trial.run("nobody") is None


async def test_trials_are_bounded(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "TRIALS_MAX", 0)
    async with open_server() as server:
        with pytest.raises(Overloaded):
            await create_trial(sender, create_application(APP, server.url)).run(APP)
        assert not server.asked
