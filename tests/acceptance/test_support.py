"""Deadlines of support tickets on a running node."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.harness.address import format_address
from tests.harness.platform import Platform

from clicktodial.accounts.ticket import NewTicket
from clicktodial.cli.session import open_support
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.ticket import TicketCategory, TicketChannel, TicketPriority

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "a-token-for-this-test"
TIMEOUT_S = 60.0
POLL_S = 0.1
OWNER = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")


async def read(platform: Platform, path: str) -> dict[str, Any]:
    url = f"http://{format_address(platform.http)}/management/v1{path}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        assert answer.status == 200
        return dict(await answer.json())


def actions(detail: dict[str, Any]) -> list[str]:
    return [each["action"] for each in detail["history"]]


async def test_deadlines_that_passed_while_no_node_ran_are_acted_on_once(
    tmp_path: Path,
) -> None:
    node = Platform(tmp_path, {"management": {"token": TOKEN}})
    node.run_command("enterprise", "create", "acme")
    new = NewTicket(
        enterprise_id="acme",
        subject="No calls",
        text="Since nine.",
        channel=TicketChannel.PORTAL,
        category=TicketCategory.FAULT,
        priority=TicketPriority.EMERGENCY,
    )
    with open_support(node.config_path) as support:
        opened_at = datetime.now(UTC) - timedelta(minutes=31)
        ticket_id = support.tickets.open(OWNER, new, opened_at)
    try:
        await asyncio.to_thread(node.start)
        async with asyncio.timeout(TIMEOUT_S):
            detail = await read(node, f"/tickets/{ticket_id}")
            while len(actions(detail)) < 3:
                await asyncio.sleep(POLL_S)
                detail = await read(node, f"/tickets/{ticket_id}")
        assert actions(detail) == ["open", "miss", "miss"]
        assert [each["level"] for each in detail["history"][1:]] == ["second-line", "third-line"]
        assert detail["ticket"]["is_response_late"]
        mails = (await read(node, "/mail"))["mails"]
        # Nobody is on call: the operator gets what was for either line, once each.
        assert sorted(each["to"] for each in mails) == [
            "operator@localhost",
            "operator@localhost",
            "support@localhost",
        ]
    finally:
        await asyncio.to_thread(node.close)
