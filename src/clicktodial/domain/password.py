"""What may be a password (NIST SP 800-63B-4 3.1.1.2): long, of any characters, and none of those
that everybody tries. No rules of digits and signs, and none of age."""

import unicodedata
from collections.abc import Iterable

from clicktodial.domain.wording import worded

# As the standard wants of a password that opens alone; a second factor is each person's choice.
PASSWORD_CHARACTERS_MIN = 15
# At least 64 must be allowed; what is hashed is bounded.
PASSWORD_CHARACTERS_MAX = 128
# Fewer are a pattern: `aaaaaaaaaaaaaaa`, `121212121212121`.
_DISTINCT_MIN = 5
# What must be left once the commonest parts are taken out: `passwordpassword1` is nobody's secret.
_REST_MIN = 6
# Names of one's own count from this length on; shorter ones are in too many words.
_CONTEXT_CHARACTERS_MIN = 4

# Of the commonest passwords of published leaks, those that longer ones are put together of.
COMMON_PARTS = (
    "qwertyuiop", "1234567890", "0987654321", "clicktodial", "administrator", "1q2w3e4r5t6y",
    "1qaz2wsx3edc", "asdfghjkl", "987654321", "123456789", "qazwsxedc", "superman", "princess",
    "sunshine", "football", "baseball", "password", "passw0rd", "p@ssw0rd", "p@ssword", "iloveyou",
    "trustno1", "whatever", "starwars", "computer", "internet", "michelle", "jennifer", "changeme",
    "zaq12wsx", "1q2w3e4r", "1qaz2wsx", "12345678", "87654321", "11111111", "00000000", "88888888",
    "66666666", "asdfasdf", "qwerasdf", "woaini520", "woaini1314", "5201314", "welcome", "letmein",
    "monkey", "dragon", "master", "shadow", "secret", "summer", "winter", "spring", "autumn",
    "hello", "admin", "login", "qwerty", "qwertz", "azerty", "zxcvbnm", "asdfgh", "abc123",
    "abcdef", "123123", "123456", "654321", "111111", "000000", "666666", "888888", "aaaaaa",
    "woaini", "hunter", "batman", "freedom", "charlie", "michael", "jordan", "thomas", "daniel",
    "george", "soccer", "killer", "pepper", "ginger", "flower", "cookie", "buster", "google",
    "test", "user", "root", "love", "pass", "1234", "4321", "2024", "2025", "2026", "abcd", "asdf",
    "zxcv", "qwer",
)  # fmt: skip


class PasswordError(ValueError):
    """The password cannot be taken; the message says why."""


def check_password(password: str, context: Iterable[str] = ()) -> str:
    """The password in the form in which it is hashed (NFKC, so that it is the same however a
    keyboard composes it). `context` is what anybody knows of the person. Raises PasswordError."""
    normal = normalize_password(password)
    if len(normal) < PASSWORD_CHARACTERS_MIN:
        raise PasswordError(
            worded("a password has at least %(least)s characters", least=PASSWORD_CHARACTERS_MIN)
        )
    if len(normal) > PASSWORD_CHARACTERS_MAX:
        raise PasswordError(
            worded("a password has at most %(most)s characters", most=PASSWORD_CHARACTERS_MAX)
        )
    lowered = normal.lower()
    if len(set(lowered)) < _DISTINCT_MIN or len(_take_out(lowered, context)) < _REST_MIN:
        raise PasswordError("the password is too easy to guess")
    return normal


def normalize_password(password: str) -> str:
    """The form in which it is hashed. Raises PasswordError where it is no text."""
    try:
        password.encode()
    except UnicodeEncodeError as error:
        raise PasswordError("a password is text") from error
    return unicodedata.normalize("NFKC", password)


def _take_out(lowered: str, context: Iterable[str]) -> str:
    known = [each.lower() for each in context if len(each) >= _CONTEXT_CHARACTERS_MIN]
    for part in (*sorted(known, key=len, reverse=True), *COMMON_PARTS):
        lowered = lowered.replace(part, "")
    return lowered
