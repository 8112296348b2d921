"""What the operations do, in which order they refuse, and that nothing makes them fail."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.conftest import CreatePlatform
from tests.api.support import (
    APP_ID,
    BEGIN,
    BODY_BYTES_MAX,
    DOWNLOAD,
    RELEASE,
    SECRET,
    HeaderList,
    Platform,
    basic,
    begin_body,
)

from clicktodial.control.error import NumberNotAuthorized
from clicktodial.domain.application import ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import SendDirection
from clicktodial.domain.identifier import CallId


async def test_request_of_the_specification_begins_a_call(platform: Platform) -> None:
    answer = await platform.post(BEGIN, begin_body())
    assert answer.json == {
        "code": "0000000",
        "description": "Success",
        "result": {"callidentifier": f"{1:032x}"},
    }
    [(app_id, request)] = platform.service.begun
    assert app_id == APP_ID
    assert (request.sponsor.e164, request.sponsor.written) == ("+861052680000", "01052680000")
    assert (request.caller.e164, request.caller.written) == ("+8613912345673", "8613912345673")
    assert (request.callee.e164, request.callee.written) == ("+8613810268653", "8613810268653")
    assert request.record is False
    assert request.send_direction is None


@pytest.mark.parametrize("written", ["+8613912345673", "13912345673", "86 139-1234-5673"])
async def test_number_as_people_write_it_is_kept_as_written(
    platform: Platform, written: str
) -> None:
    await platform.post(BEGIN, begin_body(caller=written))
    [(_, request)] = platform.service.begun
    assert (request.caller.e164, request.caller.written) == ("+8613912345673", written)


async def test_national_number_of_another_region_is_read_there(
    create_platform: CreatePlatform,
) -> None:
    platform = create_platform(default_region="GB")
    body = begin_body(caller="020 7946 0000", sponsor="+861052680000", callee="+8613810268653")
    await platform.post(BEGIN, body)
    [(_, request)] = platform.service.begun
    assert request.caller.e164 == "+442079460000"


@pytest.mark.parametrize(
    ("record", "expected"),
    [(0, False), (1, True), ("0", False), ("1", True), (1.0, True), (0.0, False), (-0.0, False)],
)
async def test_record_as_number_or_text_is_taken(
    platform: Platform, record: Any, expected: bool
) -> None:
    await platform.post(BEGIN, begin_body(record=record))
    assert platform.service.begun[0][1].record is expected


@pytest.mark.parametrize("direction", SendDirection)
async def test_send_direction_is_carried(platform: Platform, direction: SendDirection) -> None:
    await platform.post(BEGIN, begin_body(sendDirection=direction.value))
    assert platform.service.begun[0][1].send_direction is direction


async def test_null_for_what_is_optional_counts_as_missing(platform: Platform) -> None:
    body = begin_body() | {"record": None, "sendDirection": None}
    assert (await platform.post(BEGIN, body)).status == 200


async def test_unknown_properties_are_ignored(platform: Platform) -> None:
    body = begin_body(appid="x", extra={"APPID": "87654321", "deep": [[{}]]}, Sponsor=1)
    assert (await platform.post(BEGIN, body)).status == 200


async def test_property_given_twice_counts_as_the_last(platform: Platform) -> None:
    text = json.dumps(begin_body())
    last_is_right = text.replace('{"APPID"', '{"APPID": "87654321", "APPID"', 1).encode()
    last_is_wrong = text.replace("}", ', "APPID": "87654321"}').encode()
    assert (await platform.post(BEGIN, last_is_right)).status == 200
    assert (await platform.post(BEGIN, last_is_wrong)).status == 401


async def test_escaped_property_name_is_the_same_property(platform: Platform) -> None:
    body = json.dumps(begin_body()).replace("APPID", "\\u0041PPID").encode()
    assert (await platform.post(BEGIN, body)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"text/plain; charset=utf-16")],
        [(b"content-type", b"\xff")],
        [(b"accept", b"text/html")],
        [(b"x-http-method-override", b"DELETE")],
    ],
)
async def test_other_headers_change_nothing(platform: Platform, headers: HeaderList) -> None:
    assert (await platform.post(BEGIN, begin_body(), headers=headers)).status == 200


@pytest.mark.parametrize("operation", ["EndCall", "Continue"])
async def test_release_of_a_live_call_succeeds(platform: Platform, operation: str) -> None:
    call_id = await platform.begin()
    answer = await platform.post(RELEASE + call_id, {"APPID": APP_ID, "operation": operation})
    assert answer.json == {"code": "0000000", "description": "Success"}
    assert platform.service.ended == ({call_id} if operation == "EndCall" else set())
    assert platform.service.continued == ([call_id] if operation == "Continue" else [])


async def test_two_slashes_and_a_last_one_are_the_same_path(platform: Platform) -> None:
    call_id = await platform.begin()
    body = {"APPID": APP_ID, "operation": "EndCall"}
    assert (await platform.post(f"{RELEASE}/{call_id}/", body)).status == 200


# The order of the errors: each fault of this list is told before those that stand after it.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("401 0001002 No authorization to invoke operation", {"credential": (APP_ID, "wrong")}),
    ("401 0001002 No authorization to invoke operation", {"APPID": "87654321"}),
    (
        "403 0001003 Customer status abnormality",
        {"application": {"enterprise_status": EnterpriseStatus.SUSPENDED}},
    ),
    (
        "403 0001004 Abnormal application status",
        {"application": {"status": ApplicationStatus.DISABLED}},
    ),
    ("400 0001001 Expected property is missing: APPID", {"APPID": None}),
    ("400 0001001 Expected property is missing: sponsor", {"sponsor": None}),
    ("400 0001001 Expected property is missing: caller", {"caller": None}),
    ("400 0001001 Expected property is missing: callee", {"callee": None}),
    ("400 1001006 Invalid Input Value", {"APPID": 12345678}),
    ("400 1001006 Invalid Input Value", {"sponsor": 1}),
    ("400 1001006 Invalid Input Value", {"sendDirection": 1}),
    ("400 1001001 Number Format Error", {"callee": "nobody"}),
    ("400 1001006 Invalid Input Value", {"record": 7}),
    ("400 1001004 Direction Error", {"sendDirection": "UP"}),
    ("403 0001007 Number not authorized", {"service": NumberNotAuthorized}),
]


def fault_pairs() -> Iterator[Any]:
    for (outcome, first), (later, second) in itertools.combinations(FAULTS, 2):
        clash = first.keys() & second.keys() - {"application"}
        if not clash:
            yield pytest.param(outcome, first, second, id=f"{outcome} before {later} {second}")


@pytest.mark.parametrize(("outcome", "first", "second"), list(fault_pairs()))
async def test_two_faults_in_one_request_tell_the_earlier(
    create_platform: CreatePlatform, outcome: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    application = first.get("application", {}) | second.get("application", {})
    platform = create_platform(**application)
    faults = first | second
    if error := faults.get("service"):
        platform.service.error = error()
    credential = faults.get("credential", (APP_ID, SECRET))
    properties = {
        name: value
        for name, value in faults.items()
        if name not in {"application", "service", "credential"}
    }
    answer = await platform.post(BEGIN, begin_body(**properties), credential=credential)
    assert answer.outcome == outcome


UNREADABLE = [
    (b"{", "400 1001006 Invalid Input Value"),
    (b" " * (BODY_BYTES_MAX + 1), "403 0001005 Message length is too long"),
]


@pytest.mark.parametrize(("body", "outcome"), UNREADABLE)
async def test_unreadable_body_is_told_after_authentication_and_statuses(
    create_platform: CreatePlatform, body: bytes, outcome: str
) -> None:
    active = create_platform()
    assert (await active.post(BEGIN, body, credential=None)).status == 401
    assert (await active.post(BEGIN, body)).outcome == outcome
    suspended = create_platform(enterprise_status=EnterpriseStatus.SUSPENDED)
    assert (await suspended.post(BEGIN, body)).json["code"] == "0001003"
    disabled = create_platform(status=ApplicationStatus.DISABLED)
    assert (await disabled.post(BEGIN, body)).json["code"] == "0001004"


async def test_release_tells_a_bad_operation_before_an_unknown_call(platform: Platform) -> None:
    answer = await platform.post(RELEASE + "0", {"APPID": APP_ID, "operation": "x"})
    assert answer.outcome == "400 1001003 Operation Error"


async def test_stranger_body_is_never_read(platform: Platform) -> None:
    answer = await platform.post(BEGIN, b"\xff" * 10_000, credential=None)
    assert answer.status == 401


async def test_body_in_many_chunks_is_taken_up_to_the_limit(platform: Platform) -> None:
    body = json.dumps(begin_body()).encode().ljust(BODY_BYTES_MAX)
    chunks = [body[index : index + 7] for index in range(0, len(body), 7)]
    headers = [(b"authorization", basic(APP_ID, SECRET))]
    assert (await platform.request("POST", BEGIN, headers=headers, chunks=chunks)).status == 200
    answer = await platform.request("POST", BEGIN, headers=headers, chunks=[*chunks, b" "])
    assert answer.outcome == "403 0001005 Message length is too long"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"])
@pytest.mark.parametrize("path", [BEGIN, RELEASE + "1", DOWNLOAD + "1"])
async def test_other_methods_are_not_allowed(platform: Platform, method: str, path: str) -> None:
    answer = await platform.request(method, path)
    platform.conformance.check(method, path, answer)
    assert answer.outcome == "405 0001011 Method not allowed"
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        RELEASE,
        RELEASE.rstrip("/") + "x",
        RELEASE + "a/b",
        RELEASE + "a/../b",
        DOWNLOAD,
        DOWNLOAD.rstrip("/") + "/a/b",
        BEGIN + "/x",
        BEGIN.upper(),
        "/clicktodial/v2/clicktodialbegin",
        "/clicktodial/v1",
        "/nothing",
        "/\x00",
    ],
)
async def test_unknown_path_is_not_found(platform: Platform, path: str) -> None:
    headers = [(b"authorization", basic(APP_ID, SECRET))]
    answer = await platform.request("POST", path, headers=headers, chunks=[b"{}"])
    platform.conformance.check("POST", "/", answer)
    assert answer.outcome == "404 0001010 Resource not found"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = ("APPID", "sponsor", "caller", "callee", "record", "sendDirection", "operation")
REQUESTS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=8)
RELAXED = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@RELAXED
@given(body=REQUESTS.map(lambda body: begin_body() | body) | REQUESTS | JSON)
async def test_any_json_is_answered_as_documented(platform: Platform, body: Any) -> None:
    for path in (BEGIN, RELEASE + "1", DOWNLOAD + "1"):
        assert (await platform.post(path, json.dumps(body).encode())).status < 500


@RELAXED
@given(body=st.binary(max_size=BODY_BYTES_MAX + 50))
async def test_any_bytes_are_answered_as_documented(platform: Platform, body: bytes) -> None:
    assert (await platform.post(BEGIN, body)).status < 500


@RELAXED
@given(header=st.binary(max_size=60) | st.binary(max_size=40).map(lambda raw: b"Basic " + raw))
async def test_any_authorization_is_answered_as_documented(
    platform: Platform, header: bytes
) -> None:
    headers = [(b"authorization", header)]
    answer = await platform.post(BEGIN, begin_body(), credential=None, headers=headers)
    assert answer.status == 401


@RELAXED
@given(call_id=st.text(min_size=1, max_size=80).filter(lambda text: text.strip("/")))
async def test_any_call_id_is_answered_as_documented(platform: Platform, call_id: str) -> None:
    headers = [(b"authorization", basic(APP_ID, SECRET))]
    body = json.dumps({"APPID": APP_ID, "operation": "EndCall"}).encode()
    answer = await platform.request("POST", RELEASE + call_id, headers=headers, chunks=[body])
    assert answer.outcome in {"400 1001002 Call ID Error", "404 0001010 Resource not found"}
    assert CallId(call_id) not in platform.service.ended
