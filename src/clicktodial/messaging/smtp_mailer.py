"""Mail over SMTP, to the operator's own server."""

import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from clicktodial.config import MailSettings
from clicktodial.messaging.mail import Mail
from clicktodial.messaging.mailer import MailNotSent

# Of each step: to connect, to log in, to hand over. RFC 5321 4.5.3.2 would wait minutes; a server
# of one's own that takes so long is asked again later.
TIMEOUT_S = 30
# RFC 5321 4.2.1: a reply of 5yz is final. But 530 and 535 (RFC 4954 6) refuse us, not the mail,
# and 502-504 tell that the server is not as it was thought to be.
_FINAL = range(550, 560)


class SmtpMailer:
    """One connection a mail: notices are few."""

    def __init__(self, settings: MailSettings, utc: Callable[[], datetime]) -> None:
        """Reads the files that the settings name. Raises OSError."""
        assert settings.host is not None  # checked with the settings
        self._settings = settings
        self._host = settings.host
        self._password = settings.read_password()
        self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._utc = utc

    @property
    def keeps_text(self) -> bool:
        return False

    async def send(self, mail: Mail) -> None:
        """Hand it to the server. Raises MailNotSent."""
        settings = self._settings
        is_plain = settings.security == "none"
        try:
            await aiosmtplib.send(
                self._compose(mail),
                sender=settings.sender,
                recipients=[mail.to],
                hostname=self._host,
                port=settings.port,
                username=settings.username,
                password=self._password,
                local_hostname=settings.sender.rpartition("@")[2],
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                tls_context=None if is_plain else self._tls,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            raise _not_sent(refused.code, refused.message) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _not_sent(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # What the library says of a connection, of TLS or of an address that it refuses.
            raise MailNotSent(f"{type(error).__name__}: {error}") from error

    def _compose(self, mail: Mail) -> EmailMessage:
        # The policy refuses a header with a line of its own; the outbox took none.
        message = EmailMessage(policy=SMTP)
        message["From"] = self._settings.sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(self._utc())
        message["Message-ID"] = f"<{mail.mail_id}@{self._settings.sender.rpartition('@')[2]}>"
        # RFC 3834 5: no machine is to answer it.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message


def _not_sent(code: int, message: str) -> MailNotSent:
    words = " ".join(message.split())
    return MailNotSent(f"{code} {words}", is_final=code in _FINAL)
