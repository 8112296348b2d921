"""The table of phones, and its documentation."""

import re
from pathlib import Path

import pytest

from clicktodial.sandbox.app import EVENTS_MAX
from clicktodial.sandbox.behaviour import Wait, create_numbering_plan
from clicktodial.sandbox.carrier import CarrierLimits
from clicktodial.sandbox.report import ReportKind

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_documented_table_is_the_table_of_the_code() -> None:
    plan = create_numbering_plan()
    section = PAGE.split("| Last digits | Phone |\n|---|---|\n")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE))
    expected = {suffix: behaviour.description for suffix, behaviour in plan.special.items()}
    assert rows == {"any other": plan.default.description, **expected}


def test_each_report_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert documented == {kind.value for kind in ReportKind}


def test_documented_limits_are_those_of_the_code() -> None:
    assert f"Beyond {CarrierLimits().calls_max} calls at once" in PAGE
    assert CarrierLimits().call_seconds_max == 3600
    assert f"the last {EVENTS_MAX} notifications" in PAGE


@pytest.mark.parametrize("number", ["8613912345673", "8613810268653", "8613912345600"])
def test_number_without_a_special_ending_answers_and_stays(number: str) -> None:
    plan = create_numbering_plan()
    assert plan.behaviour_of(number) is plan.default


def test_number_with_a_special_ending_behaves_so_whatever_precedes_it() -> None:
    plan = create_numbering_plan()
    assert plan.behaviour_of("8613912345601").name == "busy"
    assert plan.behaviour_of("10001").name == "busy"


def test_descriptions_tell_the_waits() -> None:
    plan = create_numbering_plan()
    for behaviour in (plan.default, *plan.special.values()):
        for step in behaviour.steps:
            if isinstance(step, Wait):
                assert f"{step.seconds:g} s" in behaviour.description
