"""A leg of ours in conversation with SIPp: no platform around it, so that a test is its owner."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.address import allocate_host
from tests.harness.sipp import Sipp
from tests.sip.aio.support import WAIT_S, Log

from clicktodial.control.port import Answered, Ended, Leg, LegEvent, LegPlan
from clicktodial.domain.media import MediaAddress, create_caller_offer
from clicktodial.domain.trunk import Trunk
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.aio.telephony import TrunkTelephony
from clicktodial.sip.timer import Timers

OFFER = create_caller_offer(MediaAddress("127.0.0.1", 20_000))
PLAN = LegPlan(destination="+8613912345673", shown="+861052680000", offer=OFFER)
# What the phone says; a part of scenarios/part/answered.xml each.
KEYS = {
    "offered": "m=audio 20000 RTP/AVP 8 0 101",
    "answer_headers": "Allow: INVITE, ACK, BYE, CANCEL, UPDATE",
    "answer_audio": "m=audio [media_port] RTP/AVP 8 101\n      a=rtpmap:8 PCMA/8000\n"
    "      a=rtpmap:101 telephone-event/8000",
}


@dataclass
class Conversation:
    """The leg and what it told."""

    leg: Leg
    events: Log[LegEvent]
    phone: Sipp

    async def wait_for(self, kind: type[LegEvent]) -> Any:
        """The first event of that kind."""
        return await self.events.wait_for(lambda event: isinstance(event, kind))

    async def wait_for_number(self, count: int, kind: type[LegEvent]) -> list[Any]:
        """As many events of that kind."""
        await self.events.wait_for(lambda _: len(self.all_of(kind)) >= count)
        return self.all_of(kind)

    def all_of(self, kind: type[LegEvent]) -> list[Any]:
        return [event for event in self.events.items if isinstance(event, kind)]


@contextlib.asynccontextmanager
async def open_conversation(
    directory: Path,
    scenario: str,
    *,
    keys: Mapping[str, str] | None = None,
    plan: LegPlan = PLAN,
    speed: float = 1.0,
    **trunk: Any,
) -> AsyncIterator[Conversation]:
    """A leg that SIPp answered, by that scenario. Ends when SIPp has said that all went as written.

    `trunk` are fields of the trunk. `speed` is that of a FastLoop that this runs on: SIPp is
    repeated to, and waited for, as on any other.
    """
    phone = Sipp(directory, scenario, keys={**KEYS, **(keys or {})}, speed=speed)
    timers = Timers(t1_s=0.5 * speed, t2_s=4 * speed, t4_s=5 * speed)
    endpoint = SipEndpoint(timers=timers)
    try:
        await phone.wait_bound()
        await endpoint.start(allocate_host(), 0)
        only = dataclasses.replace(Trunk("sipp", *phone.address), **trunk)
        telephony = TrunkTelephony(endpoint, lambda: (only,))
        events: Log[LegEvent] = Log(wait_s=WAIT_S * speed)
        conversation = Conversation(telephony.place(plan, events.add), events, phone)
        await conversation.wait_for(Answered)
        yield conversation
        await phone.verdict()
        await telephony.close()
    finally:
        await endpoint.close()
        phone.close()


async def hang_up(conversation: Conversation, *, acks: int = 1, q850: int | None = None) -> None:
    """End it from our side once the phone has had so many ACKs, which a BYE may else overtake; the
    phone's verdict tells whether the BYE came."""
    await conversation.phone.wait_received("\nACK sip:", times=acks)
    assert conversation.all_of(Ended) == []
    conversation.leg.hang_up(q850=q850)
