"""Session timers (RFC 4028): a session whose parties do not hear of each other in time ends.

Whoever is the refresher sends an UPDATE or re-INVITE at half of the interval; the other one ends
the session shortly before the interval is over. A peer that knows nothing of timers has none.
"""

import re
from dataclasses import dataclass

from clicktodial.sip.message import SipMessage

# RFC 4028 5: none may ask for less, so that refreshing is not most of the signalling.
MIN_SE_S = 90
# A day: longer than any call lives.
SESSION_EXPIRES_S_MAX = 86_400
# RFC 4028 10: how long before the end the other side hangs up.
_MARGIN_S_MAX = 32.0

_SESSION_EXPIRES = re.compile(r"\s*([0-9]{1,9})\s*(;.*)?", re.DOTALL)
_REFRESHER = re.compile(r";\s*refresher\s*=\s*(uac|uas)\s*(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The header. `refresher` is "uac", "uas" or "", of the transaction that it is in."""

    interval_s: int
    refresher: str

    def __str__(self) -> str:
        parameter = f";refresher={self.refresher}" if self.refresher else ""
        return f"Session-Expires: {self.interval_s}{parameter}\r\n"


def read_session_expires(message: SipMessage) -> SessionExpires | None:
    """The header, or None where there is none that makes sense."""
    value = message.get("Session-Expires")
    match = _SESSION_EXPIRES.fullmatch(value)
    if match is None:
        return None
    refresher = _REFRESHER.search(match[2] or "")
    interval_s = min(int(match[1]), SESSION_EXPIRES_S_MAX)
    return SessionExpires(interval_s, refresher[1].lower() if refresher else "")


def read_min_se_s(message: SipMessage) -> int | None:
    """The least interval that a 422 names, or None."""
    text = message.get("Min-SE").partition(";")[0].strip()
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        return None
    interval_s = int(text)
    return interval_s if interval_s <= SESSION_EXPIRES_S_MAX else None


def answer_session_expires(request: SipMessage) -> tuple[SessionExpires | None, str]:
    """What we answer to a refresh, and as header lines. An interval below MIN_SE_S is the
    caller's to refuse."""
    asked = read_session_expires(request)
    if asked is None:
        return None, ""
    # RFC 4028 9, table 2: who asks refreshes, unless it asked us to.
    answered = SessionExpires(asked.interval_s, asked.refresher or "uac")
    supports = "timer" in {each.lower() for each in request.get_values("Supported")}
    require = "Require: timer\r\n" if supports and answered.refresher == "uac" else ""
    return answered, f"{answered}{require}"


class SessionTimer:
    """What was agreed on in one session, and when that is due. Times are monotonic seconds.

    `refresh_at` is None where the peer refreshes.
    """

    __slots__ = ("_interval_s", "_min_se_s", "ends_at", "is_refresher", "refresh_at")

    def __init__(self, interval_s: int, *, is_refresher: bool, now: float) -> None:
        self._min_se_s = MIN_SE_S
        # RFC 4028 4: below the minimum nobody may go, whatever a peer says.
        self._interval_s = max(interval_s, MIN_SE_S)
        self.is_refresher = is_refresher
        self.ends_at = 0.0
        self.refresh_at: float | None = None
        self.restart(now)

    def restart(self, now: float) -> None:
        """Both sides have heard of each other. Who refreshes does at half of the interval; the
        other side hangs up shortly before its end (RFC 4028 10)."""
        margin_s = min(_MARGIN_S_MAX, self._interval_s / 3)
        self.ends_at = now + self._interval_s - margin_s
        self.refresh_at = now + self._interval_s / 2 if self.is_refresher else None

    def agree(self, interval_s: int, *, is_refresher: bool, now: float) -> None:
        """Another interval, or another refresher."""
        self._interval_s = max(interval_s, MIN_SE_S)
        self.is_refresher = is_refresher
        self.restart(now)

    def raise_interval(self, response: SipMessage) -> bool:
        """Take a 422; whether it asks for more than we asked for."""
        least = read_min_se_s(response)
        if least is None or least <= self._min_se_s:
            return False
        self._min_se_s = least
        return True

    def refresh_lines(self) -> str:
        """Header lines of a request of ours that refreshes; who does so stays (RFC 4028 7.4)."""
        refresher = "uac" if self.is_refresher else "uas"
        expires = SessionExpires(max(self._interval_s, self._min_se_s), refresher)
        return f"{expires}Min-SE: {self._min_se_s}\r\n"
