"""The enterprises of the past: from the first talk to being in service, and some that stopped."""

from datetime import datetime, timedelta

from clicktodial.accounts.contact import Contact
from clicktodial.accounts.enterprise_change import Modification, NewChange
from clicktodial.accounts.intention import NewIntention
from clicktodial.accounts.number import NewNumber
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.sandbox.demo.history.cast import EAST, HARBOUR, PROSPECTS, Prospect
from clicktodial.sandbox.demo.history.desk import Desk
from clicktodial.sandbox.demo.history.paper import create_page, create_picture

# The hue of each, and whether it is a front.
_PICTURES = {
    DocumentKind.REPRESENTATIVE_ID_FRONT: (200, True),
    DocumentKind.REPRESENTATIVE_ID_BACK: (200, False),
    DocumentKind.HANDLER_ID_FRONT: (30, True),
    DocumentKind.HANDLER_ID_BACK: (30, False),
}
# How far each goes; what a stage has passed through stands before it.
_HAS_PAPERS = ("in-review", "rejected", "approved", "active", "suspended")
_IS_APPROVED = ("approved", "active", "suspended")
_IS_ACTIVE = ("active", "suspended")


def name_enterprise(desk: Desk, enterprise_id: str) -> None:
    """The demonstration's own enterprise gets a name and a region."""
    new = NewChange(
        kind=WorkOrderKind.MODIFICATION,
        reason="Renamed for the demonstration",
        modification=Modification(name=HARBOUR, region=EAST),
    )
    desk.business.changes.request_change(
        OPERATOR_PRINCIPAL, enterprise_id, new, decides=True, now=desk.began
    )


def add_customers(desk: Desk) -> dict[str, str]:
    """Those of PROSPECTS; returns the enterprises that are in service, by the stage."""
    found = {}
    for number, prospect in enumerate(PROSPECTS):
        at = desk.began + timedelta(days=2 + number * 2, hours=number)
        enterprise_id = _add(desk, prospect, number, at)
        if prospect.stage in _IS_ACTIVE:
            found[prospect.stage] = enterprise_id
    return found


def _add(desk: Desk, prospect: Prospect, number: int, at: datetime) -> str:
    manager, intentions = desk.who("manager"), desk.business.intentions
    entered = intentions.submit(
        desk.who("support"),
        NewIntention(
            enterprise_name=prospect.name,
            region=prospect.region,
            contact=Contact(prospect.contact, f"1391234{5600 + number}", prospect.email),
            note=prospect.note,
        ),
        now=at,
    )
    enterprise_id, intention_id = entered.enterprise_id, entered.intention_id
    later = at + timedelta(hours=3)
    match prospect.stage:
        case "submitted":
            return enterprise_id
        case "declined":
            intentions.decline(manager, intention_id, reason=prospect.note, now=later)
        case "withdrawn":
            intentions.withdraw(manager, intention_id, reason=prospect.note, now=later)
        case _:
            intentions.engage(manager, intention_id, now=later)
    if prospect.stage in _HAS_PAPERS:
        _review(desk, prospect, enterprise_id, number, at + timedelta(days=1))
    if prospect.stage in _IS_APPROVED:
        _activate(desk, prospect, enterprise_id, number, at + timedelta(days=3))
    if prospect.stage == "suspended":
        new = NewChange(
            kind=WorkOrderKind.SUSPENSION, reason="Complaints of people who were called"
        )
        desk.business.changes.request_change(
            OPERATOR_PRINCIPAL, enterprise_id, new, decides=True, now=desk.ago(days=1)
        )
    return enterprise_id


def _review(desk: Desk, prospect: Prospect, enterprise_id: str, number: int, at: datetime) -> None:
    manager, business = desk.who("manager"), desk.business
    data = {
        "legal_name": prospect.name,
        "certificate_number": _certificate_number(number),
        "representative_name": prospect.contact,
        "representative_id_number": "11010519491231002X",  # the example of GB 11643-1999
        "representative_phone": f"1391234{5600 + number}",
        "handler_name": prospect.contact,
        "handler_id_number": f"E1234567{number}",
        "handler_email": prospect.email,
        "handler_phone": "01052680000",
    }
    business.data.change(manager, enterprise_id, data, now=at)
    page = create_page(f"Business licence of customer {number + 1}")
    business.documents.upload(
        manager, enterprise_id, kind=DocumentKind.CERTIFICATE, content=page, now=at
    )
    for kind, (tone, is_front) in _PICTURES.items():
        picture = create_picture(tone + 8 * number, is_front=is_front)
        business.documents.upload(manager, enterprise_id, kind=kind, content=picture, now=at)
    order = business.reviews.submit(manager, enterprise_id, now=at).order
    if prospect.stage == "in-review":
        return
    is_good = prospect.stage != "rejected"
    business.work_orders.decide(
        desk.who("reviewer"),
        order.work_order_id,
        approved=is_good,
        reason="" if is_good else "营业执照不清晰 The licence cannot be read; please scan it again",
        now=at + timedelta(hours=20),
    )


def _activate(
    desk: Desk, prospect: Prospect, enterprise_id: str, number: int, at: datetime
) -> None:
    """All of the list; a customer that is only approved stands in the middle of it."""
    manager, activations = desk.who("manager"), desk.business.activations
    steps = [step for step in ActivationStep if step is not ActivationStep.NUMBERS]
    if prospect.stage == "approved":
        steps = steps[:2]
    for hours, step in enumerate(steps):
        code = f"9500{number}" if step is ActivationStep.SERVICE_CODE else None
        activations.complete_step(
            manager, enterprise_id, step, code=code, now=at + timedelta(hours=hours)
        )
    if prospect.stage == "approved":
        return
    numbers = [f"01052680{200 + number * 2 + each}" for each in range(2)]
    order_numbers(desk, enterprise_id, numbers, at + timedelta(hours=5))
    at += timedelta(hours=8)
    activations.complete_step(manager, enterprise_id, ActivationStep.NUMBERS, now=at)
    order = activations.show(manager, enterprise_id).order
    assert order is not None  # the last line opens it
    desk.business.work_orders.decide(
        manager, order.work_order_id, approved=True, reason="", now=at + timedelta(hours=1)
    )


def order_numbers(desk: Desk, enterprise_id: str, numbers: list[str], at: datetime) -> None:
    """Numbers that come into the inventory, are ordered, and are approved."""
    for written in numbers:
        desk.numbers.inventory.add(NewNumber(number=written), at)
    order = desk.numbers.orders.place(desk.who("manager"), enterprise_id, numbers, at)
    desk.business.work_orders.decide(
        desk.who("reviewer"), order.work_order_id, approved=True, reason="", now=at
    )


def _certificate_number(number: int) -> str:
    """A unified social credit code whose check character fits (GB 32100-2015)."""
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = f"91310000MA1K{number:05}"
    total = sum(letters.index(each) * pow(3, place, 31) for place, each in enumerate(body))
    return body + letters[(31 - total % 31) % 31]
