"""How a mail leaves: the port, and the driver that keeps it where it is."""

from typing import Protocol

from clicktodial.messaging.mail import Mail


class MailNotSent(Exception):
    """The mail could not be sent; `is_final` says whether trying again is of no use."""

    def __init__(self, detail: str, *, is_final: bool = False) -> None:
        super().__init__(detail)
        self.is_final = is_final


class Mailer(Protocol):
    """Sends mails."""

    @property
    def keeps_text(self) -> bool:
        """Whether the text must stay in the outbox after sending, since it is read there."""

    async def send(self, mail: Mail) -> None:
        """Hand it over. Raises MailNotSent."""


class EmbeddedMailbox:
    """Mail that nobody fetches: it is read with `clicktodial mail`, or over the API."""

    @property
    def keeps_text(self) -> bool:
        return True

    async def send(self, mail: Mail) -> None:
        """It is where it is read."""
