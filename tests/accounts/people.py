"""People for the tests of their use cases."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.own_email import OwnEmails
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People, Person
from clicktodial.accounts.second_factor import SecondFactors
from clicktodial.accounts.session import NewSession, Sessions
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.messaging.mail import Mail, MailOutbox
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
IDLE = timedelta(hours=1)
LIFE = timedelta(hours=12)
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a hundred blue umbrellas"
ADDRESS = "192.0.2.7"
# As strong as a test needs: the real parameters are for tests about them.
CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_TOKEN = re.compile(r"#([are]_[\w-]{43})\n")


@dataclass
class World:
    """The use cases on one database, and a clock that goes on when it is told to."""

    transactions: Transactions
    now: datetime = NOW
    vault: SecretVault = field(default_factory=lambda: SecretVault(bytes(32)))

    def __post_init__(self) -> None:
        letters = Letters("https://platform.example")
        transactions, vault = self.transactions, self.vault
        self.people = People(transactions, vault, region="CN")
        self.enrolments = Enrolments(transactions, vault, letters, region="CN")
        self.sessions = Sessions(transactions, vault, idle=IDLE, life=LIFE)
        self.passwords = Passwords(transactions, letters)
        self.emails = OwnEmails(transactions, letters)
        self.factors = SecondFactors(transactions, vault, letters)
        self.outbox = MailOutbox(transactions)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def mails(self) -> list[Mail]:
        """Those that were queued, the oldest first."""
        return self.outbox.list_mails(limit=1_000)[::-1]

    def token_of_last_mail(self) -> str:
        """The one that its link has."""
        match = _TOKEN.search(self.mails()[-1].text)
        assert match is not None, self.mails()[-1].text
        return match[1]

    def register(self, account: str = "zhang.wei", **changes: str) -> None:
        """Somebody asks for an account."""
        values = {
            "email": f"{account}@example.com",
            "phone": "13912345673",
            "enterprise_name": "Example Couriers",
            "enterprise_region": "North",
            "address": ADDRESS,
        } | changes
        self.enrolments.register(account=account, now=self.now, **values)

    def add_owner(self, account: str = "zhang.wei") -> Person:
        """Somebody who registered and activated."""
        self.register(account)
        return self.enrolments.activate(self.token_of_last_mail(), password=PASSWORD, now=self.now)

    def add(self, account: str, *roles: Role, enterprise_id: str | None) -> Person:
        """Somebody who was invited and came."""
        created = self.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=f"{account}@example.com",
            roles=roles,
            enterprise_id=enterprise_id,
            account=account,
            now=self.now,
        )
        return self.enrolments.activate(created.token, password=PASSWORD, now=self.now)

    def log_in(
        self,
        account: str = "zhang.wei",
        password: str = PASSWORD,
        code: str | None = None,
        address: str = ADDRESS,
    ) -> NewSession:
        """A session, or what is raised."""
        return self.sessions.log_in(
            account=account, password=password, code=code, address=address, now=self.now
        )
