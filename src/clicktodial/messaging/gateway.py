"""The port to whatever carries messages to phones. Drivers: mailbox, mm7, smpp."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from clicktodial.domain.message import Channel, MessageState


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a multimedia message."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message as a gateway gets it, the same at each attempt. Numbers are E.164 with plus.

    `key` is what a gateway that can tell messages apart knows it by: one that it took before is
    not sent to the phone again. It changes when a person has the message sent anew, and with
    nothing else. `queued_at` does not change either.
    """

    message_id: str
    key: str
    channel: Channel
    sender: str
    recipient: str
    subject: str
    text: str
    pictures: tuple[Picture, ...] = ()
    queued_at: datetime

    def __repr__(self) -> str:
        # Reprs end up in tracebacks, and those in logs.
        return f"OutgoingMessage({self.message_id!r})"


@dataclass(frozen=True, slots=True)
class GatewayReceipt:
    """The gateway has the part. `gateway_id` is what its reports will call it; where it knows
    more already than that it has it, `state` says so."""

    gateway_id: str
    state: MessageState = MessageState.SENT


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """What a gateway told later of a part: delivered, failed or expired."""

    gateway_id: str
    state: MessageState
    detail: str | None = None


OnReport: TypeAlias = Callable[[str, GatewayReport], Awaitable[None]]


class MessageGateway(Protocol):
    """Carries messages."""

    @property
    def name(self) -> str:
        """What rows and reports call it."""

    async def start(self, on_report: OnReport) -> None:
        """Begin; a peer that does not answer yet is no error. Reports are told with our name."""

    async def close(self) -> None:
        """Stop, and drop what is under way."""

    def count_parts(self, message: OutgoingMessage) -> int:
        """In how many parts the message is sent; each has a receipt of its own."""

    async def send(self, message: OutgoingMessage, number: int) -> GatewayReceipt:
        """Send one part, counted from 1. Raises GatewayUnavailable or MessageRefused."""
