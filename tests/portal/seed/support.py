"""Tickets in every state, a roster with a gap, and a critical period ahead."""

from datetime import timedelta

from tests.accounts.paper import pdf
from tests.portal.seed.business import card_picture
from tests.portal.world import ACME, World

from clicktodial.accounts.document_store import DocumentStore
from clicktodial.accounts.roster import NewShift, Rosters
from clicktodial.accounts.ticket import NewTicket, Tickets
from clicktodial.accounts.ticket_attachment import TicketAttachments
from clicktodial.accounts.ticket_store import SupportPolicy, TicketContact
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.roster import Line, Span
from clicktodial.domain.ticket import (
    TicketCategory,
    TicketChannel,
    TicketPriority,
    TicketQueue,
)

_SUBJECTS = (
    ("No calls since nine", TicketCategory.FAULT, TicketPriority.EMERGENCY),
    ("The statement of last month has a call twice", TicketCategory.BILLING, TicketPriority.NORMAL),
    ("How do we rotate a key?", TicketCategory.API, TicketPriority.LOW),
    ("Callees hear silence for two seconds", TicketCategory.RECORDING, TicketPriority.HIGH),
)


def tickets_of(world: World) -> Tickets:
    """The use cases of tickets, on the console's database."""
    policy = SupportPolicy.from_settings(world.settings.support)
    return Tickets(world.transactions, world.vault, policy, region="CN")


def attachments_of(world: World) -> TicketAttachments:
    """Files of tickets, in the store of the platform that runs."""
    store = DocumentStore(world.settings.documents_dir, world.vault)
    return TicketAttachments(world.transactions, tickets_of(world), store)


def seed_support(world: World, enterprise_id: str) -> dict[str, str]:
    """An emergency about a call, whose clock runs, and older tickets in other states."""
    tickets, ids = tickets_of(world), world.ids[enterprise_id]
    owner = Principal(
        name=ids["user_id"], roles=frozenset({Role.OWNER}), enterprise_id=enterprise_id
    )
    made = []
    for number, (subject, category, priority) in enumerate(_SUBJECTS):
        new = NewTicket(
            enterprise_id=enterprise_id,
            subject=subject,
            text=f"{subject}.\nWe tried twice, from two applications; both times the same.",
            channel=TicketChannel.PORTAL,
            category=category,
            priority=priority,
            call_id=ids["call_id"] if number == 0 else None,
        )
        at = world.now - (timedelta(minutes=8) if number == 0 else timedelta(hours=20 * number))
        made.append(tickets.open(owner, new, at))
    emergency, answered, asked, resolved = made
    now = world.now
    tickets.assign(
        OPERATOR_PRINCIPAL, answered, queue=TicketQueue.SUPPORT, assignee="operator", now=now
    )
    tickets.write(OPERATOR_PRINCIPAL, answered, "We look at it.", now)
    tickets.note(OPERATOR_PRINCIPAL, answered, "Seen last year, too.", now)
    tickets.write(OPERATOR_PRINCIPAL, asked, "Which key?", now, is_question=True)
    tickets.resolve(OPERATOR_PRINCIPAL, resolved, "A route was mended.", now)
    called = NewTicket(
        enterprise_id=enterprise_id,
        subject="Asks for an invoice",
        text="Called, wants an invoice.",
        channel=TicketChannel.HOTLINE_10086_8,
        category=TicketCategory.BILLING,
        contact=TicketContact(name="Ms Wang", phone="+8613912345678", email="wang@example.com"),
    )
    tickets.open(OPERATOR_PRINCIPAL, called, now)
    files = attachments_of(world)
    attached = {}
    for name, content in (("screen of the console.png", card_picture()), ("log.pdf", pdf())):
        files.attach(
            owner,
            emergency,
            name=name,
            content=content,
            say=lambda on_step: tickets.write(owner, emergency, "See here.", now, on_step=on_step),
            now=now,
        )
        attached = {"attachment_id": files.list_of(owner, emergency)[0].attachment_id}
    return (
        {"ticket_id": emergency} | attached | (_seed_roster(world) if enterprise_id == ACME else {})
    )


def _seed_roster(world: World) -> dict[str, str]:
    rosters, now = (
        Rosters(world.transactions, world.vault, region="CN", operator_email="chief@example.com"),
        world.now,
    )
    shift_id = ""
    for line, name in ((Line.SECOND, "Li Wei"), (Line.SECOND, "Zhao Min"), (Line.THIRD, "Sun Hao")):
        begins = now - timedelta(hours=1) if name != "Zhao Min" else now + timedelta(hours=9)
        new = NewShift(
            line=line,
            name=name,
            phone="13912345673",
            email=f"{name.split()[0].lower()}@example.com",
            span=Span(begins, begins + timedelta(hours=8)),
        )
        shift_id = rosters.add_shift(OPERATOR_PRINCIPAL, new, now)
    span = Span(now + timedelta(days=20), now + timedelta(days=27))
    period_id = rosters.add_period(OPERATOR_PRINCIPAL, "Spring Festival", span, now)
    return {"shift_id": shift_id, "period_id": period_id}
