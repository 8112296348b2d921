"""Passwords as they are stored: argon2id (RFC 9106). All of it blocks for tens of milliseconds."""

import functools

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from clicktodial.domain.password import (
    PASSWORD_CHARACTERS_MAX,
    PasswordError,
    check_password,
    normalize_password,
)
from clicktodial.domain.wording import words_of
from clicktodial.storage.error import ValueInvalid

# OWASP's least: 19 MiB, two passes, one lane; measured, 18 ms of a core. RFC 9106 4 prefers 64 MiB,
# three passes and four lanes, which took 159 ms, on a machine that carries calls. Two threads hash
# at a time (`api.management.worker`), so never more than 38 MiB are taken, however many try.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
# So that a change of the constants is taken up as people log in.
_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)


def hash_password(password: str) -> str:
    """Of a password that was checked: what is stored."""
    return _hasher.hash(password)


def hash_checked(password: str, *, account: str, email: str) -> str:
    """What is stored of somebody's new password. Raises ValueInvalid where it cannot be taken."""
    try:
        context = (account, email, email.partition("@")[0])
        return hash_password(check_password(password, context))
    except PasswordError as error:
        raise ValueInvalid(words_of(error)) from error


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether it is the one. None stands for nobody's, and takes as long."""
    expected = _nobody_s_hash() if password_hash is None else password_hash
    if len(password) > PASSWORD_CHARACTERS_MAX:
        password = ""  # no password of that length was ever taken
    try:
        is_right = _hasher.verify(expected, normalize_password(password))
    except (VerificationError, InvalidHashError, PasswordError):
        return False
    return is_right and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@functools.cache
def _nobody_s_hash() -> str:
    return _hasher.hash("the password of nobody at all")
