"""Calls of an enterprise with a pool, by the running program: charged, refused, cut off, killed."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook
from tests.harness.address import format_address
from tests.harness.client import CALLEE, CALLER, SECRET, SPONSOR, Answer
from tests.harness.phone import PhoneState
from tests.harness.sink import basic_credential
from tests.harness.stage import Stage

from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.rating import Tariff
from clicktodial.storage.engine import open_engine
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.asyncio(loop_scope="session")


def sell(stage: Stage, seconds: int) -> None:
    """Give the stage's enterprise a pool and so many seconds, while the server runs."""
    engine = open_engine(f"sqlite:///{stage.platform.data_dir / 'clicktodial.db'}")
    pools, now = Pools(Transactions(engine)), datetime.now(UTC)
    pools.set_up(OPERATOR_PRINCIPAL, "default", PoolSettings(Tariff(unit_s=1)), now)
    new = NewPackage(kind=PackageKind.ONE_OFF, name="Some", seconds=seconds, valid_from=now)
    pools.add_package(OPERATOR_PRINCIPAL, "default", new, now)
    engine.dispose()


async def take_up(stage: Stage) -> None:
    """Whoever asks whether the server is ready makes it look at what was changed."""
    url = f"http://{format_address(stage.platform.http)}/health/ready"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200


async def begin_anyhow(stage: Stage) -> Answer:
    """A begin, whatever it is answered."""
    application = stage.application
    body = {"APPID": application.app_id, "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}
    return await application.post("clicktodialbegin", body)


async def verified(stage: Stage) -> Any:
    """What the command proves; it fails where the ledger is not sound."""
    return await stage.platform.command("ledger", "verify")


async def test_call_ends_with_the_minutes_and_the_next_rings_nobody(own_stage: Stage) -> None:
    sell(own_stage, 2)
    await take_up(own_stage)
    await own_stage.phone(CALLER)
    await own_stage.phone(CALLEE)
    call = await own_stage.begin()
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    # A busy machine is late; nothing more is charged for that.
    assert 2 <= end["callDuration"] <= round(call.took_s)
    shown = await own_stage.platform.command("calls", "show", call.call_id)
    assert shown["call"]["sip_text"] == "The minutes of the enterprise are used up"
    pool = await own_stage.platform.command("pool", "show", "default")
    assert (pool["available_s"], pool["reserved_s"], pool["consumed_s"]) == (0, 0, 2)
    refused = await begin_anyhow(own_stage)
    assert (refused.status, refused.body["code"]) == (403, "0001006")
    assert (await verified(own_stage))["calls"] == 1
    await _expect_alerts(own_stage)


async def _expect_alerts(stage: Stage) -> None:
    """Of the minutes that are used up, once the application wants to know; a node that starts looks
    at once."""
    application, platform, sink = stage.application, stage.platform, stage.sink
    await platform.command("app", "set-pool-alerts", application.app_id)
    platform.kill()
    await platform.restart()
    await sink.wait_for_alerts(3)
    bodies = [json.loads(body)["data"] for _, body in sink.alerts]
    assert [body["threshold_percent"] for body in bodies] == [80, 90, 100]
    assert {(body["used_percent"], body["left_seconds"]) for body in bodies} == {(100, 0)}
    webhook = Webhook(application.registration["signing_secret"])
    for headers, body in sink.alerts:
        webhook.verify(body, headers)
        assert headers["authorization"] == basic_credential(application.app_id, SECRET)


async def test_kill_loses_no_second_of_the_pool(own_stage: Stage) -> None:
    sell(own_stage, 3_600)
    await take_up(own_stage)
    before = await own_stage.platform.command("pool", "show", "default")
    assert before["available_s"] == 3_600
    await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE)
    talking = await own_stage.begin()
    await talking.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    caller = await own_stage.phone(CALLER, answers=False)
    ringing = await own_stage.begin()
    await caller.wait_for(PhoneState.RINGING)
    # And some that are being written while it dies.
    begins = [asyncio.create_task(begin_anyhow(own_stage)) for _ in range(5)]
    own_stage.platform.kill()
    await own_stage.platform.restart()
    await asyncio.gather(*begins, return_exceptions=True)
    calls = [talking, ringing]
    for call in calls:
        assert (await call.wait_for_end())["reason"] == "Other"
    found = await verified(own_stage)
    assert found["calls"] >= len(calls)
    assert found["open_calls"] == 0
    pool = await own_stage.platform.command("pool", "show", "default")
    assert pool["reserved_s"] == 0
    assert pool["available_s"] + pool["consumed_s"] == before["granted_s"]
