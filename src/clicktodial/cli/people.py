"""What commands about people work on."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clicktodial.cli.session import log_to_standard_error, read_settings, storage_errors

if TYPE_CHECKING:
    from clicktodial.accounts.audit import AuditLog
    from clicktodial.accounts.enrolment import Enrolments
    from clicktodial.accounts.own_password import Passwords
    from clicktodial.accounts.person import People
    from clicktodial.accounts.second_factor import SecondFactors
    from clicktodial.messaging.mail import MailOutbox


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleCases:
    """The use cases about people; `base_url` is what links in mails begin with."""

    people: "People"
    enrolments: "Enrolments"
    passwords: "Passwords"
    factors: "SecondFactors"
    outbox: "MailOutbox"
    audit_log: "AuditLog"
    base_url: str


@contextmanager
def open_people(config: Path | None) -> Generator[PeopleCases]:
    """All of them, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.accounts.audit import AuditLog
        from clicktodial.accounts.enrolment import Enrolments
        from clicktodial.accounts.letter import Letters
        from clicktodial.accounts.own_password import Passwords
        from clicktodial.accounts.person import People
        from clicktodial.accounts.second_factor import SecondFactors
        from clicktodial.messaging.mail import MailOutbox
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.secret import SecretVault, load_master_key
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions, region = Transactions(engine), settings.calls.default_region
            vault = SecretVault(load_master_key(settings))
            base_url = settings.accounts.base_url.rstrip("/")
            letters = Letters(base_url)
            yield PeopleCases(
                people=People(transactions, vault, region=region),
                enrolments=Enrolments(transactions, vault, letters, region=region),
                passwords=Passwords(transactions, letters),
                factors=SecondFactors(transactions, vault, letters),
                outbox=MailOutbox(transactions),
                audit_log=AuditLog(transactions),
                base_url=base_url,
            )
        finally:
            engine.dispose()
