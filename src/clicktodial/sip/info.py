"""Keys told by INFO (RFC 6086 1: the usage before Info Packages), in its two usual spellings.

    application/dtmf-relay   Signal=5, Duration=160: a line each
    application/dtmf         the key alone

Neither is a standard. What gateways send is taken, and nothing beyond: a body that cannot be read
is refused rather than guessed at.
"""

import re

from clicktodial.sip.error import BadInfo
from clicktodial.sip.message import SipMessage

RELAY_TYPE = "application/dtmf-relay"
DIGIT_TYPE = "application/dtmf"
ACCEPTED_TYPES = f"{RELAY_TYPE}, {DIGIT_TYPE}"
# Two lines of twenty characters; some gateways add a third.
INFO_BYTES_MAX = 256
# Nobody presses a key for longer; what says so is no duration in milliseconds.
DURATION_MS_MAX = 60_000

_SIGNAL = re.compile(r"^[ \t]*Signal[ \t]*=[ \t]*(\S{1,2})[ \t]*$", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(r"^[ \t]*Duration[ \t]*=(.*)$", re.IGNORECASE | re.MULTILINE)
_KEYS = frozenset("0123456789*#ABCD")
# RFC 4733 3.2 numbers the events so, and some gateways write the number.
_KEYS_BY_EVENT = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}


def read_digit(request: SipMessage) -> str | None:
    """The key that an INFO tells of; None where its body is of another kind. Raises BadInfo."""
    kind = request.get("Content-Type").partition(";")[0].strip().lower()
    encoding = request.get("Content-Encoding").strip().lower()
    if kind not in (RELAY_TYPE, DIGIT_TYPE) or encoding not in ("", "identity"):
        return None
    if len(request.body) > INFO_BYTES_MAX:
        raise BadInfo("the body is too long")
    text = request.body.decode("ascii", "replace").replace("\r\n", "\n")
    return _read_relay(text) if kind == RELAY_TYPE else _read_key(text.strip())


def _read_relay(text: str) -> str:
    signals = _SIGNAL.findall(text)
    if len(signals) != 1:
        raise BadInfo("not exactly one signal")
    duration = _DURATION.search(text)
    if duration is not None:
        word = duration[1].strip()
        if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) > DURATION_MS_MAX:
            raise BadInfo("no duration")
    return _read_key(signals[0])


def _read_key(word: str) -> str:
    key = _KEYS_BY_EVENT.get(word, word.upper())
    if key not in _KEYS:
        raise BadInfo("no key")
    return key
