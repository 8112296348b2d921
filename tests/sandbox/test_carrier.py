"""The phones of the table, over real UDP, called by a user agent of the same engine."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.sandbox.bench import CALLER, FAST, DialledCall, open_bench

from clicktodial.domain.cause import LegOutcome
from clicktodial.domain.media import PCMA, PCMU, Codec, MediaAddress, MediaDescription, SrtpKey
from clicktodial.sandbox.carrier import CarrierLimits, read_dialled_number
from clicktodial.sandbox.melody import (
    SAMPLE_RATE,
    dominant_tones_hz,
    identify_melody,
    melody_digits,
)
from clicktodial.sandbox.report import Report, ReportKind
from clicktodial.sandbox.speech import BEEP_HZ, render_greeting, speaker_of
from clicktodial.sandbox.ticker import Ticker
from clicktodial.sandbox.voice import decode_audio
from clicktodial.sip.event import (
    SessionAnswered,
    SessionEarlyMedia,
    SessionEnded,
    SessionOfferAnswered,
    SessionOfferRefused,
    SessionRinging,
    SessionTrying,
)
from clicktodial.sip.sdp import serialize_sdp

CALLEE = "8613810268653"
# What a busy machine may take for all that a phone does besides waiting.
LATE_S = 10


async def ended(call: DialledCall) -> SessionEnded:
    event = await call.wait_for(SessionEnded)
    assert isinstance(event, SessionEnded)
    return event


async def answered(call: DialledCall) -> MediaDescription:
    event = await call.wait_for(SessionAnswered)
    assert isinstance(event, SessionAnswered)
    return event.media


def since(began_at: datetime, report: Report) -> float:
    """Since the call was dialled: reports of a busy machine are late, the first like the others."""
    return (report.at - began_at).total_seconds()


def assert_waited(waited_s: float, wanted_s: float) -> None:
    """Never less; a busy machine may be late."""
    assert wanted_s - 0.01 < waited_s < wanted_s + LATE_S


@pytest.mark.parametrize("number", [CALLEE, "8613912345600", "+8613912345612", "10086"])
async def test_phone_by_default_rings_answers_and_talks_until_hung_up(number: str) -> None:
    async with open_bench() as bench:
        began_at = datetime.now(UTC)
        call = bench.call(number)
        media = await answered(call)
        call.speak(media)
        hears = await bench.reports.wait_for(ReportKind.HEARS)
        call.hang_up()
        heard = await bench.reports.wait_for(ReportKind.HEARD)
        reports = bench.reports
    assert reports.kinds() == [
        ReportKind.RINGING,
        ReportKind.ANSWERED,
        ReportKind.CONFIRMED,
        ReportKind.HEARS,
        ReportKind.ENDED,
        ReportKind.HEARD,
    ]
    assert_waited(since(began_at, reports[1]), FAST.answer_s)
    assert hears.details["melody"] == melody_digits(CALLER)
    assert heard.details["phone"] == number.lstrip("+")
    assert heard.details["shown"] == "+861052680000"
    ending = reports[4].details
    assert (ending["by"], ending["answered"], ending["text"]) == ("other", True, "BYE")


async def test_both_phones_hear_the_melody_of_the_other() -> None:
    async with open_bench() as bench:
        call = bench.call(CALLEE)
        call.speak(await answered(call))
        await bench.reports.wait_for(ReportKind.HEARS)
        mine = await call.hear(100)
        call.hang_up()
        theirs = await bench.reports.wait_for(ReportKind.HEARD)
    assert mine.melodies == (melody_digits(CALLEE),)
    assert (mine.lost, mine.unusable) == (0, 0)
    sources: Any = theirs.details["sources"]
    assert [source["melody"] for source in sources] == [melody_digits(CALLER)]
    assert theirs.details["lost"] == 0


@pytest.mark.parametrize("codec", [PCMA, PCMU], ids=["PCMA", "PCMU"])
async def test_phone_answers_in_the_codec_of_the_offer(codec: Codec) -> None:
    async with open_bench() as bench:
        call = bench.call(CALLEE, codecs=(codec,))
        media = await answered(call)
        call.speak(media)
        heard = await call.hear(100)
    assert media.codecs == (codec,)
    assert heard.melodies == (melody_digits(CALLEE),)


@pytest.mark.parametrize(
    ("suffix", "status", "phrase", "rings"),
    [
        ("01", 486, "Busy Here", False),
        ("03", 603, "Decline", True),
        ("04", 404, "Not Found", False),
        ("05", 480, "Temporarily Unavailable", False),
    ],
    ids=["busy", "declines", "unknown", "unavailable"],
)
async def test_phone_that_refuses_says_how(
    suffix: str, status: int, phrase: str, rings: bool
) -> None:
    async with open_bench() as bench:
        end = await ended(bench.call("86139123456" + suffix))
        kinds = bench.reports.kinds()
    assert (end.cause.sip_status, end.cause.sip_text) == (status, phrase)
    assert kinds == [ReportKind.RINGING] * rings + [ReportKind.REFUSED, ReportKind.ENDED]


async def test_phone_02_rings_on_until_cancelled() -> None:
    async with open_bench() as bench:
        call = bench.call("8613912345602")
        await call.wait_for(SessionRinging)
        await bench.reports.wait_for(ReportKind.RINGING)
        call.hang_up()
        ending = await bench.reports.wait_for(ReportKind.ENDED)
    assert (ending.details["status"], ending.details["answered"]) == (487, False)
    assert ReportKind.ANSWERED not in bench.reports.kinds()


async def test_phone_02_at_the_limit_of_a_call_gives_up() -> None:
    limits = CarrierLimits(call_seconds_max=0.1)
    async with open_bench(limits=limits) as bench:
        end = await ended(bench.call("8613912345602"))
        ending = await bench.reports.wait_for(ReportKind.ENDED)
    assert end.cause.sip_status == 603
    assert ending.details["by"] == "limit"


async def test_phone_06_answers_and_hangs_up() -> None:
    async with open_bench() as bench:
        call = bench.call("8613912345606")
        end = await ended(call)
        ending = await bench.reports.wait_for(ReportKind.ENDED)
    assert end.cause.outcome is LegOutcome.HUNG_UP
    assert ending.details["by"] == "phone"
    seconds = ending.details["seconds"]
    assert isinstance(seconds, float)
    assert_waited(seconds, FAST.talk_s)


async def test_phone_07_speaks_before_it_answers() -> None:
    timings = replace(FAST, announcement_s=1.0)
    async with open_bench(timings=timings) as bench:
        call = bench.call("8613912345607")
        early = await call.wait_for(SessionEarlyMedia)
        assert isinstance(early, SessionEarlyMedia)
        call.speak(early.media)
        media = await answered(call)
        heard = await call.hear(call.listener.packets + 200)
        held = decode_audio(PCMA, call.listener.snapshot().sources[0].held)
        kinds = bench.reports.kinds()
    assert media == early.media
    assert kinds[:2] == [ReportKind.ANNOUNCING, ReportKind.ANSWERED]
    announcement = held[: 2 * SAMPLE_RATE]
    assert dominant_tones_hz(announcement)
    assert identify_melody(announcement) is None
    assert heard.melodies == (melody_digits("8613912345607"),)


async def test_phone_08_greets_beeps_and_listens() -> None:
    async with open_bench() as bench:
        call = bench.call("8613912345608")
        call.speak(await answered(call))
        heard = await call.hear(200)
        held = decode_audio(PCMA, call.listener.snapshot().sources[0].held)
    assert heard.melodies == ()
    greeting = len(render_greeting(speaker_of("8613912345608")))
    beep = held[greeting - 3200 : greeting - 800]
    assert dominant_tones_hz(beep)[0] == pytest.approx(BEEP_HZ, abs=5)
    assert not dominant_tones_hz(held[greeting + 800 :])


async def test_phone_09_answers_late() -> None:
    async with open_bench() as bench:
        began_at = datetime.now(UTC)
        await answered(bench.call("8613912345609"))
        picked_up = bench.reports[1]
    assert_waited(since(began_at, picked_up), FAST.late_answer_s)


async def test_phone_10_never_responds() -> None:
    async with open_bench() as bench:
        call = bench.call("8613912345610")
        # The second one is the retransmission of a user agent that heard nothing.
        await bench.reports.wait_for(ReportKind.IGNORED, count=2)
        other = bench.call(CALLEE)
        await other.wait_for(SessionTrying)
        assert not call.events
        call.hang_up()


async def test_phone_11_presses_a_key() -> None:
    async with open_bench() as bench:
        call = bench.call("8613912345611")
        call.speak(await answered(call))
        await bench.reports.wait_for(ReportKind.PRESSED)
        heard = await call.hear(150)
    assert heard.keys == "1"
    assert heard.lost == 0


async def test_keys_pressed_to_a_phone_are_reported() -> None:
    async with open_bench() as bench:
        call = bench.call(CALLEE)
        talker = call.speak(await answered(call))
        for key in "42#":
            talker.press(key)
        await bench.reports.wait_for(ReportKind.HEARS)
        call.hang_up()
        heard = await bench.reports.wait_for(ReportKind.HEARD)
    assert heard.details["keys"] == "42#"


async def test_phone_that_hears_nothing_says_so() -> None:
    async with open_bench() as bench:
        await ended(bench.call("8613912345606"))
        heard = await bench.reports.wait_for(ReportKind.HEARD)
    assert (heard.details["packets"], heard.details["sources"]) == (0, ())


@pytest.mark.parametrize("user", ["anonymous", "12", "1" * 21, "+", "12;x=345"])
async def test_user_that_is_no_number_does_not_exist(user: str) -> None:
    async with open_bench() as bench:
        end = await ended(bench.call(user))
    assert end.cause.sip_status == 404
    assert bench.reports == []


async def test_offer_without_a_known_codec_is_not_acceptable() -> None:
    async with open_bench() as bench:
        end = await ended(bench.call(CALLEE, codecs=(Codec(18, "G729"),)))
    assert end.cause.sip_status == 488


async def test_call_beyond_the_limit_is_refused_and_the_next_after_one_ended_is_not() -> None:
    async with open_bench(limits=CarrierLimits(calls_max=1)) as bench:
        first = bench.call("8613912345602")
        await bench.reports.wait_for(ReportKind.RINGING)
        end = await ended(bench.call(CALLEE))
        first.hang_up()
        await bench.reports.wait_for(ReportKind.ENDED)
        await answered(bench.call(CALLEE))
    assert end.cause.sip_status == 503
    assert bench.carrier.calls_refused == 1


async def test_carrier_that_closes_hangs_up_its_phones() -> None:
    async with open_bench() as bench:
        call = bench.call(CALLEE)
        await answered(call)
        await bench.reports.wait_for(ReportKind.CONFIRMED)
        await bench.carrier.close()
        end = await ended(call)
        ending = await bench.reports.wait_for(ReportKind.ENDED)
    assert end.cause.outcome is LegOutcome.HUNG_UP
    assert ending.details["by"] == "carrier"
    assert bench.carrier.calls == 0


async def test_hundred_phones_at_once_are_all_heard() -> None:
    async with open_bench(ticker=Ticker()) as bench:
        calls = [bench.call(f"86138{index:06d}20") for index in range(100)]
        await bench.reports.wait_for(ReportKind.CONFIRMED, count=100)
        assert bench.carrier.calls == 100
        for call in calls:
            call.hang_up()
        await bench.reports.wait_for(ReportKind.HEARD, count=100)
        heard = [report for report in bench.reports if report.kind is ReportKind.HEARD]
    assert bench.carrier.calls == 0
    assert len({report.details["phone"] for report in heard}) == 100


async def test_sip_messages_are_reported_when_asked_for() -> None:
    async with open_bench(report_sip=True) as bench:
        call = bench.call(CALLEE)
        await answered(call)
        await bench.reports.wait_for(ReportKind.CONFIRMED)
        call.hang_up()
        await bench.reports.wait_for(ReportKind.ENDED)
        await asyncio.sleep(0)
        messages = [report.details for report in bench.reports if report.kind is ReportKind.SIP]
    labels = [(message["direction"], message["label"]) for message in messages]
    assert labels == [
        ("received", "INVITE"),
        ("sent", "100 Trying"),
        ("sent", "180 Ringing"),
        ("sent", "200 OK"),
        ("received", "ACK"),
        ("received", "BYE"),
        ("sent", "200 OK (BYE)"),
    ]
    assert [bool(message["sdp"]) for message in messages] == [
        True, False, False, True, False, False, False,
    ]  # fmt: skip
    assert {message["call"] for message in messages} == {call.session.call_id}


async def test_phone_takes_a_change_that_leaves_its_codec_and_refuses_any_other() -> None:
    async with open_bench() as bench:
        call = bench.call(CALLEE)
        [codec] = (await answered(call)).codecs
        other = PCMU if codec == PCMA else PCMA
        for codecs, told in (
            ((other, codec), SessionOfferAnswered),
            ((other,), SessionOfferRefused),
        ):
            bench.endpoint.reoffer(call.session, replace(call.offer, codecs=codecs))
            await call.wait_for(told)
        [accepted] = [e for e in call.events if isinstance(e, SessionOfferAnswered)]
        assert accepted.media.codecs == (codec,)
        # At once, rather than for want of a decision.
        [refused] = [e for e in call.events if isinstance(e, SessionOfferRefused)]
        assert refused.status == 488
        call.hang_up()


async def test_keys_of_an_invite_are_not_reported_and_no_phone_here_takes_them() -> None:
    async with open_bench(report_sip=True) as bench:
        key = SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:" + "K" * 40)
        secure = MediaDescription(MediaAddress("127.0.0.1", 4000), (PCMA,), crypto=(key,))
        end = await ended(bench.call(CALLEE, sdp=serialize_sdp(secure)))
        # By the phone, rather than by the caller whom it answers in the clear.
        assert (end.cause.sip_status, end.cause.sip_text) == (488, "Not Acceptable Here")
        invite = await bench.reports.wait_for(ReportKind.SIP)
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:..." in str(invite.details["message"])
    assert "KKKK" not in str(list(bench.reports))


async def test_malformed_datagram_is_reported_and_harms_nothing() -> None:
    async with open_bench(report_sip=True) as bench:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=bench.carrier.address
        )
        transport.sendto(b"INVITE sip:\xff\xfe@ SIP/2.0\r\n\r\n")
        report = await bench.reports.wait_for(ReportKind.SIP)
        transport.close()
        await answered(bench.call(CALLEE))
    assert report.details["label"] == "malformed"


def test_report_is_one_line_of_json() -> None:
    at = datetime.fromisoformat("2024-05-01T08:00:00.000250+00:00")
    report = Report(ReportKind.RINGING, {"phone": "1\n2"}, at)
    assert bytes(report) == (
        b'{"time":"2024-05-01T08:00:00.000250Z","event":"ringing","phone":"1\\n2"}\n'
    )


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("+8613912345673", "8613912345673"),
        ("13912345673;phone-context=+86", "13912345673"),
        ("(010)5268-0000", "01052680000"),
        ("", None),
        ("sip", None),
        ("٣٤٥", None),
    ],
)
def test_dialled_number_is_read_as_people_write_it(user: str, number: str | None) -> None:
    assert read_dialled_number(user) == number
