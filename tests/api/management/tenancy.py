"""Two enterprises that have the same of everything, for the test that nobody sees the other's.

Each part of the platform adds a Seed: a function that gives an enterprise some of its things and
returns what they are called in paths, queries and bodies. Whatever text it stores should hold
`tenant.marker`, by which the test knows it where it has no business to be.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import update
from tests.api.management.support import Management, add_call
from tests.api.support import SECRET, create_application

from clicktodial.accounts.audit import AuditEntry
from clicktodial.accounts.do_not_call import ListPlace
from clicktodial.accounts.table_import import ImportOrder
from clicktodial.accounts.table_row import TableKind
from clicktodial.domain.identifier import AppId
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.domain.protection import ListKind
from clicktodial.storage import table
from clicktodial.storage.administration import NewApplication


@dataclass
class Tenant:
    """One of the two. `ids` are the names of parameters and properties, and what its own are."""

    marker: str
    region: str
    app_id: str
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def enterprise_id(self) -> str:
        return self.marker


Seed: TypeAlias = Callable[[Management, Tenant], dict[str, str]]


def create_tenants() -> tuple[Tenant, Tenant]:
    """Whoever asks, and the other."""
    return Tenant("acme-marker", "North", "11111111"), Tenant("bravo-marker", "South", "22222222")


def seed_enterprise(management: Management, tenant: Tenant) -> dict[str, str]:
    """The enterprise, active, with an application that may call."""
    management.administration.create_enterprise(tenant.marker, name=f"Of {tenant.marker}")
    management.administration.create_application(
        NewApplication(
            app_id=tenant.app_id,
            secret=SECRET,
            name=f"App of {tenant.marker}",
            enterprise_id=tenant.marker,
            sponsors=("01052680000",),
        )
    )
    with management.engine.begin() as connection:
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == tenant.marker)
            .values(region=tenant.region)
        )
    application = create_application(app_id=AppId(tenant.app_id), enterprise_id=tenant.marker)
    management.applications.by_id[AppId(tenant.app_id)] = application
    return {"enterprise_id": tenant.marker, "app_id": tenant.app_id}


def seed_call(management: Management, tenant: Tenant) -> dict[str, str]:
    """A call of its application that has ended."""
    call_id = f"{int(tenant.app_id):032x}"
    add_call(management.engine, call_id, app_id=tenant.app_id, sip_text=f"BYE {tenant.marker}")
    return {"call_id": call_id}


def seed_people(management: Management, tenant: Tenant) -> dict[str, str]:
    """An owner who is logged in, a colleague, somebody invited, and a line of the audit log."""
    people, now = management.people, management.utc()
    password = "correct horse battery staple"
    ids = {}
    for account, role in (("owner", Role.OWNER), ("reader", Role.READER)):
        created = people.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=f"{account}@{tenant.marker}.example",
            roles=[role],
            enterprise_id=tenant.marker,
            account=f"{account}-{tenant.marker}",
            now=now,
        )
        person = people.enrolments.activate(created.token, password=password, now=now)
        ids["user_id"] = person.person_id
    new = people.sessions.log_in(
        account=f"owner-{tenant.marker}", password=password, code=None, address="", now=now
    )
    ids["session_id"] = new.detail.session_id
    tenant.ids["own_token"] = new.token
    invited = people.enrolments.invite(
        OPERATOR_PRINCIPAL,
        email=f"invited@{tenant.marker}.example",
        roles=[Role.FINANCE],
        enterprise_id=tenant.marker,
        now=now,
    )
    ids["invitation_id"] = invited.invitation.invitation_id
    people.audit_log.add(
        [
            AuditEntry(
                at=now,
                principal=f"somebody of {tenant.marker}",
                roles=("owner",),
                address="192.0.2.1",
                operation="seed",
                enterprise_id=tenant.marker,
            )
        ]
    )
    return ids


def seed_membership(management: Management, tenant: Tenant) -> dict[str, str]:
    """A member of a department, numbers on its lists, and what became of imports."""
    membership, now = management.membership, management.utc()
    own, marker = tenant.enterprise_id, tenant.marker
    department_id = membership.departments.add(own, f"Of {marker}", now=now)
    profile = MemberProfile(
        e164="13912345673", name=f"Li of {marker}", department=f"Of {marker}", note=marker
    )
    member = membership.members.add(own, profile, now=now)
    ids = {"department_id": department_id, "member_id": member.member_id}
    for name, list_kind in (("entry_id", ListKind.DO_NOT_CALL), ("allowed_id", ListKind.ALLOWED)):
        entry = membership.lists.add(
            ListPlace(list_kind, own), "13810268653", reason=marker, added_by=marker, now=now
        )
        ids[name] = entry.entry_id
    for name, kind in (
        ("import_id", TableKind.MEMBERS),
        ("list_import_id", TableKind.DO_NOT_CALL),
    ):
        order = ImportOrder(kind=kind, scope=own, is_all_or_nothing=False, ordered_by=marker)
        ids[name] = membership.importing.create(order, now=now)
    return ids


SEEDS: tuple[Seed, ...] = (seed_enterprise, seed_call, seed_people, seed_membership)


async def seed(management: Management, tenant: Tenant) -> Tenant:
    """Give it everything."""

    def run() -> None:
        for each in SEEDS:
            tenant.ids |= each(management, tenant)

    await asyncio.to_thread(run)
    return tenant
