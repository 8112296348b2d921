"""The sample application server, over real HTTP."""

import base64
import datetime
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook

from clicktodial.sandbox.app import (
    BODY_BYTES_MAX,
    EVENTS_MAX,
    Expectations,
    SampleApp,
    SignatureVerifier,
    SigningSecretError,
)
from clicktodial.sandbox.report import Report, ReportKind

SIGNING_SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
NOTIFICATION = {
    "APPID": "12345678",
    "caller": "8613912345673",
    "callee": "8613810268653",
    "status": "CallingCaller",
    "timeStamp": "2024-05-01T08:00:00.123Z",
}
BODY = json.dumps(NOTIFICATION).encode()
BASIC = "Basic " + base64.b64encode(b"12345678:secret").decode()


class Reports(list[Report]):
    def __call__(self, report: Report) -> None:
        self.append(report)


@asynccontextmanager
async def run_app(
    expect: Expectations | None = None,
) -> AsyncGenerator[tuple[aiohttp.ClientSession, Reports]]:
    reports = Reports()
    app = SampleApp(report=reports, expect=expect)
    await app.start("127.0.0.1", 0)
    host, port = app.address
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            yield client, reports
    finally:
        await app.close()


async def post(
    client: aiohttp.ClientSession,
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str]]:
    path = "/clicktodial/v1/clicktodialstatusnotify/A010B020"
    async with client.post(path, data=body, headers=headers) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else {}


async def test_notification_is_answered_and_listed_as_it_came() -> None:
    async with run_app() as (client, reports):
        assert await post(client) == (200, {"code": "0000000", "description": "Success"})
        async with client.get("/events") as response:
            listed = await response.json()
    expected = {"callidentifier": "A010B020", "webhook_id": None, "notification": NOTIFICATION}
    assert listed == {"events": [expected]}
    assert [report.kind for report in reports] == [ReportKind.NOTIFICATION]
    assert json.loads(bytes(reports[0]))["notification"] == NOTIFICATION


async def test_right_credential_is_accepted() -> None:
    async with run_app(Expectations("12345678", "secret")) as (client, _):
        assert (await post(client, headers={"Authorization": BASIC}))[0] == 200


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic AAAA", "Bearer x", BASIC + "x"])
async def test_wrong_credential_is_refused_and_told(authorization: str) -> None:
    async with run_app(Expectations("12345678", "secret")) as (client, reports):
        status, answer = await post(client, headers={"Authorization": authorization})
    assert (status, answer["code"]) == (401, "0001002")
    assert reports[0].kind is ReportKind.REJECTED
    assert reports[0].details["reason"] == "credential"


async def test_other_appid_is_refused() -> None:
    async with run_app(Expectations("87654321")) as (client, reports):
        assert (await post(client))[0] == 401
    assert reports[0].details["reason"] == "APPID"


def sign(body: bytes, age_s: int = 0) -> dict[str, str]:
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_s)
    signature = Webhook(SIGNING_SECRET).sign("msg_1", at, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


async def test_signature_of_another_implementation_is_accepted() -> None:
    async with run_app(Expectations(signing_secret=SIGNING_SECRET)) as (client, reports):
        assert (await post(client, headers=sign(BODY)))[0] == 200
    assert reports[0].details["webhook_id"] == "msg_1"


async def test_one_right_signature_of_several_is_enough() -> None:
    headers = sign(BODY)
    headers["webhook-signature"] = "v1,AAAA v2,zzz " + headers["webhook-signature"]
    async with run_app(Expectations(signing_secret=SIGNING_SECRET)) as (client, _):
        assert (await post(client, headers=headers))[0] == 200


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(
    "spoil",
    [
        without("webhook-id"),
        without("webhook-timestamp"),
        without("webhook-signature"),
        lambda _: sign(BODY + b" "),
        lambda _: sign(BODY, age_s=301),
        lambda _: sign(BODY, age_s=-301),
        lambda headers: {**headers, "webhook-timestamp": "soon"},
        lambda headers: {**headers, "webhook-signature": "v1,é"},
    ],
    ids=[
        "no id",
        "no time",
        "no signature",
        "other body",
        "old",
        "future",
        "no number",
        "not ASCII",
    ],
)
async def test_spoiled_signature_is_refused(
    spoil: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    async with run_app(Expectations(signing_secret=SIGNING_SECRET)) as (client, reports):
        assert (await post(client, headers=spoil(sign(BODY))))[0] == 401
    assert reports[0].details["reason"] == "signature"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"APPID": 1}', b'{"APPID": "1"}', b"\xff\xfe"]
)
async def test_malformed_body_is_refused(body: bytes) -> None:
    async with run_app() as (client, reports):
        status, answer = await post(client, body)
    assert (status, answer["code"]) == (400, "1001006")
    assert reports[0].details["reason"] == "body"


async def test_body_over_the_limit_is_refused() -> None:
    async with run_app() as (client, reports):
        status, _ = await post(client, b"x" * (BODY_BYTES_MAX + 1))
    assert status == 413
    assert not reports


async def test_events_beyond_the_limit_push_the_oldest_out() -> None:
    async with run_app() as (client, _):
        for index in range(EVENTS_MAX + 1):
            await post(client, json.dumps({**NOTIFICATION, "status": str(index)}).encode())
        async with client.get("/events") as response:
            events = (await response.json())["events"]
    assert len(events) == EVENTS_MAX
    assert events[0]["notification"]["status"] == "1"


def test_secret_that_is_no_base64_is_refused() -> None:
    with pytest.raises(SigningSecretError):
        SignatureVerifier("whsec_not base64!")


def test_address_before_start_raises() -> None:
    with pytest.raises(RuntimeError):
        _ = SampleApp(report=Reports()).address
