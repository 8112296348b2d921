"""What concerns people: accounts, support, mail, members and their protection."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from clicktodial.accounts.import_runner import ImportRunner
from clicktodial.accounts.recording_retention import RecordingRetention
from clicktodial.accounts.table_import import TableImport
from clicktodial.accounts.ticket_watch import TicketWatch
from clicktodial.api.management.membership import MembershipNeeds, create_membership_needs
from clicktodial.api.management.people import PeopleNeeds, create_people_needs
from clicktodial.api.management.support import SupportNeeds, create_support_needs
from clicktodial.api.management.worker import Worker
from clicktodial.composition.foundation import Foundation
from clicktodial.composition.reading import add_ticket_readings
from clicktodial.config import ConfigError, MailSettings
from clicktodial.messaging.mail_sender import MailSender
from clicktodial.messaging.mailer import EmbeddedMailbox, Mailer
from clicktodial.messaging.smtp_mailer import SmtpMailer
from clicktodial.recordings.store import RecordingFiles
from clicktodial.storage.protection_cleanup import ProtectionCleanup
from clicktodial.storage.retention import Retention, RetentionTerms


def open_people(base: Foundation) -> tuple[PeopleNeeds, SupportNeeds]:
    """Mail is sent, and tickets are watched, from now on. Raises ConfigError."""
    login_worker = Worker()
    base.stack.push_async_callback(login_worker.close)
    people = create_people_needs(
        base.transactions,
        base.vault,
        base.settings.accounts,
        region=base.region,
        login_worker=login_worker,
    )
    support = create_support_needs(
        base.transactions, base.vault, base.settings.support, region=base.region
    )
    watch = TicketWatch(support.tickets, support.rosters, base.clock.utc)
    add_ticket_readings(base.metrics, watch)
    base.background.run("ticket_watch", watch.run())
    mailer = create_mailer(base.settings.mail, base.clock.utc)
    base.background.run("mail_sender", MailSender(people.outbox, mailer, base.clock.utc).run())
    return people, support


async def open_membership(base: Foundation) -> MembershipNeeds:
    """Imports are run from now on, those that a stop interrupted first."""
    importing = TableImport(base.transactions, base.keys, region=base.region, node_id=base.node_id)
    runner = ImportRunner(importing, base.clock.utc)
    await runner.start()
    base.stack.push_async_callback(runner.close)
    membership = create_membership_needs(
        base.transactions, base.keys, importing=importing, runner=runner, region=base.region
    )
    base.background.run(
        "protection_cleanup", ProtectionCleanup(base.database, base.clock.utc).run()
    )
    return membership


def open_retention(base: Foundation, recordings_root: Path) -> None:
    """What is kept long enough is forgotten from now on."""
    settings, utc = base.settings.retention, base.clock.utc

    def kept(days: int) -> timedelta | None:
        return timedelta(days=days) if days else None

    terms = RetentionTerms(
        audit=kept(settings.audit_days),
        mail=kept(settings.mail_days),
        notifications=kept(settings.notification_days),
        messages=kept(settings.message_days),
        call_quality=kept(settings.call_quality_days),
        call_numbers=kept(settings.call_number_days),
    )
    base.background.run("retention", Retention(base.transactions, terms, utc).run())
    recordings_kept = kept(settings.recording_days)
    if recordings_kept is not None:
        recordings = RecordingRetention(
            base.transactions,
            RecordingFiles(recordings_root),
            node_id=base.node_id,
            kept=recordings_kept,
            utc=utc,
        )
        base.background.run("recording_retention", recordings.run())


def create_mailer(settings: MailSettings, utc: Callable[[], datetime]) -> Mailer:
    """The driver that the settings name. Raises ConfigError."""
    if settings.driver == "mailbox":
        return EmbeddedMailbox()
    try:
        return SmtpMailer(settings, utc)
    except OSError as error:
        raise ConfigError(f"mail.password_file or mail.ca_file: {error.strerror}") from error
