"""`/mail`: what people were written, and what became of it."""

from functools import partial
from typing import Annotated

from msgspec import Meta

from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import NOT_FOUND
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.user_view import EMAIL_EXAMPLE, EXAMPLE_ID
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.messaging.mail import Mail, MailOutbox, MailState

_OPERATOR = frozenset({Role.OPERATOR})


class MailSummary(Strict, frozen=True):
    """A mail in a list: to whom, about what, and what became of it."""

    mail_id: str
    to: str
    subject: str
    state: MailState
    attempts: int
    created_at: Instant
    next_attempt_at: Instant | None
    sent_at: Instant | None
    last_error: str | None


class MailView(Strict, frozen=True):
    """A mail, whole."""

    mail: MailSummary
    text: Annotated[str, Meta(description="Empty once a server took it: links in it open doors.")]


class MailPage(Strict, frozen=True):
    """Mails, the newest first; `next` is the cursor of the page after, null on the last."""

    mails: list[MailSummary]
    next: str | None


class MailResource:
    """The outbox; with the embedded mailbox, what people would find in their own."""

    def __init__(self, outbox: MailOutbox, worker: Worker) -> None:
        self._outbox = outbox
        self._worker = worker

    async def list_all(self, ask: Ask) -> MailPage:
        """GET of all"""
        limit, before = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        mails = await self._worker.run(
            partial(self._outbox.list_mails, limit=limit + 1, before=before)
        )
        return MailPage(
            mails=[_render(each) for each in mails[:limit]],
            next=mails[limit - 1].mail_id if len(mails) > limit else None,
        )

    async def show(self, ask: Ask) -> MailView:
        """GET of one"""
        mail_id = ask.path["mail_id"]
        mail = await self._worker.run(lambda: self._outbox.show_mail(mail_id))
        return MailView(mail=_render(mail), text=mail.text)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [
            Route(
                name="listMail",
                method="GET",
                path="/mail",
                tag="Mail",
                roles=_OPERATOR,
                summary="List mails",
                about="What people were written, the newest first.",
                handle=self.list_all,
                answer=MailPage,
                answer_example={"mails": [_EXAMPLE], "next": None},
                query=PAGE_PARAMETERS,
            ),
            Route(
                name="showMail",
                method="GET",
                path="/mail/{mail_id}",
                tag="Mail",
                roles=_OPERATOR,
                summary="Read a mail",
                about="With its text, where that is still kept; the audit log tells who read it.",
                handle=self.show,
                answer=MailView,
                answer_example={"mail": _EXAMPLE, "text": "With this link ..."},
                parameters=(
                    Parameter(
                        "mail_id",
                        "The mail.",
                        {"type": "string", "maxLength": 64},
                        example=EXAMPLE_ID,
                    ),
                ),
                problems=(NOT_FOUND,),
                is_access=True,
            ),
        ]


def _render(mail: Mail) -> MailSummary:
    return MailSummary(
        mail_id=mail.mail_id,
        to=mail.to,
        subject=mail.subject,
        state=mail.state,
        attempts=mail.attempts,
        created_at=mail.created_at,
        next_attempt_at=mail.next_attempt_at,
        sent_at=mail.sent_at,
        last_error=mail.last_error,
    )


_EXAMPLE = {
    "mail_id": EXAMPLE_ID,
    "to": EMAIL_EXAMPLE,
    "subject": "Activate your account",
    "state": "sent",
    "attempts": 1,
    "created_at": "2026-03-01T12:00:00Z",
    "next_attempt_at": None,
    "sent_at": "2026-03-01T12:00:01Z",
    "last_error": None,
}
