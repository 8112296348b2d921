"""What happens within a conversation, with SIPp as the phone and the test as the leg's owner.

A scenario that ends without an error is half of each test: SIPp checks every message of ours.
"""

import dataclasses
from pathlib import Path

import pytest
from tests.interop.leg import OFFER, PLAN, hang_up, open_conversation
from tests.sip.test_crypto import KEY_80, OURS

from clicktodial.control.port import (
    Answered,
    DigitReceived,
    EarlyMedia,
    Ended,
    OfferAnswered,
    Offered,
    OfferRefused,
)
from clicktodial.domain.cause import LegOutcome
from clicktodial.domain.media import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.domain.trunk import SrtpPolicy
from clicktodial.sip.midcall import UNANSWERED_CAUSE
from clicktodial.sip.reoffer import REINVITE_DECISION_MAX_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOVED = MediaDescription(MediaAddress("127.0.0.1", 31_000), (PCMU, PCMA))
KEY_LINE = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY_80}"


async def test_keys_that_a_phone_tells_by_info_are_heard_and_all_else_is_refused(
    tmp_path: Path,
) -> None:
    async with open_conversation(tmp_path, "keys_by_info.xml") as conversation:
        await conversation.wait_for_number(2, DigitReceived)
        # The last INFO of the scenario has no body, and tells nothing.
        assert conversation.all_of(DigitReceived) == [DigitReceived("5"), DigitReceived("#")]
        await conversation.phone.wait_received("CSeq: 15 INFO")
        await hang_up(conversation)


async def test_offer_of_ours_is_answered_and_the_next_one_refused(tmp_path: Path) -> None:
    async with open_conversation(tmp_path, "answer_reoffer.xml") as conversation:
        conversation.leg.reoffer(MOVED)
        conversation.leg.reoffer(dataclasses.replace(OFFER, direction=MediaDirection.SEND))
        answered = await conversation.wait_for(OfferAnswered)
        assert answered.media.codecs == (PCMU,)
        assert await conversation.wait_for(OfferRefused) == OfferRefused(488)
        await hang_up(conversation, acks=3)


async def test_offer_to_a_phone_that_forgot_the_call_ends_it(tmp_path: Path) -> None:
    async with open_conversation(tmp_path, "gone_at_reoffer.xml") as conversation:
        conversation.leg.reoffer(MOVED)
        assert await conversation.wait_for(Ended) == Ended(UNANSWERED_CAUSE)


async def test_phone_moves_to_another_address_and_codec_and_gets_no_more_than_we_have(
    tmp_path: Path,
) -> None:
    async with open_conversation(tmp_path, "new_codec.xml") as conversation:
        offered = await conversation.wait_for(Offered)
        assert offered == Offered(
            MediaDescription(MediaAddress("127.0.0.9", 40_000), (PCMU,)), REINVITE_DECISION_MAX_S
        )
        assert conversation.leg.answer_offer(PCMU)
        await conversation.phone.wait_received("CSeq: 12 UPDATE")
        await hang_up(conversation)
        assert len(conversation.all_of(Offered)) == 1


async def test_call_of_srtp_stays_that(tmp_path: Path) -> None:
    secure = dataclasses.replace(PLAN, offer=dataclasses.replace(OFFER, crypto=OURS))
    keys = {
        "offered": "m=audio 20000 RTP/SAVP 8 0 101.*a=crypto:1 .*a=crypto:2 ",
        "answer_audio": f"m=audio [media_port] RTP/SAVP 8\n      {KEY_LINE}",
    }
    async with open_conversation(
        tmp_path, "srtp.xml", keys=keys, plan=secure, srtp=SrtpPolicy.REQUIRED
    ) as conversation:
        answered = await conversation.wait_for(Answered)
        assert [key.tag for key in answered.media.crypto] == [1]
        offered = await conversation.wait_for(Offered)
        assert [key.tag for key in offered.media.crypto] == [8]
        assert conversation.leg.answer_offer(PCMA)
        await conversation.phone.wait_sent("CSeq: 11 ACK")
        await hang_up(conversation)


async def test_phone_that_moves_before_it_answers_is_followed(tmp_path: Path) -> None:
    async with open_conversation(tmp_path, "update_before_answer.xml") as conversation:
        first, second = conversation.all_of(EarlyMedia)
        assert first.media.codecs == (PCMA,)
        address = MediaAddress("127.0.0.9", 40_000)
        assert second.media == MediaDescription(address, (PCMU,), TELEPHONE_EVENT)
        assert conversation.all_of(Answered) == [Answered(second.media)]
        await hang_up(conversation)


async def test_reason_of_a_phone_that_hangs_up_is_told(tmp_path: Path) -> None:
    async with open_conversation(tmp_path, "hang_up_with_reason.xml") as conversation:
        ended = await conversation.wait_for(Ended)
        assert (ended.cause.outcome, ended.cause.q850) == (LegOutcome.HUNG_UP, 31)
        assert "Normal, unspecified" in ended.cause.reason_header


async def test_reason_of_ours_is_told_to_the_phone(tmp_path: Path) -> None:
    async with open_conversation(tmp_path, "told_why.xml") as conversation:
        await hang_up(conversation, q850=41)


async def test_hidden_number_is_told_to_the_trunk_alone(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, hides_number=True)
    async with open_conversation(
        tmp_path, "told_of_nobody.xml", plan=plan, privacy=("user", "id"), charging_vector=True
    ) as conversation:
        await hang_up(conversation)
