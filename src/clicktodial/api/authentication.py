"""Who asks: `Authorization: Basic base64(appId:Secretkey)` (click-to-dial-v1 3, RFC 7617)."""

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Iterable

from clicktodial.control.port import Applications
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import AppId
from clicktodial.web.request import find_header

# An appId and a secret of a hundred characters each, in base64, with room to spare.
HEADER_BYTES_MAX = 1024
APP_ID_CHARACTERS_MAX = 128
# Compared with where there is no such application, so that the time taken tells nothing.
_NO_SECRET = b"\x00" * 32


async def authenticate(
    headers: Iterable[tuple[bytes, bytes]],
    applications: Applications,
    unix_s: Callable[[], float] = time.time,
) -> Application | None:
    """The application that the header proves, whatever its status; None where it proves none.

    `unix_s` tells, in seconds since 1970, whether the key of before a rotation still works.
    """
    credentials = parse_basic(find_header(headers, b"authorization"))
    if credentials is None:
        return None
    app_id, secret = credentials
    application = await applications.find(app_id)
    expected = _NO_SECRET if application is None else application.secret.encode()
    is_same = hmac.compare_digest(expected, secret)
    if application is not None and application.old_secret is not None:
        # Whichever fits: the time taken tells that there are two keys, not which one was meant.
        old = application.old_secret
        is_old = hmac.compare_digest(old.secret.encode(), secret)
        is_same |= is_old and unix_s() < old.until.timestamp()
    return application if is_same else None


def parse_basic(header: bytes | None) -> tuple[AppId, bytes] | None:
    """The appId and the secret; None for anything that is not exactly such a header."""
    if header is None or len(header) > HEADER_BYTES_MAX:
        return None
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(b" "), validate=True)
        # The secret may contain colons, the appId may not (RFC 7617 2).
        app_id, colon, secret = decoded.partition(b":")
        text = app_id.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    # A control character has no place in an identifier, and some databases refuse NUL.
    if not colon or not text or len(text) > APP_ID_CHARACTERS_MAX or not text.isprintable():
        return None
    return AppId(text), secret
