"""Within a conversation: hold and resume, another address, glare, and sessions that run out."""

import dataclasses

import pytest
from tests.sip.call import Call, streams
from tests.sip.support import (
    ANSWER,
    ANSWER_SDP,
    OFFER,
    create_harness,
    create_invitation,
    create_request,
    create_response,
    describe,
    header_lines,
    read,
    summaries,
    summary,
)

from clicktodial.domain.cause import LegOutcome
from clicktodial.domain.media import (
    G722,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import (
    SessionEnded,
    SessionMediaChanged,
    SessionOffered,
)
from clicktodial.sip.midcall import (
    EXPIRED_CAUSE,
    NO_ACK_CAUSE,
    PEER_OFFERS_MAX,
    PEER_OFFERS_WINDOW_S,
)
from clicktodial.sip.reoffer import REINVITE_DECISION_MAX_S, UPDATE_DECISION_MAX_S
from clicktodial.sip.sdp import STREAMS_MAX, parse_sdp, serialize_sdp
from clicktodial.sip.session import SessionState

SE_S = 1_800


def held(direction: MediaDirection, host: str = "192.0.2.9") -> bytes:
    """The peer's SDP with that direction."""
    media = MediaDescription(MediaAddress(host, 30_000), (PCMA,), None, direction)
    return serialize_sdp(media, version=2)


# Offers of the peer


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (MediaDirection.SEND, MediaDirection.RECEIVE),
        (MediaDirection.NONE, MediaDirection.NONE),
        (MediaDirection.RECEIVE, MediaDirection.SEND),
        (MediaDirection.BOTH, MediaDirection.BOTH),
    ],
)
def test_offer_is_told_and_answered_with_its_direction_mirrored(
    method: str, theirs: MediaDirection, ours: MediaDirection
) -> None:
    call = Call()
    call.ask(method, 2, sdp=held(theirs))
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.media.direction is theirs
    ok = call.accept()
    assert summary(ok) == f"200 {method}"
    answer = parse_sdp(read(ok).body)
    assert answer == MediaDescription(OFFER.address, (PCMA,), None, ours)
    assert header_lines(ok, "Contact") == ["<sip:192.0.2.1:5060>"]
    # RFC 3264 8: the same session, changed.
    [origin] = [line for line in read(ok).body.split(b"\r\n") if line.startswith(b"o=")]
    assert origin.split()[1:3] == [b"20000", b"2"]
    if method == "INVITE":
        assert call.ask("ACK", 2, branch="z9hG4bKother") == []
    assert call.harness.advance(60.0) == []
    assert call.state is SessionState.CONFIRMED


def test_hold_by_the_address_that_is_none_is_hold() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=held(MediaDirection.BOTH, "0.0.0.0"))
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.media.direction is MediaDirection.SEND
    assert parse_sdp(read(call.accept()).body).direction is MediaDirection.RECEIVE


def test_reinvite_without_offer_gets_ours_and_its_ack_answers() -> None:
    call = Call()
    trying, ok = call.ask("INVITE", 2)
    assert summaries([trying, ok]) == ["100 INVITE", "200 INVITE"]
    assert parse_sdp(read(ok).body) == MediaDescription(OFFER.address, (PCMA,), OFFER.dtmf)
    assert call.events() == []
    call.ask("ACK", 2, branch="z9hG4bKother", sdp=describe(PCMA, port=31_000))
    [event] = call.events()
    assert isinstance(event, SessionMediaChanged)
    assert event.media.address.port == 31_000


@pytest.mark.parametrize("sdp", [b"", b"v=0\r\nnonsense", describe(PCMU)])
def test_ack_that_answers_nothing_usable_changes_nothing(sdp: bytes) -> None:
    call = Call()
    call.ask("INVITE", 2)
    call.ask("ACK", 2, branch="z9hG4bKother", sdp=sdp)
    assert call.events() == []
    assert call.state is SessionState.CONFIRMED
    assert call.harness.advance(60.0) == []


@pytest.mark.parametrize("sdp", [describe(Codec(18, "G729")), b"v=0\r\n", b"not sdp"])
def test_offer_that_the_relay_cannot_carry_is_488_and_the_session_goes_on(sdp: bytes) -> None:
    call = Call()
    sent = call.ask("INVITE", 2, sdp=sdp)
    assert summaries(sent) == ["100 INVITE", "488 INVITE"]
    call.ask("ACK", 2, branch="z9hG4bKINVITE2")
    assert call.harness.advance(60.0) == []
    assert (call.events(), call.state) == ([], SessionState.CONFIRMED)
    call.ask("UPDATE", 3, sdp=describe(PCMA))
    assert summary(call.accept()) == "200 UPDATE"


def test_offer_of_another_kind_of_body_is_415() -> None:
    call = Call()
    lines = ("Content-Type: text/plain",)
    invite = read(call.invite)
    request = create_request(
        "INVITE", cseq=2, to_tag=invite.from_tag, from_tag="peer", call_id=invite.call_id
    )
    request = request.replace(b"Content-Length: 0\r\n", b"Content-Length: 4\r\n").replace(
        b"Max-Forwards", f"{lines[0]}\r\nMax-Forwards".encode()
    )
    assert summaries(call.harness.receive(request + b"abcd")) == ["415 INVITE"]


def test_offer_that_the_owner_refuses_is_refused() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    call.session.refuse_offer(488, "Not Acceptable Here", call.harness.now)
    assert summaries(call.harness.sent()) == ["488 UPDATE"]
    with pytest.raises(SessionStateError):
        call.session.accept_offer(PCMA, call.harness.now)


def test_update_that_nobody_decides_on_is_504_promptly() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.decide_within_s == UPDATE_DECISION_MAX_S
    [(after_s, refusal)] = call.harness.advance(60.0)
    assert (after_s, summary(refusal)) == (UPDATE_DECISION_MAX_S, "504 UPDATE")
    assert UPDATE_DECISION_MAX_S < REINVITE_DECISION_MAX_S


def test_reinvite_waits_for_another_partys_and_is_given_back_where_nobody_decides() -> None:
    call = Call()
    assert summaries(call.ask("INVITE", 2, sdp=describe(PCMA))) == ["100 INVITE"]
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.decide_within_s == REINVITE_DECISION_MAX_S
    assert call.harness.advance(REINVITE_DECISION_MAX_S - 0.1) == []
    (after_s, refusal), *_ = call.harness.advance(1.0)
    assert (after_s, summary(refusal)) == (0.1, "500 INVITE")
    assert header_lines(refusal, "Retry-After") == ["5"]
    with pytest.raises(SessionStateError):
        call.accept()


def test_reinvite_that_the_peer_cancels_is_over() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA), branch="z9hG4bKsame")
    assert summaries(call.ask("CANCEL", 2, branch="z9hG4bKsame")) == ["200 CANCEL", "487 INVITE"]
    with pytest.raises(SessionStateError):
        call.accept()
    call.ask("ACK", 2, branch="z9hG4bKsame")
    call.ask("UPDATE", 3, sdp=describe(PCMA))
    assert summary(call.accept()) == "200 UPDATE"


@pytest.mark.parametrize("decide", ["accept", "refuse"])
def test_offer_after_one_that_was_withdrawn_waits_until_that_is_decided_on(decide: str) -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA), branch="z9hG4bKsame")
    call.ask("CANCEL", 2, branch="z9hG4bKsame")
    call.ask("ACK", 2, branch="z9hG4bKsame")
    # Whose the decision is that comes now, nobody could tell.
    assert summaries(call.ask("UPDATE", 3, sdp=describe(PCMU))) == ["500 UPDATE"]
    assert summaries(call.ask("UPDATE", 4)) == ["200 UPDATE"]
    with pytest.raises(SessionStateError):
        if decide == "accept":
            call.accept()
        else:
            call.session.refuse_offer(488, "Not Acceptable Here", call.harness.now)
    call.ask("UPDATE", 5, sdp=describe(PCMU))
    assert summary(call.accept(PCMU)) == "200 UPDATE"


def test_reinvite_that_was_answered_is_not_cancelled_any_more() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA), branch="z9hG4bKsame")
    call.accept()
    assert summaries(call.ask("CANCEL", 2, branch="z9hG4bKsame")) == ["200 CANCEL"]
    call.ask("ACK", 2, branch="z9hG4bKother")
    assert call.state is SessionState.CONFIRMED


def test_offer_without_the_codec_in_use_is_told_and_may_be_taken() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(Codec(18, "G729"), PCMU, G722))
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.media.codecs == (PCMU, G722)
    with pytest.raises(ValueError, match="not offered"):
        call.accept(PCMA)
    assert parse_sdp(read(call.accept(G722)).body).codecs == (G722,)
    call.ask("ACK", 2, branch="z9hG4bKother")
    # It is the codec in use from now on.
    _, ok = call.ask("INVITE", 3)
    assert parse_sdp(read(ok).body).codecs == (G722,)


def test_dtmf_that_a_hold_left_out_comes_back() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=held(MediaDirection.SEND))
    assert parse_sdp(read(call.accept()).body).dtmf is None
    call.ask("UPDATE", 3, sdp=describe(PCMA, dtmf=TELEPHONE_EVENT))
    assert parse_sdp(read(call.accept()).body).dtmf == TELEPHONE_EVENT


def test_other_streams_of_an_offer_are_refused_in_their_places_and_stay_so() -> None:
    call = Call()
    video = b"m=video 30002 RTP/AVP 99 98\r\na=rtpmap:99 H264/90000\r\n"
    text = b"m=text 30004/2 RTP/AVP 97\r\n"
    offer = describe(PCMA).replace(b"m=audio", video + b"m=audio") + text
    call.ask("UPDATE", 2, sdp=offer)
    ok = call.accept()
    assert streams(ok) == ["video 0 RTP/AVP 99", "audio 20000 RTP/AVP 8", "text 0 RTP/AVP 97"]
    # RFC 3264 8: what we offer later has no fewer.
    _, ok = call.ask("INVITE", 3)
    assert [line.split()[0] for line in streams(ok)] == ["video", "audio", "text"]
    call.ask("ACK", 3, branch="z9hG4bKother", sdp=offer)
    [_, event] = call.events()
    assert isinstance(event, SessionMediaChanged)


def test_refused_offer_adds_no_stream() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA) + b"m=text 30004 RTP/AVP 97\r\n")
    call.session.refuse_offer(488, "Not Acceptable Here", call.harness.now)
    call.harness.sent()
    _, ok = call.ask("INVITE", 3)
    assert [line.split()[0] for line in streams(ok)] == ["audio"]


@pytest.mark.parametrize("line", ["m=", "m=x", "m=a b c", "m=" + "a" * 33 + " 1 RTP/AVP 8"])
def test_offer_with_a_stream_that_cannot_be_named_is_488(line: str) -> None:
    call = Call()
    sent = call.ask("UPDATE", 2, sdp=describe(PCMA) + f"{line}\r\n".encode())
    assert summaries(sent) == ["488 UPDATE"]


def test_offer_of_too_many_streams_is_488() -> None:
    call = Call()
    more = b"m=text 30004 RTP/AVP 97\r\n" * STREAMS_MAX
    assert summaries(call.ask("UPDATE", 2, sdp=describe(PCMA) + more)) == ["488 UPDATE"]


def test_second_offer_while_one_is_open_is_500_and_the_same_one_again_is_absorbed() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    assert call.ask("UPDATE", 2, sdp=describe(PCMA)) == []
    [refusal] = call.ask("INVITE", 3, sdp=describe(PCMA))
    assert summary(refusal) == "500 INVITE"
    assert 0 <= int(header_lines(refusal, "Retry-After")[0]) <= 10
    assert summary(call.accept()) == "200 UPDATE"
    assert summaries(call.ask("UPDATE", 2, sdp=describe(PCMA))) == ["200 UPDATE"]


def test_answer_to_a_reinvite_is_sent_until_its_ack() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA))
    ok = call.accept()
    repeated = call.harness.advance(3.0)
    assert [data for _, data in repeated] == [ok, ok]
    call.ask("ACK", 2, branch="z9hG4bKother")
    assert call.harness.advance(60.0) == []


def test_reinvite_whose_ack_never_comes_ends_the_session() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA))
    call.accept()
    call.events()
    sent = call.harness.advance(32.0)
    assert summary(sent[-1][1]) == "BYE"
    assert call.events() == [SessionEnded(NO_ACK_CAUSE)]


def test_bye_while_an_offer_is_open_answers_both() -> None:
    call = Call()
    call.ask("INVITE", 2, sdp=describe(PCMA))
    call.events()
    assert summaries(call.ask("BYE", 3)) == ["200 BYE", "487 INVITE"]
    [event] = call.events()
    assert isinstance(event, SessionEnded)
    assert event.cause.outcome is LegOutcome.HUNG_UP
    call.ask("ACK", 2, branch="z9hG4bKINVITE2")
    call.harness.advance(60.0)
    assert call.harness.agent.transaction_count == 0


def test_hang_up_while_an_offer_is_open_answers_it_and_says_bye() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    call.session.hang_up(call.harness.now)
    assert sorted(summaries(call.harness.sent())) == ["487 UPDATE", "BYE"]


def test_new_contact_is_where_the_bye_goes() -> None:
    call = Call()
    invite = read(call.invite)
    request = create_request(
        "UPDATE", cseq=2, to_tag=invite.from_tag, from_tag="peer", call_id=invite.call_id,
        lines=("Contact: <sip:moved@192.0.2.77:5099>",),
    )  # fmt: skip
    assert summaries(call.harness.receive(request)) == ["200 UPDATE"]
    call.session.hang_up(call.harness.now)
    assert call.harness.sent_to() == [("BYE", ("192.0.2.77", 5099))]


def test_peer_holds_a_session_that_it_opened() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    [ok] = harness.sent()
    tag = read(ok).to_tag
    harness.receive(create_request("ACK", branch="z9hG4bKa", to_tag=tag))
    harness.events()
    harness.receive(create_request("UPDATE", cseq=2, to_tag=tag, branch="z9hG4bKu",
                                   sdp=held(MediaDirection.SEND)))  # fmt: skip
    [event] = harness.events()
    assert isinstance(event, SessionOffered)
    session.accept_offer(PCMA, harness.now)
    [ok] = harness.sent()
    assert parse_sdp(read(ok).body).address == ANSWER.address


# Session timers


def test_invite_asks_for_a_timer() -> None:
    call = Call(session_expires_s=SE_S)
    assert header_lines(call.invite, "Session-Expires") == ["1800"]
    assert header_lines(call.invite, "Min-SE") == ["90"]
    assert header_lines(call.invite, "Supported") == ["100rel, timer"]


def test_peer_without_timers_has_none() -> None:
    assert Call(session_expires_s=SE_S).harness.advance(10 * SE_S) == []


def answer_refresh(call: Call, request: bytes, status: int = 200, *lines: str) -> list[bytes]:
    sdp = ANSWER_SDP if read(request).method == "INVITE" and status == 200 else b""
    contact = "Contact: <sip:192.0.2.9:5080>"
    return call.harness.receive(create_response(request, status, lines=(contact, *lines), sdp=sdp))


def test_refresher_sends_update_at_half_of_the_interval_again_and_again() -> None:
    expires = f"Session-Expires: {SE_S};refresher=uac"
    call = Call([expires], session_expires_s=SE_S)
    for _ in range(3):
        [(after_s, update)] = call.harness.advance(SE_S / 2)
        assert (after_s, summary(update)) == (SE_S / 2, "UPDATE")
        assert header_lines(update, "Session-Expires") == [expires.partition(": ")[2]]
        assert read(update).body == b""
        assert answer_refresh(call, update, 200, expires) == []
    assert (call.events(), call.state) == ([], SessionState.CONFIRMED)


def test_peer_without_update_is_refreshed_by_an_invite_that_changes_nothing() -> None:
    expires = f"Session-Expires: {SE_S};refresher=uac"
    call = Call([expires], session_expires_s=SE_S, allow="INVITE, ACK, BYE")
    [(_, invite)] = call.harness.advance(SE_S / 2)
    assert summary(invite) == "INVITE"
    assert read(invite).body == serialize_sdp(OFFER)
    [ack] = answer_refresh(call, invite, 200, expires)
    assert (summary(ack), read(ack).cseq) == ("ACK", read(invite).cseq)
    assert call.events() == [SessionMediaChanged(ANSWER)]
    # Its 200 again gets its ACK again.
    assert answer_refresh(call, invite, 200, expires) == [ack]


def test_refused_refresh_by_invite_is_acknowledged_in_its_transaction() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S, allow="BYE")
    [(_, invite)] = call.harness.advance(SE_S / 2)
    [ack] = answer_refresh(call, invite, 488)
    assert (summary(ack), read(ack).branch) == ("ACK", read(invite).branch)
    assert read(ack).to_tag == "peer"
    # Tried once more before the end, and then it is over.
    sent = call.harness.advance(SE_S)
    assert summaries([data for _, data in sent])[0] == "INVITE"
    assert "BYE" in summaries([data for _, data in sent])


@pytest.mark.parametrize("status", [408, 481])
def test_refresh_to_a_peer_that_is_gone_ends_the_session(status: int) -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    assert summaries(answer_refresh(call, update, status)) == ["BYE"]
    assert call.events() == [SessionEnded(EXPIRED_CAUSE)]


def test_refresh_that_nobody_answers_ends_the_session() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    sent = call.harness.advance(SE_S / 2 + 33.0)
    assert summary(sent[-1][1]) == "BYE" or "BYE" in summaries([data for _, data in sent])
    assert call.events() == [SessionEnded(EXPIRED_CAUSE)]


def test_glare_waits_and_refreshes_again() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    # While ours is open, theirs is pending.
    assert summaries(call.ask("UPDATE", 2, sdp=describe(PCMA))) == ["491 UPDATE"]
    answer_refresh(call, update, 491)
    assert summaries(call.ask("UPDATE", 3)) == ["200 UPDATE"]
    # Which was a refresh, too: the next one of ours is due half an interval later.
    (after_s, again), *_ = call.harness.advance(SE_S / 2 + 5.0)
    assert (after_s, summary(again)) == (SE_S / 2, "UPDATE")
    assert read(again).cseq == read(update).cseq + 1


def test_refreshes_that_meet_are_both_answered() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    assert summaries(call.ask("UPDATE", 2)) == ["200 UPDATE"]
    assert answer_refresh(call, update, 200, f"Session-Expires: {SE_S};refresher=uac") == []
    [(after_s, _)] = call.harness.advance(SE_S / 2)
    assert after_s == SE_S / 2


def test_glare_is_tried_again_within_seconds() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    answer_refresh(call, update, 491)
    [(after_s, _)] = call.harness.advance(4.1)[:1]
    assert 2.1 <= after_s <= 4.0


def test_interval_too_small_for_the_peer_is_raised() -> None:
    expires = "Session-Expires: 300;refresher=uac"
    call = Call([expires], session_expires_s=300)
    [(_, update)] = call.harness.advance(150)
    [again] = answer_refresh(call, update, 422, "Min-SE: 600")
    assert header_lines(again, "Session-Expires") == ["600;refresher=uac"]
    assert header_lines(again, "Min-SE") == ["600"]
    # A peer that goes on refusing is not asked for ever.
    assert answer_refresh(call, again, 422, "Min-SE: 600") == []


def test_invite_refused_for_its_interval_goes_again_with_a_longer_one() -> None:
    harness = create_harness()
    invitation = dataclasses.replace(create_invitation(), session_expires_s=SE_S)
    _, invite = harness.invite(invitation)
    ack, again = harness.receive(create_response(invite, 422, lines=("Min-SE: 3600",)))
    assert summaries([ack, again]) == ["ACK", "INVITE"]
    assert header_lines(again, "Session-Expires") == ["3600"]
    assert header_lines(again, "Min-SE") == ["3600"]
    assert read(again).cseq == 2
    assert summaries(harness.receive(create_response(again, 422, lines=("Min-SE: 3600",)))) == [
        "ACK"
    ]
    [*_, ended] = harness.events()
    assert isinstance(ended, SessionEnded)
    assert ended.cause.sip_status == 422


def test_session_that_the_peer_should_refresh_and_does_not_ends_before_its_time() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uas"], session_expires_s=SE_S)
    [(after_s, bye), *_] = call.harness.advance(SE_S)
    assert (after_s, summary(bye)) == (SE_S - 32.0, "BYE")
    assert call.events() == [SessionEnded(EXPIRED_CAUSE)]


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_refresh_of_the_peer_keeps_the_session(method: str) -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uas"], session_expires_s=SE_S)
    for turn in range(3):
        call.harness.advance(SE_S / 2)
        lines = (f"Session-Expires: {SE_S};refresher=uac", "Supported: timer")
        [*_, ok] = call.ask(method, 2 + turn, lines=lines)
        assert header_lines(ok, "Session-Expires") == [f"{SE_S};refresher=uac"]
        assert header_lines(ok, "Require") == ["timer"]
        if method == "INVITE":
            call.ask("ACK", 2 + turn, branch="z9hG4bKack")
    assert (call.events(), call.state) == ([], SessionState.CONFIRMED)


def test_peer_may_hand_the_refreshing_over() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uas"], session_expires_s=SE_S)
    [ok] = call.ask("UPDATE", 2, lines=("Session-Expires: 200;refresher=uas", "Require: timer"))
    assert header_lines(ok, "Session-Expires") == ["200;refresher=uas"]
    [(after_s, update)] = call.harness.advance(100)
    assert (after_s, summary(update)) == (100, "UPDATE")


def test_refresh_with_too_small_an_interval_is_422() -> None:
    call = Call()
    [refusal] = call.ask("UPDATE", 2, lines=("Session-Expires: 89",))
    assert summary(refusal) == "422 UPDATE"
    assert header_lines(refusal, "Min-SE") == ["90"]


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "99999999999", "0", "1;refresher=nobody", "1800;;;refresher=UAC"]
)
def test_any_session_expires_is_survived_and_never_too_short(value: str) -> None:
    call = Call([f"Session-Expires: {value}"], session_expires_s=SE_S)
    assert call.harness.advance(29.0) == []
    assert call.state is SessionState.CONFIRMED


def test_session_that_ends_has_no_timer_left() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    call.ask("BYE", 2)
    call.events()
    answer_refresh(call, update, 481)
    sent = call.harness.advance(2 * SE_S)
    assert sent == []
    assert (call.events(), call.harness.agent.session_count) == ([], 0)


def test_offers_without_end_are_told_to_come_later() -> None:
    call = Call()
    for cseq in range(1, PEER_OFFERS_MAX + 1):
        call.ask("INVITE", cseq)
        call.ask("ACK", cseq, sdp=describe(PCMA, port=30_000 + cseq))
    assert len(call.events()) == PEER_OFFERS_MAX
    cseq = PEER_OFFERS_MAX + 1
    [_, refusal] = call.ask("INVITE", cseq)
    assert (summary(refusal), header_lines(refusal, "Retry-After")) == ("500 INVITE", ["10"])
    call.ask("ACK", cseq, branch=read(refusal).branch, sdp=ANSWER_SDP)
    assert summaries(call.ask("UPDATE", cseq + 1, sdp=ANSWER_SDP)) == ["500 UPDATE"]
    assert call.events() == []
    # What offers nothing keeps the session alive as ever, and in a while all is as it was.
    assert summaries(call.ask("UPDATE", cseq + 2)) == ["200 UPDATE"]
    call.harness.advance(PEER_OFFERS_WINDOW_S)
    call.ask("UPDATE", cseq + 3, sdp=ANSWER_SDP)
    [event] = call.events()
    assert isinstance(event, SessionOffered)
