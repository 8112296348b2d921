"""Files of a ticket: looked at in a page, and saved."""

from typing import Any

from clicktodial.accounts.ticket_attachment import Attachment
from clicktodial.domain.principal import CUSTOMER_ROLES
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Page, View, Visit
from clicktodial.portal.shown_file import ShownFile, answer_file
from clicktodial.portal.support.audience import STAFF, ticket_link
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound


class TicketFilePages:
    """GET /tickets/{ticket_id}/files/{attachment_id}, and the same of the desk."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """One, with the way to those beside it."""
        ticket_id, attachment_id = visit.path["ticket_id"], visit.path["attachment_id"]
        principal, needs = visit.principal, self._needs

        def read() -> tuple[str, str, list[Attachment]]:
            file = needs.tickets.show(principal, ticket_id).file
            found = needs.ticket_attachments.list_of(principal, ticket_id)
            return file.subject, file.enterprise_id, found

        subject, visit.notes.enterprise_id, files = await needs.worker.run(read)
        ids = [each.attachment_id for each in files]
        if attachment_id not in ids:
            raise NotFound
        place = ids.index(attachment_id)
        page = "deskTicketFile" if principal.enterprise_id is None else "ticketFile"

        def to(name: str, which: str = attachment_id) -> str:
            return visit.link(name, ticket_id=ticket_id, attachment_id=which)

        shown = ShownFile(
            title=files[place].name,
            media_type=files[place].media_type,
            content=to("ticketFileContent"),
            save=to("saveTicketFile"),
            before=to(page, ids[place - 1]) if place > 0 else "",
            after=to(page, ids[place + 1]) if place + 1 < len(ids) else "",
            place=place + 1,
            count=len(ids),
        )
        context = {
            "shown": shown,
            "subject": subject,
            "ticket_href": ticket_link(visit, ticket_id),
        }
        return View("support/file.html", context, has_frame=shown.is_pdf)

    async def content(self, visit: Visit) -> Answer:
        """The file, to stand in its page."""
        return await self._open(visit, is_shown=True)

    async def save(self, visit: Visit) -> Answer:
        """The file, to be saved."""
        return await self._open(visit, is_shown=False)

    async def _open(self, visit: Visit, *, is_shown: bool) -> Answer:
        ticket_id, attachment_id = visit.path["ticket_id"], visit.path["attachment_id"]
        file, visit.notes.enterprise_id, content = await self._needs.worker.run(
            lambda: self._needs.ticket_attachments.open(visit.principal, ticket_id, attachment_id)
        )
        return answer_file(content, file.media_type, file.name, is_shown=is_shown)

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {
            "title": mark("File of a ticket"),
            "show": self.show,
            "operations": ("showTicket",),
        }
        path = "/tickets/{ticket_id}/files/{attachment_id}"
        file: dict[str, Any] = {
            "title": mark("File of a ticket"),
            "roles": CUSTOMER_ROLES | STAFF,
            "operations": ("showTicket",),
            "is_access": True,
            "is_file": True,
        }
        return [
            Page(name="ticketFile", path=path, roles=CUSTOMER_ROLES, parent="ticket", **shared),
            Page(
                name="deskTicketFile",
                path=f"/support{path}",
                roles=STAFF,
                parent="deskTicket",
                **shared,
            ),
            Page(name="ticketFileContent", path=f"{path}/content", show=self.content, **file),
            Page(name="saveTicketFile", path=f"{path}/save", show=self.save, **file),
        ]
