"""The Idempotency-Key header, and v1's begin with it."""

import pytest
from tests.api.support import APP_ID, BEGIN, SECRET, Platform, begin_body

from clicktodial.api.idempotency import (
    KEY_CHARACTERS_MAX,
    KeyMalformed,
    find_key_hash,
    hash_request,
)

HEADER = b"idempotency-key"


def hash_of(*values: bytes) -> str | None:
    return find_key_hash([(b"host", b"x"), *((HEADER, value) for value in values)])


def test_key_is_the_same_with_and_without_quotes() -> None:
    assert hash_of() is None
    assert hash_of(b'"8e03978e-40d5"') == hash_of(b"8e03978e-40d5") == hash_of(b" 8e03978e-40d5\t")
    assert hash_of(b'"a\\"b\\\\"') != hash_of(b'"ab"')
    assert hash_of(b'"a b"') is not None
    assert hash_of(b"x" * KEY_CHARACTERS_MAX) is not None


@pytest.mark.parametrize(
    "values",
    [
        (b"",),
        (b'""',),
        (b"a b",),
        (b'"a',),
        (b'a"',),
        (b'"a\\x"',),
        (b"\xc3\xa9",),
        (b"a\x00",),
        (b"x" * (KEY_CHARACTERS_MAX + 1),),
        (b"a", b"a"),
        (b"a", b"b"),
    ],
)
def test_other_values_are_none(values: tuple[bytes, ...]) -> None:
    with pytest.raises(KeyMalformed):
        hash_of(*values)


def test_operation_is_part_of_the_request() -> None:
    assert hash_request("a", b"{}") != hash_request("b", b"{}")
    assert hash_request("a", b"{}") != hash_request("a", b"{ }")


async def test_begin_with_a_key_claims_it_and_is_replayed(platform: Platform) -> None:
    headers = [(HEADER, b"first")]
    answer = await platform.post(BEGIN, begin_body(), headers=headers)
    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers
    [(_, request)] = platform.service.begun
    assert request.once is not None
    assert request.once.key_hash == hash_of(b"first")
    again = await platform.post(BEGIN, begin_body(), headers=headers)
    assert (again.status, again.json) == (200, answer.json)
    assert again.headers["idempotent-replayed"] == "true"
    other = await platform.post(BEGIN, begin_body(callee="13810268654"), headers=headers)
    assert (other.status, other.json["code"]) == (422, "0001012")
    assert len(platform.service.begun) == 1


async def test_begin_with_a_key_that_is_none_begins_nothing(platform: Platform) -> None:
    answer = await platform.post(BEGIN, begin_body(), headers=[(HEADER, b"")])
    assert (answer.status, answer.json["code"]) == (400, "1001006")
    # Who asks comes first.
    answer = await platform.post(
        BEGIN, begin_body(), headers=[(HEADER, b"")], credential=(APP_ID, SECRET + "x")
    )
    assert answer.status == 401
    assert platform.service.begun == []
