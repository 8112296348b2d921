"""What the tests of the console look at: two enterprises, people of every role, and their data.

A part of the console adds a Seed: it gives the enterprise some of its things, and returns what
they are called in the paths of pages. Every page is opened with these, and with the other
enterprise's too, where it must not be found.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.session import Sessions
from clicktodial.config import Settings
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.storage.administration import Administration
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

PASSWORD = "correct horse battery staple"
ACME, BRAVO = "acme", "bravo"


@dataclass
class World:
    """The database of the console that runs, and whom and what it has."""

    settings: Settings
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    # The names of parameters of paths and what they are, by enterprise.
    ids: dict[str, dict[str, str]] = field(default_factory=lambda: {ACME: {}, BRAVO: {}})
    tokens: dict[Role, str] = field(default_factory=dict)
    log_ins: int = 0

    def __post_init__(self) -> None:
        self.engine = open_engine(self.settings.database_url, "normal")
        self.vault = SecretVault(load_master_key(self.settings))
        self.transactions = Transactions(self.engine)
        self.administration = Administration(self.engine, self.vault, region="CN")
        self.enrolments = Enrolments(
            self.transactions, self.vault, Letters("https://platform.example"), region="CN"
        )
        self.audit_log = AuditLog(self.transactions)
        self.sessions = Sessions(
            self.transactions, self.vault, idle=timedelta(hours=10), life=timedelta(hours=12)
        )

    def add_person(self, account: str, role: Role, enterprise_id: str | None) -> str:
        """Somebody who may do that; returns their identifier."""
        created = self.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=f"{account}@example.com",
            roles=[role],
            enterprise_id=enterprise_id,
            account=account,
            now=self.now,
        )
        return self.enrolments.activate(created.token, password=PASSWORD, now=self.now).person_id

    def log_in(self, account: str) -> str:
        """A session of theirs; returns its token."""
        self.log_ins += 1
        # Each from elsewhere: so many from one address would be kept waiting.
        address = f"192.0.2.{self.log_ins}"
        return self.sessions.log_in(
            account=account, password=PASSWORD, code=None, address=address, now=self.now
        ).token


Seed: TypeAlias = Callable[[World, str], dict[str, str]]
