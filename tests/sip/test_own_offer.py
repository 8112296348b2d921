"""Offers of ours within a conversation: answered, refused, in each other's way, and lost."""

import dataclasses

import pytest
from tests.sip.call import Call, streams
from tests.sip.support import (
    ANSWER_SDP,
    OFFER,
    create_harness,
    create_request,
    describe,
    header_lines,
    read,
    state_of,
    summaries,
    summary,
)

from clicktodial.domain.cause import LegOutcome
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import (
    SessionEnded,
    SessionMediaChanged,
    SessionOfferAnswered,
    SessionOffered,
    SessionOfferRefused,
)
from clicktodial.sip.midcall import EXPIRED_CAUSE, NO_USABLE_ANSWER_CAUSE, UNANSWERED_CAUSE
from clicktodial.sip.own_offer import OFFER_TRIES_MAX, OFFERS_WAITING_MAX
from clicktodial.sip.sdp import parse_sdp
from clicktodial.sip.session import SessionState

MOVED = MediaDescription(MediaAddress("192.0.2.50", 24_000), (G722, PCMU), TELEPHONE_EVENT)
SE_S = 1_800


def offer(call: Call, media: MediaDescription = MOVED) -> list[bytes]:
    """Let us offer that; returns what is sent."""
    call.session.reoffer(media, call.harness.now)
    return call.harness.sent()


def origin(message: bytes) -> list[str]:
    """The words of the o= line."""
    [line] = [line for line in read(message).body.decode().split("\r\n") if line[:2] == "o="]
    return line.split()


def test_offer_is_a_reinvite_of_the_same_session_and_its_answer_is_told() -> None:
    call = Call()
    [invite] = offer(call)
    assert summary(invite) == "INVITE"
    assert parse_sdp(read(invite).body) == MOVED
    # RFC 3264 8: the o= line stays, but for its version.
    assert origin(invite) == [*origin(call.invite)[:2], "2", *origin(call.invite)[3:]]
    assert header_lines(invite, "Contact") == ["<sip:192.0.2.1:5060>"]
    assert (read(invite).to_tag, read(invite).cseq) == ("peer", 2)
    assert call.events() == []
    [ack] = call.answer(invite, 200, sdp=describe(G722, port=31_000))
    assert (summary(ack), read(ack).cseq) == ("ACK", 2)
    answered = MediaDescription(MediaAddress("192.0.2.9", 31_000), (G722,))
    assert call.events() == [SessionOfferAnswered(answered)]
    assert call.answer(invite, 200, sdp=describe(G722, port=31_000)) == [ack]
    assert call.harness.advance(100.0) == []
    # What was answered is our side from now on.
    _, ok = call.ask("INVITE", 2)
    renewed = parse_sdp(read(ok).body)
    assert (renewed.address, renewed.codecs) == (MOVED.address, (G722,))
    assert origin(ok)[2] == "3"


def test_hold_of_ours_is_answered_held() -> None:
    call = Call()
    held = dataclasses.replace(OFFER, direction=MediaDirection.SEND)
    [invite] = offer(call, held)
    assert b"a=sendonly\r\n" in read(invite).body
    answer = ANSWER_SDP.replace(b"sendrecv", b"recvonly")
    call.answer(invite, 200, sdp=answer)
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)
    assert event.media.direction is MediaDirection.RECEIVE


@pytest.mark.parametrize("status", [415, 486, 488, 500, 603])
def test_refused_offer_leaves_the_session_as_it_was(status: int) -> None:
    call = Call()
    [invite] = offer(call)
    [ack] = call.answer(invite, status)
    assert (summary(ack), read(ack).branch) == ("ACK", read(invite).branch)
    assert call.events() == [SessionOfferRefused(status)]
    assert call.state is SessionState.CONFIRMED
    assert call.harness.advance(100.0) == []
    _, ok = call.ask("INVITE", 2)
    renewed = parse_sdp(read(ok).body)
    assert (renewed.address, renewed.codecs) == (OFFER.address, (PCMA,))
    # What holds is newer than what was refused.
    assert int(origin(ok)[2]) > int(origin(invite)[2])


@pytest.mark.parametrize("status", [404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 502, 604])
def test_offer_to_a_peer_that_is_gone_ends_the_session(status: int) -> None:
    call = Call()
    [invite] = offer(call)
    assert summaries(call.answer(invite, status)) == ["ACK", "BYE"]
    assert call.events() == [SessionEnded(UNANSWERED_CAUSE)]


def test_offer_that_nobody_answers_is_sent_again_and_ends_the_session() -> None:
    call = Call()
    [invite] = offer(call)
    sent = [data for _, data in call.harness.advance(32.0)]
    assert sent[:6] == [invite] * 6
    assert summary(sent[6]) == "BYE"
    assert call.events() == [SessionEnded(UNANSWERED_CAUSE)]
    call.answer(sent[6], 200)
    call.harness.advance(100.0)
    assert (call.harness.agent.session_count, call.harness.agent.transaction_count) == (0, 0)


def test_offer_that_is_never_decided_on_is_cancelled_and_the_session_goes_on() -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, 100)
    [(after_s, cancel)] = call.harness.advance(32.0)
    assert (after_s, summary(cancel)) == (32.0, "CANCEL")
    assert (read(cancel).branch, read(cancel).cseq) == (read(invite).branch, read(invite).cseq)
    assert read(cancel).to_tag == "peer"
    assert call.answer(cancel, 200) == []
    assert summaries(call.answer(invite, 487)) == ["ACK"]
    assert call.events() == [SessionOfferRefused(487)]
    assert call.state is SessionState.CONFIRMED


def test_offer_whose_cancel_is_lost_too_ends_the_session() -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, 100)
    sent = [data for _, data in call.harness.advance(64.1)]
    assert summary(sent[-1]) == "BYE"
    assert call.events() == [SessionEnded(UNANSWERED_CAUSE)]


def test_answer_that_crosses_our_cancel_counts() -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, 100)
    call.harness.advance(32.0)
    assert summaries(call.answer(invite, 200, sdp=describe(PCMU))) == ["ACK"]
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)


@pytest.mark.parametrize(
    "sdp",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"nonsense", id="nonsense"),
        pytest.param(describe(PCMA), id="not-offered"),
        pytest.param(describe(Codec(9, "G729")), id="another-codec-of-that-number"),
        pytest.param(describe(PCMU).replace(b"m=audio 30000", b"m=audio 0"), id="stream-refused"),
    ],
)
def test_answer_outside_of_the_offer_ends_the_session(sdp: bytes) -> None:
    call = Call()
    [invite] = offer(call)
    assert summaries(call.answer(invite, 200, sdp=sdp)) == ["ACK", "BYE"]
    assert call.events() == [SessionEnded(NO_USABLE_ANSWER_CAUSE)]


def test_answer_that_maps_an_offered_number_to_another_codec_is_none() -> None:
    call = Call()
    [invite] = offer(call, dataclasses.replace(MOVED, codecs=(OPUS, PCMU)))
    answer = describe(Codec(96, "ILBC"), PCMU, dtmf=Codec(110, "telephone-event"))
    call.answer(invite, 200, sdp=answer)
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)
    assert (event.media.codecs, event.media.dtmf) == ((PCMU,), None)


# Glare


def test_glare_waits_as_long_as_who_made_the_call_id_and_tries_again() -> None:
    call = Call()
    [invite] = offer(call)
    assert summaries(call.ask("INVITE", 2, sdp=describe(PCMA))) == ["491 INVITE"]
    call.ask("ACK", 2, branch="z9hG4bKINVITE2")
    assert summaries(call.answer(invite, 491)) == ["ACK"]
    # Theirs may come meanwhile, and ours waits for its end.
    call.ask("INVITE", 3, sdp=describe(PCMA))
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert call.harness.advance(5.0) == []
    call.accept()
    [again] = call.ask("ACK", 3, branch="z9hG4bKother")
    assert (summary(again), read(again).cseq) == ("INVITE", 3)
    call.answer(again, 200, sdp=describe(PCMU))
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)


def test_glare_without_an_offer_of_theirs_is_tried_again_within_seconds() -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, 491)
    (after_s, again), *_ = call.harness.advance(4.1)
    assert 2.1 <= after_s <= 4.0
    assert summary(again) == "INVITE"


def test_glare_in_a_session_of_theirs_waits_less() -> None:
    harness = create_harness()
    session, _ = harness.accept()
    session.answer(ANSWER_SDP, harness.now)
    [ok] = harness.sent()
    harness.receive(create_request("ACK", branch="z9hG4bKa", to_tag=read(ok).to_tag))
    harness.events()
    session.reoffer(dataclasses.replace(MOVED, codecs=(PCMU,)), harness.now)
    [invite] = harness.sent()
    call = Call()
    call.harness = harness
    call.answer(invite, 491)
    (after_s, _), *_ = harness.advance(4.1)
    assert after_s <= 2.0


def test_glare_without_end_is_a_refusal() -> None:
    call = Call()
    [invite] = offer(call)
    for _ in range(OFFER_TRIES_MAX - 1):
        call.answer(invite, 491)
        [(_, invite)] = call.harness.advance(4.1)[:1]
    assert summaries(call.answer(invite, 491)) == ["ACK"]
    assert call.events() == [SessionOfferRefused(491)]
    assert call.harness.advance(100.0) == []


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_offer_waits_while_theirs_is_open(method: str) -> None:
    call = Call()
    call.ask(method, 2, sdp=describe(PCMA))
    assert offer(call) == []
    call.session.accept_offer(PCMA, call.harness.now)
    sent = call.harness.sent()
    if method == "INVITE":
        assert summaries(sent) == ["200 INVITE"]
        sent = call.ask("ACK", 2, branch="z9hG4bKother")
    else:
        assert summary(sent.pop(0)) == "200 UPDATE"
    assert summaries(sent) == ["INVITE"]


def test_offer_waits_while_theirs_is_refused() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    assert offer(call) == []
    call.session.refuse_offer(488, "Not Acceptable Here", call.harness.now)
    assert summaries(call.harness.sent()) == ["488 UPDATE", "INVITE"]


def test_answer_in_the_ack_is_told_before_ours_is() -> None:
    call = Call()
    call.ask("INVITE", 2)
    assert offer(call) == []
    [invite] = call.ask("ACK", 2, branch="z9hG4bKother", sdp=describe(PCMA, port=31_000))
    call.answer(invite, 200, sdp=describe(PCMU))
    assert [type(event) for event in call.events()] == [SessionMediaChanged, SessionOfferAnswered]


def test_offers_of_ours_go_one_after_the_other_in_bounds() -> None:
    call = Call()
    medias = [
        dataclasses.replace(MOVED, address=MediaAddress("192.0.2.50", port))
        for port in range(24_000, 24_000 + OFFERS_WAITING_MAX + 1)
    ]
    [invite] = offer(call, medias[0])
    for media in medias[1:]:
        assert offer(call, media) == []
    assert call.events() == [SessionOfferRefused(500)]
    for media in medias[1:-1]:
        _, following = call.answer(invite, 488)
        assert parse_sdp(read(following).body).address == media.address
        invite = following
    assert summaries(call.answer(invite, 200, sdp=describe(PCMU))) == ["ACK"]
    kinds = [type(event) for event in call.events()]
    assert kinds == [SessionOfferRefused] * (OFFERS_WAITING_MAX - 1) + [SessionOfferAnswered]


# Credentials and timers


def test_offer_refused_for_want_of_credentials_goes_again_with_them() -> None:
    call = Call(credentials=TrunkCredentials("us", "secret"))
    [invite] = offer(call)
    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth-int"'
    ack, again = call.answer(invite, 407, lines=(challenge,))
    assert summaries([ack, again]) == ["ACK", "INVITE"]
    assert header_lines(again, "Proxy-Authorization")[0].startswith("Digest ")
    assert read(again).cseq == read(invite).cseq + 1
    assert parse_sdp(read(again).body) == MOVED
    call.answer(again, 200, sdp=describe(PCMU))
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)


@pytest.mark.parametrize("status", [401, 407])
def test_offer_refused_for_want_of_credentials_that_we_do_not_have_is_refused(status: int) -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, status, lines=('WWW-Authenticate: Digest realm="r", nonce="n"',))
    assert call.events() == [SessionOfferRefused(status)]


def test_offer_refreshes_the_session_and_the_refresher_stays() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uas"], session_expires_s=SE_S)
    call.harness.advance(1_000.0)
    [invite] = offer(call)
    assert header_lines(invite, "Session-Expires") == [f"{SE_S};refresher=uas"]
    expires = f"Session-Expires: {SE_S};refresher=uas"
    call.answer(invite, 200, sdp=describe(PCMU), lines=(expires,))
    call.events()
    # The peer has as long as it would have had after a refresh.
    assert call.harness.advance(1_700.0) == []
    sent = call.harness.advance(100.0)
    assert summaries([data for _, data in sent][:1]) == ["BYE"]
    assert call.events() == [SessionEnded(EXPIRED_CAUSE)]


def test_offer_whose_interval_is_too_small_goes_again_with_a_longer_one() -> None:
    call = Call(["Session-Expires: 300;refresher=uac"], session_expires_s=300)
    [invite] = offer(call)
    _, again = call.answer(invite, 422, lines=("Min-SE: 600",))
    assert header_lines(again, "Session-Expires") == ["600;refresher=uac"]
    assert summaries(call.answer(again, 422, lines=("Min-SE: 600",))) == ["ACK"]
    assert call.events() == [SessionOfferRefused(422)]


def test_offer_and_refresh_do_not_meet() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S)
    [(_, update)] = call.harness.advance(SE_S / 2)
    assert offer(call) == []
    [invite] = call.answer(update, 200, lines=(f"Session-Expires: {SE_S};refresher=uac",))
    assert summary(invite) == "INVITE"
    call.answer(invite, 488)
    # The refusal changed nothing of when to refresh.
    [(after_s, update), *_] = call.harness.advance(SE_S / 2)
    assert (after_s, summary(update)) == (SE_S / 2, "UPDATE")


def test_refresh_after_an_offer_that_was_refused_is_newer_than_that() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S, allow="BYE")
    [invite] = offer(call)
    call.answer(invite, 488)
    [(_, refresh), *_] = call.harness.advance(SE_S / 2)
    assert parse_sdp(read(refresh).body).address == OFFER.address
    assert int(origin(refresh)[2]) > int(origin(invite)[2])


def test_refresh_that_is_only_ever_tried_does_not_outlive_the_session() -> None:
    call = Call([f"Session-Expires: {SE_S};refresher=uac"], session_expires_s=SE_S, allow="BYE")
    [(_, invite)] = call.harness.advance(SE_S / 2)
    call.answer(invite, 100)
    sent = summaries([data for _, data in call.harness.advance(SE_S / 2)])
    assert sent[0] == "CANCEL"
    assert "BYE" in sent
    assert call.events() == [SessionEnded(EXPIRED_CAUSE)]


# The end


def test_hang_up_with_an_offer_under_way_gives_it_up() -> None:
    call = Call()
    [invite] = offer(call)
    call.answer(invite, 100)
    call.session.hang_up(call.harness.now)
    cancel, bye = call.harness.sent()
    assert summaries([cancel, bye]) == ["CANCEL", "BYE"]
    # An answer that crossed is acknowledged, and nothing is told.
    assert summaries(call.answer(invite, 200, sdp=describe(PCMU))) == ["ACK"]
    call.answer(bye, 200)
    call.harness.advance(100.0)
    assert call.events() == []
    assert (call.harness.agent.session_count, call.harness.agent.transaction_count) == (0, 0)


def test_bye_of_the_peer_with_an_offer_under_way_ends_it() -> None:
    call = Call()
    [invite] = offer(call)
    assert summaries(call.ask("BYE", 2)) == ["200 BYE"]
    [event] = call.events()
    assert isinstance(event, SessionEnded)
    assert event.cause.outcome is LegOutcome.HUNG_UP
    assert summaries(call.answer(invite, 487)) == ["ACK"]
    call.harness.advance(100.0)
    assert (call.events(), call.harness.agent.transaction_count) == ([], 0)


def test_hang_up_with_an_offer_that_waits_sends_none() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA))
    offer(call)
    call.session.hang_up(call.harness.now)
    assert summaries(call.harness.sent()) == ["487 UPDATE", "BYE"]


def test_offer_before_the_answer_or_after_the_end_raises() -> None:
    harness = create_harness()
    session, _ = harness.invite()
    with pytest.raises(SessionStateError):
        session.reoffer(MOVED, harness.now)
    session.hang_up(harness.now)
    with pytest.raises(SessionStateError):
        session.reoffer(MOVED, harness.now)
    assert state_of(session) is SessionState.ENDED


def test_offer_after_a_peer_added_streams_keeps_them_refused() -> None:
    call = Call()
    call.ask("UPDATE", 2, sdp=describe(PCMA) + b"m=text 30004 RTP/AVP 97\r\n")
    call.accept()
    [invite] = offer(call)
    assert [line.split()[:2] for line in streams(invite)] == [["audio", "24000"], ["text", "0"]]
