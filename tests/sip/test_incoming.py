"""Incoming sessions: what a called side does until the end."""

import pytest
from tests.sip.support import (
    ANSWER_SDP,
    CALLED,
    PEER,
    SHOWN,
    Harness,
    create_harness,
    create_request,
    create_response,
    describe,
    header_lines,
    read,
    state_of,
    summaries,
    summary,
)

from clicktodial.domain.cause import LegCause, LegOutcome
from clicktodial.domain.media import PCMA, PCMU
from clicktodial.sip.event import IncomingInvite, SessionConfirmed, SessionEnded
from clicktodial.sip.incoming import NO_ACK_CAUSE, PROVISIONAL_REPEAT_S, UNANSWERED_MAX_S
from clicktodial.sip.sdp import parse_sdp
from clicktodial.sip.session import Direction, Session, SessionState
from clicktodial.sip.user_agent import SessionStateError

OFFER_SDP = describe(PCMA, PCMU)


def create_ack(session: Session, *, cseq: int = 1, branch: str = "z9hG4bKack") -> bytes:
    return create_request("ACK", branch=branch, cseq=cseq, to_tag=session.local_tag)


def confirmed(harness: Harness) -> Session:
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    harness.receive(create_ack(session))
    harness.events()
    return session


def test_invite_is_told_with_its_numbers_and_its_offer() -> None:
    harness = create_harness()
    sent = harness.receive(create_request("INVITE", sdp=OFFER_SDP))
    [(session, event)] = harness.agent.take_events()
    assert event == IncomingInvite(parse_sdp(OFFER_SDP))
    assert (session.request_user, session.from_user) == (CALLED, SHOWN)
    assert session.direction is Direction.INCOMING
    assert session.call_id == "call-1@peer"
    assert summaries(sent) == ["100 INVITE"]


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:%2B861@192.0.2.1", "+861"),
        ("sip:192.0.2.1", ""),
        ("tel:+8613912345673", "+8613912345673"),
        ("sip:+861@node1:5060;x=y", "+861"),
        ("sip:%2B861@my_host", "+861"),
        ("sip:a;self=1@192.0.2.1", "a;self=1"),
        ("sip:+861@192.0.2.1;self=1", "+861"),
    ],
)
def test_request_uri_of_any_form_names_the_called_user(uri: str, user: str) -> None:
    harness = create_harness()
    harness.receive(create_request("INVITE", uri=uri, sdp=OFFER_SDP))
    [(session, _)] = harness.agent.take_events()
    assert session.request_user == user


def test_invite_without_offer_is_told_without_one() -> None:
    harness = create_harness()
    harness.receive(create_request("INVITE"))
    assert harness.events() == [IncomingInvite(None)]


def test_invite_sent_again_is_answered_with_the_last_response_and_told_once() -> None:
    harness = create_harness()
    invite = create_request("INVITE", sdp=OFFER_SDP)
    trying = harness.receive(invite)
    [(session, _)] = harness.agent.take_events()
    assert harness.receive(invite) == trying
    session.ring(harness.now)
    ringing = harness.sent()
    assert summaries(ringing) == ["180 INVITE"]
    assert harness.receive(invite) == ringing
    assert harness.events() == []


def test_ring_with_sdp_is_183() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.ring(harness.now, ANSWER_SDP)
    [progress] = harness.sent()
    assert progress.startswith(b"SIP/2.0 183 Session Progress\r\n")
    assert read(progress).body == ANSWER_SDP


def test_ringing_for_minutes_is_told_every_minute_until_given_up() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.ring(harness.now)
    harness.sent()
    sent = harness.advance(UNANSWERED_MAX_S - 1)
    assert {summary(data) for _, data in sent} == {"180 INVITE"}
    assert [after for after, _ in sent][:2] == [PROVISIONAL_REPEAT_S, 2 * PROVISIONAL_REPEAT_S]
    assert summary(harness.advance(1.1)[0][1]) == "487 INVITE"
    [ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.outcome is LegOutcome.NO_ANSWER


def test_invite_that_nobody_handles_is_given_up() -> None:
    harness = create_harness()
    harness.accept()
    sent = harness.advance(UNANSWERED_MAX_S + 1)
    assert summary(sent[0][1]) == "487 INVITE"
    assert harness.agent.session_count == 0


def test_invite_that_expires_stops_ringing_by_itself() -> None:
    """Every CANCEL may be lost; RFC 3261 13.3.1."""
    harness = create_harness()
    harness.receive(create_request("INVITE", sdp=describe(PCMA), lines=["Expires: 30"]))
    [(session, _)] = harness.agent.take_events()
    session.ring(harness.now)
    harness.sent()
    assert harness.advance(29.0) == []
    assert summary(harness.advance(1.1)[0][1]) == "487 INVITE"
    assert isinstance(harness.events()[-1], SessionEnded)


def test_answer_is_sent_again_until_its_ack() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    [ok] = harness.sent()
    assert state_of(session) is SessionState.ANSWERED
    sent = harness.advance(8.0)
    assert [after for after, _ in sent] == [0.5, 1.5, 3.5, 7.5]
    assert {data for _, data in sent} == {ok}
    harness.receive(create_ack(session))
    assert harness.events() == [SessionConfirmed()]
    assert state_of(session) is SessionState.CONFIRMED
    assert harness.advance(60.0) == []
    harness.receive(create_ack(session))
    assert harness.events() == []


def test_ack_with_another_cseq_confirms_nothing() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.receive(create_ack(session, cseq=7))
    assert state_of(session) is SessionState.ANSWERED


def test_ack_with_the_branch_of_the_invite_confirms() -> None:
    # Against RFC 3261 17.1.1.3, and seen in the field.
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.receive(create_ack(session, branch="z9hG4bKpeer1"))
    assert harness.events() == [SessionConfirmed()]


def test_invite_sent_again_when_answered_is_absorbed() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    assert harness.receive(create_request("INVITE", sdp=OFFER_SDP)) == []
    assert harness.events() == []


def test_answer_without_ack_is_hung_up_and_told() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    sent = harness.advance(31.9)
    assert {summary(data) for _, data in sent} == {"200 INVITE"}
    sent = harness.advance(0.2)
    assert [summary(data) for _, data in sent] == ["BYE"]
    assert harness.events() == [SessionEnded(NO_ACK_CAUSE)]
    harness.receive(create_response(sent[0][1], 481))
    assert harness.agent.session_count == 0


def test_hang_up_when_answered_waits_for_the_ack() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    session.hang_up(harness.now, q850=16)
    assert harness.sent() == []
    [bye] = harness.receive(create_ack(session))
    assert summary(bye) == "BYE"
    assert header_lines(bye, "Reason") == ["Q.850;cause=16"]
    assert harness.events() == []


def test_hang_up_when_answered_and_never_acked_says_bye_in_the_end() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    session.hang_up(harness.now)
    harness.sent()
    sent = harness.advance(33.0)
    assert summary(sent[-1][1]) == "BYE"
    assert harness.events() == []


def test_hang_up_before_the_answer_declines() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.hang_up(harness.now)
    session.hang_up(harness.now)
    assert summaries(harness.sent()) == ["603 INVITE"]
    assert state_of(session) is SessionState.ENDED


def test_hang_up_when_confirmed_says_bye_towards_the_contact() -> None:
    harness = create_harness()
    session = confirmed(harness)
    session.hang_up(harness.now)
    [(bye, to)] = harness.agent.take_messages()
    assert bye.startswith(b"BYE sip:192.0.2.9:5080 SIP/2.0\r\n")
    assert to == PEER
    harness.receive(create_response(bye, 200))
    assert state_of(session) is SessionState.ENDED


def test_refusal_is_sent_again_until_its_ack() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.reject(486, "Busy Here", harness.now)
    [busy] = harness.sent()
    sent = harness.advance(12.0)
    assert [after for after, _ in sent] == [0.5, 1.5, 3.5, 7.5, 11.5]
    assert {data for _, data in sent} == {busy}
    assert harness.receive(create_request("INVITE", sdp=OFFER_SDP)) == [busy]
    ack = create_request("ACK", branch="z9hG4bKpeer1", to_tag=session.local_tag)
    harness.receive(ack)
    assert harness.advance(4.9) == []
    assert harness.receive(create_request("INVITE", sdp=OFFER_SDP)) == []
    harness.advance(30.0)
    assert harness.agent.transaction_count == 0
    assert harness.events() == []


def test_refusal_that_is_never_acked_is_given_up_after_64_t1() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.reject(486, "Busy Here", harness.now)
    harness.advance(33.0)
    assert harness.agent.transaction_count == 0


@pytest.mark.parametrize(("status", "phrase"), [(200, "OK"), (700, "X"), (486, "Busy\r\nX: y")])
def test_refusal_that_is_none_raises(status: int, phrase: str) -> None:
    harness = create_harness()
    session, _ = harness.accept()
    with pytest.raises(ValueError, match=r"status|line end"):
        session.reject(status, phrase, harness.now)
    assert state_of(session) is SessionState.PROCEEDING


def test_commands_when_answered_or_ended_raise() -> None:
    harness = create_harness()
    session = confirmed(harness)
    for _ in range(2):
        with pytest.raises(SessionStateError):
            session.ring(harness.now)
        with pytest.raises(SessionStateError):
            session.answer(ANSWER_SDP, harness.now)
        with pytest.raises(SessionStateError):
            session.reject(486, "Busy Here", harness.now)
        session.hang_up(harness.now)


# The caller's side of it


def test_cancel_before_the_answer_ends_with_487() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.ring(harness.now)
    harness.sent()
    cancel = create_request("CANCEL", lines=["Reason: Q.850;cause=31"])
    sent = harness.receive(cancel)
    assert summaries(sent) == ["200 CANCEL", "487 INVITE"]
    assert read(sent[0]).to_tag == read(sent[1]).to_tag == session.local_tag
    assert harness.events() == [SessionEnded(LegCause(LegOutcome.NO_ANSWER, 487, "Cancelled", 31))]
    assert harness.receive(cancel) == sent[:1]
    assert state_of(session) is SessionState.ENDED


def test_cancel_after_the_answer_changes_nothing() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    assert summaries(harness.receive(create_request("CANCEL"))) == ["200 CANCEL"]
    assert state_of(session) is SessionState.ANSWERED
    assert harness.events() == []


@pytest.mark.parametrize("answered", [False, True])
def test_bye_before_the_ack_ends(answered: bool) -> None:
    harness = create_harness()
    session, _ = harness.accept()
    if answered:
        session.answer(ANSWER_SDP, harness.now)
    harness.sent()
    bye = create_request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=session.local_tag)
    expected = ["200 BYE"] if answered else ["200 BYE", "487 INVITE"]
    assert summaries(harness.receive(bye)) == expected
    [ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.outcome is LegOutcome.HUNG_UP
    assert all(summary(data) == "487 INVITE" for _, data in harness.advance(40.0))


def test_bye_when_we_hang_up_too_is_answered_and_not_told() -> None:
    harness = create_harness()
    session = confirmed(harness)
    session.hang_up(harness.now)
    harness.sent()
    bye = create_request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=session.local_tag)
    assert summaries(harness.receive(bye)) == ["200 BYE"]
    assert harness.events() == []
