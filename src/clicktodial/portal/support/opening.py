"""Opening a ticket: by a customer, or by the operator's people for one who called."""

from typing import Any

from clicktodial.accounts.ticket import TEXT_CHARACTERS_MAX, NewTicket
from clicktodial.accounts.ticket_store import TicketContact
from clicktodial.domain.principal import CUSTOMER_ROLES
from clicktodial.domain.ticket import TicketCategory, TicketChannel, TicketPriority
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.paging import parse_identifier
from clicktodial.portal.support.audience import STAFF, WORKERS, ticket_link
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.people_table import EMAIL_CHARACTERS_MAX
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX, NUMBER_CHARACTERS_MAX

# What docs/support.md promises.
PROMISES = {
    TicketPriority.EMERGENCY: mark(
        "Nobody can call. First response within 30 minutes, at any hour."
    ),
    TicketPriority.HIGH: mark("Some calls fail. First response within 2 hours of business."),
    TicketPriority.NORMAL: mark("First response within a working day."),
    TicketPriority.LOW: mark("It can wait. First response within two working days."),
}


class TicketOpeningPages:
    """GET and POST /tickets/new"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """An empty form; a link to it may name the call, and whose it is for."""
        form = visit.form(
            priority=TicketPriority.NORMAL,
            call_id=parse_identifier(visit.query.get("call")),
            enterprise_id=parse_identifier(visit.query.get("enterprise")),
        )
        return self._view(visit, form)

    async def open(self, visit: Visit) -> Answer:
        """POST"""
        form = await visit.read_form()
        new = self._read(visit, form)
        if new is not None:
            try:
                ticket_id = await self._needs.worker.run(
                    lambda: self._needs.tickets.open(visit.principal, new, visit.now)
                )
            except NotFound:
                self._blame(form)
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
            else:
                visit.notes.enterprise_id = new.enterprise_id
                visit.notes.subjects["ticket_id"] = ticket_id
                return Redirect(
                    ticket_link(visit, ticket_id),
                    toast=visit.gettext("The ticket is open, and its clock runs."),
                )
        return self._view(visit, form, 422)

    def _blame(self, form: Form) -> None:
        """What is not there is the call, or, of staff, whose ticket it is."""
        if form.value("call_id"):
            form.fail("call_id", mark("There is no such call of this enterprise."))
        else:
            form.fail("enterprise_id", mark("There is no such enterprise."))

    def _read(self, visit: Visit, form: Form) -> NewTicket | None:
        own = visit.principal.enterprise_id
        enterprise_id = own or form.text("enterprise_id", characters_max=IDENTIFIER_CHARACTERS_MAX)
        channel: TicketChannel | None = TicketChannel.PORTAL
        contact = None
        if own is None:
            channel = TicketChannel.ACCOUNT_MANAGER
            if visit.may(WORKERS):
                channel = form.one_of("channel", TicketChannel)
            contact = _read_contact(form)
        category = form.one_of("category", TicketCategory)
        priority = form.one_of("priority", TicketPriority)
        subject = form.text("subject")
        text = form.text("text", characters_max=TEXT_CHARACTERS_MAX)
        call_id = form.text("call_id", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
        if not form.is_valid:
            return None
        assert channel is not None and category is not None and priority is not None
        return NewTicket(
            enterprise_id=enterprise_id,
            subject=subject,
            text=text,
            channel=channel,
            category=category,
            priority=priority,
            call_id=call_id or None,
            contact=contact,
        )

    def _view(self, visit: Visit, form: Form, status: int = 200) -> View:
        word = visit.words.look_up
        context: dict[str, Any] = {
            "form": form,
            "is_staff": visit.principal.enterprise_id is None,
            "has_channel": visit.may(WORKERS),
            "category_options": [(each, word(label_of(each))) for each in TicketCategory],
            "priority_options": [
                (each, word(label_of(each)), word(PROMISES[each])) for each in TicketPriority
            ],
            "channel_options": [
                (each, word(label_of(each)))
                for each in TicketChannel
                if each is not TicketChannel.PORTAL
            ],
        }
        return View("support/open.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="openTicket",
                path="/tickets/new",
                title=mark("Ask for help"),
                roles=CUSTOMER_ROLES,
                show=self.show,
                operations=("createTicket",),
                parent="tickets",
            ),
            Page(
                name="openTicketFor",
                path="/support/new",
                title=mark("Open a ticket for a customer"),
                roles=STAFF,
                show=self.show,
                operations=("createTicket",),
                parent="ticketQueue",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="createTicket",
                path="/tickets",
                roles=CUSTOMER_ROLES | STAFF,
                handle=self.open,
                outlives_enterprise=True,
            )
        ]


def _read_contact(form: Form) -> TicketContact | None:
    name = form.text("contact_name", is_required=False)
    phone = form.text("contact_phone", is_required=False, characters_max=NUMBER_CHARACTERS_MAX)
    email = form.text("contact_email", is_required=False, characters_max=EMAIL_CHARACTERS_MAX)
    if not name and (phone or email):
        form.fail("contact_name", mark("Say whose that is."))
    return TicketContact(name=name, phone=phone or None, email=email or None) if name else None
