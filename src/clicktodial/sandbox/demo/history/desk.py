"""All use cases that the past is made with, on one database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from random import Random

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.business import Business, create_business
from clicktodial.accounts.department import Departments
from clicktodial.accounts.do_not_call import NumberLists
from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.member import Members
from clicktodial.accounts.number import has_number
from clicktodial.accounts.person import Person
from clicktodial.accounts.session import Sessions
from clicktodial.api.management.number_desks import NumberDesks, create_number_desks
from clicktodial.api.management.support import SupportNeeds, create_support_needs
from clicktodial.billing.pool import Pools
from clicktodial.billing.sweep import PoolSweep
from clicktodial.config import Settings
from clicktodial.domain.principal import Principal
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.messaging.driver import message_limits
from clicktodial.messaging.template import Templates
from clicktodial.storage.administration import Administration
from clicktodial.storage.database import Database
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

WEEKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The use cases, the time, and chance that comes out the same each time."""

    settings: Settings
    now: datetime
    chance: Random
    database: Database
    transactions: Transactions
    administration: Administration
    enrolments: Enrolments
    sessions: Sessions
    business: Business
    numbers: NumberDesks
    templates: Templates
    members: Members
    departments: Departments
    lists: NumberLists
    pools: Pools
    sweep: PoolSweep
    support: SupportNeeds
    audit_log: AuditLog
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def began(self) -> datetime:
        """When the past begins."""
        return self.now - timedelta(weeks=WEEKS)

    @property
    def zone(self) -> tzinfo:
        """Where the people of the past work."""
        return self.settings.billing.zone

    def who(self, account: str) -> Principal:
        """Somebody, by the account."""
        return self.people[account].principal

    def ago(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
        """So long ago."""
        return self.now - timedelta(days=days, hours=hours, minutes=minutes)


def open_desk(settings: Settings, database: Database, base_url: str, now: datetime) -> Desk:
    """All of it, on an open database. Raises StorageError."""
    transactions = Transactions(database.engine)
    vault = SecretVault(load_master_key(settings))
    region, chance = settings.calls.default_region, Random(2026)
    administration = Administration(database.engine, vault, region=region)
    numbers = create_number_desks(
        transactions, administration, settings.numbers, region=region, random=chance
    )
    templates = Templates(transactions, message_limits(settings.messages))
    return Desk(
        settings=settings,
        now=now,
        chance=chance,
        database=database,
        transactions=transactions,
        administration=administration,
        enrolments=Enrolments(transactions, vault, Letters(base_url), region=region),
        sessions=Sessions(
            transactions,
            vault,
            idle=timedelta(seconds=settings.accounts.session_idle_s),
            life=timedelta(seconds=settings.accounts.session_max_s),
        ),
        business=create_business(
            transactions,
            vault,
            documents_root=settings.documents_dir,
            default_region=region,
            has_numbers=has_number,
            further_handlers={
                WorkOrderKind.NUMBER_ORDER: numbers.orders,
                WorkOrderKind.TEMPLATE_REVIEW: templates,
            },
        ),
        numbers=numbers,
        templates=templates,
        members=Members(transactions, region=region),
        departments=Departments(transactions),
        lists=NumberLists(transactions, NumberKeys(vault), region=region),
        pools=Pools(transactions, zone=settings.billing.zone),
        sweep=PoolSweep(transactions, zone=settings.billing.zone),
        support=create_support_needs(transactions, vault, settings.support, region=region),
        audit_log=AuditLog(transactions),
    )
