"""Who is let in at v1: both keys of a rotation, the allow-list, the rate, the capabilities."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from tests.api.conftest import CreatePlatform
from tests.api.support import (
    APP_ID,
    BEGIN,
    DOWNLOAD,
    RELEASE,
    SECRET,
    FakeApplications,
    basic,
    begin_body,
    create_application,
)

from clicktodial.api.authentication import authenticate
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.v1.mapping import render_basic
from clicktodial.control.error import ApplicationLimitReached, CapabilityMissing
from clicktodial.domain.application import Application, ApplicationLimits, OldSecret
from clicktodial.web.client_address import ClientAddresses

UNTIL = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OLD = OldSecret("0ld-one", UNTIL)
NO_AUTHORIZATION = "401 0001002 No authorization to invoke operation"


async def prove(secret: str, application: Application, at: datetime) -> bool:
    headers = [(b"authorization", basic(APP_ID, secret))]
    found = await authenticate(headers, FakeApplications(application), at.timestamp)
    return found is not None


async def test_both_keys_work_until_the_grace_is_over_and_then_one() -> None:
    application = create_application(old_secret=OLD)
    just_before, then = UNTIL - timedelta(milliseconds=1), UNTIL
    assert await prove(SECRET, application, just_before)
    assert await prove("0ld-one", application, just_before)
    assert not await prove("another", application, just_before)
    assert await prove(SECRET, application, then)
    assert not await prove("0ld-one", application, then)


async def test_notifications_carry_the_old_key_while_it_works() -> None:
    application = create_application(old_secret=OLD)
    before = render_basic(application, (UNTIL - timedelta(seconds=1)).timestamp)
    assert before.encode() == basic(APP_ID, "0ld-one")
    assert render_basic(application, UNTIL.timestamp).encode() == basic(APP_ID, SECRET)


async def test_old_key_is_in_no_repr() -> None:
    assert "0ld-one" not in repr(OLD)
    assert "0ld-one" not in repr(create_application(old_secret=OLD))


PATHS = (BEGIN, f"{RELEASE}1", f"{DOWNLOAD}1")


@pytest.mark.parametrize("path", PATHS)
async def test_request_from_outside_the_allow_list_is_refused_everywhere(
    create_platform: CreatePlatform, path: str
) -> None:
    # The harness asks from 127.0.0.1.
    platform = create_platform(allow_list=(ip_network("203.0.113.0/24"),))
    assert (await platform.post(path, begin_body())).outcome == NO_AUTHORIZATION
    forged = [(b"x-forwarded-for", b"203.0.113.9")]
    answer = await platform.post(path, begin_body(), headers=forged)
    assert answer.outcome == NO_AUTHORIZATION
    assert platform.service.begun == []


async def test_request_from_inside_the_allow_list_is_taken(
    create_platform: CreatePlatform,
) -> None:
    platform = create_platform(allow_list=(ip_network("2001:db8::/32"), ip_network("127.0.0.0/8")))
    assert (await platform.post(BEGIN, begin_body())).status == 200


async def test_address_behind_a_trusted_proxy_is_what_the_list_looks_at(
    create_platform: CreatePlatform,
) -> None:
    gate = RequestGate(ClientAddresses(["127.0.0.1"]))
    platform = create_platform(gate=gate, allow_list=(ip_network("203.0.113.0/24"),))
    inside = [(b"x-forwarded-for", b"203.0.113.9")]
    assert (await platform.post(BEGIN, begin_body(), headers=inside)).status == 200
    # The client wrote the first address, the proxy the second.
    forged = [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.1")]
    assert (await platform.post(BEGIN, begin_body(), headers=forged)).outcome == NO_AUTHORIZATION
    assert (await platform.post(BEGIN, begin_body())).outcome == NO_AUTHORIZATION


async def test_wrong_key_from_outside_is_told_nothing_else(
    create_platform: CreatePlatform,
) -> None:
    platform = create_platform(allow_list=(ip_network("203.0.113.0/24"),))
    answer = await platform.post(BEGIN, begin_body(), credential=(APP_ID, "wrong"))
    assert answer.outcome == NO_AUTHORIZATION


async def test_requests_are_bounded_by_the_second(create_platform: CreatePlatform) -> None:
    now_s = 100.0
    gate = RequestGate(now=lambda: now_s)
    limits = ApplicationLimits(requests_per_second_max=2)
    platform = create_platform(gate=gate, own_limits=limits)
    call_id = await platform.begin()
    assert (await platform.post(RELEASE + call_id, begin_body(operation="EndCall"))).status == 200
    answer = await platform.post(RELEASE + call_id, begin_body(operation="EndCall"))
    refused = "503 0000002 Service unavailable: the application's limit is reached"
    assert answer.outcome == refused
    assert answer.headers["retry-after"] == "1"
    now_s += 0.5
    assert (await platform.post(BEGIN, begin_body())).status == 200


async def test_wrong_key_takes_nothing_of_the_rate(create_platform: CreatePlatform) -> None:
    limits = ApplicationLimits(requests_per_second_max=1)
    platform = create_platform(gate=RequestGate(now=lambda: 100.0), own_limits=limits)
    for _ in range(3):
        await platform.post(BEGIN, begin_body(), credential=(APP_ID, "wrong"))
    assert (await platform.post(BEGIN, begin_body())).status == 200


async def test_call_without_its_capability_is_not_authorized(
    create_platform: CreatePlatform,
) -> None:
    platform = create_platform()
    platform.service.error = CapabilityMissing()
    assert (await platform.post(BEGIN, begin_body())).outcome == NO_AUTHORIZATION


async def test_limit_of_calls_of_the_application_says_so(create_platform: CreatePlatform) -> None:
    platform = create_platform()
    platform.service.error = ApplicationLimitReached()
    answer = await platform.post(BEGIN, begin_body())
    assert answer.outcome == "503 0000002 Service unavailable: the application's limit is reached"
