"""Announcements: what the relay is asked for, and what becomes of one that cannot be played."""

from typing import Any

from tests.control.conftest import settle

from clicktodial.control.port import Answered
from clicktodial.domain.media import MediaDescription
from clicktodial.domain.plan import CallOptions


async def answer_both(platform: Any, answer: MediaDescription) -> None:
    object.__setattr__(platform.application, "options", CallOptions(announcement="notice"))
    await platform.begin()
    for leg in (0, 1):
        platform.telephony.legs[leg].on_event(Answered(answer))
        await settle()


async def test_parties_are_connected_when_both_have_heard_it(
    platform: Any, answer: MediaDescription
) -> None:
    await answer_both(platform, answer)
    assert platform.relay.done[-2:] == ["play notice to caller", "play notice to callee"]
    assert "Connected" not in platform.notifier.told
    for on_end in platform.relay.ends:
        on_end()
    await settle()
    assert platform.notifier.told[-1] == "Connected"


async def test_announcement_that_cannot_be_played_ends_the_call(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing.add("play")
    await answer_both(platform, answer)
    assert platform.notifier.told[-1] == "Disconnected"
    assert platform.notifier.events[-1].call_duration_s == 0
    assert [leg.hung_up for leg in platform.telephony.legs] == [1, 1]
