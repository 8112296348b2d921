"""The outbox of mails."""

from datetime import UTC, datetime, timedelta

import pytest

from clicktodial.messaging import mail as mail_module
from clicktodial.messaging.mail import (
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Mail,
    MailOutbox,
    MailState,
    queue_mail,
)
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)


def queue(transactions: Transactions, to: str = "ann@example.com", **changes: str) -> None:
    """A mail that is queued, in a transaction of its own."""
    values = {"subject": "Welcome", "text": "Hello.\n"} | changes
    with transactions.change(concerns_calls=False) as connection:
        queue_mail(connection, to=to, now=NOW, **values)


@pytest.fixture
def outbox(transactions: Transactions) -> MailOutbox:
    """The outbox."""
    return MailOutbox(transactions)


def claim(outbox: MailOutbox, now: datetime = NOW) -> list[Mail]:
    """What is due."""
    return outbox.claim_due(now=now, again_at=now + timedelta(seconds=60), limit=10)


def test_mail_waits_once_the_transaction_is_committed(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions, "Ann@Example.com")
    [mail] = outbox.list_mails(limit=10)
    assert (mail.to, mail.subject, mail.text) == ("ann@example.com", "Welcome", "Hello.\n")
    assert (mail.state, mail.attempts, mail.created_at) == (MailState.WAITING, 0, NOW)
    assert outbox.show_mail(mail.mail_id) == mail
    with pytest.raises(NotFound):
        outbox.show_mail("nothing")


def test_mail_is_gone_with_the_transaction_that_fails(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    with pytest.raises(RuntimeError), transactions.change(concerns_calls=False) as connection:
        queue_mail(connection, to="a@example.com", subject="x", text="x", now=NOW)
        raise RuntimeError
    assert outbox.list_mails(limit=10) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "nobody"},
        {"to": "a@example.com\r\nBcc: b@example.com"},
        {"subject": ""},
        {"subject": "Hi\r\nBcc: b@example.com"},
        {"subject": "Hi\nBcc: b@example.com"},
        {"subject": "x" * (SUBJECT_CHARACTERS_MAX + 1)},
        {"text": ""},
        {"text": "a\rb"},
        {"text": "a\x00b"},
        {"text": "x" * (TEXT_CHARACTERS_MAX + 1)},
    ],
)
def test_what_is_no_mail_is_refused(
    transactions: Transactions, outbox: MailOutbox, changes: dict[str, str]
) -> None:
    with pytest.raises(ValueInvalid):
        queue(transactions, **changes)
    assert outbox.list_mails(limit=10) == []


def test_mail_is_claimed_by_one_and_again_when_that_one_died(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions)
    [mail] = claim(outbox)
    assert mail.attempts == 1
    assert claim(outbox) == []
    assert [again.attempts for again in claim(outbox, LATER)] == [2]


def test_text_of_what_a_server_took_is_forgotten(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions)
    queue(transactions, "bob@example.com")
    for mail in claim(outbox):
        outbox.note_sent(mail.mail_id, LATER, keep_text=mail.to.startswith("bob"))
    bob, ann = outbox.list_mails(limit=10)
    assert (ann.state, ann.text, ann.sent_at) == (MailState.SENT, "", LATER)
    assert (bob.state, bob.text, bob.sent_at) == (MailState.SENT, "Hello.\n", LATER)
    assert claim(outbox, LATER + timedelta(days=1)) == []


def test_mail_that_failed_is_tried_again_and_given_up_is_kept(
    transactions: Transactions, outbox: MailOutbox
) -> None:
    queue(transactions)
    [mail] = claim(outbox)
    outbox.note_failed(mail.mail_id, "450 busy" + "x" * 500, retry_at=LATER)
    assert claim(outbox, LATER - timedelta(seconds=1)) == []
    [mail] = claim(outbox, LATER)
    outbox.note_failed(mail.mail_id, "550 no such user", retry_at=None)
    kept = outbox.show_mail(mail.mail_id)
    assert (kept.state, kept.last_error) == (MailState.GIVEN_UP, "550 no such user")
    assert kept.text == "Hello.\n"
    assert claim(outbox, LATER + timedelta(days=9)) == []


def test_mail_beyond_the_bound_is_given_up_and_kept(
    transactions: Transactions, outbox: MailOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "WAITING_MAX", 2)
    for _ in range(3):
        queue(transactions)
    newest, *others = outbox.list_mails(limit=10)
    assert (newest.state, newest.last_error) == (MailState.GIVEN_UP, "too many mails wait")
    assert {mail.state for mail in others} == {MailState.WAITING}


def test_oldest_of_what_is_done_is_dropped(
    transactions: Transactions, outbox: MailOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "KEPT_MAX", 2)
    for number in range(5):
        queue(transactions, subject=str(number))
    for mail in claim(outbox)[1:]:
        outbox.note_sent(mail.mail_id, NOW, keep_text=True)
    assert outbox.drop_oldest() == 2
    assert outbox.drop_oldest() == 0
    # The one that waits stays, however old.
    assert [mail.subject for mail in outbox.list_mails(limit=10)] == ["4", "3", "0"]


def test_mails_are_listed_in_pages(transactions: Transactions, outbox: MailOutbox) -> None:
    for number in range(3):
        queue(transactions, subject=str(number))
    page = outbox.list_mails(limit=2)
    assert [mail.subject for mail in page] == ["2", "1"]
    rest = outbox.list_mails(limit=2, before=page[-1].mail_id)
    assert [mail.subject for mail in rest] == ["0"]
