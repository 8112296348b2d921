"""The API client, against a server that answers what it is told to."""

import base64
import json
import shlex
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from clicktodial.sandbox.demo.client import ApiClient, Credential, format_curl
from clicktodial.sandbox.demo.error import PlatformError

CREDENTIAL = Credential("12345678", "se'cret")
BODY = {"APPID": "12345678", "sponsor": "01052680000"}


class Server:
    """Answers every request alike, and remembers the last."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: object = {"code": "0000000", "description": "Success"}
        self.path = ""
        self.authorization = ""
        self.body: object = None

    async def handle(self, request: web.Request) -> web.Response:
        self.path = request.path
        self.authorization = request.headers["Authorization"]
        self.body = await request.json()
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def serve() -> AsyncGenerator[tuple[Server, ApiClient]]:
    server, app = Server(), web.Application()
    app.router.add_post("/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        yield server, ApiClient(session, f"http://{host}:{port}", CREDENTIAL)
    await runner.cleanup()


async def test_begin_posts_as_the_specification_has_it() -> None:
    async with serve() as (server, client):
        server.answer = {"code": "0000000", "result": {"callidentifier": "A010B020"}}
        assert await client.begin(BODY) == "A010B020"
    assert server.path == "/clicktodial/v1/clicktodialbegin"
    assert server.body == BODY
    assert base64.b64decode(server.authorization.removeprefix("Basic ")) == b"12345678:se'cret"


async def test_release_ends_the_call() -> None:
    async with serve() as (server, client):
        await client.release("A010B020")
    assert server.path == "/clicktodial/v1/clicktodialrelease/A010B020"
    assert server.body == {"APPID": "12345678", "operation": "EndCall"}


async def test_download_decodes_the_file() -> None:
    async with serve() as (server, client):
        server.answer = {"code": "0000000", "filedata": base64.b64encode(b"RIFF").decode()}
        assert await client.download("A010B020", "R1") == b"RIFF"
    assert server.path == "/clicktodial/v1/recordingdownload/A010B020"
    assert server.body == {"APPID": "12345678", "recordingId": "R1"}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, {"code": "0001002"}),
        (200, {"code": "0001002"}),
        (200, []),
        (200, {"code": "0000000"}),
        (200, {"code": "0000000", "result": {"callidentifier": "../x"}}),
    ],
)
async def test_any_other_answer_to_begin_is_an_error(status: int, answer: object) -> None:
    async with serve() as (server, client):
        server.status, server.answer = status, answer
        with pytest.raises(PlatformError):
            await client.begin(BODY)


async def test_file_that_is_no_base64_is_an_error() -> None:
    async with serve() as (server, client):
        server.answer = {"code": "0000000", "filedata": "?"}
        with pytest.raises(PlatformError):
            await client.download("A010B020", "R1")


async def test_server_that_is_not_there_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        client = ApiClient(session, "http://127.0.0.1:1", CREDENTIAL)
        with pytest.raises(PlatformError):
            await client.begin(BODY)


def test_curl_line_can_be_pasted() -> None:
    words = shlex.split(format_curl("http://127.0.0.1:8080", CREDENTIAL, BODY).replace("\\\n", ""))
    assert words[:4] == [
        "curl",
        "-X",
        "POST",
        "http://127.0.0.1:8080/clicktodial/v1/clicktodialbegin",
    ]
    assert f"Authorization: {CREDENTIAL.basic}" in words
    assert json.loads(words[-1]) == BODY
