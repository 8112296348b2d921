"""The probes of a load balancer."""

import asyncio

import pytest
from tests.api.support import Answer, Platform

from clicktodial.api import health


async def ask(platform: Platform, path: str) -> Answer:
    answer = await platform.request("GET", path)
    platform.conformance.check("GET", path, answer)
    assert answer.headers["cache-control"] == "no-store"
    return answer


async def test_process_that_answers_is_live(platform: Platform) -> None:
    platform.ready[0] = False
    assert (await ask(platform, "/health/live")).status == 200


async def test_platform_that_is_ready_says_so(platform: Platform) -> None:
    assert (await ask(platform, "/health/ready")).status == 200


async def test_platform_that_is_not_ready_says_so(platform: Platform) -> None:
    platform.ready[0] = False
    answer = await ask(platform, "/health/ready")
    assert answer.outcome == "503 0000002 Service unavailable"


async def test_readiness_that_hangs_counts_as_no(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READINESS_TIMEOUT_S", 0.01)
    platform.hanging = asyncio.Event()
    assert (await ask(platform, "/health/ready")).status == 503


async def test_readiness_that_fails_is_an_internal_fault(platform: Platform) -> None:
    platform.ready.clear()
    answer = await platform.request("GET", "/health/ready")
    assert answer.outcome == "500 0000001 Internal Service Error"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/docs", "/"])
async def test_other_methods_are_not_allowed(platform: Platform, path: str) -> None:
    answer = await platform.request("POST", path)
    assert answer.outcome == "405 0001011 Method not allowed"
    assert "GET" in answer.headers["allow"]
