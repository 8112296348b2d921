"""Calls by an API that gives a pair one at a time."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from clicktodial.control.error import Overloaded, PairHasCall, PartyUnreachable
from clicktodial.control.port import FoundCall, StoreConflict, StoreError, TrunkForecast
from clicktodial.control.service import BeginCall
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallApi
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.number import parse_number
from clicktodial.domain.sink import EventSink

REQUEST = BeginCall(
    sponsor=parse_number("01052680000"),
    caller=parse_number("+8613912345673"),
    callee=parse_number("+8613810268653"),
    api=CallApi.CAMARA,
    sink=EventSink("https://endpoint.example.com/sink"),
)
PAIR = (AppId("12345678"), "+8613912345673", "+8613810268653")
ELSEWHERE = FoundCall(CallId("elsewhere"), is_here=False)


async def begin(platform: Any) -> CallId:
    call_id: CallId = await platform.service.begin(platform.application, REQUEST)
    return call_id


async def test_call_that_is_open_on_another_node_stands_against_it(platform: Any) -> None:
    platform.store.open[PAIR] = [ELSEWHERE]
    with pytest.raises(PairHasCall):
        await begin(platform)
    assert platform.telephony.legs == []


async def test_call_that_lives_here_stands_against_it_until_it_is_over(platform: Any) -> None:
    call_id = await begin(platform)
    platform.store.open[PAIR] = [FoundCall(call_id, is_here=True)]
    with pytest.raises(PairHasCall):
        await begin(platform)
    progress = platform.service.find_progress(platform.application, call_id)
    assert progress.state is CallState.CALLING_CALLER
    await platform.service.release(platform.application, call_id)
    # The database does not know it yet.
    assert await begin(platform) != call_id


async def test_call_that_another_node_began_meanwhile_is_why_it_is_refused(platform: Any) -> None:
    def lose(call: Any, events: Any) -> asyncio.Future[None]:
        platform.store.open[PAIR] = [ELSEWHERE]
        return create(call, events)  # type: ignore[no-any-return]

    create, platform.store.create = platform.store.create, lose
    platform.store.failures = [StoreConflict()]
    with pytest.raises(PairHasCall):
        await begin(platform)


async def test_conflict_without_such_a_call_is_told_as_it_is(platform: Any) -> None:
    platform.store.failures = [StoreConflict()]
    with pytest.raises(Overloaded):
        await begin(platform)


async def test_database_that_does_not_answer_lets_no_call_in(platform: Any) -> None:
    platform.store.find_failure = StoreError()
    with pytest.raises(Overloaded):
        await begin(platform)
    assert platform.telephony.legs == []


@pytest.mark.parametrize("side", list(Side))
async def test_party_that_no_trunk_reaches_is_refused_by_its_side(
    platform: Any, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = REQUEST.caller if side is Side.CALLER else REQUEST.callee

    def forecast(destination: str, preferred_trunk: str | None = None) -> TrunkForecast:
        obstacle = "no trunk carries the number" if destination == number.e164 else ""
        return TrunkForecast("main", obstacle=obstacle)

    monkeypatch.setattr(platform.telephony, "forecast", forecast)
    with pytest.raises(PartyUnreachable) as refused:
        await begin(platform)
    assert refused.value.side is side
    assert number.e164 not in str(refused.value)


async def test_progress_of_anothers_call_is_not_told(platform: Any) -> None:
    call_id = await begin(platform)
    other = replace(platform.application, app_id=AppId("other"))
    assert platform.service.find_progress(other, call_id) is None
    assert platform.service.find_progress(platform.application, CallId("none")) is None
