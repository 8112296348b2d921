"""The pictures of a demonstrated call."""

import xml.etree.ElementTree as ElementTree

from tests.sandbox.demo.call import BEGAN_AT, SCENARIO, create_evidence

from clicktodial.sandbox.demo.picture import draw_legs, draw_recording

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_ladder_shows_both_legs_and_what_was_heard() -> None:
    texts = texts_of(draw_legs(create_evidence(), BEGAN_AT))
    assert texts.count("INVITE  + SDP") == texts.count("BYE") == texts.count("ACK") == 2
    assert {"0.010 s", "1.020 s", "2.020 s"} <= set(texts)
    assert {"hears a tone · 1.0 s", "hears melody 268653 · 6.0 s"} <= set(texts)
    assert "hears melody 345673 · 6.0 s" in texts
    assert {SCENARIO.caller, SCENARIO.callee, "shows 01052680000 to both"} <= set(texts)


def test_ladder_of_a_call_of_which_nothing_is_known_is_empty() -> None:
    assert "no message" in texts_of(draw_legs(create_evidence([]), BEGAN_AT))


def test_waveform_names_both_phones() -> None:
    texts = texts_of(draw_recording(create_evidence()))
    assert {"Caller", "Callee", SCENARIO.caller, SCENARIO.callee} <= set(texts)
    assert {"melody 345673", "melody 268653", "6.00 s · 2 channels · 8000 Hz"} <= set(texts)
