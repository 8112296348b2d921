"""The user agent on the sockets of an event loop: UDP, and TCP and TLS where wanted."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import structlog

from clicktodial.domain.media import Codec, MediaDescription
from clicktodial.domain.number import mask_number
from clicktodial.domain.trunk import Transport
from clicktodial.sip.aio.datagram import address_of, open_datagram_socket, send_datagram
from clicktodial.sip.aio.stream import StreamLimits, StreamTransport
from clicktodial.sip.aio.tls import TlsListener
from clicktodial.sip.client_request import ClientRequest, PlainRequest
from clicktodial.sip.event import IncomingInvite, SessionEnded, SessionEvent
from clicktodial.sip.message import SipMessage
from clicktodial.sip.timer import Timers
from clicktodial.sip.user_agent import (
    Address,
    Flow,
    Hop,
    Invitation,
    Limits,
    Session,
    UserAgent,
)

log = structlog.get_logger()

EventHandler: TypeAlias = Callable[[SessionEvent], None]
AnswerHandler: TypeAlias = Callable[[SipMessage | None], None]
InviteHandler: TypeAlias = Callable[[Session, IncomingInvite], EventHandler]

# Datagrams taken in one turn of the loop; then timers and HTTP have theirs.
READS_PER_TURN_MAX = 64
_DATAGRAM_BYTES_MAX = 65_535
# A free UDP port is seldom taken over TCP; so often in a row it is not.
_FREE_PORT_TRIES = 16
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})
_UNAVAILABLE = (480, "Temporarily Unavailable")


class MessageDirection(StrEnum):
    """Which way a tapped message went."""

    RECEIVED = "received"
    SENT = "sent"


MessageTap: TypeAlias = Callable[[MessageDirection, bytes, Hop], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where peers reach us besides UDP at our own address.

    With `has_tcp` also over TCP at the same port. `v6_host` is a second address, of IPv6, with
    everything that the first one has; `v6_advertised_host` what Via and Contact say there.
    """

    has_tcp: bool = False
    tls: TlsListener | None = None
    v6_host: str | None = None
    v6_advertised_host: str | None = None


UDP_ALONE = Listeners()


class SipEndpoint:
    """The sockets, one user agent, one timer.

    Connections are opened to whichever hop a message goes, listeners or not.

    Handlers run on the loop, never before the call that registered them has returned. A handler
    that raises is logged and harms nothing else. Use this class's session commands rather than
    the session's own: these also send.
    """

    def __init__(
        self,
        *,
        user_agent: str = "clicktodial",
        advertised_host: str | None = None,
        timers: Timers = Timers(),  # noqa: B008 - frozen
        limits: Limits | None = None,
        on_invite: InviteHandler | None = None,
        on_message: MessageTap | None = None,
        admits: Callable[[bytes], bool] | None = None,
        stream_limits: StreamLimits | None = None,
    ) -> None:
        """`on_invite` gets every incoming session, and returns the handler of its later events;
        without it every INVITE is refused with 480. `advertised_host` is what Via and Contact
        say, the bound host by default. `on_message` sees every message. A datagram that `admits`
        refuses is lost, as one on the network; it must not raise."""
        self._name = user_agent
        self._advertised_host = advertised_host
        self._timers = timers
        self._limits = limits
        self._on_invite = on_invite
        self._on_message = on_message
        self._admits = admits
        self._handlers: dict[Session, EventHandler] = {}
        self._answer_handlers: dict[ClientRequest, AnswerHandler] = {}
        self._user_agent: UserAgent | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets: dict[bool, socket.socket] = {}  # by whether it is of IPv6
        self._streams = StreamTransport(
            on_message=self._receive_from_stream,
            on_failure=self._handle_transport_failure,
            limits=stream_limits,
        )
        self._is_open = False
        self._address: Address | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._dispatch_pending = False
        self._dispatching = False

    @property
    def address(self) -> Address:
        """The bound address. Raises RuntimeError before `start`."""
        if self._address is None:
            raise RuntimeError("the endpoint is not started")
        return self._address

    @property
    def user_agent(self) -> UserAgent:
        """The engine. Raises RuntimeError before `start`."""
        if self._user_agent is None:
            raise RuntimeError("the endpoint is not started")
        return self._user_agent

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is started and not closed."""
        return self._is_open

    @property
    def connection_count(self) -> int:
        """TCP and TLS connections."""
        return self._streams.connection_count

    def speaks(self, host: str) -> bool:
        """Whether we have an address of the family of that literal IP."""
        return (":" in host) in self._sockets

    async def start(self, host: str, port: int, *, listeners: Listeners = UDP_ALONE) -> None:
        """Bind; port 0 takes any. Raises OSError."""
        if self._user_agent is not None:
            raise RuntimeError("the endpoint was started before")
        self._loop = asyncio.get_running_loop()
        try:
            self._address, others = await self._listen((host, port), listeners)
        except OSError:
            await self._release()
            raise
        self._user_agent = UserAgent(
            local=(self._advertised_host or self._address[0], self._address[1]),
            others=others,
            user_agent=self._name,
            timers=self._timers,
            limits=self._limits,
        )
        self._is_open = True
        for bound in self._sockets.values():
            self._loop.add_reader(bound.fileno(), self._read, bound)
        log.info("sip.started", host=self._address[0], port=self._address[1])

    async def close(self) -> None:
        """Stop at once and close the sockets; sessions get no further events."""
        if not self._is_open:
            return
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._handlers.clear()
        self._answer_handlers.clear()
        for bound in self._sockets.values():
            self._running_loop().remove_reader(bound.fileno())
        await self._release()
        log.info("sip.stopped", port=self.address[1])

    async def _listen(
        self, address: Address, listeners: Listeners
    ) -> tuple[Address, dict[tuple[Transport, bool], Address]]:
        """Open all sockets; returns our own address, and what we advertise of the others."""
        others: dict[tuple[Transport, bool], Address] = {}
        own, *further = (
            (address,) if listeners.v6_host is None else (address, (listeners.v6_host, address[1]))
        )
        bound = await self._listen_at(own, self._advertised_host, listeners, others)
        for each in further:
            v6_port = each[1] or bound[1]
            await self._listen_at(
                (each[0], v6_port), listeners.v6_advertised_host, listeners, others
            )
        return bound, others

    async def _listen_at(
        self,
        address: Address,
        advertised_host: str | None,
        listeners: Listeners,
        others: dict[tuple[Transport, bool], Address],
    ) -> Address:
        is_v6 = ":" in address[0]
        bound_socket = await self._open_pair(address, with_tcp=listeners.has_tcp)
        self._sockets[is_v6] = bound_socket
        bound = address_of(bound_socket)
        host = advertised_host or bound[0]
        others[Transport.UDP, is_v6] = others[Transport.TCP, is_v6] = host, bound[1]
        if listeners.tls is not None:
            tls_bound = await self._streams.listen((address[0], listeners.tls.port), listeners.tls)
            others[Transport.TLS, is_v6] = host, tls_bound[1]
        if bound[0] not in _ANY_ADDRESS:
            self._streams.set_source(bound[0])
        return bound

    async def _open_pair(self, address: Address, *, with_tcp: bool) -> socket.socket:
        """The UDP socket, and with it a TCP one of the same port (RFC 3261 18.2.1). A free port
        of the one may be taken for the other, so that several are tried."""
        for tries_left in reversed(range(_FREE_PORT_TRIES)):
            bound = open_datagram_socket(address)
            if not with_tcp:
                return bound
            try:
                await self._streams.listen(address_of(bound))
            except OSError:
                bound.close()
                if address[1] or not tries_left:
                    raise
            else:
                return bound
        raise AssertionError("unreachable")

    async def _release(self) -> None:
        await self._streams.close()
        for bound in self._sockets.values():
            bound.close()

    # Sessions

    def invite(self, invitation: Invitation, on_event: EventHandler) -> Session:
        """Send an INVITE. Raises ValueError where the invitation contains a line end."""
        session = self.user_agent.invite(invitation, self._now())
        self._handlers[session] = on_event
        self._flush()
        return session

    def hang_up(self, session: Session, *, q850: int | None = None) -> None:
        """End a session in any state; its handler is not called any more."""
        self._handlers.pop(session, None)
        session.hang_up(self._now(), q850=q850)
        self._flush()

    def ring(self, session: Session, sdp: bytes | None = None) -> None:
        """180, or 183 with SDP. Raises SessionStateError once answered or ended."""
        session.ring(self._now(), sdp)
        self._flush()

    def answer(self, session: Session, sdp: bytes) -> None:
        """200. Raises SessionStateError once answered or ended."""
        session.answer(sdp, self._now())
        self._flush()

    def accept_offer(self, session: Session, codec: Codec) -> None:
        """Answer what SessionOffered told, with that codec of it. Raises SessionStateError where
        nothing is open, ValueError where the codec was not offered."""
        session.accept_offer(codec, self._now())
        self._flush()

    def refuse_offer(self, session: Session, status: int, phrase: str) -> None:
        """Refuse it; the session stays as it was. Raises SessionStateError."""
        session.refuse_offer(status, phrase, self._now())
        self._flush()

    def reoffer(self, session: Session, media: MediaDescription) -> None:
        """Offer other audio. Raises SessionStateError where the session is not in conversation."""
        session.reoffer(media, self._now())
        self._flush()

    def reject(self, session: Session, status: int, phrase: str) -> None:
        """A final refusal; the handler is not called any more. Raises SessionStateError."""
        session.reject(status, phrase, self._now())
        self._handlers.pop(session, None)
        self._flush()

    def request(self, request: PlainRequest, on_answer: AnswerHandler) -> ClientRequest:
        """Send a request outside of any dialog; `on_answer` gets the final response, or None
        where none came. Raises ValueError where the request contains a line end."""
        sent = self.user_agent.request(request, self._now())
        self._answer_handlers[sent] = on_answer
        self._flush()
        return sent

    # From the loop

    def _read(self, bound: socket.socket) -> None:
        for _ in range(READS_PER_TURN_MAX):
            if not self._is_open:
                return  # a handler closed the endpoint
            try:
                data, source = bound.recvfrom(_DATAGRAM_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # An ICMP error does not name the request that it answers; timers find out.
                log.debug("sip.socket_error", error=str(error))
                continue
            self._receive(data, (source[0], source[1]))

    def _receive_from_stream(self, data: bytes, source: Flow) -> None:
        if self._is_open:
            self._receive(data, source)

    def _handle_transport_failure(self, flow: Flow) -> None:
        if self._is_open:
            self.user_agent.handle_transport_failure(flow, self._now())
            self._dispatch()
            self._flush()

    def _receive(self, data: bytes, source: Hop) -> None:
        if self._on_message is not None:
            self._tap(MessageDirection.RECEIVED, data, source)
        if self._admits is not None and not self._admits(data):
            return
        self.user_agent.receive(data, source, self._now())
        self._dispatch()
        self._flush()

    def _handle_timer(self) -> None:
        self._timer = None
        # After a stall of the loop the answers lie in the socket: to read them first saves
        # retransmissions just when there is no time for them.
        for bound in self._sockets.values():
            self._read(bound)
        if not self._is_open:
            return
        self.user_agent.handle_timeout(self._now())
        self._dispatch()
        self._flush()

    def _dispatch_later(self) -> None:
        self._dispatch_pending = False
        self._dispatch()
        self._flush()

    def _dispatch(self) -> None:
        """Hand every event to its handler, those too that handlers cause meanwhile."""
        user_agent = self.user_agent
        self._dispatching = True
        try:
            while user_agent.has_events:
                events = user_agent.take_events()
                for session, event in events:
                    if not self._is_open:
                        return  # an earlier handler closed the endpoint
                    self._deliver(session, event)
                for outcome in user_agent.take_outcomes():
                    self._deliver_outcome(*outcome)
        finally:
            self._dispatching = False

    def _deliver(self, session: Session, event: SessionEvent) -> None:
        try:
            if isinstance(event, IncomingInvite):
                self._accept(session, event)
                return
            ended = isinstance(event, SessionEnded)
            handler = self._handlers.pop(session, None) if ended else self._handlers.get(session)
            if handler is not None:
                handler(event)
        except Exception:
            # One session's owner must not take the others' signalling down with it.
            log.exception(
                "sip.handler_failed", event_type=type(event).__name__, call_id=session.call_id
            )

    def _deliver_outcome(self, sent: ClientRequest, response: SipMessage | None) -> None:
        # Without a handler an earlier one has closed the endpoint.
        handler = self._answer_handlers.pop(sent, None)
        try:
            if handler is not None:
                handler(response)
        except Exception:
            log.exception("sip.handler_failed", event_type="answer", call_id=sent.call_id)

    def _accept(self, session: Session, event: IncomingInvite) -> None:
        if self._on_invite is None:
            session.reject(*_UNAVAILABLE, self._now())
            log.info("sip.invite_refused", number=mask_number(session.request_user))
            return
        self._handlers[session] = _discard  # the handler may hang up before it returns its own
        try:
            handler = self._on_invite(session, event)
        except BaseException:
            self._handlers.pop(session, None)
            session.hang_up(self._now())
            raise
        if session in self._handlers:
            self._handlers[session] = handler

    def _flush(self) -> None:
        """Send what is queued, and see to the events and the deadline that a command made."""
        user_agent = self._user_agent
        if not self._is_open or user_agent is None:
            return  # a handler closed the endpoint
        for data, destination in user_agent.take_messages():
            if self._on_message is not None:
                self._tap(MessageDirection.SENT, data, destination)
            if isinstance(destination, Flow):
                self._streams.send(data, destination)
            else:
                self._send(data, destination)
        if not self._dispatching and not self._dispatch_pending and user_agent.has_events:
            self._dispatch_pending = True
            self._running_loop().call_soon(self._dispatch_later)
        self._arm(user_agent.next_deadline())

    def _send(self, data: bytes, destination: Address) -> None:
        bound = self._sockets.get(":" in destination[0])
        if bound is None:
            log.warning("sip.no_address_of_family", peer=destination[0])
        else:
            send_datagram(bound, data, destination)

    def _arm(self, deadline: float | None) -> None:
        """One timer for the earliest deadline. A deadline that moved away is left alone: the
        timer then fires once for nothing, which is cheaper than to re-arm for every message."""
        if deadline is None or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._running_loop().call_at(deadline, self._handle_timer)

    def _tap(self, direction: MessageDirection, data: bytes, peer: Hop) -> None:
        assert self._on_message is not None
        try:
            self._on_message(direction, data, peer)
        except Exception:
            # A capture is a convenience; calls go on without it.
            log.exception("sip.tap_failed")

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the endpoint is not started")
        return self._loop

    def _now(self) -> float:
        assert self._loop is not None  # nothing happens to an endpoint that is not started
        return self._loop.time()


def _discard(_event: SessionEvent) -> None:
    """The handler of a session whose owner has not named one yet."""
