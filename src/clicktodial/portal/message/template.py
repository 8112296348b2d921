"""Templates: written, looked at as on a phone, reviewed, in use, replaced."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from clicktodial.accounts.call_search import ApplicationName
from clicktodial.domain.message import (
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Channel,
    TemplateRecipient,
    TemplateState,
    TemplateText,
    Variable,
    format_time,
)
from clicktodial.messaging.picture import PICTURE_BYTES_MAX, PICTURES_MAX
from clicktodial.messaging.template import (
    NewTemplate,
    TemplateDetail,
    TemplatePreview,
)
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.message.audience import READERS, TEMPLATE_TONES, WRITERS
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Download,
    Nav,
    Page,
    Redirect,
    Section,
    View,
    Visit,
)
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid

VARIABLES: Mapping[Variable, str] = {
    Variable.SPONSOR: mark("Number shown"),
    Variable.OTHER: mark("The other's number"),
    Variable.TIME: mark("Time of the call"),
    Variable.DURATION: mark("How long they talked"),
    Variable.ENTERPRISE: mark("Your enterprise"),
}
# Sixteen values of a template with what a message may hold, and their names.
VALUES_CHARACTERS_MAX = 4_000
_YES = "yes"
_POSITION = re.compile(r"[1-9][0-9]?", re.ASCII)
_VALUE_LINE = re.compile(r"\s*([a-z][a-z0-9_]{0,31})\s*[=:：]\s*(.*?)\s*", re.ASCII)


class TemplatePages:
    """GET /templates and what is below it."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """All versions of an application, the newest first."""
        needs, principal = self._needs, visit.principal
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        wanted = form.text("application", is_required=False, characters_max=64)

        def read() -> tuple[list[ApplicationName], str, list[TemplateDetail]]:
            applications = needs.call_search.list_applications(principal)
            app_id = wanted or (applications[0].app_id if applications else "")
            found = needs.templates.list_templates(principal, app_id) if app_id else []
            return applications, app_id, found

        applications, app_id, templates = await needs.worker.run(read)
        form.fill(application=app_id)
        context = {
            "form": form,
            "app_id": app_id,
            "application_options": [(each.app_id, each.name) for each in applications],
            "templates": templates,
            "tone": TEMPLATE_TONES,
            "may_write": visit.may(WRITERS) and bool(app_id),
        }
        return View("message/templates.html", context)

    # Writing

    async def show_editor(self, visit: Visit) -> Answer:
        """An empty one, or one that begins with what another version says."""
        needs, app_id = self._needs, visit.path["app_id"]
        source = visit.query.get("from")
        form = visit.form(
            recipient=TemplateRecipient.CALLEE, channel=Channel.SMS, only_connected=_YES
        )
        if source:
            found = await needs.worker.run(
                lambda: needs.templates.show(visit.principal, app_id, source)
            )
            form = _form_of(visit, found)
        return await self._view_editor(visit, form)

    async def preview(self, visit: Visit) -> Answer:
        """POST .../preview: the block `preview` of the editor, as it would be sent."""
        return await self._view_editor(visit, await visit.read_form(), status=200)

    async def create(self, visit: Visit) -> Answer:
        """POST .../versions"""
        form, app_id = await visit.read_form(), visit.path["app_id"]
        new = _read_template(form)
        if new is not None and form.is_valid:
            try:
                made = await self._needs.worker.run(
                    lambda: self._needs.templates.create(
                        visit.principal, app_id, new, now=visit.now
                    )
                )
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
            else:
                visit.notes.subjects["template_id"] = made.template_id
                to = visit.link("template", app_id=app_id, template_id=made.template_id)
                return Redirect(to, toast=visit.gettext("The draft is kept."))
        return await self._view_editor(visit, form)

    async def _view_editor(self, visit: Visit, form: Form, status: int | None = None) -> View:
        word, app_id = visit.words.look_up, visit.path["app_id"]
        shown = await self._preview(visit, _content_of(form))
        if status is None:
            status = 200 if form.is_valid else 422
        context = {
            "form": form,
            "app_id": app_id,
            "shown": shown,
            "channel": Channel.MMS if form.has("channel", Channel.MMS) else Channel.SMS,
            "has_text": bool(form.value("text").strip()),
            "recipient_options": [(each, word(label_of(each))) for each in TemplateRecipient],
            "channel_options": [
                (Channel.SMS, word(label_of(Channel.SMS)), word(mark("Text alone."))),
                (
                    Channel.MMS,
                    word(label_of(Channel.MMS)),
                    word(mark("A subject, text and pictures.")),
                ),
            ],
            "variables": [(f"{{{each}}}", word(words)) for each, words in VARIABLES.items()],
            "text_characters_max": TEXT_CHARACTERS_MAX,
            "subject_characters_max": SUBJECT_CHARACTERS_MAX,
            "pictures": (),
        }
        return View("message/editor.html", context, status)

    async def _preview(
        self, visit: Visit, content: TemplateText, picture_bytes: int = 0
    ) -> TemplatePreview:
        needs, app_id = self._needs, visit.path["app_id"]
        return await needs.worker.run(
            lambda: needs.templates.preview(
                visit.principal,
                app_id,
                content,
                time=format_time(visit.now, needs.zone),
                picture_bytes=picture_bytes,
            )
        )

    # One version

    async def show(self, visit: Visit) -> Answer:
        """A version, and those beside it."""
        return await self._view(visit, visit.form())

    async def add_picture(self, visit: Visit) -> Answer:
        """POST .../pictures"""
        form, (app_id, template_id) = await visit.read_form(), _whose(visit)
        upload = form.upload("picture")
        if upload is not None and upload.size > PICTURE_BYTES_MAX:
            form.fail(
                "picture",
                mark("A picture has at most %(num)s kB."),
                num=PICTURE_BYTES_MAX // 1_000,
            )
        if upload is None or not form.is_valid:
            return await self._view(visit, form)
        content = upload.file.read()
        add = partial(
            self._needs.templates.add_picture, visit.principal, app_id, template_id, content
        )
        return await self._do(visit, form, add, mark("The picture is added."))

    async def remove_pictures(self, visit: Visit) -> Answer:
        """POST .../pictures/remove"""
        form, (app_id, template_id) = await visit.read_form(), _whose(visit)
        remove = partial(
            self._needs.templates.remove_pictures, visit.principal, app_id, template_id
        )
        return await self._do(visit, form, remove, mark("The pictures are taken off."))

    async def submit(self, visit: Visit) -> Answer:
        """POST .../review"""
        form, (app_id, template_id) = await visit.read_form(), _whose(visit)
        submit = partial(
            self._needs.templates.submit, visit.principal, app_id, template_id, now=visit.now
        )
        return await self._do(visit, form, submit, mark("A reviewer looks at it."))

    async def retire(self, visit: Visit) -> Answer:
        """POST .../retirement"""
        form, (app_id, template_id) = await visit.read_form(), _whose(visit)
        retire = partial(
            self._needs.templates.retire, visit.principal, app_id, template_id, now=visit.now
        )
        return await self._do(visit, form, retire, mark("It is used no more."))

    async def show_picture(self, visit: Visit) -> Answer:
        """A picture, as the file that it is."""
        (app_id, template_id), text = _whose(visit), visit.path["position"]
        if not _POSITION.fullmatch(text):
            raise NotFound
        media_type, content = await self._needs.worker.run(
            lambda: self._needs.templates.read_picture(
                visit.principal, app_id, template_id, int(text)
            )
        )
        name = f"picture-{text}.{media_type.rpartition('/')[2]}"
        return Download(_once(content), name, media_type)

    async def _do(self, visit: Visit, form: Form, work: Callable[[], object], toast: str) -> Answer:
        try:
            await self._needs.worker.run(work)
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
            return await self._view(visit, form)
        app_id, template_id = _whose(visit)
        to = visit.link("template", app_id=app_id, template_id=template_id)
        return Redirect(to, toast=visit.gettext(toast))

    async def _view(self, visit: Visit, form: Form) -> View:
        needs, principal, (app_id, template_id) = self._needs, visit.principal, _whose(visit)

        def read() -> tuple[TemplateDetail, Sequence[TemplateDetail], Mapping[str, str]]:
            found = needs.templates.show(principal, app_id, template_id)
            versions = needs.templates.list_templates(principal, app_id)
            people = needs.names.accounts(principal, [found.created_by, found.decided_by])
            return found, versions, people

        found, versions, accounts = await needs.worker.run(read)
        is_draft = found.state is TemplateState.DRAFT
        context = {
            "form": form,
            "template": found,
            "app_id": app_id,
            "shown": await self._preview(visit, found.content, found.picture_bytes),
            "channel": found.content.channel,
            "has_text": True,
            "pictures": [
                visit.link(
                    "templatePicture", app_id=app_id, template_id=template_id, position=position
                )
                for position in range(1, len(found.pictures) + 1)
            ],
            "versions": [each for each in versions if each.recipient is found.recipient],
            "accounts": accounts,
            "tone": TEMPLATE_TONES,
            "may_write": visit.may(WRITERS),
            "is_draft": is_draft,
            "may_retire": is_draft or found.state is TemplateState.APPROVED,
            "has_room": len(found.pictures) < PICTURES_MAX,
            "pictures_max": PICTURES_MAX,
            "picture_kb_max": PICTURE_BYTES_MAX // 1_000,
        }
        return View("message/template.html", context, 200 if form.is_valid else 422)

    def pages(self) -> list[Page]:
        """What is shown."""
        one = "/templates/{app_id}/{template_id}"
        return [
            Page(
                name="templates",
                path="/templates",
                title=mark("Message templates"),
                roles=READERS,
                show=self.show_all,
                operations=("listTemplates",),
                nav=Nav(Section.CALLING, 70, "file-text"),
            ),
            Page(
                name="writeTemplate",
                path="/templates/{app_id}/new",
                title=mark("Write a template"),
                roles=WRITERS,
                show=self.show_editor,
                operations=("createTemplate",),
                parent="templates",
            ),
            Page(
                name="template",
                path=one,
                title=mark("Template"),
                roles=READERS,
                show=self.show,
                operations=("showTemplate",),
                parent="templates",
            ),
            Page(
                name="templatePicture",
                path=f"{one}/pictures/{{position}}",
                title=mark("Picture"),
                roles=READERS,
                show=self.show_picture,
                operations=("showTemplate",),
                is_file=True,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        one = "/templates/{app_id}/{template_id}"
        shared: dict[str, Any] = {"roles": WRITERS}
        return [
            Action(
                operation="previewTemplate",
                path="/templates/{app_id}/preview",
                handle=self.preview,
                is_audited=False,
                **shared,
            ),
            Action(
                operation="createTemplate",
                path="/templates/{app_id}/versions",
                handle=self.create,
                **shared,
            ),
            Action(
                operation="addTemplatePicture",
                path=f"{one}/pictures",
                handle=self.add_picture,
                file_bytes_max=PICTURE_BYTES_MAX,
                **shared,
            ),
            Action(
                operation="removeTemplatePictures",
                path=f"{one}/pictures/remove",
                handle=self.remove_pictures,
                **shared,
            ),
            Action(operation="submitTemplate", path=f"{one}/review", handle=self.submit, **shared),
            Action(
                operation="retireTemplate", path=f"{one}/retirement", handle=self.retire, **shared
            ),
        ]


def _whose(visit: Visit) -> tuple[str, str]:
    return visit.path["app_id"], visit.path["template_id"]


def _read_values(form: Form) -> dict[str, str]:
    """The template's own values, one a line: `name = words`."""
    text = form.text("values", is_required=False, characters_max=VALUES_CHARACTERS_MAX)
    values = {}
    for line in filter(str.strip, text.splitlines()):
        match = _VALUE_LINE.fullmatch(line)
        if match is None:
            form.fail("values", mark("Write each value on a line: its name, =, its words."))
            return {}
        values[match[1]] = match[2]
    return values


def _read_template(form: Form) -> NewTemplate | None:
    recipient, channel = (
        form.one_of("recipient", TemplateRecipient),
        form.one_of("channel", Channel),
    )
    text = form.text("text", characters_max=TEXT_CHARACTERS_MAX)
    subject = form.text("subject", is_required=False, characters_max=SUBJECT_CHARACTERS_MAX)
    values = _read_values(form)
    if recipient is None or channel is None:
        return None
    return NewTemplate(
        recipient=recipient,
        channel=channel,
        text=text,
        # A short message has none; what was typed before the channel was changed stands there.
        subject=subject if channel is Channel.MMS else "",
        values=values,
        only_connected=form.is_ticked("only_connected"),
    )


def _content_of(form: Form) -> TemplateText:
    """What a form says so far, right or not: its errors are for when it is sent."""
    values = {}
    for line in form.value("values")[:VALUES_CHARACTERS_MAX].splitlines():
        match = _VALUE_LINE.fullmatch(line)
        if match is not None:
            values[match[1]] = match[2]
    channel = Channel.MMS if form.has("channel", Channel.MMS) else Channel.SMS
    return TemplateText(
        channel=channel,
        text=form.value("text").replace("\r\n", "\n").strip()[: TEXT_CHARACTERS_MAX + 1],
        subject=form.value("subject")[: SUBJECT_CHARACTERS_MAX + 1]
        if channel is Channel.MMS
        else "",
        values=values,
    )


def _form_of(visit: Visit, template: TemplateDetail) -> Form:
    content = template.content
    return visit.form(
        recipient=template.recipient,
        channel=content.channel,
        subject=content.subject,
        text=content.text,
        values="\n".join(f"{name} = {value}" for name, value in content.values.items()),
        only_connected=_YES if template.only_connected else None,
    )


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
