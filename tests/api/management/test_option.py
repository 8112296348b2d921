"""Options of applications over the management API."""

from typing import Any

import pytest
from tests.api.management.support import APPLICATION, OTHER_APP_ID, Management
from tests.api.support import APP_ID

from clicktodial.api.management.option import OPTION_NAMES, Options, OptionsChange
from clicktodial.domain.plan import DEFAULT_OPTIONS

PATH = f"/applications/{APP_ID}/options"
CHANGES: dict[str, Any] = {
    "shown_to_callee": "010 5268 0000",
    "hides_number": True,
    "caller_ring_timeout_s": 20,
    "max_duration_s": 600,
    "warning_before_end_s": 15,
    "warning_to": ["callee", "caller"],
    "ringback": "network",
    "announcement_to": ["callee"],
    "presence": "key-and-detection",
    "presence_timeout_s": 30,
}


def add_audio(management: Management, name: str) -> None:
    """As the library would have it."""
    management.library.directory.mkdir(exist_ok=True)
    (management.library.directory / f"{name}.8").write_bytes(b"\xd5" * 8_000)
    (management.library.directory / f"{name}.wav").write_bytes(b"")


async def test_options_change_as_they_are_given_and_go_back(management: Management) -> None:
    before = (await management.ask("GET", PATH)).json
    assert before["presence"] == "none"
    answer = await management.ask("PATCH", PATH, CHANGES)
    assert answer.json == before | CHANGES | {"shown_to_callee": "+861052680000"}
    assert (await management.ask("GET", PATH)).json == answer.json
    answer = await management.ask("PATCH", PATH, {"max_duration_s": None})
    assert answer.json["max_duration_s"] is None
    for name in CHANGES:
        answer = await management.ask("DELETE", f"{PATH}/{name}")
        assert answer.status == 200
        assert answer.json[name] == before[name]
    assert answer.json == before
    assert management.administration.show_application(APP_ID).options == DEFAULT_OPTIONS


async def test_audio_must_be_there_when_it_is_named(management: Management) -> None:
    refused = await management.ask("PATCH", PATH, {"hold_audio": "music"})
    assert (refused.status, refused.json["detail"]) == (400, "there is no audio music")
    add_audio(management, "music")
    assert (await management.ask("PATCH", PATH, {"hold_audio": "music"})).status == 200
    management.library.remove("music")
    # What it was is no reason to refuse another change.
    answer = await management.ask("PATCH", PATH, {"hides_number": True})
    assert (answer.status, answer.json["hold_audio"]) == (200, "music")


async def test_application_reads_its_own_options_and_changes_none(management: Management) -> None:
    own = await management.ask("GET", PATH, credential=APPLICATION)
    assert (own.status, own.json["presence"]) == (200, "none")
    another = f"/applications/{OTHER_APP_ID}/options"
    answer = await management.ask("GET", another, credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (404, "not-found")
    for method, path, body in (("PATCH", PATH, {}), ("DELETE", f"{PATH}/presence", None)):
        answer = await management.ask(method, path, body, credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"shown_to_caller": "+8613912345673"}, None),  # not the application's own
        ({"shown_to_caller": "x"}, "/shown_to_caller"),
        ({"max_duration_s": 0}, "/max_duration_s"),
        ({"presence_timeout_s": 121}, "/presence_timeout_s"),
        ({"warning_to": []}, "/warning_to"),
        ({"ringback": None}, "/ringback"),
        ({"announcement": "No"}, "/announcement"),
    ],
)
async def test_options_that_make_no_sense_change_nothing(
    management: Management, changes: dict[str, Any], pointer: str | None
) -> None:
    answer = await management.ask("PATCH", PATH, changes | {"hides_number": True})
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
    assert answer.json.get("pointer") == pointer
    assert management.administration.show_application(APP_ID).options == DEFAULT_OPTIONS


async def test_application_or_option_that_is_not_there_is_told(management: Management) -> None:
    for method, path, body in (
        ("GET", "/applications/none/options", None),
        ("PATCH", "/applications/none/options", {}),
        ("DELETE", "/applications/none/options/presence", None),
        ("DELETE", f"{PATH}/__class__", None),
    ):
        answer = await management.ask(method, path, body)
        assert (answer.status, answer.json["code"]) == (404, "not-found")


def test_each_option_of_a_call_can_be_read_and_changed() -> None:
    assert Options.__struct_fields__ == OPTION_NAMES
    assert OptionsChange.__struct_fields__ == OPTION_NAMES
