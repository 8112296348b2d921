"""`/messages` and `/mailbox`: what follows calls."""

from datetime import datetime
from functools import partial
from typing import Any

from clicktodial.api.management.body import find_word
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import (
    CONFLICT,
    NOT_FOUND,
    Refused,
)
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.worker import Worker
from clicktodial.domain.cause import Side
from clicktodial.domain.message import Channel, MessageState
from clicktodial.domain.principal import Role
from clicktodial.messaging.message import (
    MailboxMessage,
    MessageDetail,
    Messages,
    PartDetail,
    ReportDetail,
)

# Of those who write templates, and of those who read these and what becomes of messages.
WRITING_ROLES = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER})
READING_ROLES = WRITING_ROLES | {
    Role.READER,
    Role.ACCOUNT_MANAGER,
    Role.REVIEWER,
    Role.SUPPORT,
    Role.APPLICATION,
}
_REPLAYING = WRITING_ROLES | {Role.SUPPORT}
_MAILBOX = frozenset({Role.OPERATOR})


class MessageView(Strict, frozen=True):
    """A message. What it says is known from its first attempt on; `number` is masked."""

    message_id: str
    call_id: str
    app_id: str
    to: Side
    number: str
    template_id: str
    channel: Channel
    state: MessageState
    subject: str | None
    text: str | None
    gateway: str | None
    attempts: int
    created_at: Instant
    queued_at: Instant | None
    next_attempt_at: Instant | None
    sent_at: Instant | None
    settled_at: Instant | None
    last_error: str | None


class MessagePartView(Strict, frozen=True):
    """A part that a gateway has."""

    number: int
    gateway: str
    gateway_id: str
    state: MessageState
    sent_at: Instant


class MessageReportView(Strict, frozen=True):
    """What a gateway told of a part."""

    gateway_id: str
    state: MessageState
    detail: str | None
    received_at: Instant


class ShownMessageView(Strict, frozen=True):
    """A message with all that is kept of its way."""

    message: MessageView
    parts: list[MessagePartView]
    reports: list[MessageReportView]


class MessagePage(Strict, frozen=True):
    """Messages, the newest first; `next` is the cursor of the page after, null on the last."""

    messages: list[MessageView]
    next: str | None


class ArrivedMessageView(Strict, frozen=True):
    """A message of the embedded mailbox; `recipient` is masked."""

    message_id: str
    arrived_at: Instant
    sender: str
    recipient: str
    channel: Channel
    subject: str
    text: str
    pictures: int


class MailboxPage(Strict, frozen=True):
    """What arrived, the newest first; `next` is the cursor of the page after, null on the last."""

    messages: list[ArrivedMessageView]
    next: str | None


class MessageResource:
    """Messages of all applications that who asks may see."""

    def __init__(self, messages: Messages, worker: Worker) -> None:
        self._messages = messages
        self._worker = worker

    async def list_all(self, ask: Ask) -> MessagePage:
        """GET of all"""
        limit, before = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        find = partial(
            self._messages.list_messages,
            ask.principal,
            own_app_id(ask, ask.query.get("app_id")),
            call_id=ask.query.get("call_id"),
            state=find_word(ask.query, "state", MessageState),
            before=before,
            limit=limit + 1,
        )
        found = await self._worker.run(find)
        return MessagePage(
            messages=[_render_message(each) for each in found[:limit]],
            next=found[limit - 1].message_id if len(found) > limit else None,
        )

    async def show(self, ask: Ask) -> ShownMessageView:
        """GET of one"""
        message_id = ask.path["message_id"]
        shown = await self._worker.run(lambda: self._messages.show(ask.principal, message_id))
        # A program sees its own alone, not all of its enterprise's.
        if own_app_id(ask, shown.message.app_id) != shown.message.app_id:
            raise Refused(NOT_FOUND)
        return ShownMessageView(
            message=_render_message(shown.message),
            parts=[_render_part(each) for each in shown.parts],
            reports=[_render_report(each) for each in shown.reports],
        )

    async def replay(self, ask: Ask) -> MessageView:
        """POST of a replay"""
        replay = partial(self._messages.replay, ask.principal, ask.path["message_id"], now=ask.now)
        return _render_message(await self._worker.run(replay))

    async def read_mailbox(self, ask: Ask) -> MailboxPage:
        """GET of the mailbox"""
        limit, before = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        found = await self._worker.run(
            partial(self._messages.mailbox, ask.principal, before=before, limit=limit + 1)
        )
        return MailboxPage(
            messages=[_render_arrival(each) for each in found[:limit]],
            next=found[limit - 1].message_id if len(found) > limit else None,
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Messages"}
        one = "/messages/{message_id}"
        return [
            Route(
                name="listMessages",
                method="GET",
                path="/messages",
                summary="List messages",
                about="Messages after calls, the newest first. An application sees its own.",
                handle=self.list_all,
                roles=READING_ROLES,
                answer=MessagePage,
                answer_example=MessagePage(messages=[_MESSAGE_EXAMPLE], next=None),
                query=(
                    *PAGE_PARAMETERS,
                    Parameter("app_id", "Of this application alone.", IDENTIFIER_SCHEMA),
                    Parameter("call_id", "Of this call alone.", IDENTIFIER_SCHEMA),
                    Parameter(
                        "state",
                        "In this state alone.",
                        _STATE_SCHEMA,
                    ),
                ),
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="showMessage",
                method="GET",
                path=one,
                summary="Show a message",
                about="With its parts and what was reported of it.",
                handle=self.show,
                roles=READING_ROLES,
                answer=ShownMessageView,
                answer_example=ShownMessageView(
                    message=_MESSAGE_EXAMPLE, parts=[_PART_EXAMPLE], reports=[_REPORT_EXAMPLE]
                ),
                parameters=(_MESSAGE_ID,),
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="replayMessage",
                method="POST",
                path=f"{one}/replay",
                summary="Send a message anew",
                about="One that failed or expired: what of it did not arrive, with all attempts.",
                handle=self.replay,
                roles=_REPLAYING,
                answer=MessageView,
                answer_example=_MESSAGE_EXAMPLE,
                parameters=(_MESSAGE_ID,),
                problems=(NOT_FOUND, CONFLICT),
                **shared,
            ),
            Route(
                name="readMailbox",
                method="GET",
                path="/mailbox",
                summary="Read the embedded mailbox",
                about="What arrived where no gateway is set, the newest first.",
                handle=self.read_mailbox,
                roles=_MAILBOX,
                answer=MailboxPage,
                answer_example=MailboxPage(messages=[_ARRIVAL_EXAMPLE], next=None),
                query=PAGE_PARAMETERS,
                **shared,
            ),
        ]


def own_app_id(ask: Ask, asked: str | None) -> str | None:
    """What may be asked for: of a program, itself. Raises Refused."""
    application = ask.identity.application
    if application is None:
        return asked
    if asked not in (None, application.app_id):
        raise Refused(NOT_FOUND)
    return application.app_id


def _render_message(message: MessageDetail) -> MessageView:
    return MessageView(
        message_id=message.message_id,
        call_id=message.call_id,
        app_id=message.app_id,
        to=message.side,
        number=message.recipient,
        template_id=message.template_id,
        channel=message.channel,
        state=message.state,
        subject=message.subject,
        text=message.text,
        gateway=message.gateway,
        attempts=message.attempts,
        created_at=message.created_at,
        queued_at=message.queued_at,
        next_attempt_at=message.next_attempt_at,
        sent_at=message.sent_at,
        settled_at=message.settled_at,
        last_error=message.last_error,
    )


def _render_part(part: PartDetail) -> MessagePartView:
    return MessagePartView(
        number=part.number,
        gateway=part.gateway,
        gateway_id=part.gateway_id,
        state=part.state,
        sent_at=part.sent_at,
    )


def _render_report(report: ReportDetail) -> MessageReportView:
    return MessageReportView(
        gateway_id=report.gateway_id,
        state=report.state,
        detail=report.detail,
        received_at=report.received_at,
    )


def _render_arrival(arrived: MailboxMessage) -> ArrivedMessageView:
    return ArrivedMessageView(
        message_id=arrived.message_id,
        arrived_at=arrived.arrived_at,
        sender=arrived.sender,
        recipient=arrived.recipient,
        channel=arrived.channel,
        subject=arrived.subject,
        text=arrived.text,
        pictures=arrived.pictures,
    )


_STATE_SCHEMA: dict[str, Any] = {"type": "string", "enum": [each.value for each in MessageState]}
IDENTIFIER_SCHEMA: dict[str, Any] = {"type": "string", "maxLength": 64}
EXAMPLE_ID = "0198a7c2f3d47e61a1b2c3d4e5f60718"
EXAMPLE_AT = datetime.fromisoformat("2026-03-01T12:00:00Z")
_MESSAGE_ID = Parameter("message_id", "The message.", IDENTIFIER_SCHEMA, example=EXAMPLE_ID)
_MESSAGE_EXAMPLE = MessageView(
    message_id=EXAMPLE_ID,
    call_id=EXAMPLE_ID,
    app_id="12345678",
    to=Side.CALLEE,
    number="+8613*******53",
    template_id=EXAMPLE_ID,
    channel=Channel.SMS,
    state=MessageState.DELIVERED,
    subject="",
    text="Acme called you by +861052680000. Thank you!",
    gateway="smpp",
    attempts=1,
    created_at=EXAMPLE_AT,
    queued_at=EXAMPLE_AT,
    next_attempt_at=None,
    sent_at=EXAMPLE_AT,
    settled_at=EXAMPLE_AT,
    last_error=None,
)
_PART_EXAMPLE = MessagePartView(
    number=1,
    gateway="smpp",
    gateway_id="4711",
    state=MessageState.DELIVERED,
    sent_at=EXAMPLE_AT,
)
_REPORT_EXAMPLE = MessageReportView(
    gateway_id="4711", state=MessageState.DELIVERED, detail="DELIVRD", received_at=EXAMPLE_AT
)
_ARRIVAL_EXAMPLE = ArrivedMessageView(
    message_id=EXAMPLE_ID,
    arrived_at=EXAMPLE_AT,
    sender="+861052680000",
    recipient="+8613*******53",
    channel=Channel.SMS,
    subject="",
    text="Acme called you by +861052680000. Thank you!",
    pictures=0,
)
