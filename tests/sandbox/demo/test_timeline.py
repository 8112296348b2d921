"""The call in the terminal."""

import io

from rich.console import Console
from tests.sandbox.demo.call import BEGAN_AT, create_entries, entry

from clicktodial.sandbox.demo.evidence import Check, Scenario
from clicktodial.sandbox.demo.journal import Entry
from clicktodial.sandbox.demo.timeline import Timeline


def tell(*entries: Entry, is_terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, highlight=False, width=80)
    timeline = Timeline(console, Scenario())
    timeline.begin(BEGAN_AT)
    for each in entries or create_entries():
        timeline.tell(each)
    return stream.getvalue()


def test_call_is_told_line_by_line_with_elapsed_times() -> None:
    lines = [" ".join(line.split()) for line in tell().splitlines()]
    assert lines == [
        "0.010 s application is told: CallingCaller",
        "0.011 s caller rings, and shows +861052680000",
        "1.010 s caller answers, speaks PCMA",
        "1.020 s application is told: CallingCallee",
        "1.021 s callee rings, and shows +861052680000",
        "2.020 s callee answers, speaks PCMA",
        "2.030 s application is told: Connected",
        "3.510 s caller hears the melody 123456",
        "4.520 s callee hears the melody 123456",
        "8.000 s caller is hung up",
        "8.000 s callee is hung up",
        "8.010 s application is told: Disconnected · reason HangUp · callDuration 6"
        " · recordingResult Success",
    ]


def test_terminal_is_coloured_and_anything_else_is_plain() -> None:
    assert "\x1b[" in tell(is_terminal=True)
    assert "\x1b[" not in tell()


def test_markup_in_what_a_peer_says_is_text() -> None:
    told = tell(entry(1, "refused", phone="42", status=486, text="[bold]Busy[/nope]"))
    assert "phone …42" in told
    assert "[bold]Busy[/nope]" in told


def test_checks_show_whether_they_hold() -> None:
    stream = io.StringIO()
    timeline = Timeline(Console(file=stream, width=80), Scenario())
    timeline.checks([Check("One", True, "well [x]"), Check("Two", False, "ill")])
    assert "✓ One" in stream.getvalue()
    assert "well [x]" in stream.getvalue()
    assert "✗ Two" in stream.getvalue()
