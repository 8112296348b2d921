"""The table of problems, and what leads to them."""

from datetime import datetime

import msgspec
import pytest

from clicktodial.api.management.body import decode_body, parse_query
from clicktodial.api.management.call import BeginBody
from clicktodial.api.management.problem import INTERNAL_ERROR, PROBLEMS, Refused, refused_by
from clicktodial.api.management.roster import NewCriticalPeriod
from clicktodial.control.error import ControlError, PairHasCall, PartyUnreachable
from clicktodial.control.port import StoreError
from clicktodial.storage.error import AdministrationError, StoreConflict

# What calls that are begun here cannot meet: the CAMARA API's alone.
ELSEWHERE = {PairHasCall, PartyUnreachable}


def test_every_error_of_the_use_cases_has_a_row() -> None:
    control = set(ControlError.__subclasses__()) - ELSEWHERE
    for error in (*control, *AdministrationError.__subclasses__()):
        assert isinstance(refused_by(error()), Refused)
    for stored in (StoreError(), StoreConflict()):
        refused = refused_by(stored)
        assert refused is not None
        assert refused.problem.code == "unavailable"


class _Shift(msgspec.Struct):
    from_at: datetime = msgspec.field(name="from")


class _Roster(msgspec.Struct):
    shifts: list[_Shift] = []
    near: _Shift | None = None
    by_name: dict[str, tuple[datetime, ...]] = {}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"shifts": [{"from": "2026-01-01T00:00:00Z"}, {"from": "%b"}]}', "/shifts/1/from"),
        (b'{"near": {"from": "%b"}}', "/near/from"),
        (b'{"by_name": {"a/b": ["2026-01-01T00:00:00Z", "%b"]}}', "/by_name/a~1b/1"),
    ],
)
@pytest.mark.parametrize("moment", [b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"])
def test_time_that_cannot_be_reckoned_with_is_refused_wherever_it_stands(
    body: bytes, pointer: str, moment: bytes
) -> None:
    with pytest.raises(Refused) as raised:
        decode_body(body % moment, _Roster)
    assert (raised.value.problem.code, raised.value.pointer) == ("invalid-value", pointer)
    decode_body(body % b"9999-12-31T23:59:59Z", _Roster)


def test_error_without_a_row_is_a_fault_of_ours() -> None:
    assert refused_by(ControlError("new")) is None
    assert refused_by(RuntimeError()) is None


def test_codes_are_unique_and_lead_to_their_explanation() -> None:
    assert len({row.code for row in PROBLEMS}) == len(PROBLEMS)
    for row in PROBLEMS:
        assert row.type == f"/management/v1/docs#{row.code}"
        assert row.about
    assert INTERNAL_ERROR in PROBLEMS


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "malformed-body", None),
        (b"\xef\xbb\xbf{}", "malformed-body", None),
        (b"[]", "invalid-value", ""),
        (b"null", "invalid-value", ""),
        (b'{"x~/y":1}', "unknown-property", "/x~0~1y"),
        (b'{"options":{"x":1}}', "unknown-property", "/options/x"),
    ],
)
def test_body_that_is_wrong_says_where(body: bytes, code: str, pointer: str | None) -> None:
    with pytest.raises(Refused) as caught:
        decode_body(body, BeginBody)
    assert (caught.value.problem.code, caught.value.pointer) == (code, pointer)


@pytest.mark.parametrize("text", [b"\\u0000", b"a\\u0000b", b"\\\\\\u0000"])
def test_text_with_nul_is_refused(text: bytes) -> None:
    body = b'{"caller": "' + text + b'", "callee": "2"}'
    with pytest.raises(Refused) as caught:
        decode_body(body, BeginBody)
    assert caught.value.problem.code == "invalid-value"


def test_text_that_speaks_of_nul_is_taken() -> None:
    body = decode_body(rb'{"caller": "\\u0000", "callee": "\\\\u0000"}', BeginBody)
    assert (body.caller, body.callee) == (r"\u0000", r"\\u0000")


def test_parameter_with_nul_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        parse_query(b"region=a%00b", {"region"})
    assert caught.value.problem.code == "invalid-parameter"


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("name", ["from_at", "until_at"])
def test_instant_that_utc_has_not_is_refused(name: str, instant: str) -> None:
    given = {"name": "sale", "from_at": "2026-11-10T00:00:00Z", "until_at": "2026-11-12T00:00:00Z"}
    with pytest.raises(Refused) as caught:
        decode_body(msgspec.json.encode(given | {name: instant}), NewCriticalPeriod)
    assert (caught.value.problem.code, caught.value.pointer) == ("invalid-value", f"/{name}")
