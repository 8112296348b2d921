"""What is sent again, when, and with what; without a network."""

import pytest
from tests.client.support import POLICY, Script, answer, create_connection

from clicktodial.client.error import (
    CallHasEnded,
    ClickToDialError,
    InvalidAnswer,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotAnswered,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
)
from clicktodial.client.refusal import create_refused
from clicktodial.client.retry import RetryPolicy
from clicktodial.client.v1 import _Operations as V1Operations

BEGUN = b'{"code":"0000000","description":"Success","result":{"callidentifier":"c1"}}'
SUCCESS = b'{"code":"0000000","description":"Success"}'
HAS_ENDED = b'{"code":"1001003","description":"Operation Error"}'
UNAVAILABLE = b'{"code":"0000002","description":"Service unavailable"}'
NUMBERS = {"sponsor": "01052680000", "caller": "8613912345673", "callee": "8613810268653"}


def operations() -> V1Operations:
    return V1Operations("http://platform.example/", "12345678", "secret", 5.0, POLICY)


def begin(script: Script, key: str | None = None) -> object:
    return script.run(
        operations().begin(**NUMBERS, record=True, send_direction=None, idempotency_key=key)
    )


@pytest.mark.parametrize("failure", [NotAnswered(), answer(503, UNAVAILABLE), answer(500)])
def test_begin_is_sent_again_with_the_same_key_and_body(failure: object) -> None:
    script = Script(failure, failure, answer(200, BEGUN))  # type: ignore[arg-type] # by parameter
    assert begin(script) == "c1"
    keys = {request.headers["Idempotency-Key"] for request in script.requests}
    assert len(script.requests) == 3
    assert len(keys) == 1
    assert len({request.content for request in script.requests}) == 1
    first, second = script.pauses
    assert 0.5 <= first < 1.0
    assert 1.0 <= second < 2.0


def test_each_begin_has_a_key_of_its_own_and_the_callers_is_taken() -> None:
    script = Script(*[answer(200, BEGUN)] * 3)
    for key in (None, None, "mine"):
        begin(script, key)
    keys = [request.headers["Idempotency-Key"] for request in script.requests]
    assert len(set(keys)) == 3
    assert keys[2] == '"mine"'


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", 'a"', "a\\", "\u00e9", "a\r\nb"])
def test_key_that_is_none_is_refused_before_anything_is_sent(key: str) -> None:
    script = Script()
    with pytest.raises(ValueError, match="idempotency key"):
        begin(script, key)


def test_begin_that_is_never_answered_is_given_up() -> None:
    script = Script(*[NotAnswered()] * 3)
    with pytest.raises(NotAnswered):
        begin(script)
    assert len(script.requests) == POLICY.attempts


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_refusal_is_not_asked_twice(status: int) -> None:
    script = Script(answer(status))
    with pytest.raises(Refused):
        begin(script)
    assert len(script.requests) == 1


def test_platform_is_left_alone_for_as_long_as_it_asks() -> None:
    script = Script(answer(429, headers={"retry-after": "7"}), answer(200, BEGUN))
    begin(script)
    assert script.pauses == [7.0]


def test_platform_that_asks_for_too_much_patience_is_told_of() -> None:
    script = Script(answer(503, UNAVAILABLE, {"retry-after": "31"}))
    with pytest.raises(Unavailable) as caught:
        begin(script)
    assert caught.value.retry_after_s == 31
    assert not script.pauses


def test_release_after_a_lost_answer_takes_the_end_for_its_own() -> None:
    script = Script(NotAnswered(), answer(400, HAS_ENDED))
    script.run(operations().release("c1", "EndCall"))
    assert len(script.requests) == 2


def test_release_of_a_call_that_has_ended_says_so() -> None:
    with pytest.raises(CallHasEnded):
        Script(answer(400, HAS_ENDED)).run(operations().release("c1", "EndCall"))
    # It was refused before, not lost: it did nothing.
    with pytest.raises(CallHasEnded):
        Script(answer(503), answer(400, HAS_ENDED)).run(operations().release("c1", "EndCall"))


def test_identifier_cannot_leave_its_place_in_the_path() -> None:
    script = Script(answer(200, SUCCESS))
    script.run(operations().release("../begin?x#y", "EndCall"))
    path = "/clicktodial/v1/clicktodialrelease/..%2Fbegin%3Fx%23y"
    assert script.requests[0].url == f"http://platform.example{path}"


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"code":"0000000"}', b"[" * 9_999])
def test_success_that_is_none_of_the_api_is_an_invalid_answer(content: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        begin(Script(answer(200, content)))


def test_redirect_is_not_followed() -> None:
    with pytest.raises(InvalidAnswer, match="302"):
        begin(Script(answer(302, headers={"location": "http://elsewhere.example"})))


@pytest.mark.parametrize(
    ("status", "content", "kind", "code", "message"),
    [
        (401, b'{"code":"0001002","description":"No"}', NotAuthenticated, "0001002", "No"),
        (400, b'{"code":"1001002","description":"No"}', NotFound, "1001002", "No"),
        (400, b'{"code":"1001001","description":"No"}', InvalidRequest, "1001001", "No"),
        (403, b'{"code":"DENIED","message":"No"}', NotAllowed, "DENIED", "No"),
        (429, b'{"code":"QUOTA_EXCEEDED","message":"No"}', LimitReached, "QUOTA_EXCEEDED", "No"),
        (400, b'{"error":"invalid_scope","error_description":"No"}', InvalidRequest,
         "invalid_scope", "No"),
        (404, b'{"code":"not-found","title":"No","detail":"Why"}', NotFound, "not-found", "Why"),
        (502, b"<html>", Unavailable, "", "the answer says no more"),
        (418, b"\xff", InvalidRequest, "", "the answer says no more"),
    ],
)  # fmt: skip
def test_refusal_is_told_by_kind_status_code_and_message(
    status: int, content: bytes, kind: type[Refused], code: str, message: str
) -> None:
    refused = create_refused(answer(status, content, {"x-correlator": "abc"}))
    assert type(refused) is kind
    assert (refused.status, refused.code, refused.message) == (status, code, message)
    assert refused.correlator == "abc"
    assert isinstance(refused, ClickToDialError)


def test_waits_double_up_to_their_bound() -> None:
    policy = RetryPolicy(first_wait_s=1.0, wait_s_max=5.0)
    assert [policy.wait_s(n, lambda: 0.0) for n in (1, 2, 3, 4, 10_000)] == [0.5, 1, 2, 2.5, 2.5]
    assert policy.wait_s(1, lambda: 0.5) == 0.75


def test_events_are_read_page_by_page() -> None:
    event = (
        b'{"id":"c-1","cursor":"k","call_id":"c","seq":1,"status":"Connected","occurred_at":'
        b'"2026-03-04T05:06:07Z","sponsor":"1","caller":"2","callee":"3","new":true,'
        b'"delivery":{"state":"none","attempts":0}}'
    )
    page = b'{"events":[%b],"next":"%b"}'
    script = Script(answer(200, page % (event, b"k1")), answer(200, page % (b"", b"k1")))
    from clicktodial.client.history import read_events

    script.run(read_events(create_connection(), None))
    assert [one.id for one in script.emitted] == ["c-1"]
    assert [request.url.partition("?")[2] for request in script.requests] == [
        "limit=500",
        "limit=500&after=k1",
    ]
