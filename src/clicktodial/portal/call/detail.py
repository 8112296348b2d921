"""One call: what it was, how it went, what its application was told."""

from dataclasses import dataclass
from datetime import datetime

from clicktodial.accounts.call_search import CallSearch
from clicktodial.domain.call import CallState
from clicktodial.portal.call.list import READERS, tone_of
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Page, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.history import CallRecord


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    title: str
    tone: str = "calm"
    text: str = ""


class CallDetailPages:
    """GET /calls/{call_id}"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The call, where its application is of the business of who asks."""
        call_id, principal = visit.path["call_id"], visit.principal
        search: CallSearch = self._needs.call_search
        found = await self._needs.worker.run(lambda: search.show(principal, call_id))
        visit.notes.enterprise_id = found.enterprise_id
        return View(
            "call/detail.html",
            {
                "call": found.call,
                "events": found.events,
                "application": found.application,
                "moments": _moments(visit, found.call),
                "tone": tone_of,
                "is_live": found.call.state is not CallState.ENDED,
            },
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="call",
                path="/calls/{call_id}",
                title=mark("Call"),
                roles=READERS,
                show=self.show,
                operations=("showCall",),
                parent="calls",
                is_access=True,
            )
        ]


def _moments(visit: Visit, call: CallRecord) -> list[Moment]:
    """What happened, in order."""
    moments = [Moment(call.begun_at, visit.gettext("The application began the call"))]
    for side, leg in call.legs.items():
        side_words = visit.words.look_up(label_of(side))
        for at, words, tone in (
            (leg.placed_at, mark("%(side)s: called"), "calm"),
            (leg.ringing_at, mark("%(side)s: rings"), "calm"),
            (leg.answered_at, mark("%(side)s: answered"), "good"),
        ):
            if at is not None:
                moments.append(Moment(at, visit.gettext(words, side=side_words), tone))
    if call.connected_at is not None:
        moments.append(Moment(call.connected_at, visit.gettext("The two are joined"), "good"))
    if call.ended_at is not None and call.reason is not None:
        words = visit.words.look_up(label_of(call.reason))
        moments.append(Moment(call.ended_at, words, tone_of(call), call.sip_text or ""))
    return sorted(moments, key=lambda moment: moment.at)
