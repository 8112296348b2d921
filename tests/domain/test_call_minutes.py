"""A call whose minutes are held: when it asks for more, warns, and ends."""

from tests.domain.scene import CALLEE_ENDED, Scene, scene_in

from clicktodial.domain.call import MINUTES_LEAD_S, CallState
from clicktodial.domain.call_effect import ExtendMinutes, Play
from clicktodial.domain.call_input import MinutesExtended, MinutesRefused
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.plan import CallOptions

WARNED = CallOptions(warning_before_end_s=10)


def connected(covered_s: int | None, **plan: object) -> Scene:
    return scene_in(CallState.CONNECTED, recorded=False, covered_s=covered_s, **plan)


def test_free_call_never_asks() -> None:
    scene = connected(None)
    assert scene.wait(3_000) == []


def test_call_that_is_covered_to_its_maximum_never_asks() -> None:
    assert ExtendMinutes() not in connected(3_600).wait(3_500)


def test_more_is_asked_for_in_time_and_extends_the_call() -> None:
    scene = connected(120)
    assert scene.wait(120 - MINUTES_LEAD_S - 1.5) == []
    assert scene.wait(1) == [ExtendMinutes()]
    scene.give(MinutesExtended(240))
    assert scene.wait(60) == []
    assert scene.wait(60) == [ExtendMinutes()]


def test_minutes_that_last_shorter_than_the_lead_are_asked_for_at_once() -> None:
    scene = connected(10)
    assert ExtendMinutes() in scene.wait(0)


def test_refused_call_is_warned_and_ends_with_the_minutes() -> None:
    scene = connected(120, options=WARNED)
    assert ExtendMinutes() in scene.wait(95)
    scene.give(MinutesRefused())
    assert [each.side for each in scene.wait(15) if isinstance(each, Play)] == [Side.CALLER]
    scene.wait(9.5)
    end = scene.call.end
    assert end is not None and end.cause is not None
    assert end.reason is EndReason.OTHER
    assert end.cause.sip_text == "The minutes of the enterprise are used up"
    assert scene.call.duration_s == 120


def test_minutes_end_the_call_though_nobody_answers() -> None:
    scene = connected(120)
    scene.wait(101)
    scene.wait(20)
    assert scene.call.state is CallState.ENDED


def test_answer_after_the_end_changes_nothing() -> None:
    scene = connected(120)
    scene.wait(101)
    scene.give(CALLEE_ENDED)
    assert scene.give(MinutesExtended(240)) == []
    assert scene.give(MinutesRefused()) == []
    assert scene.call.next_deadline() is None
