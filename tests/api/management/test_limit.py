"""Limits of enterprises over the management API."""

from typing import Any

import pytest
from tests.api.management.support import APPLICATION, Management

from clicktodial.domain.application import NO_LIMITS, EnterpriseLimits

PATH = "/enterprises/default/limits"
NONE = dict.fromkeys(
    ("live_calls_max", "calls_per_second_max", "max_duration_s", "ring_timeout_s_max")
)


async def test_limits_change_as_they_are_given(management: Management) -> None:
    assert (await management.ask("GET", PATH)).json == NONE
    first = {"live_calls_max": 10, "max_duration_s": 60}
    assert (await management.ask("PATCH", PATH, first)).json == NONE | first
    second = {"live_calls_max": None, "calls_per_second_max": 2, "ring_timeout_s_max": 30}
    answer = await management.ask("PATCH", PATH, second)
    assert answer.json == NONE | first | second
    assert (await management.ask("GET", PATH)).json == answer.json
    assert management.administration.show_enterprise("default").limits == EnterpriseLimits(
        calls_per_second_max=2, max_duration_s=60, ring_timeout_s_max=30
    )


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"live_calls_max": 0}, "/live_calls_max"),
        ({"calls_per_second_max": 10_001}, "/calls_per_second_max"),
        ({"max_duration_s": 86_401}, "/max_duration_s"),
        ({"ring_timeout_s_max": "9"}, "/ring_timeout_s_max"),
    ],
)
async def test_limit_out_of_bounds_changes_nothing(
    management: Management, changes: dict[str, Any], pointer: str
) -> None:
    answer = await management.ask("PATCH", PATH, changes)
    assert (answer.json["code"], answer.json["pointer"]) == ("invalid-value", pointer)
    assert management.administration.show_enterprise("default").limits == NO_LIMITS


async def test_limits_are_the_operator_s(management: Management) -> None:
    for method, body in (("GET", None), ("PATCH", {})):
        answer = await management.ask(method, PATH, body, credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")
        answer = await management.ask(method, "/enterprises/none/limits", body)
        assert (answer.status, answer.json["code"]) == (404, "not-found")
