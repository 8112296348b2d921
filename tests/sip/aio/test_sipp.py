"""Calls with SIPp as the phone: a program that no one here wrote."""

import asyncio
from dataclasses import replace
from pathlib import Path

import uvloop
from tests.harness.sipp import Sipp
from tests.sip.aio.support import HOST, Log, create_invitation, open_endpoint, pass_time

from clicktodial.domain.media import MediaAddress, create_caller_offer
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.event import SessionAnswered, SessionEvent
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.timer import Timers

CALLS = 50


def is_answered(event: SessionEvent) -> bool:
    return isinstance(event, SessionAnswered)


async def call_many(endpoint: SipEndpoint, phone: Sipp) -> None:
    """CALLS calls at once, each answered and hung up by us, and right in SIPp's eyes."""
    try:
        await phone.wait_bound()
        logs: list[Log[SessionEvent]] = [Log() for _ in range(CALLS)]
        # SIPp answers PCMU, whatever is offered.
        sdp = serialize_sdp(create_caller_offer(MediaAddress(HOST, 20_000)))
        invitation = replace(create_invitation(phone.address), sdp=sdp)
        sessions = [endpoint.invite(invitation, log.add) for log in logs]
        for log in logs:
            await log.wait_for(is_answered)
        # Datagrams may overtake each other, and SIPp fails a call whose BYE came before its ACK.
        await pass_time(0.3)
        for session in sessions:
            endpoint.hang_up(session)
        await phone.verdict()
    finally:
        phone.close()


def test_calls_to_sipp_are_answered_and_hung_up(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_endpoint(Timers()) as endpoint:
            await call_many(endpoint, Sipp(tmp_path, "uas", calls=CALLS))
            assert endpoint.user_agent.counters.malformed == 0
            assert endpoint.user_agent.counters.stray == 0

    # On the loop that the program runs on; all other tests run on asyncio's own.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
