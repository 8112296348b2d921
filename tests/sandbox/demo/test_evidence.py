"""The checks of a demonstrated call: all hold when all went well, and each can fail."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.sandbox.demo.call import (
    SCENARIO,
    create_entries,
    create_evidence,
    create_recording,
    entry,
    notification,
)

from clicktodial.sandbox.demo.evidence import Pool, Recording, check_evidence
from clicktodial.sandbox.demo.journal import Entry

HEARD_OF_ALL = "The application heard of all four states, in order, signed"
CALLER_HEARD = "The caller's phone heard the other's melody"
CALLEE_HEARD = "The callee's phone heard the other's melody"
PRIVATE = "Neither phone learned the other's number"
AS_LONG = "The recording is as long as the conversation"
LEFT = "The recording's left channel is the caller"
MESSAGES = "Each party has a message about the call"
RIGHT = "The recording's right channel is the callee"


POOL = "The pool lost the minutes of the call"


def failing(
    entries: list[Entry] | None = None,
    recording: Recording | None = None,
    pool_after: Pool | None = None,
) -> set[str]:
    checks = check_evidence(create_evidence(entries, recording, pool_after=pool_after))
    assert len(checks) == 9
    return {check.claim for check in checks if not check.holds}


def test_call_that_went_well_passes_every_check() -> None:
    assert failing() == set()


def test_call_of_which_nothing_is_known_passes_no_check_but_those_of_the_recording() -> None:
    assert failing([]) == {HEARD_OF_ALL, CALLER_HEARD, CALLEE_HEARD, PRIVATE, AS_LONG, POOL}


@pytest.mark.parametrize(
    "messages", [(), ("once",), ("one", "two", "three"), ("one", f"two {SCENARIO.callee}")]
)
def test_messages_that_are_missing_or_tell_the_number_fail_their_check(
    messages: tuple[str, ...],
) -> None:
    checks = check_evidence(create_evidence(messages=messages))
    assert {check.claim for check in checks if not check.holds} == {MESSAGES}


def without(event: str) -> list[Entry]:
    return [each for each in create_entries() if each.event != event]


def change(event: str, phone: str, **fields: object) -> list[Entry]:
    return [
        replace(each, fields={**each.fields, **fields})
        if each.event == event and each.fields.get("phone") == phone
        else each
        for each in create_entries()
    ]


@pytest.mark.parametrize(
    ("spoil", "claims"),
    [
        (lambda: without("notification"), {HEARD_OF_ALL, AS_LONG, POOL}),
        (lambda: [*create_entries(), entry(9, "rejected", reason="signature")], {HEARD_OF_ALL}),
        (lambda: [*create_entries(), notification(9, "Disconnected")], {HEARD_OF_ALL}),
        (lambda: change("heard", SCENARIO.caller, sources=[]), {CALLER_HEARD}),
        (
            lambda: change("heard", SCENARIO.callee, sources=[{"melody": "268653"}]),
            {CALLEE_HEARD},
        ),
        (lambda: change("ringing", SCENARIO.callee, shown="+8613912345673"), {PRIVATE}),
        (lambda: without("sip"), {PRIVATE}),
    ],
    ids=[
        "not notified",
        "notification refused",
        "told of the end twice",
        "caller heard nothing",
        "callee heard itself",
        "caller's number shown",
        "no message seen",
    ],
)
def test_call_with_a_fault_fails_just_its_checks(
    spoil: Callable[[], list[Entry]], claims: set[str]
) -> None:
    assert failing(spoil()) == claims


def test_number_of_the_other_in_any_message_is_a_leak() -> None:
    entries = create_entries()
    leak = entry(
        1.5,
        "sip",
        direction="received",
        label="UPDATE",
        call=f"sip-{SCENARIO.callee}",
        message="P-Asserted-Identity: <tel:13912345673>",
    )
    assert failing([*entries, leak]) == {PRIVATE}


def test_channels_that_are_swapped_fail() -> None:
    swapped = create_recording(SCENARIO.callee, SCENARIO.caller)
    assert failing(recording=swapped) == {LEFT, RIGHT}


def test_silent_channel_fails() -> None:
    recording = create_recording()
    samples = recording.samples.copy()
    samples[:, 1] = 0
    assert failing(recording=replace(recording, samples=samples)) == {RIGHT}


def test_recording_of_one_channel_fails() -> None:
    recording = create_recording()
    mono = replace(recording, samples=recording.samples[:, :1])
    assert failing(recording=mono) == {RIGHT}


def test_recording_at_another_rate_fails() -> None:
    assert {LEFT, RIGHT} <= failing(recording=replace(create_recording(), sample_rate=16_000))


def test_recording_that_is_too_short_fails() -> None:
    recording = create_recording()
    short = replace(recording, samples=recording.samples[: 4 * 8000])
    assert failing(recording=short) == {AS_LONG}


def test_empty_recording_fails() -> None:
    empty = Recording(b"", np.zeros((0, 2), np.float32), 8000)
    assert failing(recording=empty) == {AS_LONG, LEFT, RIGHT}


@pytest.mark.parametrize(
    "after",
    [
        Pool(available_s=36_000, reserved_s=0, consumed_s=0),
        Pool(available_s=35_940, reserved_s=0, consumed_s=0),
        Pool(available_s=35_880, reserved_s=60, consumed_s=60),
        Pool(available_s=35_940, reserved_s=60, consumed_s=60),
        Pool(available_s=35_880, reserved_s=0, consumed_s=120),
    ],
)
def test_pool_that_lost_anything_else_fails(after: Pool) -> None:
    assert failing(pool_after=after) == {POOL}
