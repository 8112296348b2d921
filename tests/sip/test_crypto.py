"""SRTP keys in SDP (RFC 4568): read, answered, kept to one profile, and never shown."""

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sip.call import Call
from tests.sip.support import (
    OFFER,
    create_harness,
    create_invitation,
    create_response,
    read,
    summaries,
    summary,
)

from clicktodial.domain.media import (
    PCMA,
    PCMU,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
    SrtpKey,
)
from clicktodial.sip.crypto import (
    CRYPTO_CHARACTERS_MAX,
    CRYPTO_LINES_MAX,
    hide_keys,
    is_usable,
    read_crypto,
)
from clicktodial.sip.error import SdpError
from clicktodial.sip.event import (
    SessionAnswered,
    SessionEnded,
    SessionOfferAnswered,
    SessionOffered,
)
from clicktodial.sip.midcall import NO_USABLE_ANSWER_CAUSE
from clicktodial.sip.sdp import parse_sdp, serialize_sdp

KEY_80 = "inline:" + "A" * 40
KEY_32 = "inline:" + "B" * 40
PEER_80 = "inline:" + "C" * 40
PEER_32 = "inline:" + "D" * 40
OURS = (
    SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", KEY_80),
    SrtpKey(2, "AES_CM_128_HMAC_SHA1_32", KEY_32),
)
SECURE_OFFER = dataclasses.replace(OFFER, crypto=OURS)


def theirs(
    *keys: SrtpKey, codec: Codec = PCMA, direction: MediaDirection = MediaDirection.BOTH
) -> bytes:
    """A description of the peer with those keys."""
    address = MediaAddress("192.0.2.9", 30_000)
    return serialize_sdp(MediaDescription(address, (codec,), None, direction, keys))


PEER_TAG_2 = SrtpKey(2, "AES_CM_128_HMAC_SHA1_32", PEER_32)


def secure_call() -> Call:
    """A conversation of SRTP, with the second of our keys."""
    return Call(offer=serialize_sdp(SECURE_OFFER), answer=theirs(PEER_TAG_2))


@pytest.mark.parametrize(
    "line",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80}",
        f"999999999 AES_CM_128_HMAC_SHA1_32 {KEY_80}|2^31",
        f"1 AES_CM_128_HMAC_SHA1_32 {KEY_80}|1048576|1:4",
        f"7\tF8_128_HMAC_SHA1_80  {KEY_80}|1:4 ",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} WSH=128",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} -NEW=1 -X",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{'A' * 62}==",
        f"1 AEAD_AES_128_GCM inline:{'A' * 38}==",
        f"1 AEAD_AES_256_GCM inline:{'A' * 59}=",
    ],
)
def test_line_that_is_understood_is_a_key(line: str) -> None:
    [key], all_usable = read_crypto(f"audio 1 RTP/SAVP 8\na=crypto:{line}\n")
    assert all_usable
    assert (str(key.tag), key.suite, key.key_params) == tuple(line.split()[:3])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        f"0 AES_CM_128_HMAC_SHA1_80 {KEY_80}",
        f"x AES_CM_128_HMAC_SHA1_80 {KEY_80}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 {KEY_80}",
        f"1 ROT13 {KEY_80}",
        f"1 {'S' * 65} {KEY_80}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80[:-1]}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80}A",
        f"1 AES_256_CM_HMAC_SHA1_80 {KEY_80}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80[:-1]}!",
        f"1 AES_CM_128_HMAC_SHA1_80 file:{'A' * 40}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80};{KEY_32}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80}|2^20|1:4|5",
        # RFC 4568 6.3: what changes the packets, and what nobody knows.
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} UNENCRYPTED_SRTCP",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} KDR=1",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} NEW=1",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} WSH=x",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY_80} -{'x' * CRYPTO_CHARACTERS_MAX}",
    ],
)
def test_line_that_is_not_understood_is_none(line: str) -> None:
    assert read_crypto(f"audio 1 RTP/SAVP 8\na=crypto:{line}\n") == ((), False)


def test_lines_are_bounded_and_tags_are_of_one_line() -> None:
    lines = [f"a=crypto:{tag} {OURS[0].suite} {KEY_80}" for tag in range(1, CRYPTO_LINES_MAX + 9)]
    keys, all_usable = read_crypto("\n".join(lines))
    assert (len(keys), all_usable) == (CRYPTO_LINES_MAX, False)
    twice = f"a=crypto:1 {OURS[0].suite} {KEY_80}\na=crypto:1 {OURS[1].suite} {KEY_32}"
    assert read_crypto(twice) == ((OURS[0],), False)


@given(st.text(max_size=300))
def test_any_line_is_a_key_or_none(line: str) -> None:
    keys, _ = read_crypto(f"a=crypto:{line}\n")
    assert all(is_usable(key) for key in keys)


def test_description_with_keys_is_srtp_and_read_again() -> None:
    sdp = serialize_sdp(SECURE_OFFER)
    assert b"m=audio 20000 RTP/SAVP 8 0 101\r\n" in sdp
    assert sdp.count(b"a=crypto:") == 2
    assert parse_sdp(sdp) == SECURE_OFFER


def test_plain_description_says_nothing_of_keys() -> None:
    assert b"crypto" not in serialize_sdp(OFFER)
    # A stray attribute in plain RTP is none.
    line = f"a=crypto:1 {OURS[0].suite} {KEY_80}\r\n".encode()
    assert parse_sdp(serialize_sdp(OFFER) + line).crypto == ()


def test_srtp_without_a_key_that_we_can_use_is_no_stream() -> None:
    sdp = serialize_sdp(SECURE_OFFER).replace(b"inline:", b"file:")
    with pytest.raises(SdpError):
        parse_sdp(sdp)


def test_answer_with_one_of_our_tags_is_told() -> None:
    harness = create_harness()
    _, invite = harness.invite(create_invitation(sdp=serialize_sdp(SECURE_OFFER)))
    harness.receive(create_response(invite, 200, sdp=theirs(PEER_TAG_2)))
    [*_, event] = harness.events()
    assert isinstance(event, SessionAnswered)
    assert event.media.crypto == (PEER_TAG_2,)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(theirs(), id="plain"),
        pytest.param(theirs(SrtpKey(3, OURS[0].suite, PEER_80)), id="unknown-tag"),
        pytest.param(theirs(SrtpKey(1, OURS[1].suite, PEER_80)), id="another-suite"),
        pytest.param(
            theirs(SrtpKey(1, OURS[0].suite, PEER_80), PEER_TAG_2), id="two-keys"
        ),
        pytest.param(
            theirs(PEER_TAG_2).replace(b"a=crypto", b"a=crypto:1 X inline:x\r\na=crypto"),
            id="a-line-more",
        ),
        pytest.param(
            theirs(PEER_TAG_2).replace(PEER_32.encode(), PEER_32.encode() + b" KDR=2"),
            id="unknown-parameter",
        ),
    ],
)  # fmt: skip
def test_answer_that_takes_no_key_of_ours_is_refused(answer: bytes) -> None:
    harness = create_harness()
    _, invite = harness.invite(create_invitation(sdp=serialize_sdp(SECURE_OFFER)))
    sent = harness.receive(create_response(invite, 200, sdp=answer))
    assert summaries(sent) == ["ACK", "BYE"]
    [*_, event] = harness.events()
    assert event == SessionEnded(NO_USABLE_ANSWER_CAUSE)


def test_answer_of_srtp_to_a_plain_offer_is_refused() -> None:
    harness = create_harness()
    _, invite = harness.invite()
    sent = harness.receive(create_response(invite, 200, sdp=theirs(PEER_TAG_2)))
    assert summaries(sent) == ["ACK", "BYE"]


def test_offer_within_srtp_is_told_with_one_key_and_answered_with_ours_of_its_suite() -> None:
    call = secure_call()
    unknown = SrtpKey(4, "F8_128_HMAC_SHA1_80", PEER_80)
    wanted = SrtpKey(9, OURS[0].suite, PEER_80)
    offer = theirs(unknown, wanted, direction=MediaDirection.SEND)
    call.ask("UPDATE", 2, sdp=offer)
    [event] = call.events()
    assert isinstance(event, SessionOffered)
    assert event.media.crypto == (wanted,)
    answer = parse_sdp(read(call.accept()).body)
    assert answer.crypto == (SrtpKey(9, OURS[0].suite, KEY_80),)
    # The next one may choose among all of ours again.
    call.ask("UPDATE", 3, sdp=theirs(SrtpKey(5, OURS[1].suite, PEER_32)))
    assert parse_sdp(read(call.accept()).body).crypto == (SrtpKey(5, OURS[1].suite, KEY_32),)


@pytest.mark.parametrize(
    "sdp", [theirs(), theirs(SrtpKey(1, "F8_128_HMAC_SHA1_80", PEER_80))], ids=["plain", "suite"]
)
def test_offer_within_srtp_that_would_leave_it_is_488(sdp: bytes) -> None:
    call = secure_call()
    assert summaries(call.ask("UPDATE", 2, sdp=sdp)) == ["488 UPDATE"]
    assert call.events() == []


def test_offer_of_both_profiles_is_taken_in_the_sessions() -> None:
    plain, secure = theirs(codec=PCMU), theirs(PEER_TAG_2)
    both = plain + b"m=" + secure.partition(b"\r\nm=")[2]
    for call, codec, words in (
        (Call(), PCMU, [b"RTP/AVP 0", b"RTP/SAVP 8"]),
        (secure_call(), PCMA, [b"RTP/AVP 0", b"RTP/SAVP 8"]),
    ):
        call.ask("UPDATE", 2, sdp=both)
        body = read(call.accept(codec)).body
        lines = [line for line in body.split(b"\r\n") if line.startswith(b"m=")]
        assert [line.split(b" ", 2)[2] for line in lines] == words
        assert [line.split()[1] == b"0" for line in lines] == [codec is PCMA, codec is PCMU]


def test_offer_of_srtp_within_a_plain_session_is_488() -> None:
    assert summaries(Call().ask("UPDATE", 2, sdp=theirs(PEER_TAG_2))) == ["488 UPDATE"]


def test_our_offers_keep_the_profile_of_the_session() -> None:
    media = dataclasses.replace(OFFER, address=MediaAddress("192.0.2.1", 24_000))
    call = secure_call()
    call.session.reoffer(media, call.harness.now)
    [invite] = call.harness.sent()
    assert parse_sdp(read(invite).body).crypto == OURS
    plain = theirs()
    assert summaries(call.answer(invite, 200, sdp=plain)) == ["ACK", "BYE"]

    call = Call()
    call.session.reoffer(dataclasses.replace(media, crypto=OURS), call.harness.now)
    [invite] = call.harness.sent()
    assert b"crypto" not in read(invite).body
    assert parse_sdp(read(invite).body).crypto == ()


def test_our_new_keys_hold_once_they_are_answered() -> None:
    call = secure_call()
    renewed = tuple(dataclasses.replace(key, key_params="inline:" + "E" * 40) for key in OURS)
    call.session.reoffer(dataclasses.replace(OFFER, crypto=renewed), call.harness.now)
    [invite] = call.harness.sent()
    assert parse_sdp(read(invite).body).crypto == renewed
    call.answer(invite, 200, sdp=theirs(PEER_TAG_2))
    [event] = call.events()
    assert isinstance(event, SessionOfferAnswered)
    # A re-INVITE without offer gets them too.
    trying, ok = call.ask("INVITE", 2)
    assert summary(trying) == "100 INVITE"
    assert parse_sdp(read(ok).body).crypto == renewed


def test_keys_are_not_shown() -> None:
    invite = serialize_sdp(SECURE_OFFER)
    assert "AAAA" not in repr(parse_sdp(invite))
    hidden = hide_keys(invite)
    assert b"AAAA" not in hidden
    assert b"BBBB" not in hidden
    assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...\r\n" in hidden
    plain = serialize_sdp(OFFER)
    assert hide_keys(plain) is plain


def test_keys_of_a_line_that_is_none_are_not_shown_either() -> None:
    line = b" xa=crypto:a=crypto:1 X inline:AAAA|2^20;inline:BBBB"
    hidden = hide_keys(line + b"\r" + line + b"\n" + line + b"\r\ninline:C")
    assert hidden.count(b"a=crypto:1 X inline:...") == 3
    assert b"AAAA" not in hidden
    assert b"BBBB" not in hidden
    assert hidden.endswith(b"\r\ninline:C")


def test_keys_are_hidden_in_one_pass() -> None:
    started = time.process_time()
    hide_keys(b"a=crypto:" * 7_000)
    assert time.process_time() - started < 0.3
