"""What the application is told: field by field, in order, whatever its endpoint does."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook
from tests.harness.client import CALLEE, CALLER, SECRET, SPONSOR, Application, PlacedCall
from tests.harness.phone import PhoneState
from tests.harness.sink import Behaviour, FailFirst, Hang, RefuseAll, Sink, basic_credential
from tests.harness.stage import ANSWERED, NOT_ANSWERED, Stage, open_stage, sequence_numbers

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMMON_FIELDS = {"APPID", "sponsor", "caller", "callee", "status", "timeStamp"}
END_FIELDS = COMMON_FIELDS | {"reason", "callDuration"}
RECORDED_END_FIELDS = END_FIELDS | {"recordingResult", "recordingId"}
SHORT_TIMEOUT_S = 2
TIME_STAMP = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A platform that soon takes an endpoint which does not answer for one that will not."""
    tables = {"notify": {"timeout_s": SHORT_TIMEOUT_S}}
    async with open_stage(tmp_path_factory.mktemp("platform"), tables) as stage:
        yield stage


async def _answered_call(stage: Stage) -> PlacedCall:
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    return call


async def test_fields_of_unrecorded_call_are_those_of_the_specification(stage: Stage) -> None:
    before = datetime.now(UTC)
    call = await _answered_call(stage)
    await call.wait_for_end()
    fields = [delivery.fields for delivery in call.deliveries]
    assert [one["status"] for one in fields] == ANSWERED
    assert [set(one) for one in fields] == [COMMON_FIELDS] * 3 + [END_FIELDS]
    for one in fields:
        assert one["APPID"] == "12345678"
        assert (one["sponsor"], one["caller"], one["callee"]) == (SPONSOR, CALLER, CALLEE)
        assert TIME_STAMP.match(one["timeStamp"])
    stamps = [datetime.fromisoformat(one["timeStamp"]) for one in fields]
    assert stamps == sorted(stamps)
    # The wire's milliseconds are cut, so the first may lie a part of one before.
    assert (stamps[0] - before).total_seconds() > -0.002
    assert stamps[-1] <= datetime.now(UTC)
    assert 0 <= fields[-1]["callDuration"] <= round(call.took_s)
    assert sequence_numbers(call) == [1, 2, 3, 4]


async def test_fields_of_recorded_unanswered_call_say_no_record(stage: Stage) -> None:
    await stage.phone(CALLER)
    await stage.phone(CALLEE, refuses_with=486)
    call = await stage.begin(record=1)
    end = await call.wait_for_end()
    assert call.statuses == NOT_ANSWERED
    assert set(end) == RECORDED_END_FIELDS
    assert end["recordingResult"] == "NoRecord"
    assert all("recordingId" not in one.fields for one in call.deliveries[:-1])


async def test_numbers_are_echoed_as_the_application_wrote_them(stage: Stage) -> None:
    await stage.phone(CALLER)
    await stage.phone(CALLEE, refuses_with=486)
    call = await stage.begin(caller="+8613912345673", callee="13810268653")
    end = await call.wait_for_end()
    assert (end["caller"], end["callee"]) == ("+8613912345673", "13810268653")


async def test_credential_and_content_type_of_each_notification(stage: Stage) -> None:
    call = await _answered_call(stage)
    await call.wait_for_end()
    for delivery in call.deliveries:
        assert delivery.headers["authorization"] == basic_credential("12345678", SECRET)
        assert delivery.headers["content-type"].startswith("application/json")


async def test_signature_of_each_notification_verifies(stage: Stage) -> None:
    call = await _answered_call(stage)
    await call.wait_for_end()
    webhook = Webhook(stage.application.registration["signing_secret"])
    for delivery in call.deliveries:
        webhook.verify(delivery.body, delivery.headers)


async def test_endpoint_failing_at_first_gets_all_in_order(stage: Stage) -> None:
    stage.sink.behaviour = FailFirst(failures=stage.sink.count + 2)
    call = await _answered_call(stage)
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    tries = [one for one in stage.sink.deliveries if one.call_id == call.call_id]
    first = [one for one in tries if one.status == "CallingCaller"]
    assert len(first) == 3
    assert len({one.webhook_id for one in first}) == 1
    assert len({one.body for one in first}) == 1
    # Nothing overtook the failing one.
    assert tries[:3] == first


async def test_endpoint_hanging_at_first_gets_all_in_order(own_stage: Stage) -> None:
    hang = Hang()
    sink = own_stage.sink
    sink.behaviour = hang
    call = await _answered_call(own_stage)
    await sink.wait_until(lambda _: len(sink.requested(call.call_id)) >= 2)
    assert set(sink.requested(call.call_id)) == {"CallingCaller"}
    sink.behaviour = Behaviour()
    hang.released.set()
    await call.wait_for_end()
    assert list(dict.fromkeys(call.statuses)) == ANSWERED


async def test_endpoint_down_then_up_gets_all_in_order(stage: Stage) -> None:
    await stage.sink.stop()
    try:
        call = await _answered_call(stage)
    finally:
        await stage.sink.start()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    assert sequence_numbers(call) == [1, 2, 3, 4]


@pytest_asyncio.fixture(loop_scope="session")
async def other(own_stage: Stage) -> AsyncIterator[Application]:
    """A second application with an endpoint of its own."""
    sink = await Sink().start()
    application = Application(own_stage.platform, sink, app_id="87654321", secret="another")
    await asyncio.to_thread(application.register)
    try:
        yield application
    finally:
        await application.close()
        await sink.stop()


async def test_dead_endpoint_of_one_application_delays_no_other(
    own_stage: Stage, other: Application
) -> None:
    own_stage.sink.behaviour = RefuseAll()
    await _answered_call(own_stage)
    await own_stage.sink.wait_until(lambda deliveries: any(not one.accepted for one in deliveries))
    await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE)
    call = await other.begin()
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    # The endpoint that is dead stays so: what waited for it would never come.
    await call.wait_for_end()
    assert call.statuses == ANSWERED
