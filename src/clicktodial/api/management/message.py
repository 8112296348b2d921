"""`/applications/{app_id}/templates` and `/messages`: what follows calls, and what it says."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import (
    BODY_TOO_LONG,
    CONFLICT,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.worker import Worker
from clicktodial.api.request import BodyTooLong, read_body
from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    VALUES_MAX,
    Channel,
    MessageState,
    TemplateRecipient,
    TemplateState,
)
from clicktodial.domain.principal import Role
from clicktodial.messaging.message import (
    MailboxMessage,
    MessageDetail,
    Messages,
    PartDetail,
    ReportDetail,
)
from clicktodial.messaging.picture import PICTURE_BYTES_MAX, PICTURES_MAX
from clicktodial.messaging.template import NewTemplate, TemplateDetail, Templates

_WRITING = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER})
_READING = _WRITING | {
    Role.READER,
    Role.ACCOUNT_MANAGER,
    Role.REVIEWER,
    Role.SUPPORT,
    Role.APPLICATION,
}
_REPLAYING = _WRITING | {Role.SUPPORT}
_MAILBOX = frozenset({Role.OPERATOR})
_PICTURE_MEDIA = "application/octet-stream"

_Value = Annotated[str, Meta(max_length=VALUE_CHARACTERS_MAX)]
_Values = Annotated[
    dict[str, _Value],
    Meta(max_length=VALUES_MAX, description="The application's own, by the names in the text."),
]
_Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        description="{sponsor}, {other}, {time}, {duration}, {enterprise} and the names of values "
        "in braces are filled in.",
    ),
]


class TemplateBody(Strict, frozen=True):
    """A new version of a template."""

    text: _Text
    recipient: TemplateRecipient = TemplateRecipient.BOTH
    channel: Channel = Channel.SMS
    subject: Annotated[str, Meta(max_length=SUBJECT_CHARACTERS_MAX)] = ""
    values: _Values = msgspec.field(default_factory=dict)
    only_connected: Annotated[
        bool, Meta(description="Only after calls whose parties were joined.")
    ] = True


class TemplateView(Strict, frozen=True):
    """A version of a template. `pictures` are media types, in order."""

    template_id: str
    app_id: str
    recipient: TemplateRecipient
    version: int
    state: TemplateState
    channel: Channel
    subject: str
    text: str
    values: dict[str, str]
    only_connected: bool
    pictures: list[str]
    picture_bytes: int
    created_at: Instant
    created_by: str
    work_order_id: Annotated[str | None, Meta(description="Of its review.")]
    decided_at: Instant | None
    decided_by: str | None
    reason: str | None


class TemplateList(Strict, frozen=True):
    """Versions of an application's templates, the newest first."""

    templates: list[TemplateView]


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


class TemplateResource:
    """Templates of an application."""

    def __init__(self, templates: Templates, worker: Worker) -> None:
        self._templates = templates
        self._worker = worker

    async def list_all(self, ask: Ask) -> TemplateList:
        """GET of all"""
        app_id = _app_id(ask)
        listed = await self._worker.run(
            lambda: self._templates.list_templates(ask.principal, app_id)
        )
        return TemplateList(templates=[_render_template(each) for each in listed])

    async def show(self, ask: Ask) -> TemplateView:
        """GET of one"""
        app_id, template_id = _app_id(ask), ask.path["template_id"]
        return _render_template(
            await self._worker.run(lambda: self._templates.show(ask.principal, app_id, template_id))
        )

    async def create(self, ask: Ask) -> Created:
        """POST"""
        app_id, body = _app_id(ask), await ask.read(TemplateBody)
        new = NewTemplate(
            recipient=body.recipient,
            channel=body.channel,
            text=body.text,
            subject=body.subject,
            values=body.values,
            only_connected=body.only_connected,
        )
        made = await self._worker.run(
            lambda: self._templates.create(ask.principal, app_id, new, now=ask.now)
        )
        ask.notes.subjects["template_id"] = made.template_id
        return Created(
            _render_template(made), f"/applications/{app_id}/templates/{made.template_id}"
        )

    async def add_picture(self, ask: Ask) -> TemplateView:
        """POST of a picture"""
        app_id, template_id = _app_id(ask), ask.path["template_id"]
        try:
            content = await read_body(ask.receive, PICTURE_BYTES_MAX)
        except BodyTooLong as error:
            raise Refused(
                BODY_TOO_LONG,
                f"a picture has at most {PICTURE_BYTES_MAX} bytes",
                is_last=not error.is_drained,
            ) from error
        add = partial(self._templates.add_picture, ask.principal, app_id, template_id, content)
        return _render_template(await self._worker.run(add))

    async def remove_pictures(self, ask: Ask) -> TemplateView:
        """DELETE of the pictures"""
        remove = partial(
            self._templates.remove_pictures, ask.principal, _app_id(ask), ask.path["template_id"]
        )
        return _render_template(await self._worker.run(remove))

    async def submit(self, ask: Ask) -> TemplateView:
        """POST of the review"""
        submit = partial(
            self._templates.submit,
            ask.principal,
            _app_id(ask),
            ask.path["template_id"],
            now=ask.now,
        )
        return _render_template(await self._worker.run(submit))

    async def retire(self, ask: Ask) -> TemplateView:
        """POST of the retirement"""
        retire = partial(
            self._templates.retire,
            ask.principal,
            _app_id(ask),
            ask.path["template_id"],
            now=ask.now,
        )
        return _render_template(await self._worker.run(retire))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        base = "/applications/{app_id}/templates"
        one = base + "/{template_id}"
        shared: dict[str, Any] = {"tag": "Messages", "answer": TemplateView}
        of_one: dict[str, Any] = shared | {
            "parameters": (_APP_ID, _TEMPLATE_ID),
            "answer_example": _TEMPLATE_EXAMPLE,
        }
        return [
            Route(
                name="listTemplates",
                method="GET",
                path=base,
                summary="List message templates",
                about="All versions, the newest first, at most 100.",
                handle=self.list_all,
                roles=_READING,
                answer_example=TemplateList(templates=[_TEMPLATE_EXAMPLE]),
                parameters=(_APP_ID,),
                problems=(NOT_FOUND,),
                **shared | {"answer": TemplateList},
            ),
            Route(
                name="createTemplate",
                method="POST",
                path=base,
                summary="Write a message template",
                about="A new version, as a draft. The approved one stays in use until this one is "
                "approved. One that no call could send, however short, is refused.",
                handle=self.create,
                roles=_WRITING,
                status=201,
                body=TemplateBody,
                body_example={
                    "text": "{enterprise} called you by {sponsor}. {greeting}",
                    "recipient": "callee",
                    "values": {"greeting": "Thank you!"},
                },
                answer_example=_TEMPLATE_EXAMPLE,
                parameters=(_APP_ID,),
                problems=(NOT_FOUND, CONFLICT),
                **shared,
            ),
            Route(
                name="showTemplate",
                method="GET",
                path=one,
                summary="Show a message template",
                about="One version.",
                handle=self.show,
                roles=_READING,
                problems=(NOT_FOUND,),
                **of_one,
            ),
            Route(
                name="addTemplatePicture",
                method="POST",
                path=f"{one}/pictures",
                summary="Add a picture to a draft",
                about="The body is the file: JPEG, PNG or GIF, told by its content, of at most "
                f"{PICTURE_BYTES_MAX} bytes. A multimedia message has at most {PICTURES_MAX}.",
                handle=self.add_picture,
                roles=_WRITING,
                body=bytes,
                media=_PICTURE_MEDIA,
                problems=(NOT_FOUND, CONFLICT, INVALID_VALUE, BODY_TOO_LONG),
                **of_one,
            ),
            Route(
                name="removeTemplatePictures",
                method="DELETE",
                path=f"{one}/pictures",
                summary="Take the pictures off a draft",
                about="All of them.",
                handle=self.remove_pictures,
                roles=_WRITING,
                problems=(NOT_FOUND, CONFLICT),
                **of_one,
            ),
            Route(
                name="submitTemplate",
                method="POST",
                path=f"{one}/review",
                summary="Submit a draft for review",
                about="Opens a work order, which a reviewer decides. From now on it says what it "
                "says.",
                handle=self.submit,
                roles=_WRITING,
                problems=(NOT_FOUND, CONFLICT),
                **of_one,
            ),
            Route(
                name="retireTemplate",
                method="POST",
                path=f"{one}/retirement",
                summary="Use a template no more",
                about="Calls that begin from now on do not send it; those that began before do.",
                handle=self.retire,
                roles=_WRITING,
                problems=(NOT_FOUND, CONFLICT),
                **of_one,
            ),
        ]


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
            _own_app_id(ask, ask.query.get("app_id")),
            call_id=ask.query.get("call_id"),
            state=_parse_state(ask.query.get("state")),
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
        if _own_app_id(ask, shown.message.app_id) != shown.message.app_id:
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
                roles=_READING,
                answer=MessagePage,
                answer_example=MessagePage(messages=[_MESSAGE_EXAMPLE], next=None),
                query=(
                    *PAGE_PARAMETERS,
                    Parameter("app_id", "Of this application alone.", _IDENTIFIER_SCHEMA),
                    Parameter("call_id", "Of this call alone.", _IDENTIFIER_SCHEMA),
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
                roles=_READING,
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


def _app_id(ask: Ask) -> str:
    """The application of the path; a program's own alone. Raises Refused."""
    app_id = ask.path["app_id"]
    if _own_app_id(ask, app_id) != app_id:
        raise Refused(NOT_FOUND)
    return app_id


def _own_app_id(ask: Ask, asked: str | None) -> str | None:
    """What may be asked for: of a program, itself. Raises Refused."""
    application = ask.identity.application
    if application is None:
        return asked
    if asked not in (None, application.app_id):
        raise Refused(NOT_FOUND)
    return application.app_id


def _parse_state(text: str | None) -> MessageState | None:
    if text is None:
        return None
    try:
        return MessageState(text)
    except ValueError as error:
        raise Refused(INVALID_PARAMETER, "state is none of a message") from error


def _render_template(template: TemplateDetail) -> TemplateView:
    return TemplateView(
        template_id=template.template_id,
        app_id=template.app_id,
        recipient=template.recipient,
        version=template.version,
        state=template.state,
        channel=template.content.channel,
        subject=template.content.subject,
        text=template.content.text,
        values=dict(template.content.values),
        only_connected=template.only_connected,
        pictures=list(template.pictures),
        picture_bytes=template.picture_bytes,
        created_at=template.created_at,
        created_by=template.created_by,
        work_order_id=template.work_order_id,
        decided_at=template.decided_at,
        decided_by=template.decided_by,
        reason=template.reason,
    )


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
_IDENTIFIER_SCHEMA: dict[str, Any] = {"type": "string", "maxLength": 64}
_EXAMPLE_ID = "0198a7c2f3d47e61a1b2c3d4e5f60718"
_EXAMPLE_AT = datetime.fromisoformat("2026-03-01T12:00:00Z")
_APP_ID = Parameter("app_id", "The application.", _IDENTIFIER_SCHEMA, example="12345678")
_TEMPLATE_ID = Parameter("template_id", "The version.", _IDENTIFIER_SCHEMA, example=_EXAMPLE_ID)
_MESSAGE_ID = Parameter("message_id", "The message.", _IDENTIFIER_SCHEMA, example=_EXAMPLE_ID)
_TEMPLATE_EXAMPLE = TemplateView(
    template_id=_EXAMPLE_ID,
    app_id="12345678",
    recipient=TemplateRecipient.CALLEE,
    version=2,
    state=TemplateState.APPROVED,
    channel=Channel.SMS,
    subject="",
    text="{enterprise} called you by {sponsor}. {greeting}",
    values={"greeting": "Thank you!"},
    only_connected=True,
    pictures=[],
    picture_bytes=0,
    created_at=_EXAMPLE_AT,
    created_by="developer",
    work_order_id=_EXAMPLE_ID,
    decided_at=_EXAMPLE_AT,
    decided_by="reviewer",
    reason=None,
)
_MESSAGE_EXAMPLE = MessageView(
    message_id=_EXAMPLE_ID,
    call_id=_EXAMPLE_ID,
    app_id="12345678",
    to=Side.CALLEE,
    number="+8613*******53",
    template_id=_EXAMPLE_ID,
    channel=Channel.SMS,
    state=MessageState.DELIVERED,
    subject="",
    text="Acme called you by +861052680000. Thank you!",
    gateway="smpp",
    attempts=1,
    created_at=_EXAMPLE_AT,
    queued_at=_EXAMPLE_AT,
    next_attempt_at=None,
    sent_at=_EXAMPLE_AT,
    settled_at=_EXAMPLE_AT,
    last_error=None,
)
_PART_EXAMPLE = MessagePartView(
    number=1,
    gateway="smpp",
    gateway_id="4711",
    state=MessageState.DELIVERED,
    sent_at=_EXAMPLE_AT,
)
_REPORT_EXAMPLE = MessageReportView(
    gateway_id="4711", state=MessageState.DELIVERED, detail="DELIVRD", received_at=_EXAMPLE_AT
)
_ARRIVAL_EXAMPLE = ArrivedMessageView(
    message_id=_EXAMPLE_ID,
    arrived_at=_EXAMPLE_AT,
    sender="+861052680000",
    recipient="+8613*******53",
    channel=Channel.SMS,
    subject="",
    text="Acme called you by +861052680000. Thank you!",
    pictures=0,
)
