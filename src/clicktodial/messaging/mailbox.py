"""The embedded mailbox: messages that can be read by whoever runs the platform.

It stands in for a network where there is none. A message's identifier is its key there, so that
one which comes twice arrives once.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import insert

from clicktodial.domain.message import MessageState
from clicktodial.messaging.gateway import GatewayReceipt, OnReport, OutgoingMessage
from clicktodial.storage.error import AlreadyExists
from clicktodial.storage.message_table import message_mailbox
from clicktodial.storage.transaction import Transactions

MAILBOX = "mailbox"


class MailboxGateway:
    """Implements messaging.gateway.MessageGateway on a table."""

    name = MAILBOX

    def __init__(self, transactions: Transactions, utc: Callable[[], datetime]) -> None:
        self._transactions = transactions
        self._utc = utc

    async def start(self, on_report: OnReport) -> None:
        """Nothing to begin, and nothing to report later."""

    async def close(self) -> None:
        """Nothing to stop."""

    def count_parts(self, message: OutgoingMessage) -> int:
        """A mailbox cuts nothing."""
        return 1

    async def send(self, message: OutgoingMessage, number: int) -> GatewayReceipt:
        """Put it in, once."""
        await asyncio.to_thread(self._put, message)
        return GatewayReceipt(message.message_id, MessageState.DELIVERED)

    def _put(self, message: OutgoingMessage) -> None:
        row = {
            "message_id": message.message_id,
            "arrived_at": self._utc(),
            "recipient": message.recipient,
            "sender": message.sender,
            "channel": message.channel.value,
            "subject": message.subject,
            "text": message.text,
            "pictures": len(message.pictures),
        }
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(insert(message_mailbox).values(row))
        except AlreadyExists:
            pass  # It arrived before the process died that put it there.
