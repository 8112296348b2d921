"""Gateways as the settings name them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from clicktodial.config import MessagesSettings, read_time_zone
from clicktodial.control.port import Clock
from clicktodial.domain.message import Channel, MessageLimits
from clicktodial.messaging.dispatcher import DispatchLimits, MessageDispatcher
from clicktodial.messaging.gateway import MessageGateway
from clicktodial.messaging.mailbox import MailboxGateway
from clicktodial.messaging.outbox import MessageOutbox
from clicktodial.storage.transaction import Transactions


def message_limits(settings: MessagesSettings) -> MessageLimits:
    """How long messages may be."""
    return MessageLimits(parts_max=settings.sms_parts_max, mms_bytes_max=settings.mms_bytes_max)


def create_gateways(
    settings: MessagesSettings, transactions: Transactions, utc: Callable[[], datetime]
) -> dict[Channel, MessageGateway]:
    """What carries each kind of message, not started yet. Raises ConfigError."""
    mailbox = MailboxGateway(transactions, utc)
    return {Channel.SMS: mailbox, Channel.MMS: mailbox}


def create_dispatcher(
    settings: MessagesSettings, transactions: Transactions, clock: Clock, *, node_id: str
) -> MessageDispatcher:
    """What sends the messages of a node, not started yet. Raises ConfigError."""
    outbox = MessageOutbox(
        transactions,
        node_id=node_id,
        place=read_time_zone(settings),
        expires_after=timedelta(seconds=settings.expires_after_s),
    )
    limits = DispatchLimits(
        retry_after_s=settings.retry_after_s,
        per_second_max=settings.per_second_max,
        concurrency=settings.concurrency,
    )
    gateways = create_gateways(settings, transactions, clock.utc)
    return MessageDispatcher(outbox, gateways, limits, clock)
