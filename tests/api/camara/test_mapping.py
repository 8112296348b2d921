"""Between the domain and the API's spellings, and between refusals and its errors."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.api.camara.document import create_validator, load_document, validate_event

from clicktodial.api.camara.error import (
    MESSAGE_CHARACTERS_MAX,
    REFUSALS,
    Refusal,
    Refused,
    refused_by,
)
from clicktodial.api.camara.mapping import (
    CloudEventFormat,
    spell_reason,
    spell_recording_result,
    spell_state,
)
from clicktodial.control import error
from clicktodial.control.error import ControlError
from clicktodial.control.port import StoreError
from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage, was_not_set_up
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.event import CallApi, CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.sink import EventSink, SinkToken

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
SINK = EventSink("https://endpoint.example.com/sink")
# What v1 and the management API alone can meet with.
NOT_OF_THIS_API = {
    error.NotConnected,
    error.NotRecorded,
    error.ConditionNotMet,
    error.MessageNotApproved,
    error.MessageTooLong,
}


def event(**changes: Any) -> StatusEvent:
    values: dict[str, Any] = {
        "call_id": CallId("0" * 32),
        "seq": 2,
        "app_id": AppId("app"),
        "status": CallStatus.DISCONNECTED,
        "occurred_at": NOW,
        "sponsor": "+861052680000",
        "caller": "+8613912345673",
        "callee": "+8613810268653",
        "reason": EndReason.HANG_UP,
        "call_duration_s": 1600,
        "api": CallApi.CAMARA,
        "sink_origin": SINK.origin,
    }
    return StatusEvent(**values | changes)


def render(told: StatusEvent, sink: EventSink = SINK) -> dict[str, Any]:
    request = CloudEventFormat("https://dial.example.com/click-to-dial").render(told, sink)
    rendered: dict[str, Any] = json.loads(request.body)
    validate_event(rendered)
    return rendered


def enumerated(name: str) -> set[str]:
    return set(load_document()["components"]["schemas"][name]["enum"])


def test_every_reason_and_result_is_spelled_as_in_the_document() -> None:
    assert {spell_reason(reason) for reason in EndReason} == enumerated("DisconnectionReason")
    results = {spell_recording_result(result) for result in RecordingResult}
    assert results == enumerated("RecordingResult")


def test_every_state_is_spelled_as_in_the_document() -> None:
    spelled = {
        spell_state(state, was_not_set_up=failed) for state in CallState for failed in (False, True)
    }
    assert spelled == enumerated("CallStatus")
    # What only options of the management API bring about is a step on the way.
    assert spell_state(CallState.PROVING_PRESENCE, was_not_set_up=False) == "callingCaller"
    assert spell_state(CallState.ANNOUNCING, was_not_set_up=False) == "callingCallee"
    assert spell_state(CallState.FINISHING, was_not_set_up=False) == "disconnected"


def test_event_is_the_example_of_the_document() -> None:
    result = {
        "recording_id": RecordingId("1" * 32),
        "recording_result": RecordingResult.SUCCESS,
    }
    assert render(event(**result)) == {
        "id": "0" * 32 + "-2",
        "source": "https://dial.example.com/click-to-dial",
        "specversion": "1.0",
        "type": "org.camaraproject.click-to-dial.v0.status-changed",
        "datacontenttype": "application/json",
        "time": "2026-01-02T03:04:05.678Z",
        "data": {
            "callId": "0" * 32,
            "caller": "+8613912345673",
            "callee": "+8613810268653",
            "status": {"state": "disconnected", "reason": "hangUp"},
            "timestamp": "2026-01-02T03:04:05.678Z",
            "recordingResult": "success",
            "callDuration": "1600",
        },
    }


def test_event_of_a_call_that_was_not_set_up_has_no_reason() -> None:
    told = event(reason=EndReason.OTHER, was_not_set_up=True, recording_id=RecordingId("1" * 32))
    data = render(told)["data"]
    assert data["status"] == {"state": "failed"}
    assert "callDuration" not in data
    # Mandatory when the call is finished; nothing known of it is a failure.
    assert data["recordingResult"] == "fail"


def test_token_is_shown_to_the_sink_and_to_nobody_else() -> None:
    sink = EventSink(SINK.url, SinkToken("secret", NOW))
    request = CloudEventFormat("x").render(event(), sink)
    assert ("Authorization", "Bearer secret") in request.headers
    assert "secret" not in repr(sink)
    assert SINK.url not in repr(sink)
    assert sink.token is not None
    assert not sink.token.is_good_at(NOW)
    assert sink.token.is_good_at(NOW - timedelta(milliseconds=1))


PLATFORM, CALLER, CALLEE, APP = (
    EndedBy.PLATFORM,
    EndedBy.CALLER,
    EndedBy.CALLEE,
    EndedBy.APPLICATION,
)
FIRST, SECOND = EndStage.CALLING_CALLER, EndStage.CALLING_CALLEE


@pytest.mark.parametrize(
    ("stage", "by", "outcome", "was_dialled", "failed"),
    [
        (FIRST, CALLER, LegOutcome.FAILED, False, True),  # no leg could be placed at all
        (FIRST, CALLER, LegOutcome.FAILED, True, False),  # the network refused it
        (FIRST, CALLER, LegOutcome.BUSY, True, False),
        (FIRST, PLATFORM, LegOutcome.NO_ANSWER, True, False),  # rang for as long as it may
        (FIRST, PLATFORM, LegOutcome.FAILED, True, True),  # no media, or the node stops
        (FIRST, PLATFORM, None, False, True),  # the process died
        (SECOND, PLATFORM, None, True, True),
        (SECOND, CALLEE, LegOutcome.FAILED, True, False),
        (SECOND, APP, LegOutcome.HUNG_UP, True, False),
        # "The call session failed to establish": not one that was.
        (EndStage.CONNECTED, PLATFORM, LegOutcome.FAILED, True, False),
        (EndStage.CONNECTED, PLATFORM, None, True, False),
    ],
)
def test_call_has_failed_where_neither_party_nor_client_ended_it(
    stage: EndStage, by: EndedBy, outcome: LegOutcome | None, was_dialled: bool, failed: bool
) -> None:
    assert was_not_set_up(stage, by, outcome, was_dialled=was_dialled) is failed


# Refusals


def control_errors() -> list[type[ControlError]]:
    return [
        each
        for each in vars(error).values()
        if isinstance(each, type) and issubclass(each, ControlError) and each is not ControlError
    ]


@pytest.mark.parametrize("kind", control_errors(), ids=lambda kind: kind.__name__)
def test_every_refusal_of_the_use_cases_has_its_error(kind: type[ControlError]) -> None:
    if kind in NOT_OF_THIS_API:
        with pytest.raises(kind):
            refused_by(kind())
    else:
        assert refused_by(kind()).refusal in REFUSALS


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (error.PartyBlacklisted(side=Side.CALLER), "CALLER_NOT_AVAILABLE"),
        (error.PartyBlacklisted(side=Side.CALLEE), "CALLEE_NOT_AVAILABLE"),
        (error.PartyUnreachable(side=Side.CALLER), "CALLER_NOT_AVAILABLE"),
        (error.CallerNotMember(), "CALLER_NOT_AVAILABLE"),
        (error.CapReached(), "CALLER_NOT_AVAILABLE"),
        (error.CalleeNotToBeCalled(), "CALLEE_NOT_AVAILABLE"),
        (error.CalleeInQuietHours(), "CALLEE_NOT_AVAILABLE"),
        (error.CalleeCalledTooOften(), "CALLEE_NOT_AVAILABLE"),
        (error.PoolEmpty(), "QUOTA_EXCEEDED"),
        (error.Overloaded(), "UNAVAILABLE"),
        (StoreError(), "UNAVAILABLE"),
        (error.KeyReused(), "SERVICE_NOT_APPLICABLE"),
    ],
    ids=str,
)
def test_refusal_is_told_as(raised: ControlError | StoreError, code: str) -> None:
    assert refused_by(raised).refusal.code == code


def test_when_to_ask_again_is_told() -> None:
    refused = refused_by(error.LimitReached(retry_after_s=7))
    assert (b"retry-after", b"7") in refused.headers


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_error_is_as_the_document_has_it(refusal: Refusal) -> None:
    body = json.loads(refusal.render())
    create_validator("ErrorInfo").validate(body)
    assert body["status"] == refusal.status
    longer = json.loads(Refused(refusal, "x" * 1_000).body)
    assert len(longer["message"]) == MESSAGE_CHARACTERS_MAX
    # Of the statuses that the document names, none has a code that it does not.
    for response in load_document()["components"]["responses"].values():
        first, second = response["content"]["application/json"]["schema"]["allOf"][1][
            "properties"
        ].values()
        if first["enum"] == [refusal.status]:
            assert refusal.code in second["enum"]


def test_events_of_before_are_those_of_v1() -> None:
    """What was stored without these fields is told to the application's own server."""
    defaults = {field.name: field.default for field in fields(StatusEvent)}
    assert defaults["api"] is CallApi.V1
    assert defaults["sink_origin"] is None
    assert not event(sink_origin=None).is_wanted
    assert event(api=CallApi.V1, sink_origin=None).is_wanted
