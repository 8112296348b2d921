"""Why a call ended, in words, of every way in which calls end."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import EndReason, LegOutcome
from clicktodial.portal.call.diagnosis import diagnose
from clicktodial.portal.local import Local
from clicktodial.portal.text import CHINESE, ENGLISH, Language, load_words
from clicktodial.storage.history import CallRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BUSY = CallRecord(
    call_id="c", app_id="a", node_id="n", state=CallState.ENDED, sponsor="+861052680000",
    caller="+8613912345673", callee="+8613810268653", begun_at=NOW, connected_at=None,
    ended_at=NOW, duration_s=0, reason=EndReason.CALLEE_BUSY, ended_by=EndedBy.CALLEE,
    stage=EndStage.CALLING_CALLEE, leg_outcome=LegOutcome.BUSY, sip_status=486,
    sip_text="Busy Here", q850=17, reason_header="Q.850;cause=17", recording_id=None,
    recording_result=None, legs={},
)  # fmt: skip
TALKED = replace(
    BUSY, reason=EndReason.HANG_UP, stage=EndStage.CONNECTED, connected_at=NOW, duration_s=83,
    leg_outcome=LegOutcome.HUNG_UP, sip_status=None, sip_text="BYE", q850=16, reason_header=None,
)  # fmt: skip
NO_TRUNK = replace(
    BUSY, reason=EndReason.CALLER_FAILURE, ended_by=EndedBy.CALLER, leg_outcome=LegOutcome.FAILED,
    sip_status=503, sip_text="No trunk", q850=38,
)  # fmt: skip


def tell(call: CallRecord, language: Language = ENGLISH) -> str:
    words = load_words()[language.code]
    found = diagnose(call, words, Local(language.locale, UTC))
    assert found is not None
    return found.headline


@pytest.mark.parametrize(
    ("call", "headline"),
    [
        (BUSY, "The callee's network answered 486: busy."),
        (replace(BUSY, leg_outcome=LegOutcome.DECLINED, sip_status=603),
         "The callee's network answered 603: declined."),
        (replace(BUSY, reason=EndReason.CALLEE_FAILURE, leg_outcome=LegOutcome.FAILED,
                 sip_status=404, sip_text="Not Found"),
         "The callee's network answered 404: there is no such number."),
        (replace(BUSY, reason=EndReason.CALLER_FAILURE, leg_outcome=LegOutcome.FAILED,
                 sip_status=499, sip_text="Odd"), "The caller's network answered 499: Odd."),
        (replace(BUSY, reason=EndReason.CALLEE_NO_ANSWER, sip_status=None,
                 sip_text="No answer within the ring timeout"),
         "The callee was not reached: nobody answered in time."),
        (NO_TRUNK, "The caller was not reached: no trunk carries calls to this number."),
        (TALKED, "The callee hung up after 1:23."),
        (replace(TALKED, ended_by=EndedBy.APPLICATION),
         "The application released the call after 1:23."),
        (replace(BUSY, reason=EndReason.CALLER_ABANDON),
         "The caller hung up before the callee answered."),
        (replace(TALKED, reason=EndReason.OTHER, ended_by=EndedBy.PLATFORM,
                 sip_text="Maximum duration reached"),
         "The platform ended the call after 1:23: the longest duration was reached."),
        (replace(BUSY, reason=EndReason.OTHER, ended_by=EndedBy.APPLICATION),
         "The application released the call before the two were joined."),
        (replace(BUSY, reason=EndReason.OTHER, ended_by=EndedBy.PLATFORM, sip_status=None,
                 leg_outcome=LegOutcome.FAILED, sip_text="relay died"),
         "The platform ended the call: relay died."),
    ],
)  # fmt: skip
def test_end_is_said_in_words(call: CallRecord, headline: str) -> None:
    assert tell(call) == headline


def test_end_is_said_in_chinese() -> None:
    headline = tell(BUSY, CHINESE)
    assert headline.startswith("被叫的网络应答 486") and "忙" in headline


@pytest.mark.parametrize("reason", EndReason)
@pytest.mark.parametrize("by", [*EndedBy, None])
def test_every_reason_has_words_whoever_ended_the_call(
    reason: EndReason, by: EndedBy | None
) -> None:
    bare = replace(
        BUSY, reason=reason, ended_by=by, stage=None, leg_outcome=None, sip_status=None,
        sip_text=None, q850=None, reason_header=None,
    )  # fmt: skip
    for language in (ENGLISH, CHINESE):
        assert tell(bare, language)


def test_facts_tell_all_that_is_known() -> None:
    words = load_words()[ENGLISH.code]
    found = diagnose(BUSY, words, Local(ENGLISH.locale, UTC))
    assert found is not None and dict(found.facts) == {
        "Side": "Callee",
        "Ended by": "The callee",
        "Stage": "while the callee was called",
        "Reason told (v1)": "CalleeBusy",
        "Network": "486 Busy Here",
        "Q.850 cause": "17 user busy",
        "Reason header": "Q.850;cause=17",
    }


def test_live_call_has_no_end() -> None:
    live = replace(BUSY, reason=None, state=CallState.CALLING_CALLEE)
    words = load_words()[ENGLISH.code]
    assert diagnose(live, words, Local(ENGLISH.locale, UTC)) is None
