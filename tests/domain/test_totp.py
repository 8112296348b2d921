"""One-time passwords, by the vectors of their RFCs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.totp import STEP_S, create_code, describe_secret, find_step, step_at

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("count", "code"),
    list(enumerate(
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
         "520489"]
    )),
)  # fmt: skip
def test_code_is_that_of_rfc_4226_appendix_d(count: int, code: str) -> None:
    assert create_code(SECRET, count) == code


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_code_is_that_of_rfc_6238_appendix_b(unix_s: int, code: str) -> None:
    now = datetime.fromtimestamp(unix_s, UTC)
    assert create_code(SECRET, step_at(now), digits=8) == code
    assert find_step(SECRET, code[2:], now, after=0) == step_at(now)


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("steps", "holds"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_code_holds_one_step_around(steps: int, holds: bool) -> None:
    code = create_code(SECRET, step_at(NOW) + steps)
    assert (find_step(SECRET, code, NOW, after=0) is not None) is holds


def test_code_is_taken_once() -> None:
    code = create_code(SECRET, step_at(NOW))
    step = find_step(SECRET, code, NOW, after=0)
    assert step is not None
    assert find_step(SECRET, code, NOW, after=step) is None
    later = NOW + timedelta(seconds=STEP_S)
    assert find_step(SECRET, code, later, after=step) is None
    assert find_step(SECRET, create_code(SECRET, step + 1), later, after=step) == step + 1


@given(st.text(max_size=10))
def test_what_is_no_code_is_none(code: str) -> None:
    expected = {create_code(SECRET, step_at(NOW) + around) for around in (-1, 0, 1)}
    assert (find_step(SECRET, code, NOW, after=0) is not None) == (code in expected)


def test_secret_is_described_for_apps() -> None:
    text, uri = describe_secret(SECRET, account="zhang.wei", issuer="Click to Dial")
    assert text == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert uri == (
        "otpauth://totp/Click%20to%20Dial%3Azhang.wei"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Click%20to%20Dial"
    )
