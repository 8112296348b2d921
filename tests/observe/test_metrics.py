"""Calls as metrics, counted on their way to the store."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clicktodial.control.port import FoundCall, StoreError
from clicktodial.domain.call import Call, CallPlan, Moment
from clicktodial.domain.call_effect import EmitEvent
from clicktodial.domain.call_input import CallStarted, ReleaseRequested
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import CallQuality, SideQuality
from clicktodial.domain.minutes import Hold
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.observe.metrics import MeteredCallStore, Metrics

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER = PhoneNumber("+8613812345678", "+8613812345678")


class Store:
    """Keeps nothing; fails when told to."""

    fails = False

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        return self._done()

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        return self._done()

    def extend(self, call: Call, more: Sequence[Hold]) -> asyncio.Future[None]:
        return self._done()

    def keep_timeline(self, call_id: CallId, timeline: QualityTimeline) -> asyncio.Future[None]:
        return self._done()

    async def find_open(self, app_id: AppId, caller: str, callee: str) -> list[FoundCall]:
        return []

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        return call_id == "known"

    def _done(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.fails:
            future.set_exception(StoreError("full"))
        else:
            future.set_result(None)
        return future


def create_call() -> Call:
    plan = CallPlan(
        call_id=CallId("call"),
        app_id=AppId("12345678"),
        sponsor=NUMBER,
        caller=NUMBER,
        callee=NUMBER,
        recording_id=None,
        send_direction=None,
        caller_ring_timeout_s=30,
        callee_ring_timeout_s=30,
        max_duration_s=60,
    )
    return Call(plan, begun_at=START)


def at(seconds: float) -> Moment:
    return Moment(seconds, START + timedelta(seconds=seconds))


def read(metrics: Metrics) -> dict[str, float]:
    """Sample values by name and labels."""
    return {
        " ".join([sample.name, *sorted(sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def events_of(effects: Sequence[object]) -> list[StatusEvent]:
    return [effect.event for effect in effects if isinstance(effect, EmitEvent)]


async def test_call_that_ends_is_counted_once_with_its_reason() -> None:
    metrics, call = Metrics(), create_call()
    store = MeteredCallStore(Store(), metrics)
    await store.create(call, events_of(call.handle(CallStarted(), at(0))))
    await asyncio.sleep(0)
    await store.update(call, events_of(call.handle(ReleaseRequested(), at(1))))
    values = read(metrics)
    assert values["clicktodial_calls_begun_total"] == 1
    assert values["clicktodial_calls_ended_total Other application calling-caller"] == 1
    assert values["clicktodial_call_duration_seconds_count"] == 0


async def test_call_that_is_not_stored_is_not_counted() -> None:
    metrics, inner = Metrics(), Store()
    inner.fails = True
    with pytest.raises(StoreError):
        await MeteredCallStore(inner, metrics).create(create_call(), [])
    await asyncio.sleep(0)
    assert read(metrics)["clicktodial_calls_begun_total"] == 0


def test_quality_is_counted_by_side() -> None:
    metrics = Metrics()
    metrics.count_quality(
        CallQuality(SideQuality(100, 1, 2.0, 4.3), SideQuality(90, 10, 20.0, None))
    )
    values = read(metrics)
    assert values["clicktodial_rtp_packets_total caller"] == 100
    assert values["clicktodial_rtp_packets_lost_total callee"] == 10
    assert values["clicktodial_call_mos_sum caller"] == 4.3
    assert values["clicktodial_call_jitter_seconds_count caller"] == 1
    assert values["clicktodial_call_mos_count callee"] == 0


async def test_question_goes_through_to_the_store() -> None:
    store = MeteredCallStore(Store(), Metrics())
    assert await store.is_known(CallId("known"), AppId("1"))
    assert not await store.is_known(CallId("unknown"), AppId("1"))


def test_readings_are_taken_when_asked_for() -> None:
    metrics, level = Metrics(), [1.0]
    metrics.add_gauge("clicktodial_level", "A level.", lambda: level[0])
    metrics.add_counter("clicktodial_grown", "A sum.", lambda: level[0])
    level[0] = 7.0
    values = read(metrics)
    assert (values["clicktodial_level"], values["clicktodial_grown_total"]) == (7.0, 7.0)


def test_labelled_readings_are_those_of_the_moment() -> None:
    metrics = Metrics()
    levels = {"left": 1, "right": 2}
    metrics.add_labelled_gauge("clicktodial_levels", "Levels.", "place", lambda: levels)
    assert read(metrics)["clicktodial_levels left"] == 1
    levels = {"right": 3}
    values = read(metrics)
    assert values["clicktodial_levels right"] == 3
    assert "clicktodial_levels left" not in values


def test_counters_with_labels_are_told_as_they_are_read() -> None:
    metrics = Metrics()
    read = {("sms", "sent"): 2, ("mms", "failed"): 1}
    metrics.add_labelled_counter("messages", "About.", ("channel", "state"), lambda: read)
    read["sms", "sent"] = 3
    page = metrics.render().decode()
    assert 'messages_total{channel="sms",state="sent"} 3.0' in page
    assert 'messages_total{channel="mms",state="failed"} 1.0' in page
