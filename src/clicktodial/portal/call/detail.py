"""One call: what happened and why, both legs, how it sounded, what was told, kept and charged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from clicktodial.accounts.call_file import CallFile, ToldEvent
from clicktodial.control.delivery import DeliveryState
from clicktodial.control.error import CallHasEnded, CallNotFound
from clicktodial.control.port import WEB_PHONE_ROUTE
from clicktodial.control.service import LiveCall
from clicktodial.domain.application import Application
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import Side
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.domain.message import MessageState
from clicktodial.domain.number import mask_number, mask_numbers
from clicktodial.domain.principal import Role
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.sink import EventSink
from clicktodial.messaging.message import MessageDetail
from clicktodial.portal.call.diagnosis import diagnose, network_words
from clicktodial.portal.call.ladder import draw_ladder
from clicktodial.portal.call.list import CHANGERS, READERS, tone_of
from clicktodial.portal.call.quality_chart import QualityChart, draw_quality
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Page, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.history import CallRecord
from clicktodial.storage.instant import to_millis

# Those who may read CDRs.
_BOOKKEEPERS = frozenset({Role.OWNER, Role.FINANCE, Role.ACCOUNT_MANAGER, Role.OPERATOR})
_MESSAGE_STATES = {
    MessageState.PLANNED: (mark("Planned"), "calm"),
    MessageState.SKIPPED: (mark("Not sent: the call was not joined"), "calm"),
    MessageState.QUEUED: (mark("Waiting"), "busy"),
    MessageState.SENT: (mark("Sent"), "busy"),
    MessageState.DELIVERED: (mark("Delivered"), "good"),
    MessageState.FAILED: (mark("Failed"), "bad"),
    MessageState.EXPIRED: (mark("Expired"), "bad"),
}
# ITU-T G.107 Annex B: what people make of a MOS of at least so much.
_RATINGS = (
    (4.3, mark("very good"), "good"),
    (4.0, mark("good"), "good"),
    (3.6, mark("fair"), "warn"),
    (3.1, mark("poor"), "bad"),
    (0.0, mark("bad"), "bad"),
)

# By then a call that has ended is measured and rated.
SETTLED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    title: str
    tone: str = "calm"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """How one side came over."""

    side: Side
    leg: LegRecord
    quality: SideQuality | None
    chart: QualityChart | None
    rating: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A notification: what was sent where, as far as the page may show it, and how the server
    began what it said."""

    event: ToldEvent
    url: str
    body: str
    said: str


class CallDetailPages:
    """GET /calls/{call_id}, and the same with whole numbers."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The call, where its application is of the business of who asks."""
        return await show_call(self._needs, visit, shows_numbers=False)

    async def show_numbers(self, visit: Visit) -> Answer:
        """GET /calls/{call_id}/numbers"""
        return await show_call(self._needs, visit, shows_numbers=True)

    async def show_sound(self, visit: Visit) -> Answer:
        """GET /calls/{call_id}/sound: what of the page changes while the two talk."""
        call_id = visit.path["call_id"]
        found = await self._needs.worker.run(
            lambda: self._needs.call_files.show(visit.principal, call_id)
        )
        application = await self._needs.applications.find(AppId(found.application.app_id))
        live = await inspect(self._needs, application, found.call)
        return View("call/sound.html", sound_of(visit, found, live))

    async def watch(self, visit: Visit) -> Watch:
        """Its state, and what became of its notifications."""
        call_id, files = visit.path["call_id"], self._needs.call_files
        await self._needs.worker.run(lambda: files.show(visit.principal, call_id))
        return Watch(("call", call_id), lambda: files.version(call_id))

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
                watch=self.watch,
            ),
            Page(
                name="callNumbers",
                path="/calls/{call_id}/numbers",
                title=mark("Call with whole numbers"),
                roles=READERS,
                show=self.show_numbers,
                operations=("showCall",),
                parent="call",
                is_access=True,
            ),
            Page(
                name="callSound",
                path="/calls/{call_id}/sound",
                title=mark("How a call sounds"),
                roles=READERS,
                show=self.show_sound,
                operations=("showCallQuality",),
                parent="call",
            ),
        ]


async def show_call(needs: ConsoleNeeds, visit: Visit, *, shows_numbers: bool = False) -> View:
    """The page of the call that the path names."""
    call_id, principal = visit.path["call_id"], visit.principal

    def read() -> tuple[CallFile, Sequence[MessageDetail]]:
        found = needs.call_files.show(principal, call_id)
        return found, needs.messages.list_messages(principal, call_id=call_id)

    found, messages = await needs.worker.run(read)
    visit.notes.enterprise_id = found.enterprise_id
    application = await needs.applications.find(AppId(found.application.app_id))
    call = found.call
    diagnosis = diagnose(call, visit.words, visit.local)
    live = await inspect(needs, application, call)
    return View(
        "call/detail.html",
        {
            "application": found.application,
            "numbers": _numbers(call, shows_numbers=shows_numbers),
            "shows_numbers": shows_numbers,
            "diagnosis": diagnosis,
            "moments": moments_of(visit, call),
            "ladder": draw_ladder(call, visit.words),
            **sound_of(visit, found, live),
            "told": _told(needs, found.events, application, shows_numbers=shows_numbers),
            "has_given_up": any(
                each.record.delivery_state is DeliveryState.GIVEN_UP for each in found.events
            ),
            "recording": found.recording,
            "may_hear": visit.may(CHANGERS),
            "messages": [
                (each, visit.words.look_up(_MESSAGE_STATES[each.state][0]), tone)
                for each in messages
                for tone in [_MESSAGE_STATES[each.state][1]]
            ],
            "charge": found.charge if visit.may(_BOOKKEEPERS) else None,
            "tone": tone_of,
            "live": live,
            "may_change": visit.may(CHANGERS),
            "is_followed": not shows_numbers and is_changing(found, visit.now),
        },
    )


def sound_of(visit: Visit, found: CallFile, live: LiveCall | None) -> dict[str, object]:
    """What the part of the page is given that tells how the call sounds."""
    call = found.call
    timeline = found.timeline if live is None else live.timeline
    return {
        "call": call,
        "sounds": _sounds(visit, call, timeline),
        "sounds_on": live is not None and call.state is CallState.CONNECTED,
        "is_live": call.state is not CallState.ENDED,
    }


def is_changing(found: CallFile, now: datetime) -> bool:
    """Whether more is to come of it: what was measured, notifications that wait."""
    ended_at = found.call.ended_at
    return (
        ended_at is None
        or now - ended_at < SETTLED_AFTER
        or any(each.record.delivery_state is DeliveryState.PENDING for each in found.events)
    )


async def inspect(
    needs: ConsoleNeeds, application: Application | None, call: CallRecord
) -> LiveCall | None:
    """What only memory knows of it; None where it is over, or another node carries it."""
    if application is None or call.state is CallState.ENDED:
        return None
    try:
        return await needs.service.inspect(application, CallId(call.call_id))
    except (CallHasEnded, CallNotFound):
        return None


def moments_of(visit: Visit, call: CallRecord) -> list[Moment]:
    """What happened, in order."""
    moments = [Moment(call.begun_at, visit.gettext("The application began the call"))]
    for side, leg in call.legs.items():
        side_words = visit.words.look_up(label_of(side))
        if leg.trunk == WEB_PHONE_ROUTE:
            trunk = visit.gettext("in a browser")
        else:
            trunk = visit.gettext("by the trunk %(name)s", name=leg.trunk) if leg.trunk else ""
        for at, words, tone, text in (
            (leg.placed_at, mark("%(side)s: called"), "calm", trunk),
            (leg.ringing_at, mark("%(side)s: rings"), "calm", ""),
            (leg.answered_at, mark("%(side)s: answered"), "good", leg.codec or ""),
        ):
            if at is not None:
                moments.append(Moment(at, visit.gettext(words, side=side_words), tone, text))
    if call.connected_at is not None:
        moments.append(Moment(call.connected_at, visit.gettext("The two are joined"), "good"))
    if call.ended_at is not None and call.reason is not None:
        words = visit.words.look_up(label_of(call.reason))
        moments.append(
            Moment(call.ended_at, words, tone_of(call), network_words(call, visit.words))
        )
    # What was noted in the same millisecond stays in order.
    return sorted(moments, key=lambda moment: to_millis(moment.at))


def _numbers(call: CallRecord, *, shows_numbers: bool) -> Mapping[str, str]:
    shown = {"caller": call.caller, "callee": call.callee}
    return shown if shows_numbers else {side: mask_number(each) for side, each in shown.items()}


def _sounds(visit: Visit, call: CallRecord, timeline: QualityTimeline) -> list[Sound]:
    sounds = []
    for side, leg in call.legs.items():
        quality, chart = leg.quality, draw_quality(timeline, side)
        if quality is None or quality.mos is None:
            sounds.append(Sound(side, leg, quality, chart))
            continue
        mos = quality.mos
        words, tone = next((words, tone) for least, words, tone in _RATINGS if mos >= least)
        sounds.append(Sound(side, leg, quality, chart, visit.words.look_up(words), tone))
    return sounds


def _told(
    needs: ConsoleNeeds,
    events: Sequence[ToldEvent],
    application: Application | None,
    *,
    shows_numbers: bool,
) -> list[Told]:
    """The request of each, without its credential, and the last answer."""
    told = []
    for each in events:
        event, answer, url, body = each.event, each.record.answer, "", ""
        said = (answer is not None and answer.text) or ""
        if not shows_numbers:
            # Servers repeat what they refuse.
            said = mask_numbers(said)
            if event is not None:
                event = replace(
                    event, caller=mask_number(event.caller), callee=mask_number(event.callee)
                )
        if event is not None:
            url, body = _request(needs, event, application)
        told.append(Told(each, url, body, said))
    return told


def _request(
    needs: ConsoleNeeds, event: StatusEvent, application: Application | None
) -> tuple[str, str]:
    """Where it goes, and what goes there."""
    if event.sink_origin is not None:
        # The path of a sink may be what keeps others from posting there.
        url = f"{event.sink_origin}/…"
        return url, _pretty(needs.sink_format.render(event, EventSink(url)).body)
    if application is None or application.notify_url is None:
        return "", ""
    request = needs.notification_format.render(event, application)
    return request.url, _pretty(request.body)


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()
