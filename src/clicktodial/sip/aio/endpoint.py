"""The user agent on a UDP socket of an event loop."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from clicktodial.sip.event import IncomingInvite, SessionEvent
from clicktodial.sip.timer import Timers
from clicktodial.sip.user_agent import Address, Invitation, Session, UserAgent

EventHandler: TypeAlias = Callable[[SessionEvent], None]
InviteHandler: TypeAlias = Callable[[Session, IncomingInvite], EventHandler]


class MessageDirection(StrEnum):
    """Which way a tapped message went."""

    RECEIVED = "received"
    SENT = "sent"


MessageTap: TypeAlias = Callable[[MessageDirection, bytes, Address], None]


class SipEndpoint:
    """One UDP socket, one user agent, one timer.

    Handlers run on the loop, never before the call that registered them has returned. A handler
    that raises is logged and harms nothing else. Use this class's session commands rather than
    the session's own: these also send.
    """

    user_agent: UserAgent

    def __init__(
        self,
        *,
        user_agent: str = "clicktodial",
        advertised_host: str | None = None,
        timers: Timers = Timers(),  # noqa: B008 - frozen
        on_invite: InviteHandler | None = None,
        on_message: MessageTap | None = None,
    ) -> None:
        """`on_invite` gets every incoming session, and returns the handler of its later events;
        without it every INVITE is refused with 480. `advertised_host` is what Via and Contact
        say, the bound host by default. `on_message` sees every message."""
        raise NotImplementedError

    @property
    def address(self) -> Address:
        """The bound address. Raises RuntimeError before `start`."""
        raise NotImplementedError

    async def start(self, host: str, port: int) -> None:
        """Bind; port 0 takes any. Raises OSError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop at once and close the socket; sessions get no further events."""
        raise NotImplementedError

    def invite(self, invitation: Invitation, on_event: EventHandler) -> Session:
        """Send an INVITE."""
        raise NotImplementedError

    def hang_up(self, session: Session, *, q850: int | None = None) -> None:
        """End a session in any state; its handler is not called any more."""
        raise NotImplementedError

    def ring(self, session: Session, sdp: bytes | None = None) -> None:
        """180, or 183 with SDP."""
        raise NotImplementedError

    def answer(self, session: Session, sdp: bytes) -> None:
        """200."""
        raise NotImplementedError

    def reject(self, session: Session, status: int, phrase: str) -> None:
        """A final refusal."""
        raise NotImplementedError
