"""A ticket's history in words, for the eyes of who looks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from clicktodial.accounts.ticket_attachment import Attachment
from clicktodial.accounts.ticket_store import PLATFORM, KeptStep, TicketFile
from clicktodial.domain.ticket import TicketAction, TicketLevel
from clicktodial.portal.label import label_of
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark

# What stays among the operator's people, as in the management API.
_WITHIN_SUPPORT = frozenset(
    {TicketAction.NOTE, TicketAction.ASSIGN, TicketAction.ESCALATE, TicketAction.MISS}
)
LEVELS: Mapping[TicketLevel, str] = {
    TicketLevel.NONE: mark("not at all"),
    TicketLevel.SECOND_LINE: mark("to the second line"),
    TicketLevel.THIRD_LINE: mark("to the third line"),
    TicketLevel.OPERATOR: mark("to the operator"),
}
_PLAIN = {
    TicketAction.OPEN: mark("opened the ticket"),
    TicketAction.REPLY: mark("answered"),
    TicketAction.ASK: mark("asked, and waits for the answer"),
    TicketAction.WRITE: mark("wrote"),
    TicketAction.NOTE: mark("noted, for support alone"),
    TicketAction.RESOLVE: mark("resolved it"),
    TicketAction.REOPEN: mark("reopened it"),
    TicketAction.CLOSE: mark("closed it"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the history. One that is a `message` has text that people wrote to each other."""

    at: datetime
    who: str
    what: str
    text: str
    is_staff: bool
    is_note: bool
    is_message: bool
    tone: str
    files: Sequence[Attachment]


def is_for(kept: KeptStep, *, is_staff: bool) -> bool:
    """Whether somebody is to see that step."""
    return is_staff or kept.step.action not in _WITHIN_SUPPORT


def write_history(
    visit: Visit,
    file: TicketFile,
    accounts: Mapping[str, str],
    attachments: Sequence[Attachment],
) -> Iterator[Line]:
    """The steps that are for who looks, the oldest first, with the files that came with them."""
    is_staff = visit.principal.enterprise_id is None
    for kept in file.steps:
        if is_for(kept, is_staff=is_staff):
            files = [each for each in attachments if each.seq == kept.seq]
            yield _line(visit, kept, accounts, files, is_staff=is_staff)


def _line(
    visit: Visit,
    kept: KeptStep,
    accounts: Mapping[str, str],
    files: Sequence[Attachment],
    *,
    is_staff: bool,
) -> Line:
    action = kept.step.action
    tone = "calm"
    if action in (TicketAction.MISS, TicketAction.ESCALATE):
        tone = "bad"
    elif action in (TicketAction.RESOLVE, TicketAction.CLOSE):
        tone = "good"
    return Line(
        at=kept.step.at,
        who=_who(visit, kept, accounts, is_staff=is_staff),
        what=_what(visit, kept, accounts),
        text=kept.text,
        is_staff=kept.is_staff,
        is_note=action is TicketAction.NOTE,
        is_message=bool(kept.text),
        tone=tone,
        files=files,
    )


def _who(visit: Visit, kept: KeptStep, accounts: Mapping[str, str], *, is_staff: bool) -> str:
    if kept.by == visit.principal.name:
        return visit.gettext("You")
    if kept.by == PLATFORM:
        return visit.gettext("The platform")
    if kept.is_staff and not is_staff:
        return visit.gettext("Support")
    return accounts.get(kept.by, kept.by)


def _what(visit: Visit, kept: KeptStep, accounts: Mapping[str, str]) -> str:
    step, word = kept.step, visit.words.look_up
    match step.action:
        case TicketAction.ASSIGN:
            if step.assignee is not None:
                whose = accounts.get(step.assignee, step.assignee)
                return visit.gettext("gave it to %(name)s", name=whose)
            assert step.queue is not None
            return visit.gettext("gave it to: %(queue)s", queue=word(label_of(step.queue)))
        case TicketAction.PRIORITIZE:
            assert step.priority is not None
            priority = word(label_of(step.priority))
            return visit.gettext("changed the priority: %(priority)s", priority=priority)
        case TicketAction.ESCALATE | TicketAction.DE_ESCALATE:
            assert step.level is not None
            return visit.gettext("escalated it %(whereto)s", whereto=word(LEVELS[step.level]))
        case TicketAction.MISS:
            assert step.level is not None and step.clock is not None
            return visit.gettext(
                "escalated it %(whereto)s: %(percent)s%% of the time are used up (%(clock)s)",
                whereto=word(LEVELS[step.level]),
                percent=step.percent,
                clock=word(label_of(step.clock)),
            )
        case TicketAction.RATE:
            return visit.gettext("gave %(stars)s of 5", stars=step.satisfaction)
        case _:
            return word(_PLAIN[step.action])
