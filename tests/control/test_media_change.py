"""A party that moves its audio, or holds, within a conversation."""

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.control.conftest import settle

from clicktodial.control.port import Answered, MediaChanged, Offered, Ringing
from clicktodial.domain.media import (
    UNSPECIFIED_HOST,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)


async def connect(platform: Any, answer: MediaDescription) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Ringing())
    platform.telephony.legs[1].on_event(Answered(answer))
    await settle()


@pytest.mark.parametrize(("side", "name"), [(0, "caller"), (1, "callee")])
async def test_party_that_moves_is_answered_once_the_relay_follows(
    platform: Any, answer: MediaDescription, side: int, name: str
) -> None:
    await connect(platform, answer)
    leg = platform.telephony.legs[side]
    before = platform.relay.done.count(f"set_remote {name}")
    leg.on_event(Offered(replace(answer, address=MediaAddress("127.0.0.1", 6100)), 4.0))
    assert leg.decisions == []
    await settle()
    assert leg.decisions == ["answered PCMA"]
    assert platform.relay.done.count(f"set_remote {name}") == before + 1
    assert platform.telephony.legs[1 - side].decisions == []


async def test_party_that_moves_where_the_relay_cannot_follow_is_refused(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    platform.relay.failing.add("set_remote")
    leg = platform.telephony.legs[1]
    with capture_logs() as logs:
        leg.on_event(Offered(answer, 4.0))
        await settle()
    assert leg.decisions == ["refused"]
    assert [entry["event"] for entry in logs] == ["media.change_refused"]
    # The conversation goes on.
    assert leg.hung_up == 0


async def test_hold_without_an_address_leaves_the_relay_alone(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    before = list(platform.relay.done)
    leg = platform.telephony.legs[0]
    held = replace(
        answer, address=MediaAddress(UNSPECIFIED_HOST, 6000), direction=MediaDirection.SEND
    )
    leg.on_event(Offered(held, 4.0))
    await settle()
    assert leg.decisions == ["answered PCMA"]
    assert platform.relay.done == [*before, "set_patient True"]


async def test_answer_to_an_offer_of_ours_moves_the_relay_and_owes_nothing(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    leg = platform.telephony.legs[0]
    before = platform.relay.done.count("set_remote caller")
    leg.on_event(MediaChanged(answer))
    await settle()
    assert leg.decisions == []
    assert platform.relay.done.count("set_remote caller") == before + 1
