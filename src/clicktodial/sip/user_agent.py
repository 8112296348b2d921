"""A sans-I/O SIP user agent (RFC 3261), UAC and UAS.

Feed it datagrams and the time; take from it datagrams to send and events. Time is `now`,
monotonic seconds; an address is a literal IP and a port.
"""

import random as random_module
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from clicktodial.sip.event import SessionEvent
from clicktodial.sip.timer import Timers

Address: TypeAlias = tuple[str, int]


class SessionStateError(Exception):
    """The command has no meaning in the session's state."""


class Direction(StrEnum):
    """Who sent the INVITE."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class SessionState(StrEnum):
    """Where a session stands."""

    CALLING = "calling"  # UAC: no response yet
    PROCEEDING = "proceeding"  # a provisional response came, or (UAS) the INVITE did
    ANSWERED = "answered"  # UAS: 200 sent, ACK awaited
    CONFIRMED = "confirmed"  # 200 and ACK are through
    ENDING = "ending"  # we hang up; the network does not know all of it yet
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An INVITE to send. `headers` are added as given; they must not contain line ends.

    `next_hop` is where the datagram goes, whatever `request_uri` says.
    """

    request_uri: str
    to_uri: str
    from_uri: str
    next_hop: Address
    sdp: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Counters:
    """What passed, in messages; only ever grows."""

    received: int = 0
    sent: int = 0
    retransmissions: int = 0
    malformed: int = 0
    stray: int = 0
    refused: int = 0


class Session:
    """One INVITE session. Its methods queue datagrams on the user agent."""

    __slots__ = ("call_id", "direction", "from_user", "request_user", "state")

    call_id: str
    direction: Direction
    state: SessionState
    request_user: str  # incoming: the user part of the Request-URI, unescaped; else ""
    from_user: str  # incoming: the user part of the From URI, unescaped; else ""

    def hang_up(self, now: float, *, q850: int | None = None) -> None:
        """End it in whatever state it is: CANCEL, BYE, or 603. Idempotent; no event follows."""
        raise NotImplementedError

    def ring(self, now: float, sdp: bytes | None = None) -> None:
        """Incoming: send 180, or 183 with `sdp`. Raises SessionStateError once answered."""
        raise NotImplementedError

    def answer(self, sdp: bytes, now: float) -> None:
        """Incoming: send 200 until ACKed. Raises SessionStateError once answered or ended."""
        raise NotImplementedError

    def reject(self, status: int, phrase: str, now: float) -> None:
        """Incoming: send this final status of 300-699. Raises SessionStateError likewise."""
        raise NotImplementedError


class UserAgent:
    """The engine. `local` is the host and port written into Via and Contact."""

    counters: Counters

    def __init__(
        self,
        *,
        local: Address,
        user_agent: str,
        timers: Timers = Timers(),  # noqa: B008 - frozen
        random: random_module.Random | None = None,
    ) -> None:
        """`random` is for tests; without it identifiers come from the system's entropy."""
        raise NotImplementedError

    def invite(self, invitation: Invitation, now: float) -> Session:
        """Queue an INVITE; what becomes of it comes as events."""
        raise NotImplementedError

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram. Never raises for what a peer sent."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When `handle_timeout` must be called at the latest; None for never."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> None:
        """Act on every deadline that has passed."""
        raise NotImplementedError

    def take_datagrams(self) -> list[tuple[bytes, Address]]:
        """What to send, in order; taken once."""
        raise NotImplementedError

    def take_events(self) -> list[tuple[Session, SessionEvent]]:
        """What happened, in order; taken once."""
        raise NotImplementedError
