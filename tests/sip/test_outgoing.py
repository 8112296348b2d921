"""Outgoing sessions: what a caller's side does with everything that a network may answer."""

import dataclasses

import pytest
from tests.sip.support import (
    ANSWER,
    ANSWER_SDP,
    CALLED,
    OFFER,
    PEER,
    SHOWN,
    Harness,
    create_agent,
    create_harness,
    create_invitation,
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
from clicktodial.sip.client_transaction import FORKS_MAX
from clicktodial.sip.event import (
    SessionAnswered,
    SessionEarlyMedia,
    SessionEnded,
    SessionRinging,
    SessionTrying,
)
from clicktodial.sip.midcall import NO_USABLE_ANSWER_CAUSE
from clicktodial.sip.outgoing import NO_RESPONSE_CAUSE
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.session import Direction, SessionState
from clicktodial.sip.user_agent import Limits, SessionStateError


def in_dialog(
    request: bytes, method: str, *, cseq: int = 1, tag: str = "peer", **more: str
) -> bytes:
    """A request of the peer within the dialog that it answered."""
    return create_request(
        method,
        cseq=cseq,
        branch=f"z9hG4bK{method}{cseq}{tag}",
        to_tag=read(request).from_tag,
        from_tag=tag,
        call_id=read(request).call_id,
        lines=[f"{name}: {value}" for name, value in more.items()],
    )


# What is sent


def test_invite_says_what_it_must_and_no_more() -> None:
    _, request = create_harness().invite()
    names = [line.partition(b":")[0] for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    assert names == [
        b"INVITE sip", b"Via", b"Max-Forwards", b"From", b"To", b"Call-ID", b"CSeq", b"Contact",
        b"Allow", b"Supported", b"User-Agent", b"Content-Type", b"Content-Length",
    ]  # fmt: skip
    assert header_lines(request, "Contact") == ["<sip:192.0.2.1:5060>"]
    assert header_lines(request, "From")[0].startswith(f"<sip:{SHOWN}@192.0.2.9;user=phone>;tag=")
    assert header_lines(request, "To") == [f"<sip:{CALLED}@192.0.2.9:5080;user=phone>"]


def test_invite_says_how_long_the_phone_may_ring() -> None:
    invitation = dataclasses.replace(create_invitation(), expires_s=45)
    _, request = create_harness().invite(invitation)
    assert read(request).get("Expires") == "45"


def test_identifiers_of_two_sessions_differ_and_name_nobody() -> None:
    harness = Harness(create_agent(seed=5))
    requests = [read(harness.invite()[1]) for _ in range(100)]
    for values in (
        {request.call_id for request in requests},
        {request.from_tag for request in requests},
        {request.branch for request in requests},
    ):
        assert len(values) == 100
        assert all("." not in value and "@" not in value for value in values)


def test_line_end_in_an_invitation_raises() -> None:
    harness = create_harness()
    invitation = create_invitation()
    for hostile in (
        dataclasses.replace(invitation, to_uri="sip:a@b>\r\nX: y"),
        dataclasses.replace(invitation, headers=(("X", "a\nb"),)),
    ):
        with pytest.raises(ValueError, match="line end"):
            harness.agent.invite(hostile, 0.0)
    assert harness.agent.session_count == 0


# The usual course


def test_call_answered_and_hung_up_by_us_leaves_nothing_behind() -> None:
    harness = create_harness()
    session, request = harness.invite()
    assert (session.state, session.direction) == (SessionState.CALLING, Direction.OUTGOING)
    assert harness.receive(create_response(request, 100)) == []
    assert harness.receive(create_response(request, 180)) == []
    [ack] = harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    assert summary(ack) == "ACK"
    assert harness.events() == [SessionTrying(), SessionRinging(), SessionAnswered(ANSWER)]
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert header_lines(bye, "CSeq") == ["2 BYE"]
    assert state_of(session) is SessionState.ENDING
    harness.receive(create_response(bye, 200))
    assert state_of(session) is SessionState.ENDED
    assert harness.events() == []
    assert harness.agent.session_count == 0
    harness.advance(33.0)
    assert harness.agent.transaction_count == 0
    assert harness.agent.next_deadline() is None


def test_ack_of_200_has_the_dialogs_identity_and_a_branch_of_its_own() -> None:
    harness = create_harness()
    _, request = harness.invite()
    [ack] = harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    assert ack.startswith(b"ACK sip:192.0.2.9:5080 SIP/2.0\r\n")
    assert header_lines(ack, "CSeq") == ["1 ACK"]
    assert header_lines(ack, "From") == header_lines(request, "From")
    assert header_lines(ack, "To") == [header_lines(request, "To")[0] + ";tag=peer"]
    assert read(ack).branch != read(request).branch


def test_bye_of_the_peer_in_conversation_is_answered_and_ends() -> None:
    harness = create_harness()
    session, request, _ = harness.answered()
    reason = 'Q.850;cause=31;text="Normal"'
    [ok] = harness.receive(in_dialog(request, "BYE", Reason=reason))
    assert summary(ok) == "200 BYE"
    assert harness.events() == [SessionEnded(LegCause(LegOutcome.HUNG_UP, None, "BYE", 31, reason))]
    assert state_of(session) is SessionState.ENDED
    assert harness.receive(in_dialog(request, "BYE")) == [ok]  # lost and sent again
    assert harness.events() == []


def test_hang_up_twice_in_any_state_does_no_more_than_once() -> None:
    harness = create_harness()
    session, _, _ = harness.answered()
    session.hang_up(harness.now)
    assert summaries(harness.sent()) == ["BYE"]
    session.hang_up(harness.now)
    assert harness.sent() == []


def test_q850_of_hang_up_is_told_to_the_peer() -> None:
    harness = create_harness()
    session, _, _ = harness.answered()
    session.hang_up(harness.now, q850=16)
    [bye] = harness.sent()
    assert header_lines(bye, "Reason") == ["Q.850;cause=16"]


@pytest.mark.parametrize("status", [200, 481, 408, 503])
def test_any_answer_to_our_bye_ends_the_session(status: int) -> None:
    harness = create_harness()
    session, _, _ = harness.answered()
    session.hang_up(harness.now)
    [bye] = harness.sent()
    harness.receive(create_response(bye, status))
    assert state_of(session) is SessionState.ENDED
    assert harness.agent.session_count == 0


def test_bye_that_is_never_answered_ends_the_session_after_64_t1() -> None:
    harness = create_harness()
    session, _, _ = harness.answered()
    session.hang_up(harness.now)
    harness.sent()
    sent = harness.advance(40.0)
    assert {summary(data) for _, data in sent} == {"BYE"}
    assert state_of(session) is SessionState.ENDED
    assert harness.agent.session_count == 0


def test_both_hang_up_at_once_both_are_answered_and_nothing_is_told() -> None:
    harness = create_harness()
    session, request, _ = harness.answered()
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert summaries(harness.receive(in_dialog(request, "BYE"))) == ["200 BYE"]
    harness.receive(create_response(bye, 200))
    assert harness.events() == []
    assert state_of(session) is SessionState.ENDED


# Provisional responses


@pytest.mark.parametrize(
    ("status", "sdp", "events"),
    [
        (100, b"", []),
        (180, b"", [SessionRinging()]),
        (181, b"", []),
        (182, b"", []),
        (183, b"", [SessionRinging()]),
        (183, ANSWER_SDP, [SessionEarlyMedia(ANSWER)]),
        (180, ANSWER_SDP, [SessionRinging(), SessionEarlyMedia(ANSWER)]),
        (183, b"garbage", [SessionRinging()]),
        (183, describe(PCMU), []),
        (199, b"", []),
    ],
)
def test_provisional_response_tells_what_it_means(
    status: int, sdp: bytes, events: list[object]
) -> None:

    offer = serialize_sdp(type(OFFER)(OFFER.address, (PCMA,), OFFER.dtmf))
    harness = create_harness()
    _, request = harness.invite(create_invitation(sdp=offer))
    harness.receive(create_response(request, status, sdp=sdp))
    assert harness.events() == [SessionTrying(), *events]


def test_ringing_for_minutes_neither_times_out_nor_repeats_the_invite() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 180))
    harness.events()
    for _ in range(10):
        assert harness.advance(60.0) == []
        harness.receive(create_response(request, 180))
    assert harness.events() == []
    assert state_of(session) is SessionState.PROCEEDING
    assert summaries(harness.receive(create_response(request, 200, sdp=ANSWER_SDP))) == ["ACK"]


def test_early_media_of_several_forks_is_told_when_it_changes() -> None:
    harness = create_harness()
    _, request = harness.invite()
    for tag, port in (("a", 30_000), ("a", 30_000), ("b", 30_002)):
        harness.receive(create_response(request, 183, tag=tag, sdp=describe(PCMA, port=port)))
    ports = [
        event.media.address.port
        for event in harness.events()
        if isinstance(event, SessionEarlyMedia)
    ]
    assert ports == [30_000, 30_002]


# Refusals


@pytest.mark.parametrize(
    ("status", "outcome", "q850"),
    [
        (302, LegOutcome.FAILED, 127),
        (401, LegOutcome.FAILED, 127),
        (404, LegOutcome.FAILED, 1),
        (408, LegOutcome.NO_ANSWER, 102),
        (422, LegOutcome.FAILED, 127),
        (480, LegOutcome.NO_ANSWER, 18),
        (486, LegOutcome.BUSY, 17),
        (487, LegOutcome.NO_ANSWER, 16),
        (491, LegOutcome.FAILED, 127),
        (500, LegOutcome.FAILED, 41),
        (503, LegOutcome.FAILED, 41),
        (600, LegOutcome.BUSY, 17),
        (603, LegOutcome.DECLINED, 21),
        (699, LegOutcome.FAILED, 127),
    ],
)
def test_refusal_is_acknowledged_and_ends(status: int, outcome: LegOutcome, q850: int) -> None:
    harness = create_harness()
    session, request = harness.invite()
    [ack] = harness.receive(create_response(request, status, "The phrase"))
    assert ack.startswith(b"ACK " + request.split(b" ")[1])
    assert read(ack).branch == read(request).branch
    assert header_lines(ack, "To")[0].endswith(";tag=peer")
    assert harness.events() == [
        SessionTrying(),
        SessionEnded(LegCause(outcome, status, "The phrase", q850)),
    ]
    assert state_of(session) is SessionState.ENDED
    assert harness.agent.session_count == 0


def test_refusal_sent_again_is_acknowledged_again_with_the_same_ack() -> None:
    harness = create_harness()
    _, request = harness.invite()
    busy = create_response(request, 486)
    first = harness.receive(busy)
    harness.events()
    assert harness.receive(busy) == first
    assert harness.events() == []
    assert harness.agent.counters.retransmissions == 1


@pytest.mark.parametrize(
    ("reason", "q850"),
    [
        ("Q.850;cause=34", 34),
        ('SIP;cause=486;text="Busy, really", q.850 ; text="x" ; cause = 17', 17),
        ("Q.850;cause=999", 41),
        ("SIP;cause=200", 41),
        ("Q.850;" + "x" * 4000 + "cause=17", 41),
    ],
)
def test_q850_of_a_refusal_is_that_of_its_reason_header(reason: str, q850: int) -> None:
    harness = create_harness()
    _, request = harness.invite()
    harness.receive(create_response(request, 503, lines=[f"Reason: {reason}"]))
    [_, ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.q850 == q850


def test_phrase_of_a_refusal_is_cut_and_printable() -> None:
    harness = create_harness()
    _, request = harness.invite()
    harness.receive(create_response(request, 404, "No\x07 such " + "x" * 500))
    [_, ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.sip_text.startswith("No such xxx")
    assert len(ended.cause.sip_text) <= 128


# Nobody there


def test_no_response_ends_with_408_and_repeats_the_invite_until_then() -> None:
    harness = create_harness()
    session, request = harness.invite()
    sent = harness.advance(31.9)
    assert [after for after, _ in sent] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert {data for _, data in sent} == {request}
    assert harness.events() == []
    harness.advance(0.2)
    assert harness.events() == [SessionEnded(NO_RESPONSE_CAUSE)]
    assert state_of(session) is SessionState.ENDED


def test_late_200_when_given_up_is_acknowledged_and_hung_up() -> None:
    harness = create_harness()
    _, request = harness.invite()
    harness.advance(33.0)
    harness.events()
    sent = harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    assert summaries(sent) == ["ACK", "BYE"]
    assert harness.events() == []
    assert harness.receive(create_response(request, 200, sdp=ANSWER_SDP)) == sent[:1]


def test_late_ringing_when_given_up_is_cancelled_once() -> None:
    harness = create_harness()
    _, request = harness.invite()
    harness.advance(33.0)
    assert summaries(harness.receive(create_response(request, 180))) == ["CANCEL"]
    assert harness.receive(create_response(request, 180)) == []
    assert summaries(harness.receive(create_response(request, 487))) == ["ACK"]


def test_late_refusal_when_given_up_is_acknowledged() -> None:
    harness = create_harness()
    _, request = harness.invite()
    harness.advance(33.0)
    assert summaries(harness.receive(create_response(request, 486))) == ["ACK"]


# Giving up


def test_hang_up_before_any_response_cancels_when_one_comes() -> None:
    harness = create_harness()
    session, request = harness.invite()
    session.hang_up(harness.now, q850=16)
    assert harness.sent() == []
    [cancel] = harness.receive(create_response(request, 100))
    assert cancel.startswith(b"CANCEL " + request.split(b" ")[1])
    assert header_lines(cancel, "Via") == header_lines(request, "Via")
    assert header_lines(cancel, "To") == header_lines(request, "To")
    assert header_lines(cancel, "CSeq") == ["1 CANCEL"]
    assert header_lines(cancel, "Reason") == ["Q.850;cause=16"]
    assert harness.receive(create_response(cancel, 200)) == []
    assert summaries(harness.receive(create_response(request, 487))) == ["ACK"]
    assert harness.events() == []


def test_hang_up_before_any_response_keeps_asking_until_64_t1() -> None:
    harness = create_harness()
    session, _ = harness.invite()
    session.hang_up(harness.now)
    assert len(harness.advance(33.0)) == 6
    harness.advance(33.0)
    assert harness.agent.transaction_count == 0
    assert harness.events() == []


def test_hang_up_while_ringing_cancels_at_once() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 180))
    session.hang_up(harness.now)
    assert summaries(harness.sent()) == ["CANCEL"]
    assert state_of(session) is SessionState.ENDED


def test_cancel_that_ends_nothing_is_given_up_after_64_t1() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 180))
    session.hang_up(harness.now)
    [cancel] = harness.sent()
    harness.receive(create_response(cancel, 200))
    harness.advance(70.0)
    assert harness.agent.transaction_count == 0


def test_cancel_that_is_lost_is_sent_again() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 180))
    session.hang_up(harness.now)
    [cancel] = harness.sent()
    sent = harness.advance(10.0)
    assert [(after, data == cancel) for after, data in sent] == [
        (0.5, True), (1.5, True), (3.5, True), (7.5, True),
    ]  # fmt: skip


@pytest.mark.parametrize("provisional", [True, False])
def test_200_crossing_hang_up_is_acknowledged_and_hung_up(provisional: bool) -> None:
    harness = create_harness()
    session, request = harness.invite()
    if provisional:
        harness.receive(create_response(request, 180))
    session.hang_up(harness.now)
    harness.sent()
    harness.events()
    ok = create_response(request, 200, sdp=ANSWER_SDP)
    ack, bye = harness.receive(ok)
    assert summaries([ack, bye]) == ["ACK", "BYE"]
    assert header_lines(bye, "CSeq") == ["102 BYE"]
    assert harness.receive(ok) == [ack]
    assert harness.events() == []
    harness.receive(create_response(bye, 200))
    harness.advance(70.0)
    assert harness.agent.transaction_count == 0


def test_event_that_was_queued_when_we_hung_up_is_not_told() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    session.hang_up(harness.now)
    assert harness.events() == []


# Answers


def test_200_sent_again_gets_the_same_ack_and_is_told_once() -> None:
    harness = create_harness()
    _, request = harness.invite()
    ok = create_response(request, 200, sdp=ANSWER_SDP)
    first = harness.receive(ok)
    harness.events()
    harness.advance(20.0)
    assert harness.receive(ok) == first
    assert harness.events() == []


def test_200_sent_again_when_hung_up_gets_the_same_ack() -> None:
    harness = create_harness()
    session, request = harness.invite()
    ok = create_response(request, 200, sdp=ANSWER_SDP)
    first = harness.receive(ok)
    session.hang_up(harness.now)
    harness.sent()
    assert harness.receive(ok) == first


def test_200_of_another_fork_is_acknowledged_and_hung_up_in_its_own_dialog() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 200, tag="first", sdp=ANSWER_SDP))
    harness.events()
    other = create_response(
        request, 200, tag="second", lines=["Contact: <sip:192.0.2.10:5081>"], sdp=ANSWER_SDP
    )
    harness.agent.receive(other, PEER, harness.now)
    sent = harness.agent.take_messages()
    assert [(summary(data), to) for data, to in sent] == [
        ("ACK", ("192.0.2.10", 5081)),
        ("BYE", ("192.0.2.10", 5081)),
    ]
    assert all(header_lines(data, "To")[0].endswith(";tag=second") for data, _ in sent)
    assert harness.events() == []
    assert state_of(session) is SessionState.CONFIRMED
    session.hang_up(harness.now)
    [bye] = harness.sent()
    assert header_lines(bye, "To")[0].endswith(";tag=first")


def test_forks_without_end_are_answered_up_to_a_limit() -> None:
    harness = create_harness()
    _, request = harness.invite()
    sent = [
        summary(data)
        for number in range(5 * FORKS_MAX)
        for data in harness.receive(
            create_response(request, 200, tag=f"fork{number}", sdp=ANSWER_SDP)
        )
    ]
    assert sent.count("ACK") == FORKS_MAX
    assert sent.count("BYE") == FORKS_MAX - 1
    assert harness.agent.counters.refused == 4 * FORKS_MAX


@pytest.mark.parametrize(
    "sdp", [b"", b"garbage", describe(PCMU)], ids=["none", "garbage", "not-offered"]
)
def test_200_without_usable_answer_is_acknowledged_hung_up_and_told_as_488(sdp: bytes) -> None:
    harness = create_harness()
    _, request = harness.invite(create_invitation(sdp=describe(PCMA)))
    sent = harness.receive(create_response(request, 200, sdp=sdp))
    assert summaries(sent) == ["ACK", "BYE"]
    assert header_lines(sent[1], "Reason") == ["Q.850;cause=88"]
    assert harness.events() == [SessionTrying(), SessionEnded(NO_USABLE_ANSWER_CAUSE)]
    harness.receive(create_response(sent[1], 200))
    assert harness.agent.session_count == 0


def test_bye_that_overtakes_its_200_ends_and_the_200_is_hung_up() -> None:
    harness = create_harness()
    session, request = harness.invite()
    harness.receive(create_response(request, 180))
    sent = harness.receive(in_dialog(request, "BYE"))
    assert sorted(summaries(sent)) == ["200 BYE", "CANCEL"]
    assert isinstance(harness.events()[-1], SessionEnded)
    assert state_of(session) is SessionState.ENDED
    sent = harness.receive(create_response(request, 200, sdp=ANSWER_SDP))
    assert summaries(sent) == ["ACK", "BYE"]
    assert harness.events() == []


# What is not for us


@pytest.mark.parametrize("change", ["branch", "via", "method", "two-vias"])
def test_response_that_answers_nothing_of_ours_is_counted_and_dropped(change: str) -> None:
    harness = create_harness()
    session, request = harness.invite()
    response = create_response(request, 200, sdp=ANSWER_SDP)
    branch = read(request).branch.encode()
    response = {
        "branch": response.replace(branch, b"z9hG4bKother"),
        "via": response.replace(b";branch=" + branch, b""),
        "method": response.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        "two-vias": response.replace(b"From:", b"Via: SIP/2.0/UDP 192.0.2.7;branch=x\r\nFrom:"),
    }[change]
    assert harness.receive(response) == []
    assert harness.agent.counters.stray == 1
    assert state_of(session) is SessionState.CALLING


def test_commands_of_incoming_sessions_raise() -> None:
    session, _ = create_harness().invite()
    with pytest.raises(SessionStateError):
        session.ring(0.0)
    with pytest.raises(SessionStateError):
        session.answer(b"", 0.0)
    with pytest.raises(SessionStateError):
        session.reject(486, "Busy", 0.0)


# Limits


@pytest.mark.parametrize(
    "limits", [Limits(sessions_max=2), Limits(client_transactions_max=2)], ids=str
)
def test_invite_beyond_a_limit_sends_nothing_and_is_told_as_503(limits: Limits) -> None:
    harness = Harness(create_agent(limits=limits))
    for _ in range(2):
        harness.invite()
    session = harness.agent.invite(create_invitation(), harness.now)
    assert harness.sent() == []
    [ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.sip_status == 503
    assert state_of(session) is SessionState.ENDED
    session.hang_up(harness.now)
    assert harness.agent.session_count == 2
    assert harness.agent.counters.refused == 1
