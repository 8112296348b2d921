"""The metrics page: there for who bears the token, and for nobody else."""

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from clicktodial.api.metrics import create_metrics_handler

TOKEN = "a-token-of-some-length"


def create_app(token: str | None) -> Litestar:
    handler = create_metrics_handler(lambda: b"up 1\n", content_type="text/plain", token=token)
    return Litestar([handler], openapi_config=None, logging_config=None)


async def test_bearer_of_the_token_reads_the_metrics() -> None:
    async with AsyncTestClient(create_app(TOKEN)) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.content) == (200, b"up 1\n")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("token", "authorization"),
    [
        (TOKEN, ""),
        (TOKEN, "Bearer wrong"),
        (TOKEN, f"Basic {TOKEN}"),
        (TOKEN, "Bearer \u00e9"),
        (None, ""),
        (None, "Bearer None"),
        (None, "Bearer "),
    ],
)
async def test_anyone_else_finds_no_such_page(token: str | None, authorization: str) -> None:
    async with AsyncTestClient(create_app(token)) as client:
        headers = {b"Authorization": authorization.encode("latin-1")}
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 404
