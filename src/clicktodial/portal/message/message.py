"""Messages after calls: what became of each, and sending one anew."""

from functools import partial

from clicktodial.accounts.call_search import ApplicationName
from clicktodial.domain.message import REPLAYABLE, MessageState
from clicktodial.messaging.message import MessageDetail
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.message.audience import (
    CALL_READERS,
    MESSAGE_TONES,
    READERS,
    REPLAYERS,
)
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Nav,
    Page,
    Redirect,
    Section,
    ToastKind,
    View,
    Visit,
)
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX


class MessagePages:
    """GET /messages and /messages/{message_id}"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """A page of those that fit the filter, the newest first."""
        needs, principal = self._needs, visit.principal
        form, before = _filter_of(visit), parse_identifier(visit.query.get("before"))
        find = self._find(visit, form)

        def read() -> tuple[list[ApplicationName], list[MessageDetail]]:
            applications = needs.call_search.list_applications(principal)
            return applications, find(before=before, limit=PAGE_SIZE + 1) if form.is_valid else []

        applications, found = await needs.worker.run(read)
        word = visit.words.look_up
        next_href = ""
        if len(found) > PAGE_SIZE:
            last = found[PAGE_SIZE - 1].message_id
            next_href = visit.link("messages", **{**visit.query, "before": last})
        context = {
            "form": form,
            "application_options": [(each.app_id, each.name) for each in applications],
            "names": {each.app_id: each.name for each in applications},
            "state_options": [(each, word(label_of(each))) for each in MessageState],
            "messages": found[:PAGE_SIZE],
            "tone": MESSAGE_TONES,
            "is_filtered": any(visit.query.get(each) for each in ("application", "state", "call")),
            "is_first": before is None,
            "first_href": visit.link("messages", **{**visit.query, "before": None}),
            "next_href": next_href,
        }
        return View("message/list.html", context, 200 if form.is_valid else 422)

    async def watch_all(self, visit: Visit) -> Watch:
        """The states of those that the page shows."""
        form, before = _filter_of(visit), parse_identifier(visit.query.get("before"))
        find, principal = self._find(visit, form), visit.principal

        def ask() -> object:
            return [(each.message_id, each.state) for each in find(before=before, limit=PAGE_SIZE)]

        whose = (principal.enterprise_id, principal.roles, principal.regions)
        wanted = tuple(visit.query.get(each, "") for each in ("application", "state", "call"))
        return Watch(("messages", whose, wanted, before), ask)

    def _find(self, visit: Visit, form: Form) -> "partial[list[MessageDetail]]":
        """What asks for them; what of the filter does not fit is noted in the form."""
        call_id = form.text("call", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
        app_id = form.text(
            "application", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX
        )
        return partial(
            self._needs.messages.list_messages,
            visit.principal,
            app_id or None,
            call_id=call_id or None,
            state=form.one_of("state", MessageState, is_required=False),
        )

    async def show(self, visit: Visit) -> Answer:
        """One message, with all that is kept of its way."""
        message_id = visit.path["message_id"]
        shown = await self._needs.worker.run(
            lambda: self._needs.messages.show(visit.principal, message_id)
        )
        context = {
            "shown": shown,
            "message": shown.message,
            "tone": MESSAGE_TONES,
            "may_replay": visit.may(REPLAYERS) and shown.message.state in REPLAYABLE,
            "may_see_call": visit.may(CALL_READERS),
        }
        return View("message/detail.html", context)

    async def watch(self, visit: Visit) -> Watch:
        """Whether it moved."""
        message_id, principal = visit.path["message_id"], visit.principal

        def ask() -> object:
            return self._needs.messages.show(principal, message_id)

        whose = (principal.enterprise_id, principal.roles, principal.regions)
        return Watch(("message", whose, message_id), ask)

    async def replay(self, visit: Visit) -> Answer:
        """POST /messages/{message_id}/replay"""
        await visit.read_form()
        message_id = visit.path["message_id"]
        to = visit.link("message", message_id=message_id)
        try:
            await self._needs.worker.run(
                lambda: self._needs.messages.replay(visit.principal, message_id, now=visit.now)
            )
        except Conflict:
            words = visit.gettext("The message is on its way, or has arrived.")
            return Redirect(to, toast=words, kind=ToastKind.FAILED)
        return Redirect(to, toast=visit.gettext("The message is sent anew."))

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="messages",
                path="/messages",
                title=mark("Messages"),
                roles=READERS,
                show=self.show_all,
                operations=("listMessages",),
                nav=Nav(Section.CALLING, 60, "message-square"),
                watch=self.watch_all,
            ),
            Page(
                name="message",
                path="/messages/{message_id}",
                title=mark("Message"),
                roles=READERS,
                show=self.show,
                operations=("showMessage",),
                parent="messages",
                watch=self.watch,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="replayMessage",
                path="/messages/{message_id}/replay",
                roles=REPLAYERS,
                handle=self.replay,
            )
        ]


def _filter_of(visit: Visit) -> Form:
    return Form(visit.words, {name: [value] for name, value in visit.query.items()})
