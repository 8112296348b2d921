"""What is known of the demonstrated call, and the checks that it must pass. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from clicktodial.sandbox.demo.journal import Entry
from clicktodial.sandbox.melody import SAMPLE_RATE, identify_melody, melody_digits

_STATUSES = ("CallingCaller", "CallingCallee", "Connected", "Disconnected")
# The notification counts whole seconds, and the recording begins a packet after the joining.
_DURATION_TOLERANCE_S = 1.0
_MINUTE_S = 60
# A private number shows by its end, however it is prefixed.
_TELLING_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who is called, and what both are shown."""

    sponsor: str = "01052680000"
    caller: str = "8613912345673"
    callee: str = "8613810268653"


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording as it was downloaded: samples in -1..1 of shape (samples, channels)."""

    file: bytes
    samples: npt.NDArray[np.float32]
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


class Pool(msgspec.Struct, frozen=True):
    """What an enterprise has left of its minutes, in seconds."""

    available_s: int
    reserved_s: int
    consumed_s: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one call when it is over. `messages` are those of its mailbox."""

    scenario: Scenario
    call_id: str
    entries: Sequence[Entry]
    recording: Recording
    messages: Sequence[str]
    pool_before: Pool
    pool_after: Pool

    def of_phone(self, number: str, event: str) -> Entry | None:
        """The first entry of that event from the phone with that number."""
        found = (entry for entry in self.entries if entry.event == event)
        return next((entry for entry in found if entry.fields.get("phone") == number), None)

    def notifications(self) -> list[dict[str, Any]]:
        """What the application was told of this call, in the order of arrival."""
        return [
            entry.fields["notification"]
            for entry in self.entries
            if entry.event == "notification" and entry.fields["callidentifier"] == self.call_id
        ]

    def heard(self, number: str) -> dict[str, Any]:
        """The report of what that phone heard; empty where there is none."""
        entry = self.of_phone(number, "heard")
        return dict(entry.fields) if entry else {}

    def sip_messages(self, number: str) -> list[Entry]:
        """The SIP messages of that phone's leg."""
        invited = self.of_phone(number, "ringing")
        sip_call_id = invited.fields.get("call") if invited else None
        return [
            entry
            for entry in self.entries
            if entry.event == "sip" and sip_call_id and entry.fields.get("call") == sip_call_id
        ]


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, whether it holds, and what it was judged by."""

    claim: str
    holds: bool
    detail: str


def check_evidence(evidence: Evidence) -> list[Check]:
    """All checks of a demonstrated call."""
    scenario = evidence.scenario
    return [
        _check_notifications(evidence),
        _check_heard(evidence, "caller", scenario.caller, scenario.callee),
        _check_heard(evidence, "callee", scenario.callee, scenario.caller),
        _check_privacy(evidence),
        _check_duration(evidence),
        _check_channel(evidence.recording, 0, "left", "caller", scenario.caller),
        _check_channel(evidence.recording, 1, "right", "callee", scenario.callee),
        _check_messages(evidence),
        _check_pool(evidence),
    ]


def _check_notifications(evidence: Evidence) -> Check:
    statuses = [str(each.get("status")) for each in evidence.notifications()]
    refused = sum(entry.event == "rejected" for entry in evidence.entries)
    return Check(
        "The application heard of all four states, in order, signed",
        tuple(statuses) == _STATUSES and not refused,
        " → ".join(statuses) or "nothing came",
    )


def _check_heard(evidence: Evidence, role: str, number: str, other: str) -> Check:
    heard = evidence.heard(number)
    sources = heard.get("sources", [])
    melodies = [source["melody"] for source in sources if source["melody"]]
    lost = heard.get("lost", 0)
    detail = (
        f"melody {', '.join(melodies) or 'none'}; {heard.get('packets', 0)} packets, {lost} lost"
    )
    wanted = [melody_digits(other)]
    return Check(f"The {role}'s phone heard the other's melody", melodies == wanted, detail)


def _check_privacy(evidence: Evidence) -> Check:
    """Nothing that one leg receives contains the other's number."""
    scenario = evidence.scenario
    leaks = 0
    read = 0
    for number, other in ((scenario.caller, scenario.callee), (scenario.callee, scenario.caller)):
        for message in evidence.sip_messages(number):
            read += 1
            leaks += other[-_TELLING_DIGITS:] in str(message.fields.get("message"))
    shown = [
        str(entry.fields["shown"])
        for number in (scenario.caller, scenario.callee)
        if (entry := evidence.of_phone(number, "ringing")) is not None
    ]
    is_sponsor = [_national(number) == _national(scenario.sponsor) for number in shown]
    return Check(
        "Neither phone learned the other's number",
        leaks == 0 and read > 0 and is_sponsor == [True, True],
        f"both were shown {' and '.join(sorted(set(shown)))}; {leaks} leaks in {read} messages",
    )


def _national(number: str) -> str:
    return re.sub(r"^(\+86|0)", "", number)


def _check_duration(evidence: Evidence) -> Check:
    ended = evidence.notifications()[-1:] or [{}]
    told, recorded = ended[0].get("callDuration"), evidence.recording.seconds
    fits = isinstance(told, int) and abs(told - recorded) <= _DURATION_TOLERANCE_S
    return Check(
        "The recording is as long as the conversation",
        fits and ended[0].get("recordingResult") == "Success",
        f"{recorded:.2f} s recorded, {told} s told",
    )


def _check_pool(evidence: Evidence) -> Check:
    """Each minute begun is taken of the pool, and nothing is held any more."""
    before, after = evidence.pool_before, evidence.pool_after
    told = (evidence.notifications()[-1:] or [{}])[0].get("callDuration")
    begun = -(-max(told, 1) // _MINUTE_S) if isinstance(told, int) else None
    lost_s = before.available_s - after.available_s
    return Check(
        "The pool lost the minutes of the call",
        begun is not None
        and lost_s == after.consumed_s - before.consumed_s == begun * _MINUTE_S
        and after.reserved_s == 0,
        f"{before.available_s // _MINUTE_S} before, {after.available_s // _MINUTE_S} after",
    )


def _check_channel(recording: Recording, index: int, side: str, role: str, number: str) -> Check:
    claim = f"The recording's {side} channel is the {role}"
    if recording.sample_rate != SAMPLE_RATE or recording.samples.ndim != 2:
        return Check(claim, False, f"not {SAMPLE_RATE} Hz in two channels")
    if recording.samples.shape[1] <= index:
        return Check(claim, False, "there is no such channel")
    found = identify_melody(recording.samples[:, index])
    holds = found is not None and found.digits == melody_digits(number)
    return Check(claim, holds, f"melody {found.digits if found else 'none'}")


def _check_messages(evidence: Evidence) -> Check:
    """One for each party, and neither has the other's number."""
    scenario, messages = evidence.scenario, evidence.messages
    leaks = [
        number
        for number in (scenario.caller, scenario.callee)
        if any(number[-_TELLING_DIGITS:] in text for text in messages)
    ]
    return Check(
        "Each party has a message about the call",
        len(messages) == 2 and not leaks,
        f"{len(messages)} in the mailbox",
    )
