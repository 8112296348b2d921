"""What may be a password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.password import (
    PASSWORD_CHARACTERS_MAX,
    PASSWORD_CHARACTERS_MIN,
    PasswordError,
    check_password,
)

CONTEXT = ("zhang.wei", "zhang.wei@example.com")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "a" * 3 + "bcdxyzvwmnklj",
        "四个汉字组成的很长的密码句子呀哈哈",
        "My dog's name is Rex!",
        "x7#kQ9!mZ2$vB5&",
        "🦊🐙🦉🐳🦋 over the moon",
        "abcdefgh ijklmnop"[:15],
        "ab cd ef gh ij kl mn op " * 5,
    ],
)
def test_long_password_is_taken(password: str) -> None:
    assert check_password(password, CONTEXT) == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "Tr0ub4dor&3",
        "x" * (PASSWORD_CHARACTERS_MIN - 1),
        "correct horse " * 10,
        "aaaaaaaaaaaaaaaaaaaa",
        "121212121212121212",
        "passwordpassword",
        "Password123456789",
        "qwertyuiop1234567890",
        "adminadminadmin12345",
        "zhang.wei123456789",
        "ZHANG.WEI@EXAMPLE.COM1",
        "letmein letmein letmein",
    ],
)
def test_password_that_is_short_or_common_is_refused(password: str) -> None:
    with pytest.raises(PasswordError):
        check_password(password, CONTEXT)


def test_bounds_are_inclusive() -> None:
    base = "correct horse battery staple and so on, for as long as anybody likes to type " * 2
    assert check_password(base[:PASSWORD_CHARACTERS_MIN])
    assert check_password(base[:PASSWORD_CHARACTERS_MAX])
    with pytest.raises(PasswordError):
        check_password(base[: PASSWORD_CHARACTERS_MAX + 1])


def test_same_text_composed_otherwise_is_the_same_password() -> None:
    assert check_password("Caf\u00e9 au lait, s'il vous pla\u00eet") == check_password(
        "Cafe\u0301 au lait, s'il vous plai\u0302t"
    )


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused(password: str) -> None:
    try:
        normal = check_password(password)
    except PasswordError:
        return
    assert PASSWORD_CHARACTERS_MIN <= len(normal) <= PASSWORD_CHARACTERS_MAX
