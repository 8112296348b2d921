"""A party that wants another codec within a conversation, and all that can cross it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.port import (
    Answered,
    DigitHeard,
    Ended,
    MediaChanged,
    OfferAnswered,
    Offered,
    OfferRefused,
)
from clicktodial.control.renegotiation import ANSWER_MARGIN_S, ASKING_TIME_MIN_S
from clicktodial.domain.cause import HANG_UP_CAUSE, EndReason, Side
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    SrtpKey,
)
from clicktodial.domain.plan import CallOptions, PresenceProof

WIDE = (OPUS, G722, PCMA, PCMU)
KEYS = (SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:secret"),)
DECISION_S = 4.0
SIDES = [(0, Side.CALLER), (1, Side.CALLEE)]


def description(*codecs: Codec, port: int = 6100) -> MediaDescription:
    return MediaDescription(MediaAddress("127.0.0.1", port), codecs, TELEPHONE_EVENT)


class Conversation:
    """Both parties speak A-law; `first` is about to want something else."""

    def __init__(self, platform: Any, first: int) -> None:
        self.platform = platform
        self.relay = platform.relay
        self.first, self.other = platform.telephony.legs[first], platform.telephony.legs[1 - first]
        self.first_side, self.other_side = (side for _, side in (SIDES[first], SIDES[1 - first]))

    @property
    def codecs(self) -> list[str]:
        """What the relay believes each party to speak, the first one first."""
        return [
            self.relay.remote[side].codecs[0].name for side in (self.first_side, self.other_side)
        ]

    @property
    def recorded_codecs(self) -> list[str]:
        """What the call says of its legs."""
        [controller] = self.platform.service._live.values()
        legs = controller.call.legs
        return [legs[side].codec for side in (self.first_side, self.other_side)]

    async def offer(self, *codecs: Codec, within_s: float = DECISION_S) -> None:
        self.first.on_event(Offered(description(*codecs), within_s))
        await settle()

    async def other_answers(self, *codecs: Codec) -> None:
        self.other.on_event(OfferAnswered(description(*codecs, port=6200)))
        await settle()

    @property
    def goes_on(self) -> bool:
        return bool(self.platform.service.live_count == 1)


@pytest.fixture(params=[0, 1], ids=["caller", "callee"])
async def talk(request: Any, platform: Any, answer: MediaDescription) -> Conversation:
    platform.relay.codecs = WIDE
    platform.relay.crypto = KEYS
    await platform.connect(answer)
    return Conversation(platform, request.param)


async def test_offer_with_the_codec_in_use_asks_nobody_else(talk: Conversation) -> None:
    await talk.offer(G722, PCMA)
    assert talk.first.decisions == ["answered PCMA"]
    assert talk.other.offers == []
    assert talk.codecs == ["PCMA", "PCMA"]


async def test_other_party_is_offered_what_both_can_and_both_change(talk: Conversation) -> None:
    theirs = Codec(111, "G722")
    await talk.offer(Codec(18, "G729"), theirs, PCMU)
    [offer] = talk.other.offers
    port = 20000 if talk.other_side is Side.CALLER else 20002
    # In the party's order and our numbering; the keys are for a trunk of SRTP.
    assert offer == MediaDescription(
        MediaAddress("127.0.0.1", port), (G722, PCMU), TELEPHONE_EVENT, crypto=KEYS
    )
    assert talk.first.decisions == []
    assert talk.codecs == ["PCMA", "PCMA"]
    await talk.other_answers(G722)
    assert talk.first.decisions == ["answered G722"]
    assert talk.codecs == ["G722", "G722"]
    assert talk.relay.remote[talk.first_side].codecs[0].payload_type == 111
    assert talk.recorded_codecs == ["G722", "G722"]
    await talk.platform.wait(2 * DECISION_S)
    assert talk.first.decisions == ["answered G722"]


async def test_relay_that_transcodes_takes_the_first_usable(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.codecs, platform.relay.can_transcode = WIDE, True
    await platform.connect(answer)
    assert platform.telephony.legs[1].plan.offer.codecs == (PCMA, OPUS, G722, PCMU)
    talk = Conversation(platform, 0)
    await talk.offer(Codec(18, "G729"), G722, PCMU)
    assert talk.first.decisions == ["answered G722"]
    assert talk.other.offers == []
    assert talk.codecs == ["G722", "PCMA"]


async def test_offer_of_nothing_usable_is_refused(talk: Conversation) -> None:
    await talk.offer(Codec(18, "G729"))
    assert talk.first.decisions == ["refused"]
    assert talk.other.offers == []


async def test_other_party_that_refuses_leaves_all_as_it_was(talk: Conversation) -> None:
    await talk.offer(G722)
    talk.other.on_event(OfferRefused(488))
    await settle()
    assert talk.first.decisions == ["refused"]
    assert talk.codecs == ["PCMA", "PCMA"]
    # And the next offer has its chance.
    await talk.offer(G722)
    await talk.other_answers(G722)
    assert talk.codecs == ["G722", "G722"]


async def test_other_party_is_not_asked_where_time_is_short(talk: Conversation) -> None:
    await talk.offer(G722, within_s=ANSWER_MARGIN_S + ASKING_TIME_MIN_S - 0.01)
    assert talk.first.decisions == ["refused"]
    assert talk.other.offers == []


async def test_other_party_that_is_slow_is_put_back_when_it_answers(talk: Conversation) -> None:
    await talk.offer(G722)
    await talk.platform.wait(DECISION_S - ANSWER_MARGIN_S - 0.01)
    assert talk.first.decisions == []
    await talk.platform.wait(0.02)
    assert talk.first.decisions == ["refused"]
    await talk.other_answers(G722)
    assert [offer.codecs for offer in talk.other.offers] == [(G722,), (PCMA,)]
    await talk.other_answers(PCMA)
    assert talk.codecs == ["PCMA", "PCMA"]
    assert talk.relay.remote[talk.other_side].address.port == 6200
    assert talk.first.decisions == ["refused"]
    assert talk.goes_on


async def test_other_party_that_refuses_after_time_is_as_it_was(talk: Conversation) -> None:
    await talk.offer(G722)
    await talk.platform.wait(DECISION_S)
    talk.other.on_event(OfferRefused(408))
    await settle()
    assert talk.first.decisions == ["refused"]
    assert len(talk.other.offers) == 1
    assert talk.goes_on


async def test_answer_that_comes_too_late_puts_the_other_party_back(talk: Conversation) -> None:
    address = talk.relay.remote[talk.first_side].address
    await talk.offer(G722)
    talk.first.is_too_late = True
    await talk.other_answers(G722)
    assert "answered G722" not in talk.first.decisions
    assert talk.other.offers[-1].codecs == (PCMA,)
    await talk.other_answers(PCMA)
    assert talk.codecs == ["PCMA", "PCMA"]
    assert talk.relay.remote[talk.first_side].address == address
    assert talk.goes_on


@pytest.mark.parametrize("said", [OfferRefused(488), OfferAnswered(description(OPUS))])
async def test_party_that_cannot_be_put_back_ends_the_call(
    talk: Conversation, said: OfferRefused | OfferAnswered
) -> None:
    await talk.offer(G722)
    await talk.platform.wait(DECISION_S)
    await talk.other_answers(G722)
    talk.other.on_event(said)
    await settle()
    assert talk.platform.notifier.events[-1].reason is EndReason.OTHER
    assert [talk.first.hung_up, talk.other.hung_up] == [1, 1]


async def test_other_party_that_chooses_what_was_not_offered_is_put_back(
    talk: Conversation,
) -> None:
    await talk.offer(G722)
    await talk.other_answers(OPUS)
    assert talk.first.decisions == ["refused"]
    assert talk.other.offers[-1].codecs == (PCMA,)


async def test_relay_that_cannot_follow_puts_the_other_party_back(talk: Conversation) -> None:
    await talk.offer(G722)
    talk.relay.failing_once.add("set_remote")
    await talk.other_answers(G722)
    assert talk.first.decisions == ["refused"]
    assert talk.other.offers[-1].codecs == (PCMA,)
    await talk.other_answers(PCMA)
    assert talk.codecs == ["PCMA", "PCMA"]
    assert talk.goes_on


async def test_relay_that_can_do_nothing_more_ends_the_call(talk: Conversation) -> None:
    await talk.offer(G722)
    talk.relay.failing.add("set_remote")
    await talk.other_answers(G722)
    assert talk.platform.notifier.events[-1].reason is EndReason.OTHER
    assert [talk.first.hung_up, talk.other.hung_up] == [1, 1]


@pytest.mark.parametrize("who", ["first", "other"])
async def test_hang_up_while_the_other_party_is_asked_ends_the_call(
    talk: Conversation, who: str
) -> None:
    await talk.offer(G722)
    getattr(talk, who).on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert talk.platform.notifier.events[-1].reason is EndReason.HANG_UP
    assert not talk.goes_on
    done = list(talk.relay.done)
    await talk.platform.wait(2 * DECISION_S)
    # No timer is left that would refuse what is long over.
    assert (talk.first.decisions, talk.relay.done) == ([], done)


async def test_hang_up_that_crosses_the_other_partys_answer_ends_the_call_once(
    talk: Conversation,
) -> None:
    await talk.offer(G722)
    talk.other.on_event(OfferAnswered(description(G722)))
    talk.first.on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert talk.platform.notifier.told.count("Disconnected") == 1
    assert talk.relay.done[-1] == "close"
    assert len(talk.other.offers) == 1


async def test_glare_with_the_codec_in_use_is_answered_at_once(talk: Conversation) -> None:
    await talk.offer(G722)
    talk.other.on_event(Offered(description(PCMA, port=6300), DECISION_S))
    await settle()
    assert talk.other.decisions == ["answered PCMA"]
    await talk.other_answers(G722)
    assert talk.codecs == ["G722", "G722"]


async def test_glare_of_two_new_codecs_refuses_the_second(talk: Conversation) -> None:
    await talk.offer(G722)
    talk.other.on_event(Offered(description(OPUS), DECISION_S))
    await settle()
    assert talk.other.decisions == ["refused"]
    assert talk.first.offers == []
    await talk.other_answers(G722)
    assert talk.codecs == ["G722", "G722"]


async def test_offer_while_the_other_party_is_put_back_is_refused(talk: Conversation) -> None:
    await talk.offer(G722)
    await talk.platform.wait(DECISION_S)
    await talk.other_answers(G722)
    await talk.offer(G722)
    assert talk.first.decisions == ["refused", "refused"]
    await talk.other_answers(PCMA)
    await talk.offer(G722)
    assert talk.other.offers[-1].codecs == (G722,)


async def test_caller_that_wants_another_codec_while_the_callee_rings_is_refused(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.codecs = WIDE
    await platform.begin()
    caller = platform.telephony.legs[0]
    caller.on_event(Answered(answer))
    await settle()
    caller.on_event(Offered(description(G722), DECISION_S))
    await settle()
    assert caller.decisions == ["refused"]


async def test_caller_may_change_its_codec_before_it_has_proved_anything(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.codecs = WIDE
    platform.application = replace(
        platform.application, options=CallOptions(presence=PresenceProof.MACHINE_DETECTION)
    )
    await platform.begin()
    caller = platform.telephony.legs[0]
    caller.on_event(Answered(answer))
    await settle()
    caller.on_event(Offered(description(G722), DECISION_S))
    await settle()
    assert caller.decisions == ["answered G722"]


async def test_proof_that_overtakes_a_change_of_codec_refuses_it(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.codecs = platform.relay.playable_codecs = WIDE
    platform.application = replace(
        platform.application, options=CallOptions(presence=PresenceProof.KEY)
    )
    await platform.begin()
    caller = platform.telephony.legs[0]
    caller.on_event(Answered(answer))
    await settle()
    held = platform.relay.hold("set_remote")
    caller.on_event(Offered(description(G722), DECISION_S))
    await settle()
    platform.relay.heard[0](DigitHeard("1"))
    held.set()
    await settle()
    assert caller.decisions == ["refused"]
    assert platform.relay.remote[Side.CALLER].codecs[0] == PCMA
    assert platform.telephony.legs[1].plan.offer.codecs == (PCMA,)


async def test_answer_without_the_codec_in_use_is_not_followed(talk: Conversation) -> None:
    before = dict(talk.relay.remote)
    talk.first.on_event(MediaChanged(description(OPUS)))
    await settle()
    assert talk.relay.remote == before
    assert talk.goes_on


async def test_answer_of_a_leg_that_was_asked_nothing_is_followed(talk: Conversation) -> None:
    talk.first.on_event(OfferAnswered(description(PCMA, port=6400)))
    talk.first.on_event(OfferRefused(491))
    await settle()
    assert talk.relay.remote[talk.first_side].address.port == 6400
    assert talk.goes_on
