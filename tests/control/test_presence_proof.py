"""Proof of presence: what the relay is asked for, and how keys and verdicts come in."""

from dataclasses import replace
from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.port import (
    Answered,
    AnswerJudged,
    AnswerVerdict,
    DigitHeard,
    DigitReceived,
    Ended,
)
from clicktodial.domain.cause import HANG_UP_CAUSE, EndReason
from clicktodial.domain.media import MediaDescription
from clicktodial.domain.plan import CallOptions, PresenceProof


async def answer_caller(platform: Any, answer: MediaDescription, presence: PresenceProof) -> None:
    options = CallOptions(presence=presence)
    platform.application = replace(platform.application, options=options)
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()


async def test_key_at_the_relay_rings_the_callee_and_ends_the_listening(
    platform: Any, answer: MediaDescription
) -> None:
    await answer_caller(platform, answer, PresenceProof.KEY)
    assert platform.relay.done[-2:] == ["listen to caller", "play presence to caller"]
    assert len(platform.telephony.legs) == 1
    assert platform.notifier.told == ["CallingCaller"]
    platform.relay.heard[0](DigitHeard("5"))
    await settle()
    assert platform.relay.done[-3:] == [
        "stop_listening caller",
        "stop_playing caller",
        "local_address callee",
    ]
    assert len(platform.telephony.legs) == 2
    assert platform.notifier.told == ["CallingCaller", "CallingCallee"]


async def test_key_told_by_sip_rings_the_callee(platform: Any, answer: MediaDescription) -> None:
    await answer_caller(platform, answer, PresenceProof.KEY_AND_DETECTION)
    platform.telephony.legs[0].on_event(DigitReceived("#"))
    await settle()
    assert len(platform.telephony.legs) == 2


async def test_key_before_the_relay_listens_is_not_missed(
    platform: Any, answer: MediaDescription
) -> None:
    platform.application = replace(
        platform.application, options=CallOptions(presence=PresenceProof.KEY)
    )
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    platform.telephony.legs[0].on_event(DigitReceived("1"))
    await settle()
    assert len(platform.telephony.legs) == 2
    assert platform.relay.done.index("listen to caller") < platform.relay.done.index(
        "stop_listening caller"
    )


async def test_human_voice_rings_the_callee(platform: Any, answer: MediaDescription) -> None:
    await answer_caller(platform, answer, PresenceProof.MACHINE_DETECTION)
    assert platform.relay.done[-1] == "listen to caller and judge"
    platform.relay.heard[0](AnswerJudged(AnswerVerdict.HUMAN))
    await settle()
    assert len(platform.telephony.legs) == 2


async def test_machine_is_hung_up_and_nobody_rung(platform: Any, answer: MediaDescription) -> None:
    await answer_caller(platform, answer, PresenceProof.KEY_AND_DETECTION)
    platform.relay.heard[0](AnswerJudged(AnswerVerdict.MACHINE))
    # The relay may tell more before it has heard that nobody listens.
    platform.relay.heard[0](DigitHeard("5"))
    await settle()
    assert platform.notifier.told == ["CallingCaller", "Disconnected"]
    last = platform.notifier.events[-1]
    assert (last.reason, last.call_duration_s) == (EndReason.CALLER_NO_ANSWER, 0)
    assert [leg.hung_up for leg in platform.telephony.legs] == [1]
    assert platform.relay.done[-1] == "close"
    assert platform.qualities == []


async def test_nobody_who_presses_a_key_ends_the_call_in_time(
    platform: Any, answer: MediaDescription
) -> None:
    await answer_caller(platform, answer, PresenceProof.KEY)
    await platform.wait(14)
    assert platform.service.live_count == 1
    await platform.wait(2)
    assert platform.notifier.events[-1].reason is EndReason.CALLER_NO_ANSWER
    assert platform.service.live_count == 0


@pytest.mark.parametrize("failing", ["listen", "play"])
async def test_relay_that_cannot_ask_or_listen_rings_nobody(
    platform: Any, answer: MediaDescription, failing: str
) -> None:
    platform.relay.failing.add(failing)
    await answer_caller(platform, answer, PresenceProof.KEY)
    assert platform.notifier.told == ["CallingCaller", "Disconnected"]
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    assert [leg.hung_up for leg in platform.telephony.legs] == [1]


async def test_relay_that_cannot_stop_listening_harms_nobody(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing.update({"stop_listening", "stop_playing"})
    await answer_caller(platform, answer, PresenceProof.KEY)
    platform.relay.heard[0](DigitHeard("5"))
    await settle()
    assert len(platform.telephony.legs) == 2
    platform.relay.heard[0](DigitHeard("6"))
    platform.telephony.legs[1].on_event(Answered(answer))
    await settle()
    assert platform.notifier.told[-1] == "Connected"


async def test_caller_who_hangs_up_meanwhile_abandons(
    platform: Any, answer: MediaDescription
) -> None:
    await answer_caller(platform, answer, PresenceProof.KEY)
    platform.telephony.legs[0].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.CALLER_ABANDON
    assert platform.relay.done[-1] == "close"
