"""What the parts of one user agent share: its queues, tables, limits and identity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from clicktodial.sip.event import SessionEvent
from clicktodial.sip.identifier import IdentifierSource
from clicktodial.sip.message import SipMessage
from clicktodial.sip.timer import DeadlineQueue, Timers
from clicktodial.sip.uri import Address, bracket_host

if TYPE_CHECKING:
    from clicktodial.sip.client_transaction import InviteUser
    from clicktodial.sip.session import Session

ALLOWED_METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO"
MAX_FORWARDS = 70  # RFC 3261 8.1.1.6

# Twice the legs that the default `calls.live_max` allows, and several times what one core sets up.
SESSIONS_MAX = 10_000
# A transaction lingers for 32 s: this is what 1 500 requests a second leave behind, at about
# 1 KB each. Beyond it requests are refused or dropped, and their senders try again.
SERVER_TRANSACTIONS_MAX = 50_000
CLIENT_TRANSACTIONS_MAX = 100_000


@dataclass(slots=True)
class Limits:
    """How much one user agent holds at a time; what exceeds it is refused and counted."""

    sessions_max: int = SESSIONS_MAX
    server_transactions_max: int = SERVER_TRANSACTIONS_MAX
    client_transactions_max: int = CLIENT_TRANSACTIONS_MAX


@dataclass(slots=True)
class Counters:
    """What passed, in messages; only ever grows.

    `sent` includes `retransmissions`. `malformed` were no SIP messages; `stray` matched nothing;
    `refused` were turned away or dropped at a limit.
    """

    received: int = 0
    sent: int = 0
    retransmissions: int = 0
    malformed: int = 0
    stray: int = 0
    refused: int = 0


class ClientTransaction(Protocol):
    """What a response is given to."""

    def receive(self, response: SipMessage, source: Address, now: float) -> None: ...


class ServerTransaction(Protocol):
    """What a repeated request is given to."""

    def receive(self, request: SipMessage, now: float) -> None: ...


SessionEventEntry: TypeAlias = "tuple[Session, SessionEvent]"


class Context:
    """The shared state of one user agent; transactions and sessions act through it."""

    __slots__ = (
        "agent_line",
        "client_transactions",
        "contact_line",
        "counters",
        "datagrams",
        "deadlines",
        "events",
        "fork_closer",
        "identifiers",
        "invite_origins",
        "limits",
        "sent_by",
        "server_line",
        "server_transactions",
        "sessions",
        "timers",
    )

    # Set by the user agent, since who closes forks needs the context itself.
    fork_closer: "InviteUser"

    def __init__(
        self,
        *,
        local: Address,
        user_agent: str,
        timers: Timers,
        limits: Limits,
        identifiers: IdentifierSource,
    ) -> None:
        host, port = local
        self.timers = timers
        self.limits = limits
        self.identifiers = identifiers
        self.counters = Counters()
        self.deadlines = DeadlineQueue()
        self.sent_by = f"{bracket_host(host)}:{port}"
        self.contact_line = f"Contact: <sip:{self.sent_by}>\r\n"
        self.agent_line = f"Allow: {ALLOWED_METHODS}\r\nUser-Agent: {user_agent}\r\n"
        self.server_line = f"Server: {user_agent}\r\n"
        self.datagrams: list[tuple[bytes, Address]] = []
        self.events: list[SessionEventEntry] = []
        self.sessions: dict[str, Session] = {}  # by our tag
        self.client_transactions: dict[str, ClientTransaction] = {}  # by branch and method
        self.server_transactions: dict[str, ServerTransaction] = {}  # by RFC 3261 17.2.3's key
        self.invite_origins: dict[str, str] = {}  # RFC 3261 8.2.2.2: origin to transaction

    def send(self, data: bytes, destination: Address) -> None:
        """Queue a message. Requests above 1300 bytes too go over UDP, against RFC 3261 18.1.1:
        it is the only transport so far, and networks carry fragments."""
        self.counters.sent += 1
        self.datagrams.append((data, destination))

    def resend(self, data: bytes, destination: Address) -> None:
        """Queue a message that was sent before."""
        self.counters.retransmissions += 1
        self.send(data, destination)
