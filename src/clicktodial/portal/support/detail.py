"""One ticket: its history and clocks, and what is done with it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from clicktodial.accounts.document_content import DOCUMENT_BYTES_MAX, DocumentRefused
from clicktodial.accounts.person import Person
from clicktodial.accounts.ticket import TEXT_CHARACTERS_MAX, TicketView
from clicktodial.accounts.ticket_attachment import Attachment
from clicktodial.accounts.ticket_store import TicketFile
from clicktodial.domain.principal import CUSTOMER_ROLES
from clicktodial.domain.ticket import (
    OPEN_STATES,
    SATISFACTION_MAX,
    TicketClock,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.domain.ticket_clock import read_clock
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.shown_file import ACCEPTED
from clicktodial.portal.support.audience import (
    ASKERS,
    CALL_READERS,
    STAFF,
    TONES,
    WORKERS,
    ticket_link,
)
from clicktodial.portal.support.history import LEVELS, write_history
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid

# What is written, and a file may come with.
_WITH_FILE = frozenset({"writeToTicket", "noteOnTicket", "resolveTicket", "reopenTicket"})


class TicketDetailPages:
    """GET /tickets/{ticket_id} and /support/tickets/{ticket_id}, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The ticket, where it is of the business of who asks."""
        return await self._view(visit, visit.form())

    async def show_numbers(self, visit: Visit) -> Answer:
        """The same with numbers whole, which the use case notes."""
        return await self._view(visit, visit.form(), is_whole=True)

    async def watch(self, visit: Visit) -> Watch:
        """Whether it has another step."""
        ticket_id, principal = visit.path["ticket_id"], visit.principal
        whose = (principal.enterprise_id, principal.roles, principal.regions)
        desk = self._needs.ticket_desk
        return Watch(("ticket", whose, ticket_id), lambda: desk.version(principal, ticket_id))

    # What is done

    async def write(self, visit: Visit) -> Answer:
        """A message to the other side, or a question of support."""
        form = await visit.read_form()
        text = self._text(form, "text")
        write = partial(
            self._needs.tickets.write, text=text, now=visit.now,
            is_question=form.is_ticked("is_question"),
        )  # fmt: skip
        return await self._do(visit, form, write, mark("Sent."), takes_file=True)

    async def note(self, visit: Visit) -> Answer:
        """For the operator's people alone."""
        form = await visit.read_form()
        note = partial(self._needs.tickets.note, text=self._text(form, "text"), now=visit.now)
        return await self._do(
            visit, form, note, mark("Noted; the customer does not see it."), takes_file=True
        )

    async def resolve(self, visit: Visit) -> Answer:
        """The customer is told how."""
        form = await visit.read_form()
        resolve = partial(self._needs.tickets.resolve, text=self._text(form, "text"), now=visit.now)
        return await self._do(visit, form, resolve, mark("Resolved."), takes_file=True)

    async def reopen(self, visit: Visit) -> Answer:
        """It is not resolved after all."""
        form = await visit.read_form()
        reopen = partial(self._needs.tickets.reopen, text=self._text(form, "text"), now=visit.now)
        return await self._do(
            visit, form, reopen, mark("The ticket is open again."), takes_file=True
        )

    async def close(self, visit: Visit) -> Answer:
        """For good."""
        form = await visit.read_form()
        close = partial(self._needs.tickets.close, now=visit.now)
        return await self._do(visit, form, close, mark("The ticket is closed."))

    async def rate(self, visit: Visit) -> Answer:
        """How content the customer is."""
        form = await visit.read_form()
        stars = form.whole("satisfaction", least=1, most=SATISFACTION_MAX)
        text = form.text("rating_text", is_required=False, characters_max=TEXT_CHARACTERS_MAX)
        rate = partial(self._needs.tickets.rate, satisfaction=stars or 0, text=text, now=visit.now)
        return await self._do(visit, form, rate, mark("Thank you."))

    async def assign(self, visit: Visit) -> Answer:
        """To a queue, or to somebody in person."""
        form = await visit.read_form()
        queue = form.one_of("queue", TicketQueue)
        assignee = form.text("assignee", is_required=False) or None
        assign = partial(
            self._needs.tickets.assign,
            queue=queue or TicketQueue.SUPPORT, assignee=assignee, now=visit.now,
        )  # fmt: skip
        is_own = assignee == visit.principal.name
        toast = mark("The ticket is yours.") if is_own else mark("Assigned.")
        return await self._do(visit, form, assign, toast)

    async def escalate(self, visit: Visit) -> Answer:
        """To a further line, or back."""
        form = await visit.read_form()
        level = form.whole("level", least=min(TicketLevel), most=max(TicketLevel))
        escalate = partial(
            self._needs.tickets.escalate,
            level=TicketLevel(level or 0), reason=self._text(form, "escalation_reason"),
            now=visit.now,
        )  # fmt: skip
        return await self._do(visit, form, escalate, mark("Whoever is on call gets a mail."))

    async def prioritize(self, visit: Visit) -> Answer:
        """More urgent or less."""
        form = await visit.read_form()
        priority = form.one_of("priority", TicketPriority)
        change = partial(
            self._needs.tickets.prioritize,
            priority=priority or TicketPriority.NORMAL,
            reason=self._text(form, "priority_reason"), now=visit.now,
        )  # fmt: skip
        return await self._do(visit, form, change, mark("The priority is changed."))

    def _text(self, form: Form, name: str) -> str:
        return form.text(name, characters_max=TEXT_CHARACTERS_MAX)

    async def _do(
        self,
        visit: Visit,
        form: Form,
        work: "partial[TicketFile]",
        toast: str,
        *,
        takes_file: bool = False,
    ) -> Answer:
        ticket_id, principal = visit.path["ticket_id"], visit.principal
        upload = form.upload("file", is_required=False) if takes_file else None
        if upload is not None and upload.size > DOCUMENT_BYTES_MAX:
            form.fail("file", mark("The file is larger than 8 MB."))
        if form.is_valid:
            do: Callable[[], TicketFile] = partial(work, principal, ticket_id)
            if upload is not None:
                content = await asyncio.to_thread(upload.file.read, DOCUMENT_BYTES_MAX + 1)
                do = partial(
                    self._needs.ticket_attachments.attach,
                    principal,
                    ticket_id,
                    name=upload.name,
                    content=content,
                    say=lambda on_step: work(principal, ticket_id, on_step=on_step),
                    now=visit.now,
                )
            try:
                file = await self._needs.worker.run(do)
            except DocumentRefused as error:
                form.refuse_as(error, "file")
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
            else:
                visit.notes.enterprise_id = file.enterprise_id
                return Redirect(ticket_link(visit, ticket_id), toast=visit.gettext(toast))
        return await self._view(visit, form, 422)

    # What is shown

    async def _view(
        self, visit: Visit, form: Form, status: int = 200, *, is_whole: bool = False
    ) -> View:
        ticket_id, principal, needs = visit.path["ticket_id"], visit.principal, self._needs
        is_staff = principal.enterprise_id is None
        show: Callable[[], TicketView] = partial(needs.tickets.show, principal, ticket_id)
        if is_whole:
            show = partial(
                needs.tickets.show_numbers, principal, ticket_id, visit.now, visit.client
            )
        known = await needs.worker.run(show)
        file = known.file

        def read() -> tuple[Any, Any, Sequence[Person], Sequence[Attachment]]:
            ids = [file.opened_by, file.ticket.assignee]
            ids += [id for kept in file.steps for id in (kept.by, kept.step.assignee)]
            people = needs.people.list_staff() if visit.may(WORKERS) else []
            return (
                needs.names.accounts(principal, ids),
                needs.names.enterprises(principal, [file.enterprise_id]),
                people,
                needs.ticket_attachments.list_of(principal, ticket_id),
            )

        accounts, enterprises, people, attachments = await needs.worker.run(read)
        word, ticket = visit.words.look_up, file.ticket
        context = {
            "form": form.fill(
                queue=ticket.queue,
                assignee=ticket.assignee,
                level=ticket.level.value,
                priority=ticket.priority,
            ),
            "file": file,
            "is_live": isinstance(visit.page, Page) and visit.page.watch is not None,
            "ticket": ticket,
            "call": known.call,
            "is_staff": is_staff,
            "is_worker": visit.may(WORKERS),
            "is_whole": is_whole,
            "is_open": ticket.state in OPEN_STATES,
            "may_write": visit.may(ASKERS) and ticket.state is not TicketState.CLOSED,
            "close_roles": ASKERS,
            "may_see_call": visit.may(CALL_READERS),
            "file_page": "deskTicketFile" if is_staff else "ticketFile",
            "accepted": ACCEPTED,
            "bytes_max": DOCUMENT_BYTES_MAX,
            "accounts": accounts,
            "enterprise_name": enterprises.get(file.enterprise_id, file.enterprise_id),
            "history": list(write_history(visit, file, accounts, attachments)),
            "clocks": [
                read_clock(ticket, clock, file.timetable, visit.now) for clock in TicketClock
            ],
            "is_critical": file.timetable.is_critical(visit.now),
            "queue_options": [(each, word(label_of(each))) for each in TicketQueue],
            "assignee_options": [(each.person_id, each.account) for each in people],
            "level_options": [(each.value, word(LEVELS[each])) for each in TicketLevel],
            "level_words": word(LEVELS[ticket.level]) if ticket.level else "",
            "priority_options": [(each, word(label_of(each))) for each in TicketPriority],
            "star_options": [(each, str(each)) for each in range(1, SATISFACTION_MAX + 1)],
            **TONES,
        }
        return View("support/detail.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {"title": mark("Ticket")}
        return [
            Page(
                name="ticket",
                path="/tickets/{ticket_id}",
                roles=CUSTOMER_ROLES,
                show=self.show,
                operations=("showTicket",),
                parent="tickets",
                watch=self.watch,
                **shared,
            ),
            Page(
                name="deskTicket",
                path="/support/tickets/{ticket_id}",
                roles=STAFF,
                show=self.show,
                operations=("showTicket",),
                parent="ticketQueue",
                watch=self.watch,
                **shared,
            ),
            Page(
                name="ticketNumbers",
                path="/support/tickets/{ticket_id}/numbers",
                roles=WORKERS,
                show=self.show_numbers,
                operations=("showTicketNumbers",),
                parent="ticketQueue",
                **shared,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        rows = (
            ("writeToTicket", "messages", ASKERS, self.write),
            ("noteOnTicket", "notes", STAFF, self.note),
            ("assignTicket", "assignment", WORKERS, self.assign),
            ("escalateTicket", "escalation", WORKERS, self.escalate),
            ("prioritizeTicket", "priority", WORKERS, self.prioritize),
            ("resolveTicket", "resolution", WORKERS, self.resolve),
            ("reopenTicket", "reopen", ASKERS, self.reopen),
            ("closeTicket", "close", ASKERS, self.close),
            ("rateTicket", "satisfaction", CUSTOMER_ROLES, self.rate),
        )
        return [
            Action(
                operation=operation,
                path=f"/tickets/{{ticket_id}}/{path}",
                roles=roles,
                handle=handle,
                file_bytes_max=DOCUMENT_BYTES_MAX if operation in _WITH_FILE else 0,
                outlives_enterprise=roles >= CUSTOMER_ROLES,
            )
            for operation, path, roles, handle in rows
        ]
