"""What the tests of support share: a database with customers and people, and a working week."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select

from clicktodial.accounts.roster import Rosters
from clicktodial.accounts.ticket import NewTicket, Tickets
from clicktodial.accounts.ticket_store import SupportPolicy
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.support_clock import BusinessHours
from clicktodial.domain.ticket import Patience, TicketCategory, TicketChannel, TicketPriority
from clicktodial.storage import table
from clicktodial.storage.people_table import mail, person
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

# A Monday.
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DESK = "desk@example.com"
CHIEF = "chief@example.com"
POLICY = SupportPolicy(
    hours=BusinessHours(zone=UTC, opens=time(9), closes=time(18)),
    patience=Patience(waiting=timedelta(days=14), resolved=timedelta(days=7)),
    desk_email=DESK,
    operator_email=CHIEF,
)
VAULT = SecretVault(bytes(32))

OPERATOR = OPERATOR_PRINCIPAL
OLGA = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")
RAY = Principal(name="ray", roles=frozenset({Role.READER}), enterprise_id="acme")
BEA = Principal(name="bea", roles=frozenset({Role.OWNER}), enterprise_id="brave")
SUE = Principal(name="sue", roles=frozenset({Role.SUPPORT}))
NORA = Principal(name="nora", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"north"}))
SAM = Principal(name="sam", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"south"}))
REVIEWER = Principal(name="rita", roles=frozenset({Role.REVIEWER}))


def after(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def create_tickets(transactions: Transactions) -> Tickets:
    return Tickets(transactions, VAULT, POLICY, region="CN")


def create_rosters(transactions: Transactions) -> Rosters:
    return Rosters(transactions, VAULT, region="CN", operator_email=CHIEF)


def add_people(engine: Engine) -> None:
    """Two enterprises, their people and the operator's."""
    with engine.begin() as connection:
        for enterprise_id, region in (("acme", "north"), ("brave", "south")):
            connection.execute(
                insert(table.enterprise).values(
                    id=enterprise_id, name=enterprise_id, status="active", region=region
                )
            )
        for who in (OLGA, RAY, BEA, SUE, NORA, SAM, REVIEWER):
            connection.execute(
                insert(person).values(
                    id=who.name, account=f"{who.name}.account", email=f"{who.name}@example.com",
                    enterprise_id=who.enterprise_id, roles=",".join(who.roles), regions="",
                    state="active", password_hash="", is_totp_on=False, totp_step=0,
                    created_at=NINE,
                )
            )  # fmt: skip


def new_ticket(**changes: Any) -> NewTicket:
    given: dict[str, Any] = {
        "enterprise_id": "acme",
        "subject": "No calls since nine",
        "text": "Every call fails.\nPlease help.",
        "channel": TicketChannel.PORTAL,
        "category": TicketCategory.FAULT,
        "priority": TicketPriority.EMERGENCY,
    }
    return NewTicket(**{**given, **changes})


def mails(engine: Engine) -> list[tuple[str, str]]:
    """To whom and in which words, the oldest first."""
    query = select(mail.c.recipient, mail.c.text).order_by(mail.c.id)
    with engine.connect() as connection:
        return [(row.recipient, row.text) for row in connection.execute(query)]
