"""What the parts of one user agent share: its queues, tables, limits and identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from clicktodial.domain.trunk import Transport
from clicktodial.sip.event import SessionEvent
from clicktodial.sip.identifier import IdentifierSource
from clicktodial.sip.message import SipMessage
from clicktodial.sip.timer import DeadlineQueue, Timers
from clicktodial.sip.uri import Address, Flow, Hop, bracket_host

if TYPE_CHECKING:
    from clicktodial.sip.client_transaction import InviteUser
    from clicktodial.sip.session import Session

ALLOWED_METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"
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
    """What a response is given to, and the news that its request did not get through."""

    @property
    def next_hop(self) -> Hop: ...

    def receive(self, response: SipMessage, source: Hop, now: float) -> None: ...

    def handle_transport_failure(self, now: float) -> None: ...


class ServerTransaction(Protocol):
    """What a repeated request is given to."""

    def receive(self, request: SipMessage, now: float) -> None: ...


class Local(NamedTuple):
    """How we name ourselves over one transport: the start of a Via, our address as a URI has it,
    with its parameters, and the Contact header."""

    via: str
    address: str
    contact_line: str


SessionEventEntry: TypeAlias = "tuple[Session, SessionEvent]"


class Context:
    """The shared state of one user agent; transactions and sessions act through it."""

    __slots__ = (
        "_locals",
        "_udp_locals",
        "agent_line",
        "client_transactions",
        "counters",
        "deadlines",
        "events",
        "fork_closer",
        "identifiers",
        "invite_origins",
        "limits",
        "outbox",
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
        others: Mapping[tuple[Transport, bool], Address],
        user_agent: str,
        timers: Timers,
        limits: Limits,
        identifiers: IdentifierSource,
    ) -> None:
        self.timers = timers
        self.limits = limits
        self.identifiers = identifiers
        self.counters = Counters()
        self.deadlines = DeadlineQueue()
        self._locals = _create_locals(local, others)
        self._udp_locals = tuple(self._locals[Transport.UDP, is_v6] for is_v6 in (False, True))
        self.agent_line = (
            f"Allow: {ALLOWED_METHODS}\r\nSupported: 100rel, timer\r\nUser-Agent: {user_agent}\r\n"
        )
        self.server_line = f"Server: {user_agent}\r\n"
        self.outbox: list[tuple[bytes, Hop]] = []
        self.events: list[SessionEventEntry] = []
        self.sessions: dict[str, Session] = {}  # by our tag
        self.client_transactions: dict[str, ClientTransaction] = {}  # by branch and method
        self.server_transactions: dict[str, ServerTransaction] = {}  # by RFC 3261 17.2.3's key
        self.invite_origins: dict[str, str] = {}  # RFC 3261 8.2.2.2: origin to transaction

    def local_of(self, hop: Hop) -> Local:
        """Who we are to that hop."""
        is_v6 = ":" in hop[0]
        if isinstance(hop, Flow):
            return self._locals[hop.transport, is_v6]
        return self._udp_locals[is_v6]

    def send(self, data: bytes, destination: Hop) -> None:
        """Queue a message. Requests above 1300 bytes too go over UDP where the trunk says UDP,
        against RFC 3261 18.1.1: networks carry fragments, and trunks seldom both transports."""
        self.counters.sent += 1
        self.outbox.append((data, destination))

    def resend(self, data: bytes, destination: Hop) -> None:
        """Queue a message that was sent before."""
        self.counters.retransmissions += 1
        self.send(data, destination)


def _create_locals(
    local: Address, others: Mapping[tuple[Transport, bool], Address]
) -> dict[tuple[Transport, bool], Local]:
    """By transport and whether it is over IPv6. Where we do not listen, a peer still learns what
    it knows anyway: the address of that family, and that the connection is to be used again."""
    locals_: dict[tuple[Transport, bool], Local] = {}
    for is_v6 in (False, True):
        own = others.get((Transport.UDP, is_v6), local)
        for transport in (Transport.UDP, Transport.TCP, Transport.TLS):
            address = others.get((transport, is_v6), own)
            locals_[transport, is_v6] = _create_local(transport, address)
    return locals_


def _create_local(transport: Transport, address: Address) -> Local:
    host, port = address
    sent_by = f"{bracket_host(host)}:{port}"
    parameter = "" if transport is Transport.UDP else f";transport={transport}"
    return Local(
        f"Via: SIP/2.0/{transport.upper()} {sent_by}",
        f"{sent_by}{parameter}",
        f"Contact: <sip:{sent_by}{parameter}>\r\n",
    )
