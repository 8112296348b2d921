"""The two pictures of a demonstrated call, drawn from its evidence. Pure."""

from collections.abc import Iterator
from datetime import datetime

from clicktodial.sandbox.demo.evidence import Evidence
from clicktodial.sandbox.drawing.ladder import (
    Ladder,
    LadderMessage,
    Leg,
    MediaSpan,
    Party,
    draw_ladder,
)
from clicktodial.sandbox.drawing.waveform import Channel, draw_waveform
from clicktodial.sandbox.melody import melody_digits


def draw_recording(evidence: Evidence) -> str:
    """SVG of the recording's two channels. Raises ValueError where it has not two."""
    recording, scenario = evidence.recording, evidence.scenario
    channels = (
        Channel("Caller", scenario.caller, f"melody {melody_digits(scenario.caller)}"),
        Channel("Callee", scenario.callee, f"melody {melody_digits(scenario.callee)}"),
    )
    return draw_waveform(recording.samples, recording.sample_rate, channels, "The recording")


def draw_legs(evidence: Evidence, began_at: datetime) -> str:
    """SVG of both legs' SIP, timed from when the call was asked for."""
    scenario = evidence.scenario
    return draw_ladder(
        Ladder(
            title="One call, two legs",
            caller=Party("Caller's phone", scenario.caller),
            platform=Party("Platform", f"shows {scenario.sponsor} to both"),
            callee=Party("Callee's phone", scenario.callee),
            messages=tuple(_messages(evidence, began_at)),
            spans=tuple(_spans(evidence, began_at)),
        )
    )


def _messages(evidence: Evidence, began_at: datetime) -> Iterator[LadderMessage]:
    for leg, number in _legs(evidence):
        for entry in evidence.sip_messages(number):
            yield LadderMessage(
                at_s=(entry.at - began_at).total_seconds(),
                leg=leg,
                from_phone=entry.fields["direction"] == "sent",
                label=str(entry.fields["label"]),
                status=entry.fields.get("status") or 0,
                has_sdp=bool(entry.fields.get("sdp")),
            )


def _spans(evidence: Evidence, began_at: datetime) -> Iterator[MediaSpan]:
    """The caller hears the platform until the callee answers, then both hear each other."""

    def time_of(number: str, event: str) -> float | None:
        entry = evidence.of_phone(number, event)
        return (entry.at - began_at).total_seconds() if entry else None

    joined_s = time_of(evidence.scenario.callee, "answered")
    for leg, number in _legs(evidence):
        answered_s, ended_s = time_of(number, "answered"), time_of(number, "ended")
        if answered_s is None or ended_s is None:
            continue
        prompt = next((each for each in _sources(evidence, number) if not each["melody"]), None)
        if prompt is not None and joined_s is not None and answered_s < joined_s:
            yield MediaSpan(leg, answered_s, joined_s, f"hears a tone · {prompt['seconds']:.1f} s")
            answered_s = joined_s
        for source in _sources(evidence, number):
            if source["melody"]:
                label = f"hears melody {source['melody']} · {source['seconds']:.1f} s"
                yield MediaSpan(leg, answered_s, ended_s, label)


def _sources(evidence: Evidence, number: str) -> list[dict[str, object]]:
    sources: list[dict[str, object]] = evidence.heard(number).get("sources", [])
    return sources


def _legs(evidence: Evidence) -> tuple[tuple[Leg, str], tuple[Leg, str]]:
    return (Leg.CALLER, evidence.scenario.caller), (Leg.CALLEE, evidence.scenario.callee)
