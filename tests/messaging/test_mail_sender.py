"""The task that sends what waits."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from clicktodial.messaging import mail_sender
from clicktodial.messaging.mail import Mail, MailOutbox, MailState, queue_mail
from clicktodial.messaging.mail_sender import CLAIM_S, RETRY_AFTER_S, MailSender
from clicktodial.messaging.mailer import EmbeddedMailbox, MailNotSent
from clicktodial.storage.error import DatabaseUnavailable
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def utc(self) -> datetime:
        return self.now


class FakeMailer:
    """Fails as it is told to."""

    def __init__(self) -> None:
        self.error: MailNotSent | None = None
        self.sent: list[str] = []
        self.tried = asyncio.Event()

    @property
    def keeps_text(self) -> bool:
        return False

    async def send(self, mail: Mail) -> None:
        self.tried.set()
        if self.error is not None:
            raise self.error
        self.sent.append(mail.to)


@pytest.fixture
def outbox(transactions: Transactions) -> MailOutbox:
    return MailOutbox(transactions)


def queue(transactions: Transactions, count: int = 1) -> None:
    with transactions.change(concerns_calls=False) as connection:
        for number in range(count):
            queue_mail(connection, to=f"u{number}@example.com", subject="Hi", text="Hello", now=NOW)


async def test_what_waits_is_sent_once(transactions: Transactions, outbox: MailOutbox) -> None:
    queue(transactions, 3)
    mailer, clock = FakeMailer(), Clock()
    sender = MailSender(outbox, mailer, clock.utc)
    assert await sender.send_due() == 3
    clock.now += timedelta(seconds=CLAIM_S)
    assert await sender.send_due() == 0
    assert sorted(mailer.sent) == [f"u{number}@example.com" for number in range(3)]
    assert {(mail.state, mail.text) for mail in outbox.list_mails(limit=9)} == {
        (MailState.SENT, "")
    }


async def test_mail_is_tried_on_schedule_then_given_up_and_kept(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions)
    mailer, clock = FakeMailer(), Clock()
    mailer.error = MailNotSent("450 busy")
    sender = MailSender(outbox, mailer, clock.utc)
    for wait_s in RETRY_AFTER_S:
        assert await sender.send_due() == 1
        clock.now += timedelta(seconds=wait_s - 1)
        assert await sender.send_due() == 0
        clock.now += timedelta(seconds=1)
    assert await sender.send_due() == 1
    [mail] = outbox.list_mails(limit=9)
    assert (mail.state, mail.attempts) == (MailState.GIVEN_UP, len(RETRY_AFTER_S) + 1)
    assert (mail.text, mail.last_error) == ("Hello", "450 busy")
    clock.now += timedelta(days=30)
    assert await sender.send_due() == 0


async def test_what_is_refused_for_good_is_given_up_at_once(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions)
    mailer = FakeMailer()
    mailer.error = MailNotSent("550 no such user", is_final=True)
    await MailSender(outbox, mailer, Clock().utc).send_due()
    [mail] = outbox.list_mails(limit=9)
    assert (mail.state, mail.attempts) == (MailState.GIVEN_UP, 1)


async def test_what_could_not_be_noted_is_sent_again_when_the_claim_ends(
    transactions: Transactions, outbox: MailOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(transactions)
    mailer, clock = FakeMailer(), Clock()
    sender = MailSender(outbox, mailer, clock.utc)

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "note_sent", fail)
        assert await sender.send_due() == 1
    assert await sender.send_due() == 0
    clock.now += timedelta(seconds=CLAIM_S)
    assert await sender.send_due() == 1
    assert len(mailer.sent) == 2


async def test_mailbox_keeps_the_text(transactions: Transactions, outbox: MailOutbox) -> None:
    queue(transactions)
    await MailSender(outbox, EmbeddedMailbox(), Clock().utc).send_due()
    [mail] = outbox.list_mails(limit=9)
    assert (mail.state, mail.text) == (MailState.SENT, "Hello")


async def test_task_sends_what_comes_while_it_runs_and_outlives_a_lost_database(
    transactions: Transactions, outbox: MailOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_sender, "POLL_INTERVAL_S", 0)
    mailer = FakeMailer()
    sender = MailSender(outbox, mailer, Clock().utc)
    claim_due = outbox.claim_due
    is_away = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(**_: object) -> list[Mail]:
        loop.call_soon_threadsafe(is_away.set)
        raise DatabaseUnavailable

    monkeypatch.setattr(outbox, "claim_due", fail)
    with structlog.testing.capture_logs():
        task = asyncio.create_task(sender.run())
        await asyncio.wait_for(is_away.wait(), 20)
        monkeypatch.setattr(outbox, "claim_due", claim_due)
        queue(transactions)
        await asyncio.wait_for(mailer.tried.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
