"""Mail over SMTP, against a real server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from tests.harness.address import Address, allocate_host
from tests.harness.certificate import Authority

from clicktodial.config import MailSettings
from clicktodial.messaging.mail import Mail, MailState
from clicktodial.messaging.mailer import MailNotSent
from clicktodial.messaging.smtp_mailer import SmtpMailer

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def create_mail(**changes: Any) -> Mail:
    """A mail that was claimed."""
    values: dict[str, Any] = {
        "mail_id": "0" * 32, "to": "ann@example.com", "subject": "Welcome, 张伟",
        "text": "Your link:\nhttps://example.com/x\n.\n你好\n", "state": MailState.WAITING,
        "attempts": 1, "created_at": NOW, "next_attempt_at": NOW, "sent_at": None,
        "last_error": None,
    }  # fmt: skip
    return Mail(**values | changes)


class Receiver:
    """What a server did; `reply` is what it says to a recipient and to the data."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.rcpt_reply = "250 OK"
        self.data_reply = "250 OK"
        self.was_encrypted: list[bool] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.password = b"pass word"

    async def handle_RCPT(
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return self.data_reply

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
        """The library's callback."""
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == self.password, handled=False)

    def message(self) -> EmailMessage:
        """The one that came."""
        [envelope] = self.envelopes
        assert isinstance(envelope.content, bytes)
        return message_from_bytes(envelope.content, policy=policy.default)


@pytest.fixture
def receiver() -> Receiver:
    """What the server does."""
    return Receiver()


@asynccontextmanager
async def open_server(
    create: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Address]:
    """A server of that protocol."""
    host = allocate_host()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(create, host, 0, ssl=tls)
    try:
        yield host, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def settings_for(address: Address, **changes: Any) -> MailSettings:
    """Mail goes there."""
    values: dict[str, Any] = {
        "driver": "smtp", "host": address[0], "port": address[1], "security": "none",
        "sender": "noreply@platform.example",
    }  # fmt: skip
    return MailSettings(**values | changes)


async def send(settings: MailSettings, mail: Mail | None = None) -> None:
    """One mail."""
    await SmtpMailer(settings, lambda: NOW).send(mail or create_mail())


def plain(receiver: Receiver) -> Callable[[], SMTP]:
    """A server without TLS."""
    return lambda: SMTP(receiver, hostname="mx.example", loop=asyncio.get_running_loop())


async def test_mail_arrives_whole(receiver: Receiver) -> None:
    async with open_server(plain(receiver)) as address:
        await send(settings_for(address))
    [envelope] = receiver.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "noreply@platform.example",
        ["ann@example.com"],
    )
    message = receiver.message()
    assert message["Subject"] == "Welcome, 张伟"
    assert (message["From"], message["To"]) == ("noreply@platform.example", "ann@example.com")
    assert message["Message-ID"] == f"<{'0' * 32}@platform.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message.get_content().replace("\r\n", "\n") == create_mail().text


@pytest.mark.parametrize(
    "subject", ["Hi\r\nBcc: eve@example.com", "Hi\nBcc: eve@example.com", "Hi\rX: y"]
)
async def test_subject_adds_no_header(receiver: Receiver, subject: str) -> None:
    async with open_server(plain(receiver)) as address:
        with pytest.raises(MailNotSent):
            await send(settings_for(address), create_mail(subject=subject))
    assert receiver.envelopes == []


@pytest.mark.parametrize("to", ["ann@example.com>\r\nRCPT TO:<eve@example.com", "a b@example.com"])
async def test_recipient_adds_no_command(receiver: Receiver, to: str) -> None:
    async with open_server(plain(receiver)) as address:
        with pytest.raises(MailNotSent):
            await send(settings_for(address), create_mail(to=to))
    assert receiver.envelopes == []


@pytest.mark.parametrize(
    ("rcpt", "data", "is_final"),
    [
        ("550 no such user", "250 OK", True),
        ("450 greylisted", "250 OK", False),
        ("250 OK", "554 spam", True),
        ("250 OK", "452 full", False),
    ],
)
async def test_refusal_is_final_where_the_server_says_so(
    receiver: Receiver, rcpt: str, data: str, is_final: bool
) -> None:
    receiver.rcpt_reply, receiver.data_reply = rcpt, data
    async with open_server(plain(receiver)) as address:
        with pytest.raises(MailNotSent) as refused:
            await send(settings_for(address))
    assert refused.value.is_final is is_final
    assert str(refused.value) in (rcpt, data)


async def test_server_that_is_away_is_asked_again() -> None:
    async with open_server(asyncio.Protocol) as address:
        pass
    with pytest.raises(MailNotSent) as refused:
        await send(settings_for(address))
    assert not refused.value.is_final


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_is_encrypted_and_the_password_of_the_file_opens(
    receiver: Receiver, tmp_path: Path, security: str
) -> None:
    authority = Authority(tmp_path)
    host = allocate_host()
    certificate = authority.issue(host)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.certificate_file, certificate.key_file)
    (tmp_path / "password").write_text("pass word\n")
    loop = asyncio.get_running_loop()

    def create() -> SMTP:
        return SMTP(
            receiver,
            hostname="mx.example",
            loop=loop,
            tls_context=tls if security == "starttls" else None,
            auth_required=security == "starttls",
            auth_require_tls=security == "starttls",
            authenticator=receiver.authenticate,
        )

    server = await loop.create_server(create, host, 0, ssl=tls if security == "tls" else None)
    address = (host, server.sockets[0].getsockname()[1])
    settings = settings_for(
        address,
        security=security,
        username="us",
        password_file=str(tmp_path / "password"),
        ca_file=authority.ca_file,
    )
    try:
        await send(settings)
        assert receiver.logins == [(b"us", b"pass word")]
        assert len(receiver.envelopes) == 1
        if security == "starttls":
            assert receiver.was_encrypted == [True]
        receiver.password = b"another"
        with pytest.raises(MailNotSent, match="535") as refused:
            await send(settings)
        assert not refused.value.is_final
        # A certificate that nobody of ours signed.
        with pytest.raises(MailNotSent, match="CERTIFICATE_VERIFY_FAILED"):
            await send(settings_for(address, security=security))
    finally:
        server.close()
    assert len(receiver.envelopes) == 1


async def test_server_without_starttls_gets_nothing(receiver: Receiver) -> None:
    async with open_server(plain(receiver)) as address:
        with pytest.raises(MailNotSent):
            await send(settings_for(address, security="starttls"))
    assert receiver.envelopes == []
