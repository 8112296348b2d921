"""The servers of applications, and which of them do not take what they are told."""

from urllib.parse import urlsplit

from clicktodial.accounts.notification import Reached
from clicktodial.control.port import EndpointState
from clicktodial.domain.number import mask_numbers
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation.role import OPERATOR
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
from clicktodial.portal.text import mark


class EndpointPages:
    """GET /endpoints"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Those that something waits for, or that lost something."""
        needs = self._needs
        states = {state.origin: state for state in needs.endpoint_states()}
        found = await needs.worker.run(lambda: needs.notifications.list_reached(visit.now))
        rows = [(each, _state_of(each, states), _answer_of(each)) for each in found]
        open_count = sum(state.is_open for state in states.values())
        context = {"rows": rows, "open_count": open_count, "server_count": len(states)}
        return View("operation/endpoints.html", context)

    async def watch(self, visit: Visit) -> Watch:
        """What waits, and what was lost."""
        notifications, utc = self._needs.notifications, self._needs.utc
        states = self._needs.endpoint_states

        def ask() -> object:
            found = notifications.list_reached(utc())
            return found, [(each.origin, each.is_open) for each in states()]

        return Watch(("endpoints",), ask)

    async def replay(self, visit: Visit) -> Answer:
        """POST /endpoints/{app_id}/replay"""
        await visit.read_form()
        app_id, notifications = visit.path["app_id"], self._needs.notifications
        count = await self._needs.worker.run(lambda: notifications.replay(app_id, visit.now))
        await self._needs.take_up_changes()
        if not count:
            words = visit.gettext("There is nothing to deliver again.")
            return Redirect(visit.link("endpoints"), toast=words, kind=ToastKind.TOLD)
        words = visit.ngettext(
            "%(num)s notification is delivered again.",
            "%(num)s notifications are delivered again.",
            count,
        )
        return Redirect(visit.link("endpoints"), toast=words)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="endpoints",
                path="/endpoints",
                title=mark("Notification endpoints"),
                roles=OPERATOR,
                show=self.show,
                nav=Nav(Section.SYSTEM, 60, "webhook"),
                watch=self.watch,
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="replayApplicationNotifications",
                path="/endpoints/{app_id}/replay",
                roles=OPERATOR,
                handle=self.replay,
            )
        ]


def _answer_of(each: Reached) -> str:
    """What the server said, where that is more than the error; it may repeat numbers of calls."""
    refused = each.refused or ""
    return "" if refused == each.last_error else mask_numbers(refused)


def _state_of(each: Reached, states: dict[str, EndpointState]) -> EndpointState | None:
    if each.notify_url is None:
        return None
    parts = urlsplit(each.notify_url)
    return states.get(f"{parts.scheme}://{parts.netloc}".lower())
