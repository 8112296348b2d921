"""Every row of the error table, by name; `request` of each case provokes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.api.conftest import CreatePlatform
from tests.api.support import (
    APP_ID,
    BEGIN,
    BODY_BYTES_MAX,
    DOWNLOAD,
    RELEASE,
    SECRET,
    Platform,
    begin_body,
)

from clicktodial.api.v1.error import REFUSALS, Refused, refused_by
from clicktodial.control.error import (
    ApplicationLimitReached,
    CalleeCalledTooOften,
    CalleeInQuietHours,
    CalleeNotToBeCalled,
    CallerNotMember,
    CallHasEnded,
    CapabilityMissing,
    ConditionNotMet,
    ControlError,
    KeyReused,
    LimitReached,
    MessageNotApproved,
    MessageTooLong,
    NotConnected,
    NotRecorded,
    NumberNotAuthorized,
    Overloaded,
    PairHasCall,
    PartyBlacklisted,
    PartyUnreachable,
)
from clicktodial.control.port import StoreError
from clicktodial.domain.application import ApplicationStatus, EnterpriseStatus
from clicktodial.domain.identifier import CallId

UNKNOWN_CALL = "0" * 32
END_CALL = {"APPID": APP_ID, "operation": "EndCall"}
WANTED = {"APPID": APP_ID, "recordingId": "f" * 32}


@dataclass(frozen=True)
class Case:
    """One way to an answer. `{call}` in the path is a live call of the application."""

    outcome: str
    path: str
    body: Any
    credential: tuple[str, str] | None = (APP_ID, SECRET)
    about: str = ""

    @property
    def name(self) -> str:
        return f"{self.outcome} {self.about}".strip()


def begin_cases(outcome: str, **values: list[Any]) -> Iterator[Case]:
    for name, bad in values.items():
        for value in bad:
            yield Case(outcome, BEGIN, begin_body(**{name: value}), about=f"({name}={value!r})")


MISSING = "400 0001001 Expected property is missing: "
CASES = [
    Case(MISSING + "APPID", BEGIN, begin_body(APPID=None)),
    Case(MISSING + "APPID", BEGIN, begin_body() | {"APPID": None}, about="(null)"),
    Case(MISSING + "APPID", BEGIN, {}, about="(empty)"),
    Case(MISSING + "APPID", RELEASE + "{call}", {"operation": "EndCall"}, about="(release)"),
    Case(MISSING + "APPID", DOWNLOAD + "{call}", {"recordingId": "1"}, about="(download)"),
    Case(MISSING + "sponsor", BEGIN, begin_body(sponsor=None)),
    Case(MISSING + "sponsor", BEGIN, begin_body() | {"sponsor": None}, about="(null)"),
    Case(MISSING + "caller", BEGIN, begin_body(caller=None)),
    Case(MISSING + "callee", BEGIN, begin_body(callee=None)),
    Case(MISSING + "operation", RELEASE + "{call}", {"APPID": APP_ID}),
    Case(MISSING + "recordingId", DOWNLOAD + "{call}", {"APPID": APP_ID}),
    *begin_cases(
        "400 1001001 Number Format Error",
        sponsor=["", "abc", "1", "86", "+", "1" * 33],
        caller=["not a number", "1391234567x", "8613912345673;ext=5", "\u0661\u0663\u0669", "\x00"],
        callee=["8613912345673", "+8613912345673", "13912345673", "<script>", " "],
    ),
    Case("400 1001002 Call ID Error", RELEASE + UNKNOWN_CALL, END_CALL),
    Case("400 1001002 Call ID Error", RELEASE + "a" * 65, END_CALL, about="(too long)"),
    Case("400 1001002 Call ID Error", RELEASE + "' OR 1=1", END_CALL, about="(not an id)"),
    Case("400 1001002 Call ID Error", RELEASE + "\x00\u00e9", END_CALL, about="(control)"),
    Case("400 1001002 Call ID Error", DOWNLOAD + UNKNOWN_CALL, WANTED, about="(download)"),
    Case("400 1001002 Call ID Error", RELEASE + "{other}", END_CALL, about="(another's)"),
    Case("400 1001002 Call ID Error", DOWNLOAD + "{other}", WANTED, about="(another's download)"),
    *(
        Case("400 1001003 Operation Error", RELEASE + "{call}", END_CALL | {"operation": value})
        for value in ("", "endcall", "EndCall ", "Hold")
    ),
    Case("400 1001003 Operation Error", RELEASE + "{ended}", END_CALL, about="(ended)"),
    Case(
        "400 1001003 Operation Error",
        RELEASE + "{ended}",
        END_CALL | {"operation": "Continue"},
        about="(ended, Continue)",
    ),
    *begin_cases("400 1001004 Direction Error", sendDirection=["", "mo", "MO,MT", "BOTH "]),
    Case("400 1001005 Recording ID Error", DOWNLOAD + "{call}", WANTED),
    Case(
        "400 1001005 Recording ID Error",
        DOWNLOAD + "{call}",
        WANTED | {"recordingId": "../../etc/passwd"},
        about="(not an id)",
    ),
    Case(
        "400 1001005 Recording ID Error",
        DOWNLOAD + "{ended}",
        WANTED | {"recordingId": "{recording}"},
        about="(another call's)",
    ),
    *begin_cases(
        "400 1001006 Invalid Input Value",
        APPID=[12345678, True, [], {}],
        sponsor=[1052680000, [], {}],
        caller=[8613912345673, False],
        callee=[8613810268653, 1.5],
        record=[2, -1, 0.5, True, False, "", "yes", "01", [], {}, [1], 10**30],
        sendDirection=[0, [], True],
    ),
    Case("400 1001006 Invalid Input Value", RELEASE + "{call}", {"APPID": APP_ID, "operation": 1}),
    Case(
        "400 1001006 Invalid Input Value", DOWNLOAD + "{call}", {"APPID": APP_ID, "recordingId": 1}
    ),
    *(
        Case("400 1001006 Invalid Input Value", path, body, about=f"({body[:12]!r})")
        for path in (BEGIN, RELEASE + "{call}", DOWNLOAD + "{call}")
        for body in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"{} {}",
            b"{'APPID':1}",
            b'{"APPID":NaN}',
            b'{"x":"\xff"}',
            b"\xef\xbb\xbf{}",
            b'{"APPID":"\\ud800"}',
            b"APPID=12345678&sponsor=1",
            b"[" * BODY_BYTES_MAX,
            b'{"APPID":1e999}',
            b"\x00",
        )
    ),
    Case("401 0001002 No authorization to invoke operation", BEGIN, begin_body(), None),
    Case("401 0001002 No authorization to invoke operation", RELEASE + "{call}", END_CALL, None),
    Case("401 0001002 No authorization to invoke operation", DOWNLOAD + "{call}", WANTED, None),
    Case(
        "401 0001002 No authorization to invoke operation",
        BEGIN,
        begin_body(),
        (APP_ID, "wrong"),
        about="(wrong secret)",
    ),
    Case(
        "401 0001002 No authorization to invoke operation",
        BEGIN,
        begin_body(APPID="nobody"),
        ("nobody", SECRET),
        about="(unknown application)",
    ),
    *begin_cases(
        "401 0001002 No authorization to invoke operation",
        APPID=["", "87654321", "12345678 ", "\u0661\u0662"],
    ),
    Case(
        "403 0001005 Message length is too long",
        BEGIN,
        b" " * (BODY_BYTES_MAX + 1),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_bad_request_for_active_application_is_refused(
    platform: Platform, case: Case
) -> None:
    names = await prepare_calls(platform)
    before = len(platform.service.begun)
    path, body = fill(case.path, names), case.body
    if isinstance(body, dict):
        body = {k: fill(v, names) if isinstance(v, str) else v for k, v in body.items()}
    answer = await platform.post(path, body, credential=case.credential)
    assert answer.outcome == case.outcome
    assert len(platform.service.begun) == before
    assert set(answer.json) == {"code", "description"}


def fill(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


async def prepare_calls(platform: Platform) -> dict[str, str]:
    """A live call, an ended one, another application's, and a recording of the live one."""
    call = await platform.begin()
    ended = await platform.begin()
    await platform.post(RELEASE + ended, END_CALL)
    answer = await platform.post(
        BEGIN, begin_body(APPID="87654321"), credential=("87654321", "other")
    )
    return {
        "call": call,
        "ended": ended,
        "other": answer.json["result"]["callidentifier"],
        "recording": await platform.add_recording(call, b"RIFF"),
    }


STATUS_CASES = [
    ("403 0001003 Customer status abnormality", {"enterprise_status": EnterpriseStatus.SUSPENDED}),
    ("403 0001003 Customer status abnormality", {"enterprise_status": EnterpriseStatus.CANCELLED}),
    ("403 0001004 Abnormal application status", {"status": ApplicationStatus.DISABLED}),
]


@pytest.mark.parametrize("path", [BEGIN, RELEASE + UNKNOWN_CALL, DOWNLOAD + UNKNOWN_CALL])
@pytest.mark.parametrize(("outcome", "changes"), STATUS_CASES)
async def test_request_of_inactive_application_is_refused(
    create_platform: CreatePlatform, path: str, outcome: str, changes: dict[str, Any]
) -> None:
    answer = await create_platform(**changes).post(path, {"APPID": APP_ID})
    assert answer.outcome == outcome


SERVICE_CASES: list[tuple[str, Callable[[], Exception]]] = [
    ("422 0001012 Idempotency-Key was used with another body", KeyReused),
    ("403 0001007 Number not authorized", NumberNotAuthorized),
    ("400 1001004 Direction Error: no approved message for it", MessageNotApproved),
    ("403 0001005 Message length is too long", MessageTooLong),
    (
        "403 0001007 Number not authorized: the caller is no member of the enterprise",
        CallerNotMember,
    ),
    ("403 0001008 User In Blacklist", PartyBlacklisted),
    ("403 0001008 User In Blacklist: the callee is on a do-not-call list", CalleeNotToBeCalled),
    (
        "403 0001009 Traffic Control Failure: it is a quiet hour where the callee is",
        CalleeInQuietHours,
    ),
    (
        "403 0001009 Traffic Control Failure: the callee was called as often as it may be",
        CalleeCalledTooOften,
    ),
    ("503 0000002 Service unavailable", Overloaded),
    ("503 0000002 Service unavailable", StoreError),
    ("503 0000002 Service unavailable: the enterprise's limit of calls is reached", LimitReached),
    (
        "503 0000002 Service unavailable: the application's limit is reached",
        ApplicationLimitReached,
    ),
    ("401 0001002 No authorization to invoke operation", CapabilityMissing),
    ("500 0000001 Internal Service Error", lambda: RuntimeError("a secret of ours")),
    ("500 0000001 Internal Service Error", ControlError),
]


@pytest.mark.parametrize(("outcome", "create_error"), SERVICE_CASES)
async def test_begin_that_the_service_refuses_tells_why(
    platform: Platform, outcome: str, create_error: Callable[[], Exception]
) -> None:
    platform.service.error = create_error()
    answer = await platform.post(BEGIN, begin_body())
    assert answer.outcome == outcome
    assert b"secret" not in answer.body and b"Traceback" not in answer.body


@pytest.mark.parametrize("path", [BEGIN, RELEASE + UNKNOWN_CALL, DOWNLOAD + UNKNOWN_CALL])
async def test_request_while_the_database_is_away_is_told_to_come_again(
    platform: Platform, path: str
) -> None:
    platform.applications.error = StoreError("no such host")
    answer = await platform.post(path, begin_body())
    assert answer.outcome == "503 0000002 Service unavailable"
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("error", [Overloaded, LimitReached])
async def test_begin_while_overloaded_says_when_to_retry(
    platform: Platform, error: type[Overloaded | LimitReached]
) -> None:
    platform.service.error = error(retry_after_s=7)
    answer = await platform.post(BEGIN, begin_body())
    assert answer.headers["retry-after"] == "7"


async def test_unauthorized_request_is_told_how_to_authenticate(platform: Platform) -> None:
    answer = await platform.post(BEGIN, begin_body(), credential=None)
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


# What later rules raise; the table and the document have them from the beginning.
PROMISED = {
    "403 0001006 Minute pool exhausted",
    "403 0001008 User In Blacklist",
    "403 0001009 Traffic Control Failure",
}
ROUTING = {"404 0001010 Resource not found", "405 0001011 Method not allowed"}


def test_every_row_of_the_table_has_a_test() -> None:
    rows = {f"{row.status} {row.code} {row.description}" for row in REFUSALS}
    tested = {case.outcome for case in CASES}
    tested |= {outcome for outcome, _ in STATUS_CASES}
    tested |= {outcome for outcome, _ in SERVICE_CASES}
    assert rows == tested | PROMISED | ROUTING


# What v1's three operations cannot meet.
ELSEWHERE = {NotConnected, NotRecorded, ConditionNotMet, PairHasCall, PartyUnreachable}


def test_every_error_of_the_use_cases_has_a_row() -> None:
    for error in set(ControlError.__subclasses__()) - ELSEWHERE:
        assert isinstance(refused_by(error()), Refused)
        assert not error.__subclasses__(), "the table looks up exact classes"


def test_error_without_a_row_is_raised_again() -> None:
    with pytest.raises(ControlError):
        refused_by(ControlError("new"))


def test_codes_and_descriptions_are_those_of_the_specification() -> None:
    rows = {f"{row.status} {row.code} {row.description}" for row in REFUSALS}
    assert {
        "400 0001001 Expected property is missing: APPID",
        "400 0001001 Expected property is missing: sponsor",
        "400 0001001 Expected property is missing: caller",
        "400 0001001 Expected property is missing: callee",
        "400 0001001 Expected property is missing: recordingId",
        "401 0001002 No authorization to invoke operation",
        "403 0001003 Customer status abnormality",
        "403 0001004 Abnormal application status",
        "403 0001005 Message length is too long",
        "500 0000001 Internal Service Error",
        "503 0000002 Service unavailable",
    } <= rows


async def test_release_of_a_call_that_ends_meanwhile_is_an_operation_error(
    platform: Platform,
) -> None:
    call_id: CallId = await platform.begin()
    platform.service.error = CallHasEnded()
    answer = await platform.post(RELEASE + call_id, END_CALL)
    assert answer.outcome == "400 1001003 Operation Error"
