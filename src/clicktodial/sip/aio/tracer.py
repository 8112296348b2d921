"""Keeps the SIP messages of calls for a while, and gives them to a call that is over.

Only references are kept while a call lives: what a message said is looked at when it is over, and
not at all of calls that went well, where only the others are wanted. Where nothing is wanted there
is no tracer: messages pass no hook at all.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from clicktodial.control.port import LegOwner, OnTraced
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import TracedMessage
from clicktodial.sip.aio.endpoint import MessageDirection
from clicktodial.sip.trace import find_call_id, trace_message
from clicktodial.sip.user_agent import Hop

# A call has two, and one more for each trunk that was tried in vain.
SESSIONS_MAX = 8_000
# Two legs that are put on hold and refreshed for hours have more, and nobody would read them.
MESSAGES_PER_SESSION_MAX = 60
# An INVITE with its SDP has some 1500 bytes.
MESSAGE_BYTES_MAX = 4_096
# The answer to a BYE is there by then, even if one of the two was lost once.
TAIL_S = 1.0
_INVITE = b"INVITE "


class TraceOf(StrEnum):
    """Which calls are traced."""

    FAILED = "failed"
    ALL = "all"


class _Session:
    """The messages with one Call-ID."""

    __slots__ = ("messages", "side")

    def __init__(self) -> None:
        self.messages: list[tuple[float, bool, bytes]] = []
        self.side: Side | None = None


class SipTracer:
    """Implements `control.port.SignalTracer`; `tap` is the endpoint's hook."""

    def __init__(self, which: TraceOf, *, unix_s: Callable[[], float] = time.time) -> None:
        self._which = which
        self._unix_s = unix_s
        # By Call-ID, the oldest first.
        self._sessions: dict[bytes, _Session] = {}
        self._sessions_of: dict[CallId, list[bytes]] = {}
        self._ending: dict[CallId, tuple[asyncio.TimerHandle, OnTraced]] = {}

    @property
    def session_count(self) -> int:
        """How many Call-IDs are followed."""
        return len(self._sessions)

    def tap(self, direction: MessageDirection, data: bytes, _peer: Hop) -> None:
        """A message passed."""
        call_id = find_call_id(data)
        if call_id is None:
            return
        session = self._sessions.get(call_id)
        is_sent = direction is MessageDirection.SENT
        if session is None:
            if not is_sent or not data.startswith(_INVITE):
                return  # of no leg: a trunk that is asked whether it is there
            session = self._sessions[call_id] = _Session()
            if len(self._sessions) > SESSIONS_MAX:
                del self._sessions[next(iter(self._sessions))]
        if len(session.messages) < MESSAGES_PER_SESSION_MAX:
            session.messages.append((self._unix_s(), is_sent, data[:MESSAGE_BYTES_MAX]))

    def bind(self, owner: LegOwner, sip_call_id: str) -> None:
        """That Call-ID is that leg's: its INVITE was sent just now."""
        key = sip_call_id.encode()
        session = self._sessions.get(key)
        if session is not None:
            call_id, session.side = owner
            self._sessions_of.setdefault(call_id, []).append(key)

    def finish(self, call_id: CallId, reason: EndReason | None, on_traced: OnTraced) -> None:
        """See SignalTracer."""
        if call_id not in self._sessions_of:
            return
        went_well = reason is None or reason is EndReason.HANG_UP
        if self._which is TraceOf.FAILED and went_well:
            self._take(call_id)
            return
        timer = asyncio.get_running_loop().call_later(TAIL_S, self._tell, call_id)
        self._ending[call_id] = timer, on_traced

    def close(self) -> None:
        """Tell what waits for late messages, now."""
        for call_id in list(self._ending):
            self._tell(call_id)

    def _tell(self, call_id: CallId) -> None:
        timer, on_traced = self._ending.pop(call_id)
        timer.cancel()
        on_traced(_render(self._take(call_id)))

    def _take(self, call_id: CallId) -> list[_Session]:
        taken = (self._sessions.pop(key, None) for key in self._sessions_of.pop(call_id))
        return [session for session in taken if session is not None]


def _render(sessions: list[_Session]) -> Mapping[Side, tuple[TracedMessage, ...]]:
    """Each side's, of all trunks that were tried, in order."""
    by_side: dict[Side, list[TracedMessage]] = {}
    for session in sessions:
        assert session.side is not None  # only those that are somebody's are taken
        told = by_side.setdefault(session.side, [])
        told += [
            trace_message(round(at_s * 1_000), data, is_sent=is_sent)
            for at_s, is_sent, data in session.messages
        ]
    return {
        side: tuple(sorted(told, key=lambda each: each.at_ms)[:MESSAGES_PER_SESSION_MAX])
        for side, told in by_side.items()
    }
