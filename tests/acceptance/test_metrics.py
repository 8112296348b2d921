"""The metrics of a running node, and their page in the documentation."""

import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.harness.address import format_address
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "a-token-for-this-test"
DOCUMENTED = re.compile(r"^\| `(clicktodial_\w+)` \|", re.MULTILINE)
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


async def test_call_shows_in_the_metrics_and_each_metric_is_documented(tmp_path: Path) -> None:
    async with open_stage(tmp_path, {"metrics": {"token": TOKEN}}) as stage:
        await stage.phone(CALLER)
        await stage.phone(CALLEE, refuses_with=486)
        call = await stage.begin()
        await call.wait_for_end()
        url = f"http://{format_address(stage.platform.http)}/metrics"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
            assert answer.status == 200
            page = await answer.text()
    values = {}
    names = set()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            values[" ".join([sample.name, *sorted(sample.labels.values())])] = sample.value
        names.add(f"{family.name}_total" if family.type == "counter" else family.name)
    assert values["clicktodial_calls_begun_total"] == 1
    assert values["clicktodial_calls_ended_total CalleeBusy callee calling-callee"] == 1
    assert values["clicktodial_sip_sent_total"] > 0
    assert CALLEE[-8:] not in page
    assert names == set(DOCUMENTED.findall(PAGE.read_text(encoding="utf-8")))
