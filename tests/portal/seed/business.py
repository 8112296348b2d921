"""Customers on their way to the service, and what waits for a decision."""

import zlib
from datetime import timedelta

from sqlalchemy import update
from tests.accounts.paper import PNG_END, PNG_SIGNATURE, pdf, png_chunk, png_header
from tests.portal.world import ACME, World

from clicktodial.accounts.business import Business, create_business
from clicktodial.accounts.contact import Contact
from clicktodial.accounts.enterprise_change import Modification, NewChange
from clicktodial.accounts.intention import NewIntention
from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.person import People
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage import table

DATA = {
    "legal_name": "Couriers Limited",
    "certificate_number": "91110000MA01ABCD2X",
    "representative_name": "Han Meimei",
    # The example of GB 11643-1999.
    "representative_id_number": "11010519491231002X",
    "representative_phone": "13912345673",
    "handler_name": "Li Lei",
    "handler_id_number": "E12345678",
    "handler_email": "lei@example.com",
    "handler_phone": "01052680000",
}
CONTACT = Contact("Li Lei", "13912345673", "lei@example.com")
CARD_WIDTH, CARD_HEIGHT = 324, 204
_HOTLINE = (
    ("Jade Dental Clinics", "North", "Reminders of appointments, some 200 calls a day."),
    ("Harbour Freight", "South", "Drivers and consignees should not see each other's numbers."),
    ("Blue Whale Insurance", "North", "A call-back button on the web site."),
)


def card_picture() -> bytes:
    """A card: a band, a portrait, lines of writing."""
    rows = bytearray()
    for y in range(CARD_HEIGHT):
        rows.append(0)
        for x in range(CARD_WIDTH):
            is_portrait = 220 < x < 300 and 50 < y < 150
            is_writing = 24 < x < 190 and y % 24 < 7 and 44 < y < 180
            colour = (11, 103, 128) if y < 26 else (214, 228, 234)
            if is_portrait:
                colour = (150, 170, 184)
            elif is_writing:
                colour = (80, 90, 104)
            rows += bytes(colour)
    data = png_chunk(b"IDAT", zlib.compress(bytes(rows)))
    return PNG_SIGNATURE + png_header(CARD_WIDTH, CARD_HEIGHT) + data + PNG_END


def papers() -> dict[DocumentKind, bytes]:
    """All that is needed."""
    card = card_picture()
    return {
        kind: pdf() if kind is DocumentKind.CERTIFICATE else card
        for kind in DocumentKind
        if kind is not DocumentKind.OTHER
    }


def open_business(world: World) -> Business:
    """The use cases, on the files of the platform that runs."""
    return create_business(
        world.transactions,
        world.vault,
        documents_root=world.settings.documents_dir,
        default_region="CN",
        further_handlers={WorkOrderKind.NUMBER_ORDER: open_orders(world)},
    )


def open_orders(world: World) -> NumberOrders:
    """Orders of numbers."""
    return NumberOrders(world.transactions, region="CN")


def find_principal(world: World, account: str) -> Principal:
    """Somebody who has that account."""
    return People(world.transactions, world.vault, region="CN").find(account).principal


def set_state(world: World, enterprise_id: str, state: EnterpriseState) -> None:
    """As it were, had it come there by itself."""
    with world.transactions.change() as connection:
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == enterprise_id)
            .values(state=state.value, state_since=world.now)
        )


def seed_business(world: World, enterprise_id: str) -> dict[str, str]:
    """All its way to the service, and requests of all sorts."""
    business = open_business(world)
    owner = find_principal(world, f"owner.{enterprise_id}")
    begun = world.now - timedelta(days=6)
    set_state(world, enterprise_id, EnterpriseState.PROSPECT)
    intention = business.intentions.submit(
        owner,
        NewIntention(
            enterprise_name=f"{enterprise_id.title()} Couriers",
            region="North",
            contact=CONTACT,
            note="Couriers and whoever waits for a parcel; some thousand calls a day.",
        ),
        now=begun,
    )
    business.intentions.engage(
        OPERATOR_PRINCIPAL, intention.intention_id, now=begun + timedelta(hours=2)
    )
    document_id = _qualify(world, business, owner, enterprise_id)
    change = business.changes.request_change(
        owner,
        enterprise_id,
        NewChange(
            kind=WorkOrderKind.MODIFICATION,
            reason="Li Lei left us.",
            modification=Modification(data={"handler_name": "Wei Hua"}),
        ),
        now=world.now,
    )
    ids = {
        "intention_id": intention.intention_id,
        "document_id": document_id,
        "change_id": change.change_id,
    }
    ids["work_order_id"] = _review_again(world, business, owner, enterprise_id)
    if enterprise_id == ACME:
        _add_others(world, business)
    _order_numbers(world, owner, enterprise_id)
    return ids


def _qualify(world: World, business: Business, owner: Principal, enterprise_id: str) -> str:
    """Reviewed and activated; returns one of the documents."""
    submitted = world.now - timedelta(days=4)
    business.data.change(owner, enterprise_id, DATA, now=submitted)
    uploaded = [
        business.documents.upload(owner, enterprise_id, kind=kind, content=content, now=submitted)
        for kind, content in papers().items()
    ]
    order = business.reviews.submit(owner, enterprise_id, now=submitted).order
    business.work_orders.decide(
        OPERATOR_PRINCIPAL,
        order.work_order_id,
        approved=False,
        reason="The licence is cut off at the bottom: the stamp must be seen.",
        now=submitted + timedelta(hours=5),
    )
    order = business.reviews.submit(owner, enterprise_id, now=submitted + timedelta(days=1)).order
    decided = submitted + timedelta(days=1, hours=3)
    business.work_orders.decide(
        OPERATOR_PRINCIPAL, order.work_order_id, approved=True, reason="", now=decided
    )
    for step in ActivationStep:
        code = f"95{len(enterprise_id)}{ord(enterprise_id[0])}"
        activation = business.activations.complete_step(
            OPERATOR_PRINCIPAL,
            enterprise_id,
            step,
            code=code if step is ActivationStep.SERVICE_CODE else None,
            now=decided,
        )
    assert activation.order is not None
    business.work_orders.decide(
        OPERATOR_PRINCIPAL,
        activation.order.work_order_id,
        approved=True,
        reason="",
        now=decided + timedelta(hours=1),
    )
    return uploaded[-1].document_id


def _review_again(world: World, business: Business, owner: Principal, enterprise_id: str) -> str:
    """A review that waits; the enterprise is in service all the same."""
    set_state(world, enterprise_id, EnterpriseState.PROSPECT)
    order = business.reviews.submit(owner, enterprise_id, now=world.now - timedelta(hours=30)).order
    set_state(world, enterprise_id, EnterpriseState.ACTIVE)
    return order.work_order_id


def _add_others(world: World, business: Business) -> None:
    """Customers who called the hotline."""
    manager = find_principal(world, "account-manager.staff")
    for number, (name, region, note) in enumerate(_HOTLINE):
        intention = business.intentions.submit(
            manager,
            NewIntention(enterprise_name=name, region=region, contact=CONTACT, note=note),
            now=world.now - timedelta(days=number + 1),
        )
        if number == 1:
            business.intentions.engage(manager, intention.intention_id, now=world.now)


def _order_numbers(world: World, owner: Principal, enterprise_id: str) -> None:
    """An order that waits, and some numbers that are free."""
    inventory = NumberInventory(world.transactions, region="CN")
    first = 52_690_000 + 100 * (enterprise_id == ACME)
    written = [f"010{first + each}" for each in range(8)]
    for number in written:
        inventory.add(NewNumber(number=number, city="Beijing"), world.now)
    open_orders(world).place(owner, enterprise_id, written[:2], world.now)
