"""The cookies of the console, and the tokens that prove a form to be one of ours.

The session's cookie holds the same token that a program would bear; it is out of reach of scripts
and of other sites. Whoever has no session has a cookie that is theirs alone, for forms that are
sent before logging in. A form's token is made of either (HMAC), so none is stored, and none is
known to who does not know the cookie.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec
from litestar.datastructures import Cookie

from clicktodial.accounts.token import TOKEN_CHARACTERS_MAX
from clicktodial.portal.page import BASE_PATH, ToastKind

SESSION = "clicktodial_session"
VISITOR = "clicktodial_visitor"
LANGUAGE = "clicktodial_language"
THEME = "clicktodial_theme"
ZONE = "clicktodial_zone"
TOAST = "clicktodial_toast"
PREFERENCES = (LANGUAGE, THEME, ZONE)

# A year: what somebody chose stays chosen.
_PREFERENCE_LIFE_S = 365 * 24 * 3600
# It is shown on the next page, which comes at once.
_TOAST_LIFE_S = 60
_TOAST_CHARACTERS_MAX = 300
_COOKIES_CHARACTERS_MAX = 8_192


def read_cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The cookies of a request by their names; none of what cannot be read."""
    text = "; ".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
    if len(text) > _COOKIES_CHARACTERS_MAX:
        return {}
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


def form_token(cookies: Mapping[str, str]) -> str:
    """What each form of that session, or of that visitor, is sent with; "" where there is
    neither."""
    secret = cookies.get(SESSION) or cookies.get(VISITOR) or ""
    return _sign(secret, b"form") if secret else ""


def is_form_token(cookies: Mapping[str, str], given: str) -> bool:
    """Whether it is."""
    expected = form_token(cookies)
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode("utf-8"))


def create_visitor() -> str:
    """The value of a new visitor's cookie."""
    return secrets.token_urlsafe(24)


class Jar:
    """Makes cookies that are sent with an answer."""

    def __init__(self, *, is_secure: bool) -> None:
        """`is_secure`: browsers show them over TLS alone."""
        self._is_secure = is_secure

    def begin_session(self, token: str) -> Cookie:
        """The session's. It ends with the browser at the latest, and where the platform says."""
        assert len(token) <= TOKEN_CHARACTERS_MAX
        return self._make(SESSION, token, None)

    def end_session(self) -> Cookie:
        """It is no more."""
        return self._make(SESSION, "", 0)

    def visitor(self, value: str) -> Cookie:
        """Of whoever has no session."""
        return self._make(VISITOR, value, None)

    def preference(self, name: str, value: str) -> Cookie:
        """What somebody chose."""
        return self._make(name, value, _PREFERENCE_LIFE_S)

    def toast(self, cookies: Mapping[str, str], kind: ToastKind, text: str) -> Cookie:
        """A message for the next page, signed, so that it is one of ours."""
        body = base64.urlsafe_b64encode(
            msgspec.json.encode([kind, text[:_TOAST_CHARACTERS_MAX]])
        ).decode()
        return self._make(TOAST, f"{body}.{_sign(_owner(cookies), body.encode())}", _TOAST_LIFE_S)

    def drop_toast(self) -> Cookie:
        """It was shown."""
        return self._make(TOAST, "", 0)

    def _make(self, name: str, value: str, max_age: int | None) -> Cookie:
        values: dict[str, Any] = {"key": name, "value": value, "max_age": max_age}
        # Lax: a link in a mail opens a page of whoever is logged in, and no other site can send
        # a form.
        return Cookie(
            **values, path=BASE_PATH, secure=self._is_secure, httponly=True, samesite="lax"
        )


def read_toast(cookies: Mapping[str, str]) -> tuple[ToastKind, str] | None:
    """The message that waits; None where there is none of ours."""
    body, _, signature = cookies.get(TOAST, "").partition(".")
    if not body or not hmac.compare_digest(
        _sign(_owner(cookies), body.encode("utf-8")).encode(), signature.encode("utf-8")
    ):
        return None
    try:
        kind, text = msgspec.json.decode(base64.urlsafe_b64decode(body), type=tuple[str, str])
        return ToastKind(kind), text
    except (ValueError, msgspec.DecodeError):
        return None


def _owner(cookies: Mapping[str, str]) -> str:
    # A toast outlives a log-in or a log-out that it tells of: it is the visitor's.
    return cookies.get(VISITOR, "")


def _sign(secret: str, what: bytes) -> str:
    digest = hmac.digest(b"console:" + secret.encode("utf-8"), what, hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:24]).decode()
