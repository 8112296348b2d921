"""Time-based one-time passwords (RFC 6238 on RFC 4226): six digits, 30 seconds, HMAC-SHA-1, which
is what every authenticator app makes of a secret that does not say otherwise."""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
# RFC 4226 4: 160 bits are recommended.
SECRET_BYTES = 20
# RFC 6238 5.2: one step either way, for clocks that differ and people who type slowly.
STEPS_AROUND = 1
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)


def create_code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of that step (RFC 4226 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_at(now: datetime) -> int:
    """The step that a moment lies in."""
    return int(now.timestamp()) // STEP_S


def find_step(secret: bytes, code: str, now: datetime, *, after: int) -> int | None:
    """The step that the code is of, where it holds now; None where it does not.

    RFC 6238 5.2: a code is taken once. Whoever took one keeps its step, and gives it as `after`.
    """
    if not _CODE.fullmatch(code):
        return None
    current = step_at(now)
    found = None
    for step in range(current - STEPS_AROUND, current + STEPS_AROUND + 1):
        is_it = hmac.compare_digest(create_code(secret, step), code)
        if is_it and step > after:
            found = step
    return found


def describe_secret(secret: bytes, *, account: str, issuer: str) -> tuple[str, str]:
    """The secret in base32, and as the URI that authenticator apps read from a picture."""
    text = base64.b32encode(secret).decode().rstrip("=")
    label = quote(f"{issuer}:{account}", safe="")
    return text, f"otpauth://totp/{label}?secret={text}&issuer={quote(issuer, safe='')}"
