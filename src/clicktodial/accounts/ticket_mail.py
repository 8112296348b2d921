"""What mails a step of a ticket sends, to whom, in which words.

Each is queued in the transaction of its step: it is sent exactly as often as the step is kept.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from clicktodial.accounts.person import active_people_with
from clicktodial.accounts.roster import find_on_call
from clicktodial.accounts.ticket_store import KeptStep, SupportPolicy, TicketFile, find_email
from clicktodial.domain.principal import Role
from clicktodial.domain.roster import Line
from clicktodial.domain.ticket import (
    RESPONSES,
    TicketAction,
    TicketLevel,
    TicketPriority,
    TicketQueue,
)
from clicktodial.messaging.mail import SUBJECT_CHARACTERS_MAX, queue_mail
from clicktodial.storage.secret import SecretVault

# Support has the first of them and will read the rest: a script of a customer's must not fill the
# outbox, in which everybody's mail waits.
MAILED_IN_A_ROW_MAX = 5
_LINE_BY_LEVEL = {TicketLevel.SECOND_LINE: Line.SECOND, TicketLevel.THIRD_LINE: Line.THIRD}
_LINE_BY_QUEUE = {TicketQueue.SECOND_LINE: Line.SECOND, TicketQueue.THIRD_LINE: Line.THIRD}
_LEVEL_WORDS = {
    TicketLevel.NONE: "nobody",
    TicketLevel.SECOND_LINE: "the second line",
    TicketLevel.THIRD_LINE: "the third line",
    TicketLevel.OPERATOR: "the operator",
}
_TO_CUSTOMER = RESPONSES | {
    TicketAction.CLOSE,
    TicketAction.PRIORITIZE,
    TicketAction.DE_ESCALATE,
}
_TO_SUPPORT = frozenset({TicketAction.OPEN, TicketAction.WRITE, TicketAction.REOPEN})
_CALLS = frozenset({TicketAction.ESCALATE, TicketAction.MISS})


class TicketMailer:
    """Queues the mails of steps, within the caller's transaction."""

    def __init__(self, vault: SecretVault, policy: SupportPolicy) -> None:
        self._vault = vault
        self._policy = policy

    def tell(self, connection: Connection, file: TicketFile, now: datetime) -> None:
        """Tell of the step that the ticket was given last."""
        if _count_in_a_row(file) > MAILED_IN_A_ROW_MAX:
            return
        kept = file.steps[-1]
        action = kept.step.action
        if action in _TO_CUSTOMER and kept.is_staff:
            self._tell_customer(connection, file, kept, now)
        if action in _TO_SUPPORT or _makes_emergency(file, kept) or _hands_over(kept):
            self._tell_support(connection, file, kept, now)
        if action in _CALLS:
            self._call_line(connection, file, kept, now)
        if action is TicketAction.DE_ESCALATE:
            text = f"{kept.by} lowered its escalation: {kept.text}"
            self._queue(connection, file, [self._policy.operator_email], text, now)

    def _tell_customer(
        self, connection: Connection, file: TicketFile, kept: KeptStep, now: datetime
    ) -> None:
        words = _words_for_customer(file, kept)
        recipients = _customers(connection, file)
        self._queue(connection, file, recipients, f"{words}\n\n{kept.text}".strip(), now)

    def _tell_support(
        self, connection: Connection, file: TicketFile, kept: KeptStep, now: datetime
    ) -> None:
        recipients = self._handlers(connection, file, now)
        is_emergency = file.ticket.priority is TicketPriority.EMERGENCY
        if is_emergency and file.timetable.is_critical(now):
            # click-to-dial-v1 2: in critical periods the second line waits at the telephone.
            on_call = find_on_call(connection, self._vault, Line.SECOND, now)
            recipients = [*recipients, *(shift.email for shift in on_call)]
        words = f"{_ACTION_WORDS[kept.step.action]}; {_about(file)}"
        self._queue(connection, file, recipients, f"{words}\n\n{kept.text}".strip(), now)

    def _handlers(self, connection: Connection, file: TicketFile, now: datetime) -> list[str]:
        """Whoever has it: a person, those of the line on call, or else the desk."""
        assignee = file.ticket.assignee
        email = None if assignee is None else find_email(connection, assignee)
        if email is not None:
            return [email]
        line = _LINE_BY_QUEUE.get(file.ticket.queue)
        on_call = [] if line is None else find_on_call(connection, self._vault, line, now)
        return [shift.email for shift in on_call] or [self._policy.desk_email]

    def _call_line(
        self, connection: Connection, file: TicketFile, kept: KeptStep, now: datetime
    ) -> None:
        level = kept.step.level or TicketLevel.OPERATOR
        line = _LINE_BY_LEVEL.get(level)
        on_call = [] if line is None else find_on_call(connection, self._vault, line, now)
        recipients = [shift.email for shift in on_call]
        words = _words_of_call(kept)
        if not recipients:
            # Whoever is called must be somebody.
            recipients = [self._policy.operator_email]
            if line is not None:
                words += f"\nNobody of {_LEVEL_WORDS[level]} is on call, so this goes to you."
        self._queue(connection, file, recipients, f"{words}\n\n{_about(file)}", now)

    def _queue(
        self,
        connection: Connection,
        file: TicketFile,
        recipients: Sequence[str],
        text: str,
        now: datetime,
    ) -> None:
        subject = f"Ticket {file.ticket_id}: {file.subject}"[:SUBJECT_CHARACTERS_MAX]
        for to in dict.fromkeys(recipients):
            queue_mail(connection, to=to, subject=subject, text=text, now=now)


def _customers(connection: Connection, file: TicketFile) -> list[str]:
    """Whoever opened it, or called; where they cannot be written to, the enterprise's owners."""
    to = None if file.was_opened_by_staff else find_email(connection, file.opened_by)
    if to is None and file.contact is not None:
        to = file.contact.email
    if to is not None:
        return [to]
    owners = active_people_with(
        connection, enterprise_id=file.enterprise_id, roles=frozenset({Role.OWNER})
    )
    return [owner.email for owner in owners]


_ACTION_WORDS = {
    TicketAction.OPEN: "A ticket was opened",
    TicketAction.WRITE: "The customer wrote",
    TicketAction.REOPEN: "The customer reopened the ticket",
    TicketAction.PRIORITIZE: "The ticket was made an emergency",
    TicketAction.ASSIGN: "The ticket was given to you",
}


def _count_in_a_row(file: TicketFile) -> int:
    """How often the customer said something since anybody else did."""
    others = (not kept.is_staff for kept in reversed(file.steps))
    return sum(1 for _ in itertools.takewhile(bool, others))


def _makes_emergency(file: TicketFile, kept: KeptStep) -> bool:
    is_prioritized = kept.step.action is TicketAction.PRIORITIZE
    return is_prioritized and kept.step.priority is TicketPriority.EMERGENCY


def _hands_over(kept: KeptStep) -> bool:
    """Whether somebody else has it now, or another line."""
    step = kept.step
    if step.action is not TicketAction.ASSIGN:
        return False
    if step.assignee is not None:
        return step.assignee != kept.by
    return step.queue is not TicketQueue.SUPPORT


def _about(file: TicketFile) -> str:
    return (
        f"{file.ticket.priority}, {file.category}, enterprise {file.enterprise_id}, "
        f"opened {file.ticket.opened_at:%Y-%m-%d %H:%M} UTC"
    )


def _words_of_call(kept: KeptStep) -> str:
    step = kept.step
    if step.action is TicketAction.ESCALATE:
        to = _LEVEL_WORDS[step.level or TicketLevel.NONE]
        return f"{kept.by} escalated the ticket to {to}: {kept.text}"
    what = "nobody has answered" if step.clock == "response" else "it is not resolved"
    return f"{step.percent} % of the time for its {step.clock} are used up, and {what}."


def _words_for_customer(file: TicketFile, kept: KeptStep) -> str:
    match kept.step.action:
        case TicketAction.ASK:
            return "Support asks you about your ticket, and waits for your answer."
        case TicketAction.RESOLVE:
            return "Support has resolved your ticket. Write to it where that is not so."
        case TicketAction.CLOSE:
            return "Your ticket is closed. How content are you? The ticket takes your answer."
        case TicketAction.PRIORITIZE:
            return f"The priority of your ticket is now {file.ticket.priority}."
        case TicketAction.DE_ESCALATE:
            return "Your ticket is with fewer people again."
        case _:
            return "Support wrote about your ticket."
