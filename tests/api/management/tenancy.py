"""Two enterprises that have the same of everything, for the test that nobody sees the other's.

Each part of the platform adds a Seed: a function that gives an enterprise some of its things and
returns what they are called in paths, queries and bodies. Whatever text it stores should hold
`tenant.marker`, by which the test knows it where it has no business to be.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import insert, update
from tests.accounts.business import DATA, PAPERS
from tests.api.management.support import Management, add_call
from tests.api.support import SECRET, create_application
from tests.billing.test_statement import add_cdr

from clicktodial.accounts.audit import AuditEntry
from clicktodial.accounts.business import create_business
from clicktodial.accounts.contact import Contact
from clicktodial.accounts.do_not_call import ListPlace
from clicktodial.accounts.enterprise_change import Modification, NewChange
from clicktodial.accounts.intention import NewIntention
from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.number_pool import NumberPools
from clicktodial.accounts.table_import import ImportOrder
from clicktodial.accounts.table_row import TableKind
from clicktodial.accounts.ticket import NewTicket
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.identifier import AppId
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.message import DEFAULT_MESSAGE_LIMITS, Channel, TemplateRecipient
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.protection import ListKind
from clicktodial.domain.rating import Tariff
from clicktodial.domain.ticket import TicketCategory, TicketChannel
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.messaging.template import NewTemplate, Templates
from clicktodial.storage import table
from clicktodial.storage.administration import NewApplication
from clicktodial.storage.message_table import message
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


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


def seed_ticket(management: Management, tenant: Tenant) -> dict[str, str]:
    """A ticket of its owner's about its call."""
    owner = Principal(
        name=f"owner-{tenant.marker}",
        roles=frozenset({Role.OWNER}),
        enterprise_id=tenant.marker,
    )
    new = NewTicket(
        enterprise_id=tenant.marker,
        subject=f"Of {tenant.marker}",
        text=f"No calls of {tenant.marker}",
        channel=TicketChannel.PORTAL,
        category=TicketCategory.FAULT,
        call_id=tenant.ids["call_id"],
    )
    return {"ticket_id": management.support.tickets.open(owner, new, management.utc())}


def seed_business(management: Management, tenant: Tenant) -> dict[str, str]:
    """Its whole way to the service: intention, documents, review, activation; and a request."""
    now, operator, marker = management.utc(), OPERATOR_PRINCIPAL, tenant.marker
    business = create_business(
        Transactions(management.engine),
        SecretVault(bytes(32)),
        documents_root=management.library.directory.parent / "documents",
        default_region="CN",
    )
    owner = Principal(name=f"owner-{marker}", roles=frozenset({Role.OWNER}), enterprise_id=marker)
    with management.engine.begin() as connection:
        # As somebody who has just registered.
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == marker)
            .values(state=EnterpriseState.PROSPECT.value)
        )
    contact = Contact(f"contact of {marker}", "13912345673", f"contact@{marker}.example")
    intention = business.intentions.submit(
        owner,
        NewIntention(enterprise_name=f"Of {marker}", region=tenant.region, contact=contact),
        now=now,
    )
    business.data.change(owner, marker, DATA | {"legal_name": f"Of {marker}"}, now=now)
    documents = [
        business.documents.upload(owner, marker, kind=kind, content=content, now=now)
        for kind, content in PAPERS.items()
    ]
    order = business.reviews.submit(owner, marker, now=now).order
    business.work_orders.decide(
        operator, order.work_order_id, approved=True, reason=marker, now=now
    )
    for step in ActivationStep:
        code = tenant.app_id[:6] if step is ActivationStep.SERVICE_CODE else None
        activation = business.activations.complete_step(operator, marker, step, code=code, now=now)
    assert activation.order is not None
    business.work_orders.decide(
        operator, activation.order.work_order_id, approved=True, reason=marker, now=now
    )
    modification = NewChange(
        kind=WorkOrderKind.MODIFICATION,
        reason=f"as {marker} wants it",
        modification=Modification(data={"handler_name": f"handler of {marker}"}),
    )
    change = business.changes.request_change(owner, marker, modification, now=now)
    return {
        "intention_id": intention.intention_id,
        "document_id": documents[0].document_id,
        "work_order_id": order.work_order_id,
        "change_id": change.change_id,
    }


def seed_numbers(management: Management, tenant: Tenant) -> dict[str, str]:
    """A number that its application shows, also from a pool, and an order that is open."""
    now, marker = management.utc(), tenant.marker
    transactions = Transactions(management.engine)
    inventory = NumberInventory(transactions, region="CN")
    orders = NumberOrders(transactions, region="CN")
    handlers = {WorkOrderKind.NUMBER_ORDER: orders}
    shown, ordered = f"+8610{tenant.app_id}", f"+8620{tenant.app_id}"
    for number in (shown, ordered):
        inventory.add(NewNumber(number=number, city=f"City of {marker}"), now)
    approved = orders.place(OPERATOR_PRINCIPAL, marker, [shown], now)
    WorkOrders(transactions, handlers).decide(
        OPERATOR_PRINCIPAL, approved.work_order_id, approved=True, reason=marker, now=now
    )
    inventory.assign(OPERATOR_PRINCIPAL, tenant.app_id, shown)
    pools = NumberPools(transactions, region="CN")
    pools.put(
        OPERATOR_PRINCIPAL, tenant.app_id, "sales", numbers=[shown], fallback=[f"By {marker}"]
    )
    order = orders.place(OPERATOR_PRINCIPAL, marker, [ordered], now)
    return {"number": shown, "order_id": order.order_id}


def seed_messages(management: Management, tenant: Tenant) -> dict[str, str]:
    """A template, and a message after its call that failed."""
    now, marker = management.utc(), tenant.marker
    transactions = Transactions(management.engine)
    new = NewTemplate(
        recipient=TemplateRecipient.BOTH,
        channel=Channel.MMS,
        text=f"Text of {marker}",
        values={"of": marker},
    )
    owner = Principal(name=f"owner-{marker}", roles=frozenset({Role.OWNER}), enterprise_id=marker)
    templates = Templates(transactions, DEFAULT_MESSAGE_LIMITS)
    template = templates.create(owner, tenant.app_id, new, now=now)
    message_id = f"message-of-{marker}"
    row = {
        "id": message_id,
        "call_id": tenant.ids["call_id"],
        "app_id": tenant.app_id,
        "side": "caller",
        "template_id": template.template_id,
        "only_connected": True,
        "state": "failed",
        "created_at": now,
        "attempts": 1,
        "subject": "",
        "text": f"Text of {marker}",
    }
    with transactions.change(concerns_calls=False) as connection:
        connection.execute(insert(message).values(row))
    return {"template_id": template.template_id, "message_id": message_id}


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


def seed_billing(management: Management, tenant: Tenant) -> dict[str, str]:
    """A pool with a package and a cap, a call that was charged, and the file of its day."""
    now, marker = management.utc(), tenant.marker
    transactions = Transactions(management.engine)
    pools = Pools(transactions)
    settings = PoolSettings(tariff=Tariff(), alert_emails=(f"books@{marker}.example",))
    pools.set_up(OPERATOR_PRINCIPAL, marker, settings, now)
    new = NewPackage(
        kind=PackageKind.ONE_OFF, name=f"Package of {marker}", seconds=6_000, valid_from=now
    )
    package = pools.add_package(OPERATOR_PRINCIPAL, marker, new, now)
    cap = pools.set_cap(
        OPERATOR_PRINCIPAL,
        marker,
        scope=CapScope.APPLICATION,
        key=tenant.app_id,
        period=CapPeriod.DAY,
        limit_s=600,
    )
    day = datetime(2026, 1, 5, tzinfo=UTC)
    number, ended_at = int(tenant.app_id), day + timedelta(hours=12)
    add_cdr(management.engine, number, ended_at, enterprise_id=marker, app_id=tenant.app_id)
    exports = Exports(transactions, management.exports_root, zone=UTC, keep_days=9_999)
    assert exports.write_day(marker, ExportKind.CSV, day, now)
    [export] = exports.list(OPERATOR_PRINCIPAL, marker)
    return {
        "package_id": package.package_id,
        "cap_id": cap.cap_id,
        "export_id": export.export_id,
    }


SEEDS: tuple[Seed, ...] = (
    seed_enterprise,
    seed_call,
    seed_people,
    seed_business,
    seed_numbers,
    seed_ticket,
    seed_messages,
    seed_membership,
    seed_billing,
)


async def seed(management: Management, tenant: Tenant) -> Tenant:
    """Give it everything."""

    def run() -> None:
        for each in SEEDS:
            tenant.ids |= each(management, tenant)

    await asyncio.to_thread(run)
    return tenant
