"""What concerns people, put together: the use cases, and the routes made of them."""

from dataclasses import dataclass
from datetime import timedelta

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.own_email import OwnEmails
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People
from clicktodial.accounts.second_factor import SecondFactors
from clicktodial.accounts.session import Sessions
from clicktodial.api.management.audit import AuditResource
from clicktodial.api.management.enrolment import EnrolmentResource
from clicktodial.api.management.mail import MailResource
from clicktodial.api.management.me import MeResource
from clicktodial.api.management.route import Route
from clicktodial.api.management.session import SessionResource
from clicktodial.api.management.team import TeamResource
from clicktodial.api.management.user import UserResource
from clicktodial.api.management.worker import Worker
from clicktodial.config import AccountsSettings
from clicktodial.messaging.mail import MailOutbox
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleNeeds:
    """The use cases about people. `login_worker` is where passwords are hashed: two at a time,
    and so many waiting, however many try."""

    people: People
    enrolments: Enrolments
    sessions: Sessions
    passwords: Passwords
    emails: OwnEmails
    factors: SecondFactors
    outbox: MailOutbox
    audit_log: AuditLog
    login_worker: Worker


def create_people_needs(
    transactions: Transactions,
    vault: SecretVault,
    settings: AccountsSettings,
    *,
    region: str,
    login_worker: Worker,
) -> PeopleNeeds:
    """All of them, on one database. `region` is that of telephone numbers."""
    letters = Letters(settings.base_url.rstrip("/"))
    return PeopleNeeds(
        people=People(transactions, vault, region=region),
        enrolments=Enrolments(
            transactions, vault, letters, region=region, is_open=settings.open_registration
        ),
        sessions=Sessions(
            transactions,
            vault,
            idle=timedelta(seconds=settings.session_idle_s),
            life=timedelta(seconds=settings.session_max_s),
        ),
        passwords=Passwords(transactions, letters),
        emails=OwnEmails(transactions, letters),
        factors=SecondFactors(transactions, vault, letters),
        outbox=MailOutbox(transactions),
        audit_log=AuditLog(transactions),
        login_worker=login_worker,
    )


def create_people_routes(needs: PeopleNeeds, worker: Worker) -> list[Route]:
    """The rows of what concerns people."""
    people, passwords, enrolments = needs.people, needs.passwords, needs.enrolments
    hashing = needs.login_worker
    return [
        *EnrolmentResource(enrolments, passwords, needs.emails, people, hashing).routes(),
        *SessionResource(needs.sessions, hashing, worker).routes(),
        *MeResource(people, passwords, needs.emails, needs.factors, hashing, worker).routes(),
        *TeamResource(people, enrolments, worker).routes(),
        *UserResource(
            people, enrolments, passwords, needs.factors, needs.sessions, worker
        ).routes(),
        *AuditResource(needs.audit_log, worker).routes(),
        *MailResource(needs.outbox, worker).routes(),
    ]
