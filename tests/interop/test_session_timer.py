"""Sessions that are refreshed and that run out, and glare, against SIPp by a faster clock.

By RFC 4028 nothing of this takes less than a minute and a half.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.harness.fast_loop import FastLoop
from tests.interop.leg import KEYS, hang_up, open_conversation
from tests.interop.test_leg import MOVED

from clicktodial.control.port import Ended, MediaChanged, OfferAnswered, Offered
from clicktodial.domain.media import PCMA, PCMU, MediaDirection
from clicktodial.sip.midcall import EXPIRED_CAUSE

# Half of 1,800 s is a second and a half. What runs out does so as much later, which is how long
# SIPp has to answer.
REFRESH_SPEED = 600.0
# 60 s are two.
EXPIRY_SPEED = 30.0
# RFC 3261 14.1's 2.1 to 4 s, less the patience of whoever runs the tests.
GLARE_SPEED = 5.0


def run(speed: float, test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    with asyncio.Runner(loop_factory=lambda: FastLoop(speed)) as runner:
        runner.run(main())


def timer_keys(refresher: str, *, interval_s: int, allow: str) -> dict[str, str]:
    """What the phone's 200 says of timers."""
    lines = [
        f"Allow: {allow}", "Supported: timer", "Require: timer",
        f"Session-Expires: {interval_s};refresher={refresher}",
    ]  # fmt: skip
    return {**KEYS, "answer_headers": "\n      ".join(lines)}


@pytest.mark.parametrize(
    ("scenario", "allow", "last"),
    [
        ("refreshed.xml", "INVITE, ACK, BYE, UPDATE", None),
        ("refreshed_by_invite.xml", "INVITE, ACK, BYE", MediaChanged),
    ],
)
def test_phone_that_wants_to_be_refreshed_is(
    tmp_path: Path, scenario: str, allow: str, last: type[MediaChanged] | None
) -> None:
    keys = timer_keys("uac", interval_s=1_800, allow=allow)

    async def test() -> None:
        async with open_conversation(
            tmp_path, scenario, keys=keys, speed=REFRESH_SPEED
        ) as conversation:
            if last is not None:
                await conversation.wait_for(last)
                await hang_up(conversation, acks=2)
            else:
                await conversation.phone.wait_sent("SIP/2.0 200 OK", times=3)
                await hang_up(conversation)

    run(REFRESH_SPEED, test)


def test_phone_that_refreshes_no_more_is_hung_up(tmp_path: Path) -> None:
    keys = timer_keys("uas", interval_s=90, allow="INVITE, ACK, BYE, UPDATE")

    async def test() -> None:
        async with open_conversation(
            tmp_path, "refreshes_no_more.xml", keys=keys, speed=EXPIRY_SPEED
        ) as conversation:
            assert await conversation.wait_for(Ended) == Ended(EXPIRED_CAUSE)

    run(EXPIRY_SPEED, test)


def test_offers_that_meet_are_both_refused_and_then_made_one_after_the_other(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with open_conversation(tmp_path, "glare.xml", speed=GLARE_SPEED) as conversation:
            conversation.leg.reoffer(MOVED)
            offered = await conversation.wait_for(Offered)
            assert offered.media.direction is MediaDirection.SEND
            assert conversation.leg.answer_offer(PCMA)
            answered = await conversation.wait_for(OfferAnswered)
            assert answered.media.codecs == (PCMU,)
            # Of its answer, of its refusal, and of its answer again.
            await hang_up(conversation, acks=3)

    run(GLARE_SPEED, test)
