"""Provisional responses that want a PRACK (RFC 3262)."""

import dataclasses
from collections.abc import Sequence

import pytest
from tests.sip.support import (
    ANSWER,
    ANSWER_SDP,
    OFFER,
    PEER,
    Harness,
    create_harness,
    create_request,
    create_response,
    describe,
    header_lines,
    read,
    summaries,
    summary,
)

from clicktodial.domain.media import G722, PCMA, PCMU, MediaAddress
from clicktodial.sip.client_transaction import FORKS_MAX
from clicktodial.sip.event import SessionAnswered, SessionEarlyMedia, SessionRinging, SessionTrying
from clicktodial.sip.midcall import NO_USABLE_ANSWER_CAUSE
from clicktodial.sip.outgoing import EARLY_MEDIA_MAX
from clicktodial.sip.reliable import PRACKS_MAX
from clicktodial.sip.sdp import parse_sdp, serialize_sdp
from clicktodial.sip.session import Session

CONTACT = "Contact: <sip:192.0.2.9:5080>"


def start() -> tuple[Harness, Session, bytes]:
    harness = create_harness()
    session, invite = harness.invite()
    return harness, session, invite


def ring(
    harness: Harness,
    invite: bytes,
    rseq: int | str,
    *,
    status: int = 180,
    tag: str = "peer",
    sdp: bytes = b"",
    lines: Sequence[str] = (),
) -> list[bytes]:
    """What we send upon that reliable response."""
    all_lines = (CONTACT, "Require: 100rel", f"RSeq: {rseq}", *lines)
    return harness.receive(create_response(invite, status, tag=tag, lines=all_lines, sdp=sdp))


def test_reliable_response_is_acknowledged_in_its_early_dialog() -> None:
    harness, _, invite = start()
    [prack] = ring(harness, invite, 988_789, lines=("Record-Route: <sip:192.0.2.20:5070;lr>",))
    message = read(prack)
    assert (message.method, message.cseq, message.to_tag) == ("PRACK", 2, "peer")
    assert header_lines(prack, "RAck") == ["988789 1 INVITE"]
    assert header_lines(prack, "Route") == ["<sip:192.0.2.20:5070;lr>"]
    assert harness.events() == [SessionTrying(), SessionRinging()]
    # Lost, it goes again as any request does.
    assert [data for _, data in harness.advance(0.6)] == [prack]
    harness.receive(create_response(prack, 200))
    assert harness.advance(60.0) == []


def test_reliable_response_again_or_out_of_turn_is_passed_over() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1)
    harness.events()
    assert ring(harness, invite, 1) == []
    assert ring(harness, invite, 3, status=183, sdp=ANSWER_SDP) == []
    assert harness.events() == []
    [prack] = ring(harness, invite, 2, status=183, sdp=ANSWER_SDP)
    assert (read(prack).cseq, header_lines(prack, "RAck")) == (3, ["2 1 INVITE"])
    assert harness.events() == [SessionEarlyMedia(ANSWER)]


@pytest.mark.parametrize("rseq", ["", "x", "-1", "99999999999"])
def test_number_that_is_none_is_survived(rseq: str) -> None:
    harness, _, invite = start()
    assert ring(harness, invite, rseq) == []


def test_unreliable_response_gets_no_prack() -> None:
    harness, _, invite = start()
    assert harness.receive(create_response(invite, 180, lines=(CONTACT, "RSeq: 1"))) == []
    assert harness.receive(create_response(invite, 180, lines=(CONTACT, "Require: 100rel"))) == []


def test_forks_are_counted_for_themselves_and_bounded() -> None:
    harness, _, invite = start()
    for number in range(FORKS_MAX):
        assert summaries(ring(harness, invite, 1, tag=f"fork{number}")) == ["PRACK"]
    assert ring(harness, invite, 1, tag="one-too-many") == []
    assert summaries(ring(harness, invite, 2, tag="fork0")) == ["PRACK"]


def test_answer_of_a_reliable_response_stands_for_a_200_without_one() -> None:
    harness, session, invite = start()
    [prack] = ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    harness.receive(create_response(prack, 200))
    [ack] = harness.receive(create_response(invite, 200, lines=(CONTACT,)))
    assert (summary(ack), read(ack).cseq) == ("ACK", 1)
    assert harness.events()[-1] == SessionAnswered(ANSWER)
    # The numbers go on after the PRACK's.
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert (summary(bye), read(bye).cseq) == ("BYE", 3)


def test_answer_of_one_fork_stands_for_no_other() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP, tag="one")
    ring(harness, invite, 1, tag="two")
    harness.events()
    sent = harness.receive(create_response(invite, 200, lines=(CONTACT,), tag="two"))
    assert summaries(sent) == ["ACK", "BYE"]
    [ended] = harness.events()
    assert ended.cause is NO_USABLE_ANSWER_CAUSE  # type: ignore[union-attr]  # SessionEnded


def test_responses_without_end_are_acknowledged_up_to_a_bound() -> None:
    harness, session, invite = start()
    pracks = [
        prack
        for number in range(1, PRACKS_MAX)
        for tag in ("one", "two")
        for prack in ring(harness, invite, number, tag=tag)
    ]
    assert len(pracks) == PRACKS_MAX
    assert ring(harness, invite, 1, tag="three") == []
    # The call goes on all the same.
    harness.receive(create_response(invite, 200, lines=(CONTACT,), sdp=ANSWER_SDP, tag="one"))
    assert harness.events()[-1] == SessionAnswered(ANSWER)
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert read(bye).cseq == max(read(prack).cseq for prack in pracks) + 1


def test_200_without_answer_after_an_unreliable_one_is_hung_up() -> None:
    harness, _, invite = start()
    harness.receive(create_response(invite, 183, lines=(CONTACT,), sdp=ANSWER_SDP))
    sent = harness.receive(create_response(invite, 200, lines=(CONTACT,)))
    assert summaries(sent) == ["ACK", "BYE"]
    [*_, ended] = harness.events()
    assert ended.cause is NO_USABLE_ANSWER_CAUSE  # type: ignore[union-attr]  # SessionEnded


def test_refusal_after_a_reliable_response_leaves_nothing() -> None:
    harness, _, invite = start()
    [prack] = ring(harness, invite, 1)
    harness.receive(create_response(prack, 200))
    assert summaries(harness.receive(create_response(invite, 486))) == ["ACK"]
    harness.advance(60.0)
    assert (harness.agent.transaction_count, harness.agent.session_count) == (0, 0)


# UPDATE before the 200 (RFC 3311)


def update(
    harness: Harness, invite: bytes, cseq: int = 1, *, sdp: bytes = b"", tag: str = "peer"
) -> list[bytes]:
    """What we answer to that UPDATE of a fork."""
    message = read(invite)
    request = create_request(
        "UPDATE", branch=f"z9hG4bKupdate{cseq}{tag}", cseq=cseq, to_tag=message.from_tag,
        from_tag=tag, call_id=message.call_id, sdp=sdp,
        lines=("Contact: <sip:moved@192.0.2.77:5099>",),
    )  # fmt: skip
    return harness.receive(request)


MOVED = dataclasses.replace(ANSWER, address=MediaAddress("192.0.2.80", 33_000))


def test_update_of_a_fork_that_answered_reliably_moves_its_early_media() -> None:
    harness, session, invite = start()
    [prack] = ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    harness.receive(create_response(prack, 200))
    harness.events()
    [ok] = update(harness, invite, sdp=serialize_sdp(MOVED))
    assert summary(ok) == "200 UPDATE"
    assert header_lines(ok, "Contact") == ["<sip:192.0.2.1:5060>"]
    answered = parse_sdp(read(ok).body)
    assert (answered.address, answered.codecs, answered.dtmf) == (
        OFFER.address, (PCMA,), OFFER.dtmf,
    )  # fmt: skip
    assert b" 2 IN IP4 " in read(ok).body
    assert harness.events() == [SessionEarlyMedia(MOVED)]
    # A 200 stands by what was agreed on last, whatever it repeats.
    harness.receive(create_response(invite, 200, lines=(CONTACT,), sdp=ANSWER_SDP))
    assert harness.events()[-1] == SessionAnswered(MOVED)
    # What we say later is newer.
    session.reoffer(OFFER, harness.now)
    [reinvite] = harness.sent()
    assert b" 3 IN IP4 " in read(reinvite).body


def test_update_may_take_another_codec_of_our_offer_and_no_other() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    harness.events()
    assert summaries(update(harness, invite, 1, sdp=describe(G722))) == ["488 UPDATE"]
    assert summaries(update(harness, invite, 2, sdp=b"nonsense")) == ["488 UPDATE"]
    assert harness.events() == []
    [ok] = update(harness, invite, 3, sdp=describe(G722, PCMU))
    assert parse_sdp(read(ok).body).codecs == (PCMU,)
    [event] = harness.events()
    assert isinstance(event, SessionEarlyMedia)
    assert event.media.codecs == (PCMU,)


def test_update_before_our_offer_is_answered_is_491_unless_it_offers_nothing() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1)
    assert summaries(update(harness, invite, 1, sdp=ANSWER_SDP)) == ["491 UPDATE"]
    assert summaries(update(harness, invite, 1, sdp=ANSWER_SDP, tag="other")) == ["491 UPDATE"]
    assert summaries(update(harness, invite, 2)) == ["200 UPDATE"]
    assert summaries(update(harness, invite, 2, tag="other")) == ["200 UPDATE"]
    assert summaries(update(harness, invite, 1)) == ["491 UPDATE"]  # the first one again
    # The new Contact is where the next PRACK goes.
    harness.agent.receive(
        create_response(invite, 180, lines=(CONTACT, "Require: 100rel", "RSeq: 2")),
        PEER,
        harness.now,
    )
    assert harness.sent_to() == [("PRACK", ("192.0.2.77", 5099))]


def test_update_of_a_fork_out_of_order_is_500() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    assert summaries(update(harness, invite, 5)) == ["200 UPDATE"]
    assert summaries(update(harness, invite, 4)) == ["500 UPDATE"]


def test_update_of_one_fork_is_nothing_to_another() -> None:
    harness, _, invite = start()
    for tag in ("one", "two"):
        ring(harness, invite, 1, status=183, sdp=ANSWER_SDP, tag=tag)
    update(harness, invite, sdp=serialize_sdp(MOVED), tag="one")
    harness.receive(create_response(invite, 200, lines=(CONTACT,), sdp=ANSWER_SDP, tag="two"))
    assert harness.events()[-1] == SessionAnswered(ANSWER)


def test_fork_that_answers_as_another_has_may_be_updated_too() -> None:
    harness, _, invite = start()
    for tag in ("one", "two"):
        ring(harness, invite, 1, status=183, sdp=ANSWER_SDP, tag=tag)
    assert summaries(update(harness, invite, sdp=serialize_sdp(MOVED), tag="two")) == ["200 UPDATE"]


@pytest.mark.parametrize("is_reliable", [True, False])
def test_response_after_an_update_that_repeats_the_first_answer_changes_nothing(
    is_reliable: bool,
) -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    update(harness, invite, sdp=serialize_sdp(MOVED))
    harness.events()
    if is_reliable:
        assert summaries(ring(harness, invite, 2, sdp=ANSWER_SDP)) == ["PRACK"]
    else:
        harness.receive(create_response(invite, 180, lines=(CONTACT,), sdp=ANSWER_SDP))
    assert harness.events() == [SessionRinging()]
    harness.receive(create_response(invite, 200, lines=(CONTACT,)))
    assert harness.events() == [SessionAnswered(MOVED)]


def test_early_media_that_changes_without_end_is_followed_up_to_a_bound() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    for number in range(1, EARLY_MEDIA_MAX):
        sdp = describe(PCMA, port=31_000 + number)
        harness.receive(create_response(invite, 183, tag="other", lines=(CONTACT,), sdp=sdp))
    assert harness.events().count(SessionEarlyMedia(ANSWER)) == 1
    sdp = describe(PCMA, port=32_000)
    harness.receive(create_response(invite, 183, tag="other", lines=(CONTACT,), sdp=sdp))
    assert summaries(update(harness, invite, sdp=serialize_sdp(MOVED))) == ["488 UPDATE"]
    assert harness.events() == []
    harness.receive(create_response(invite, 200, lines=(CONTACT,)))
    assert harness.events() == [SessionAnswered(ANSWER)]


def test_update_that_comes_after_a_later_one_and_the_200_is_500() -> None:
    harness, _, invite = start()
    ring(harness, invite, 1, status=183, sdp=ANSWER_SDP)
    update(harness, invite, 5, sdp=serialize_sdp(MOVED))
    harness.receive(create_response(invite, 200, lines=(CONTACT,)))
    assert summaries(update(harness, invite, 4, sdp=ANSWER_SDP)) == ["500 UPDATE"]


def test_update_of_another_kind_of_body_is_415() -> None:
    harness, _, invite = start()
    message = read(invite)
    request = create_request(
        "UPDATE", to_tag=message.from_tag, from_tag="peer", call_id=message.call_id, body=b"x",
        lines=("Content-Type: text/plain",),
    )  # fmt: skip
    assert summaries(harness.receive(request)) == ["415 UPDATE"]
