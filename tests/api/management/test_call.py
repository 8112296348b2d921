"""Calls over the management API."""

from datetime import timedelta
from typing import Any

import pytest
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import (
    APPLICATION,
    BEGUN_AT,
    CALL,
    OPERATOR,
    OTHER_APP_ID,
    TIMELINE,
    Management,
    add_call,
)
from tests.api.support import SECRET, Answer, basic

from clicktodial.api.management.paging import PAGE_DEFAULT, PAGE_MAX
from clicktodial.control.error import (
    LimitReached,
    MessageNotApproved,
    MessageTooLong,
    NumberNotAuthorized,
    Overloaded,
)
from clicktodial.control.port import TrunkForecast
from clicktodial.control.service import CallForecast, ReleaseCondition
from clicktodial.domain.call import SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.number_pool import NumberPool, Place, PoolNumber
from clicktodial.domain.plan import CallOptions, PresenceProof, Ringback


async def ask(
    management: Management, method: str, path: str, body: Any = None, query: str = ""
) -> Answer:
    """As the application."""
    return await management.ask(method, path, body, credential=APPLICATION, query=query)


# Begin


async def test_call_is_begun_with_what_the_body_says(management: Management) -> None:
    answer = await ask(management, "POST", "/calls", CALL | {"record": True})
    assert answer.status == 201
    call_id = answer.json["call_id"]
    assert answer.headers["location"] == f"/management/v1/calls/{call_id}"
    [(app_id, request)] = management.service.begun
    assert app_id == "12345678"
    assert (request.caller.e164, request.caller.written) == ("+8613912345673", "8613912345673")
    assert (request.callee.e164, request.sponsor.e164) == ("+8613810268653", "+861052680000")
    assert request.record is True
    assert request.options is None


@pytest.mark.parametrize("direction", [*SendDirection, None])
async def test_direction_of_the_message_goes_with_the_begin_and_the_dry_run(
    management: Management, direction: SendDirection | None
) -> None:
    body = CALL if direction is None else CALL | {"send_direction": direction.value}
    assert (await ask(management, "POST", "/calls", body)).status == 201
    assert (await ask(management, "POST", "/calls/forecast", body)).status == 200
    [(_, begun)], [forecasted] = management.service.begun, management.service.forecasted
    assert (begun.send_direction, forecasted.send_direction) == (direction, direction)


async def test_options_that_are_given_override_the_application_s_own(
    create_management: CreateManagement,
) -> None:
    own = CallOptions(max_duration_s=600, ringback=Ringback.NETWORK, caller_ring_timeout_s=20)
    management = create_management(options=own)
    options = {
        "presence": "key",
        "presence_timeout_s": 30,
        "caller_ring_timeout_s": None,
        "shown_to_callee": "010 5268 0000",
        "warning_to": ["caller", "callee"],
    }
    await management.begin(options=options)
    assert management.service.begun[0][1].options == CallOptions(
        max_duration_s=600,
        ringback=Ringback.NETWORK,
        caller_ring_timeout_s=None,
        presence=PresenceProof.KEY,
        presence_timeout_s=30,
        shown_to_callee="+861052680000",
        warning_to=frozenset(Side),
    )


async def test_audio_that_the_application_names_itself_is_not_looked_for(
    create_management: CreateManagement,
) -> None:
    management = create_management(options=CallOptions(hold_audio="removed"))
    await management.begin(options={"max_duration_s": 5})
    assert management.service.begun[0][1].options == CallOptions(
        hold_audio="removed", max_duration_s=5
    )


REFUSED: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"caller": None}, 400, "invalid-value", "/caller"),
    ({"caller": "nobody"}, 400, "invalid-value", "/caller"),
    ({"callee": "1" * 33}, 400, "invalid-value", "/callee"),
    ({"callee": "+86 139 1234 5673"}, 400, "invalid-value", "/callee"),
    ({"sponsor": "+"}, 400, "invalid-value", "/sponsor"),
    ({"record": 1}, 400, "invalid-value", "/record"),
    ({"send_direction": None}, 400, "invalid-value", "/send_direction"),
    ({"send_direction": "ALL"}, 400, "invalid-value", "/send_direction"),
    ({"sendDirection": "MT"}, 400, "unknown-property", "/sendDirection"),
    ({"APPID": "1"}, 400, "unknown-property", "/APPID"),
    ({"options": {"presense": "key"}}, 400, "unknown-property", "/options/presense"),
    ({"options": {"a/b~c": 1}}, 400, "unknown-property", "/options/a~1b~0c"),
    ({"options": {"presence": "guess"}}, 400, "invalid-value", "/options/presence"),
    ({"options": {"presence_timeout_s": 0}}, 400, "invalid-value", "/options/presence_timeout_s"),
    ({"options": {"warning_to": []}}, 400, "invalid-value", "/options/warning_to"),
    ({"options": {"warning_to": ["all"]}}, 400, "invalid-value", "/options/warning_to/0"),
    ({"options": {"shown_to_caller": "x"}}, 400, "invalid-value", "/options/shown_to_caller"),
    (
        {"options": {"shown_to_caller": "01052680001"}},
        403,
        "number-not-authorized",
        "/options/shown_to_caller",
    ),
    ({"options": {"hold_audio": "../x"}}, 400, "invalid-value", "/options/hold_audio"),
    ({"options": {"hold_audio": "nothing"}}, 400, "invalid-value", None),
    ({"options": None}, 400, "invalid-value", "/options"),
]


@pytest.mark.parametrize("path", ["/calls", "/calls/forecast"])
@pytest.mark.parametrize(("changes", "status", "code", "pointer"), REFUSED)
async def test_begin_that_is_wrong_says_where(
    management: Management,
    path: str,
    changes: dict[str, Any],
    status: int,
    code: str,
    pointer: str | None,
) -> None:
    answer = await ask(management, "POST", path, CALL | changes)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json.get("pointer") == pointer
    assert management.service.begun == []


async def test_begin_without_a_property_says_which(management: Management) -> None:
    answer = await ask(management, "POST", "/calls", {"caller": "8613912345673"})
    assert (answer.json["code"], answer.json["pointer"]) == ("missing-property", "/callee")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (NumberNotAuthorized(), 403, "number-not-authorized", None),
        (MessageNotApproved(), 400, "message-not-approved", None),
        (MessageTooLong("by 3"), 403, "message-too-long", None),
        (LimitReached(retry_after_s=3), 503, "limit-reached", "3"),
        (Overloaded(retry_after_s=2), 503, "overloaded", "2"),
    ],
)
async def test_begin_that_the_service_refuses_says_why(
    management: Management, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    management.service.error = error
    answer = await ask(management, "POST", "/calls", CALL)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers.get("retry-after") == retry_after


async def test_forecast_tells_what_would_become_of_the_call(management: Management) -> None:
    answer = await ask(management, "POST", "/calls/forecast", CALL)
    assert answer.json == {
        "is_possible": True,
        "obstacles": [],
        "caller": {"trunk": "main", "cost_per_minute_micros": 20_000, "obstacle": None},
        "callee": {"trunk": "main", "cost_per_minute_micros": 30_000, "obstacle": None},
        "max_duration_s": 3_600,
        "cost_per_minute_micros": 50_000,
        "billed_s_per_minute": 0,
        "price_per_minute_micros": 0,
    }
    assert management.service.begun == []
    none = TrunkForecast(None, obstacle="no trunk carries it")
    management.service.answer = CallForecast(("no trunk carries it",), none, none, 60, 0)
    answer = await ask(management, "POST", "/calls/forecast", CALL)
    assert (answer.json["is_possible"], answer.json["obstacles"]) == (
        False,
        ["no trunk carries it"],
    )
    assert answer.json["callee"]["trunk"] is None


# Reading


async def test_call_is_read_with_all_that_is_known(management: Management) -> None:
    add_call(management.engine, "a1", recording_id="r1", recording_result="Success")
    answer = await ask(management, "GET", "/calls/a1")
    call = answer.json
    assert (call["state"], call["live"], call["duration_s"]) == ("ended", None, 7)
    assert (call["caller"], call["begun_at"]) == ("+8613912345673", "2026-03-01T12:00:00Z")
    assert call["recording"] == {"recording_id": "r1", "result": "Success"}
    assert call["end"] == {
        "reason": "HangUp",
        "by": "callee",
        "stage": "connected",
        "outcome": "hung-up",
        "sip_status": None,
        "sip_text": "BYE",
        "q850": 16,
        "reason_header": 'Q.850;cause=16;text="Normal"',
        "explanation": "HangUp: the callee hung up after 7 s "
        '(BYE, Q.850 16, Reason: Q.850;cause=16;text="Normal")',
    }
    assert call["legs"]["callee"] is None
    leg = call["legs"]["caller"]
    assert (leg["trunk"], leg["codec"], leg["silence_s"]) == ("main", "PCMA", 3)
    assert leg["quality"] == {
        "packets": 990,
        "packets_lost": 10,
        "loss": 0.01,
        "jitter_ms": 2.35,
        "round_trip_ms": 20.0,
        "mos": 4.12,
    }
    assert [(each["status"], each["delivery"]) for each in call["events"]] == [
        ("CallingCaller", "delivered"),
        ("Disconnected", "pending"),
    ]
    assert call["events"][1]["last_error"] == "HTTP 500"
    answers = [each["answer"] for each in call["events"]]
    assert [(each["status"], each["text"]) for each in answers] == [(200, None), (500, "oops")]


async def test_quality_of_a_call_is_read_interval_by_interval(management: Management) -> None:
    add_call(management.engine, "a1")
    first, second = (await ask(management, "GET", "/calls/a1/quality")).json["intervals"]
    # From the joining, two seconds after the begin.
    assert (first["begins_at"], first["ends_at"]) == (
        "2026-03-01T12:00:02Z",
        "2026-03-01T12:00:12Z",
    )
    assert (second["begins_at"], second["ends_at"]) == (
        "2026-03-01T12:00:12Z",
        "2026-03-01T12:00:17.500000Z",
    )
    assert second["caller"] == {
        "packets": 180,
        "packets_lost": 20,
        "loss": 0.1,
        "jitter_ms": 7.0,
        "round_trip_ms": 31.5,
        "mos": 3.4,
    }
    assert (second["callee"]["packets"], second["callee"]["mos"]) == (0, None)
    # Of one that goes on memory knows; of one that was never joined there is nothing to know.
    call_id = await management.begin()
    assert (await ask(management, "GET", f"/calls/{call_id}/quality")).json == {"intervals": []}
    management.service.timelines[call_id] = TIMELINE
    intervals = (await ask(management, "GET", f"/calls/{call_id}/quality")).json["intervals"]
    assert intervals == [first, second]
    add_call(management.engine, "a2", connected_at=None)
    assert (await ask(management, "GET", "/calls/a2/quality")).json == {"intervals": []}


async def test_live_call_tells_what_memory_knows(management: Management) -> None:
    call_id = await management.begin(record=True)
    await ask(management, "POST", f"/calls/{call_id}/mute", {"side": "caller"})
    await ask(management, "POST", f"/calls/{call_id}/hold", {"side": "callee"})
    await ask(management, "POST", f"/calls/{call_id}/pause-recording")
    call = (await ask(management, "GET", f"/calls/{call_id}")).json
    assert call["live"] == {"muted": ["caller"], "held": ["callee"], "is_recording_paused": True}
    assert (call["state"], call["end"]) == ("connected", None)
    await ask(management, "POST", f"/calls/{call_id}/unmute", {"side": "caller"})
    await ask(management, "POST", f"/calls/{call_id}/resume", {"side": "callee"})
    await ask(management, "POST", f"/calls/{call_id}/resume-recording")
    call = (await ask(management, "GET", f"/calls/{call_id}")).json
    assert call["live"] == {"muted": [], "held": [], "is_recording_paused": False}


async def test_calls_are_listed_page_after_page_and_only_one_s_own(
    management: Management,
) -> None:
    for number in range(5):
        begun_at = BEGUN_AT + timedelta(seconds=number // 2)
        add_call(management.engine, f"a{number}", begun_at=begun_at)
    add_call(management.engine, "b1", app_id=OTHER_APP_ID)
    listed, query = [], "limit=2"
    while True:
        page = (await ask(management, "GET", "/calls", query=query)).json
        listed += [call["call_id"] for call in page["calls"]]
        if page["next"] is None:
            break
        assert len(page["calls"]) == 2
        query = f"limit=2&cursor={page['next']}"
    assert listed == ["a4", "a3", "a2", "a1", "a0"]
    whole = (await ask(management, "GET", "/calls")).json
    assert (len(whole["calls"]), whole["next"]) == (5, None)


async def test_page_has_as_many_as_it_may_and_no_more(management: Management) -> None:
    for number in range(PAGE_MAX + 1):
        add_call(management.engine, f"c{number:03}")
    for query, size in (("", PAGE_DEFAULT), (f"limit={PAGE_MAX}", PAGE_MAX)):
        page = (await ask(management, "GET", "/calls", query=query)).json
        assert len(page["calls"]) == size
        assert page["next"] is not None


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", f"limit={PAGE_MAX + 1}", "limit=-1", "limit=x", "limit=", "limit=%D9%A3",
        "cursor=", "cursor=1", "cursor=x-y", "cursor=9999999999999999-a", "cursor=1-%00",
        "cursor=999999999999999-a", "page=2", "limit=1&limit=2", "%ff", "limit", "&&",
        "a=" + "&a=" * 20,
    ],
)  # fmt: skip
async def test_parameter_that_makes_no_sense_is_refused(management: Management, query: str) -> None:
    answer = await ask(management, "GET", "/calls", query=query)
    assert (answer.status, answer.json["code"]) == (400, "invalid-parameter")


# What is done with a call


CONDITIONS: list[tuple[Any, ReleaseCondition]] = [
    (None, ReleaseCondition()),
    ({}, ReleaseCondition()),
    ({"only_unconnected": False, "after_s": 0}, ReleaseCondition()),
]


@pytest.mark.parametrize(("body", "condition"), CONDITIONS)
async def test_call_is_released(
    management: Management, body: Any, condition: ReleaseCondition
) -> None:
    call_id = await management.begin()
    assert (await ask(management, "POST", f"/calls/{call_id}/release", body)).status == 204
    assert management.service.conditions == [condition]
    again = await ask(management, "POST", f"/calls/{call_id}/release", body)
    assert (again.status, again.json["code"]) == (409, "call-ended")


async def test_release_whose_condition_fails_leaves_the_call(management: Management) -> None:
    call_id = await management.begin()
    body: dict[str, Any]
    for body in ({"only_unconnected": True}, {"after_s": 30}):
        answer = await ask(management, "POST", f"/calls/{call_id}/release", body)
        assert (answer.status, answer.json["code"]) == (409, "condition-not-met")
    assert management.service.ended == set()
    assert management.service.conditions == [
        ReleaseCondition(only_unconnected=True),
        ReleaseCondition(after_s=30),
    ]


@pytest.mark.parametrize(
    "body", [{"after_s": -1}, {"after_s": 86_401}, {"after_s": 1.5}, {"only_unconnected": 1}, []]
)
async def test_condition_that_makes_no_sense_is_refused(management: Management, body: Any) -> None:
    call_id = await management.begin()
    answer = await ask(management, "POST", f"/calls/{call_id}/release", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
    assert management.service.ended == set()


async def test_call_is_continued(management: Management) -> None:
    call_id = await management.begin()
    assert (await ask(management, "POST", f"/calls/{call_id}/continue")).status == 204
    assert management.service.continued == [call_id]


OF_A_SIDE = ["mute", "unmute", "hold", "resume"]
COMMANDS: list[tuple[str, Any]] = [
    *((name, {"side": "callee"}) for name in OF_A_SIDE),
    ("pause-recording", None),
    ("resume-recording", None),
]


@pytest.mark.parametrize(("command", "body"), COMMANDS)
async def test_command_before_the_joining_is_refused(
    management: Management, command: str, body: Any
) -> None:
    call_id = await management.begin(record=True)
    management.service.unconnected.add(call_id)
    answer = await ask(management, "POST", f"/calls/{call_id}/{command}", body)
    assert (answer.status, answer.json["code"]) == (409, "not-connected")


@pytest.mark.parametrize("command", ["pause-recording", "resume-recording"])
async def test_recording_of_a_call_without_one_is_not_paused(
    management: Management, command: str
) -> None:
    call_id = await management.begin()
    answer = await ask(management, "POST", f"/calls/{call_id}/{command}")
    assert (answer.status, answer.json["code"]) == (409, "not-recorded")


@pytest.mark.parametrize("command", OF_A_SIDE)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-body"),
        (b"{", "malformed-body"),
        (b'{"side":"\xff"}', "malformed-body"),
        ({}, "missing-property"),
        ({"side": "both"}, "invalid-value"),
        ({"side": None}, "invalid-value"),
        ({"side": "caller", "x": 1}, "unknown-property"),
    ],
)
async def test_side_that_is_none_is_refused(
    management: Management, command: str, body: Any, code: str
) -> None:
    call_id = await management.begin()
    answer = await ask(management, "POST", f"/calls/{call_id}/{command}", body)
    assert (answer.status, answer.json["code"]) == (400, code)


OF_A_CALL: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/quality", None),
    ("POST", "/release", None),
    ("POST", "/continue", None),
    *(("POST", f"/{command}", body) for command, body in COMMANDS),
]


@pytest.mark.parametrize(("method", "suffix", "body"), OF_A_CALL)
async def test_call_of_another_is_not_there(
    management: Management, method: str, suffix: str, body: Any
) -> None:
    call_id = await management.begin(record=True)
    for asked, credential in (
        (call_id, basic(OTHER_APP_ID, SECRET)),
        ("0" * 32, APPLICATION),
        ("a b", APPLICATION),
        ("x" * 65, APPLICATION),
    ):
        answer = await management.ask(
            method, f"/calls/{asked}{suffix}", body, credential=credential
        )
        assert (answer.status, answer.json["code"]) == (404, "not-found")
    operator = await management.ask(method, f"/calls/{call_id}{suffix}", body, credential=OPERATOR)
    if method == "GET":
        assert operator.status == 200  # whoever operates it may look
    else:
        assert (operator.status, operator.json["code"]) == (403, "not-permitted")
    assert management.service.ended == set()


# Pools


POOLS = (
    NumberPool(
        "sales",
        (
            PoolNumber("+861052680001", Place("Beijing", "Beijing")),
            PoolNumber("+8675512345678", Place("Shenzhen", "Guangdong")),
        ),
        ("Shenzhen",),
    ),
)
WITHOUT_SPONSOR = {name: value for name, value in CALL.items() if name != "sponsor"}


async def test_number_of_a_pool_is_chosen_where_no_sponsor_is_named(
    create_management: CreateManagement,
) -> None:
    management = create_management(pools=POOLS)
    shown = []
    for more in ({}, {"pool": "sales"}, {"callee_city": "beijing"}):
        answer = await management.ask(
            "POST", "/calls", WITHOUT_SPONSOR | more, credential=APPLICATION
        )
        assert answer.status == 201
        shown.append(management.service.begun[-1][1].sponsor)
    assert [each.e164 for each in shown] == ["+8675512345678"] * 2 + ["+861052680001"]
    assert shown[0].written == shown[0].e164
    answer = await management.ask(
        "POST", "/calls/forecast", WITHOUT_SPONSOR, credential=APPLICATION
    )
    assert answer.status == 200
    assert management.service.forecasted[-1].sponsor.e164 == "+8675512345678"


@pytest.mark.parametrize(
    ("pools", "body", "code", "pointer"),
    [
        ((), WITHOUT_SPONSOR, "missing-property", "/sponsor"),
        ((), WITHOUT_SPONSOR | {"callee_city": "Beijing"}, "missing-property", "/sponsor"),
        ((), WITHOUT_SPONSOR | {"pool": "sales"}, "invalid-value", "/pool"),
        (POOLS, WITHOUT_SPONSOR | {"pool": "other"}, "invalid-value", "/pool"),
        (POOLS, CALL | {"pool": "sales"}, "invalid-value", "/sponsor"),
        (POOLS, CALL | {"callee_city": "Beijing"}, "invalid-value", "/sponsor"),
        (POOLS, WITHOUT_SPONSOR | {"callee_city": ""}, "invalid-value", "/callee_city"),
        ((NumberPool("sales", ()),), WITHOUT_SPONSOR, "invalid-value", "/pool"),
    ],
)
async def test_choice_that_cannot_be_made_says_why(
    create_management: CreateManagement,
    pools: tuple[NumberPool, ...],
    body: dict[str, str],
    code: str,
    pointer: str,
) -> None:
    management = create_management(pools=pools)
    answer = await management.ask("POST", "/calls", body, credential=APPLICATION)
    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (400, code, pointer)
    assert management.service.begun == []


async def test_begin_by_a_key_begins_one_call(management: Management) -> None:
    async def begin(key: bytes, **changes: Any) -> Answer:
        body = CALL | changes
        return await management.ask("POST", "/calls", body, credential=APPLICATION, key=key)

    first = await begin(b"once")
    again = await begin(b'"once"')
    assert (again.status, again.json) == (first.status, first.json)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = await begin(b"once", record=True)
    assert (other.status, other.json["code"]) == (422, "idempotency-key-reused")
    none = await begin(b"")
    assert (none.status, none.json["code"]) == (400, "invalid-value")
    assert len(management.service.begun) == 1
