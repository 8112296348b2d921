"""`/applications/{app_id}/templates`: what messages after calls say."""

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clicktodial.api.management.message import (
    EXAMPLE_AT,
    EXAMPLE_ID,
    IDENTIFIER_SCHEMA,
    READING_ROLES,
    WRITING_ROLES,
    own_app_id,
)
from clicktodial.api.management.problem import (
    BODY_TOO_LONG,
    CONFLICT,
    INVALID_VALUE,
    NOT_FOUND,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.worker import Worker
from clicktodial.domain.message import (
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    VALUES_MAX,
    Channel,
    TemplateRecipient,
    TemplateState,
)
from clicktodial.messaging.picture import PICTURE_BYTES_MAX, PICTURES_MAX
from clicktodial.messaging.template import NewTemplate, TemplateDetail, Templates
from clicktodial.web.request import BodyTooLong, read_body

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
        return TemplateList(templates=[_render(each) for each in listed])

    async def show(self, ask: Ask) -> TemplateView:
        """GET of one"""
        app_id, template_id = _app_id(ask), ask.path["template_id"]
        return _render(
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
        return Created(_render(made), f"/applications/{app_id}/templates/{made.template_id}")

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
        return _render(await self._worker.run(add))

    async def remove_pictures(self, ask: Ask) -> TemplateView:
        """DELETE of the pictures"""
        remove = partial(
            self._templates.remove_pictures, ask.principal, _app_id(ask), ask.path["template_id"]
        )
        return _render(await self._worker.run(remove))

    async def submit(self, ask: Ask) -> TemplateView:
        """POST of the review"""
        submit = partial(
            self._templates.submit,
            ask.principal,
            _app_id(ask),
            ask.path["template_id"],
            now=ask.now,
        )
        return _render(await self._worker.run(submit))

    async def retire(self, ask: Ask) -> TemplateView:
        """POST of the retirement"""
        retire = partial(
            self._templates.retire,
            ask.principal,
            _app_id(ask),
            ask.path["template_id"],
            now=ask.now,
        )
        return _render(await self._worker.run(retire))

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
                roles=READING_ROLES,
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
                roles=WRITING_ROLES,
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
                roles=READING_ROLES,
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
                roles=WRITING_ROLES,
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
                roles=WRITING_ROLES,
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
                roles=WRITING_ROLES,
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
                roles=WRITING_ROLES,
                problems=(NOT_FOUND, CONFLICT),
                **of_one,
            ),
        ]


def _app_id(ask: Ask) -> str:
    """The application of the path; a program's own alone. Raises Refused."""
    app_id = ask.path["app_id"]
    if own_app_id(ask, app_id) != app_id:
        raise Refused(NOT_FOUND)
    return app_id


def _render(template: TemplateDetail) -> TemplateView:
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


_APP_ID = Parameter("app_id", "The application.", IDENTIFIER_SCHEMA, example="12345678")
_TEMPLATE_ID = Parameter("template_id", "The version.", IDENTIFIER_SCHEMA, example=EXAMPLE_ID)
_TEMPLATE_EXAMPLE = TemplateView(
    template_id=EXAMPLE_ID,
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
    created_at=EXAMPLE_AT,
    created_by="developer",
    work_order_id=EXAMPLE_ID,
    decided_at=EXAMPLE_AT,
    decided_by="reviewer",
    reason=None,
)
