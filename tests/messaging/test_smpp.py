"""SMPP against an SMSC of another make: Net::SMPP, from Debian (`smsc.pl`)."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.harness.address import allocate_host
from tests.messaging.support import NOW

from clicktodial.domain.message import Channel, MessageState
from clicktodial.domain.short_message import Alphabet, ShortMessagePart, join_parts
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import GatewayReport, OutgoingMessage
from clicktodial.messaging.smpp import SmppGateway, SmppSettings

SCRIPT = Path(__file__).with_name("smsc.pl")
PORT = 2775
SYSTEM_ID, PASSWORD = "esme", "secret"
PATIENCE_S = 20
MESSAGE = OutgoingMessage(
    message_id="0123456789abcdef",
    key="0123456789abcdef",
    channel=Channel.SMS,
    sender="+861052680000",
    recipient="+8613912345673",
    subject="",
    text="Your call: 1:07 {€}",
    queued_at=NOW,
)


@dataclass
class Smsc:
    """The other side: what it told, and what was reported to us."""

    host: str
    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)
    reports: asyncio.Queue[tuple[str, GatewayReport]] = field(default_factory=asyncio.Queue)

    async def read(self) -> dict[str, Any]:
        """The next thing that it tells."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            event: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return event

    async def on_report(self, gateway: str, report: GatewayReport) -> None:
        self.reports.put_nowait((gateway, report))

    async def next_report(self) -> tuple[str, GatewayReport]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reports.get()


@asynccontextmanager
async def open_smsc(*behaviours: str) -> AsyncIterator[Smsc]:
    """An SMSC that treats the first submits so."""
    perl = shutil.which("perl")
    assert perl is not None
    host = allocate_host()
    process = await asyncio.create_subprocess_exec(
        perl, SCRIPT, host, str(PORT), SYSTEM_ID, PASSWORD, *behaviours,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stdout.readline() == b"ready\n"
        yield Smsc(host, process)
    finally:
        process.kill()
        await process.wait()


def settings(host: str, **changes: Any) -> SmppSettings:
    base = SmppSettings(
        host=host,
        port=PORT,
        system_id=SYSTEM_ID,
        password=PASSWORD,
        system_type="",
        tls=False,
        window=4,
        timeout_s=PATIENCE_S,
        expires_after=timedelta(days=1),
    )
    return replace(base, **changes)


@asynccontextmanager
async def bound(smsc: Smsc, **changes: Any) -> AsyncIterator[SmppGateway]:
    """Our side, bound to it."""
    gateway = SmppGateway(settings(smsc.host, **changes), reopen_first_s=0.01)
    await gateway.start(smsc.on_report)
    try:
        assert await smsc.read() == {"event": "bind", "known": 1}
        yield gateway
    finally:
        await gateway.close()


async def test_short_message_is_submitted_and_its_receipt_reported() -> None:
    async with open_smsc() as smsc, bound(smsc) as gateway:
        assert gateway.count_parts(MESSAGE) == 1
        receipt = await gateway.send(MESSAGE, 1)
        assert (receipt.gateway_id, receipt.state) == ("smsc-1", MessageState.SENT)
        assert await smsc.read() == {
            "event": "submit",
            "from": "861052680000",
            "to": "8613912345673",
            "ton": [1, 1],
            "esm_class": 0,
            "data_coding": 0,
            "registered": 1,
            "validity": "260305050607000+",
            # Septets, one an octet: the euro sign and the braces are escaped (TS 23.038 6.2.1.1).
            "content": b"Your call: 1:07 \x1b(\x1be\x1b)".hex(),
        }
        told = await smsc.next_report()
        assert told == ("smpp", GatewayReport("smsc-1", MessageState.DELIVERED, "DELIVRD"))


async def test_close_unbinds() -> None:
    async with open_smsc() as smsc:
        async with bound(smsc) as gateway:
            await gateway.send(MESSAGE, 1)
            assert (await smsc.read())["event"] == "submit"
        assert await smsc.read() == {"event": "unbind"}


@pytest.mark.parametrize("text", ["Thank you for your call! €{" * 14, "您的通话 😀" * 30])
async def test_long_message_is_joined_by_its_headers(text: str) -> None:
    message = replace(MESSAGE, text=text)
    async with open_smsc() as smsc, bound(smsc) as gateway:
        count = gateway.count_parts(message)
        assert count > 1
        # As they come, whatever their order.
        await asyncio.gather(*(gateway.send(message, number + 1) for number in range(count)))
        parts: dict[int, ShortMessagePart] = {}
        references = set()
        for _ in range(count):
            event = await smsc.read()
            assert event["esm_class"] == 0x40
            content = bytes.fromhex(event["content"])
            assert content[:3] == b"\x05\x00\x03"
            assert content[4] == count
            references.add(content[3])
            alphabet = Alphabet(event["data_coding"])
            parts[content[5]] = ShortMessagePart(alphabet, content[6:], content[:6])
            assert len(content) <= 140 if alphabet is Alphabet.UCS2 else len(content) <= 159
        assert len(references) == 1
        assert join_parts(tuple(parts[number] for number in sorted(parts))) == text


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (str(0x58), GatewayUnavailable),  # throttled
        (str(0x14), GatewayUnavailable),  # queue full
        (str(0x0B), MessageRefused),  # invalid destination
        ("drop", GatewayUnavailable),
    ],
)
async def test_submit_that_is_not_taken_is_an_error_and_the_next_one_is(
    behaviour: str, error: type[Exception]
) -> None:
    async with open_smsc(behaviour) as smsc, bound(smsc) as gateway:
        with pytest.raises(error):
            await gateway.send(MESSAGE, 1)
        # A session that was lost is opened again, and messages wait for it.
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    receipt = await gateway.send(MESSAGE, 1)
                    break
                except GatewayUnavailable:
                    # Not seen to be lost yet.
                    await asyncio.sleep(0.01)
        assert receipt.gateway_id == "smsc-1"


@pytest.mark.parametrize(
    ("behaviour", "state", "detail"),
    [
        ("fail", MessageState.FAILED, "UNDELIV"),
        ("tlv", MessageState.DELIVERED, "message_state 2"),
    ],
)
async def test_receipts_of_all_forms_are_read(
    behaviour: str, state: MessageState, detail: str
) -> None:
    async with open_smsc(behaviour) as smsc, bound(smsc) as gateway:
        await gateway.send(MESSAGE, 1)
        assert await smsc.next_report() == ("smpp", GatewayReport("smsc-1", state, detail))


async def test_wrong_password_is_unavailable_and_not_told() -> None:
    wrong = "wrong"
    async with open_smsc() as smsc:
        wanted = settings(smsc.host, password=wrong, timeout_s=0.2)
        gateway = SmppGateway(wanted, reopen_first_s=0.01)
        await gateway.start(smsc.on_report)
        assert await smsc.read() == {"event": "bind", "known": 0}
        with pytest.raises(GatewayUnavailable, match="timeout"):
            await gateway.send(MESSAGE, 1)
        await gateway.close()
    assert wrong not in repr(wanted)


async def test_smsc_that_is_away_is_unavailable() -> None:
    gateway = SmppGateway(settings(allocate_host(), timeout_s=0.1))

    async def nothing(_: str, __: GatewayReport) -> None:
        raise AssertionError("nobody is there to report")

    await gateway.start(nothing)
    with pytest.raises(GatewayUnavailable, match="timeout"):
        await gateway.send(MESSAGE, 1)
    await gateway.close()
