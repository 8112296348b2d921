"""Templates of messages: written by an application's people, reviewed, in use, replaced.

A version is written as a draft, submitted, and decided by a work order; from its submission on it
says what it says. A change is a new version, and the approved one stays in use until that is
approved. All methods raise AdministrationError and DatabaseUnavailable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import uuid_utils
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from clicktodial.accounts.enterprise_change import PLATFORM
from clicktodial.accounts.scope import require_application
from clicktodial.accounts.work_order import decide_work_order, open_work_order
from clicktodial.domain.message import (
    Channel,
    MessageLimits,
    TemplateError,
    TemplateRecipient,
    TemplateState,
    TemplateStep,
    TemplateText,
    check_template,
    find_excess,
    sample_fill,
    shortest_fill,
    step_template,
)
from clicktodial.domain.principal import Principal
from clicktodial.domain.short_message import Alphabet, count_parts, find_alphabet
from clicktodial.domain.wording import worded, words_of
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.messaging.picture import PICTURES_MAX, read_picture_type
from clicktodial.storage.call_row import clean_detail
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.message_table import message_picture, message_template
from clicktodial.storage.table import application
from clicktodial.storage.transaction import Transactions

# Drafts are cheap to make and are reviewed by people; so many of one application are a mistake.
VERSIONS_MAX = 1_000
TEMPLATES_PAGE_MAX = 100
_columns = message_template.c


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplate:
    """What a new version says, and to whom."""

    recipient: TemplateRecipient
    channel: Channel
    text: str
    subject: str = ""
    values: Mapping[str, str]
    only_connected: bool = True

    @property
    def content(self) -> TemplateText:
        return TemplateText(
            channel=self.channel, text=self.text, subject=self.subject, values=self.values
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDetail:
    """A version, as it is shown. `pictures` are their media types, in order."""

    template_id: str
    app_id: str
    recipient: TemplateRecipient
    version: int
    state: TemplateState
    content: TemplateText
    only_connected: bool
    pictures: tuple[str, ...]
    picture_bytes: int
    created_at: datetime
    created_by: str
    work_order_id: str | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePreview:
    """What a template that is being written comes to, with the values of a sample call.

    `parts` are short messages, or 1; `size_bytes` of a multimedia message with its pictures.
    `problem` is why it would be refused.
    """

    subject: str
    text: str
    characters: int
    parts: int
    parts_max: int
    is_unicode: bool
    size_bytes: int
    size_bytes_max: int
    problem: str | None


class Templates:
    """Every change of a template, and the handler of its work orders."""

    def __init__(self, transactions: Transactions, limits: MessageLimits) -> None:
        self._transactions = transactions
        self._limits = limits

    def create(
        self, principal: Principal, app_id: str, new: NewTemplate, *, now: datetime
    ) -> TemplateDetail:
        """A new version, as a draft. What is in use stays in use."""
        template_id = uuid_utils.uuid7().hex
        with self._transactions.change(
            "somebody else made a version at the same time", concerns_calls=False
        ) as connection:
            owner = require_application(connection, principal, app_id)
            try:
                check_template(new.content)
            except TemplateError as error:
                raise ValueInvalid(words_of(error)) from error
            self._check_length(new.content, owner.enterprise_name, picture_bytes=0)
            row = {
                "id": template_id,
                "app_id": app_id,
                "recipient": new.recipient.value,
                "version": _next_version(connection, app_id, new.recipient),
                "state": TemplateState.DRAFT.value,
                "channel": new.channel.value,
                "subject": new.subject,
                "text": new.text,
                "fixed_values": msgspec.json.encode(dict(new.values)).decode(),
                "only_connected": new.only_connected,
                "picture_bytes": 0,
                "created_at": now,
                "created_by": principal.name,
            }
            connection.execute(insert(message_template).values(row))
            return _read_detail(connection, template_id)

    def preview(
        self,
        principal: Principal,
        app_id: str,
        content: TemplateText,
        *,
        time: str,
        picture_bytes: int = 0,
    ) -> TemplatePreview:
        """What it would say, and whether it could be kept; nothing is."""
        with self._transactions.read() as connection:
            enterprise = require_application(connection, principal, app_id).enterprise_name
        try:
            check_template(content)
        except TemplateError as error:
            # As far as it can be told, of a text with a variable that there is not.
            return self._measure(content.subject, content.text, picture_bytes, str(error))
        excess = find_excess(
            content, shortest_fill(enterprise), self._limits, picture_bytes=picture_bytes
        )
        problem = None if excess is None else f"the message is too long: {excess}"
        subject, text = content.render(sample_fill(enterprise, time))
        return self._measure(subject, text, picture_bytes, problem)

    def _measure(
        self, subject: str, text: str, picture_bytes: int, problem: str | None
    ) -> TemplatePreview:
        # A lone half of a pair is no character of a message; it was refused above.
        text = text.encode(errors="replace").decode()
        subject = subject.encode(errors="replace").decode()
        return TemplatePreview(
            subject=subject,
            text=text,
            characters=len(text),
            parts=count_parts(text),
            parts_max=self._limits.parts_max,
            is_unicode=find_alphabet(text) is Alphabet.UCS2,
            size_bytes=len(subject.encode()) + len(text.encode()) + picture_bytes,
            size_bytes_max=self._limits.mms_bytes_max,
            problem=problem,
        )

    def add_picture(
        self, principal: Principal, app_id: str, template_id: str, content: bytes
    ) -> TemplateDetail:
        """Put one more picture behind the others of a draft."""
        with self._transactions.change(
            "somebody else added one at the same time", concerns_calls=False
        ) as connection:
            owner = require_application(connection, principal, app_id)
            draft = _require_draft(connection, app_id, template_id)
            try:
                media_type = read_picture_type(content)
            except TemplateError as error:
                raise ValueInvalid(words_of(error)) from error
            if draft.content.channel is not Channel.MMS:
                raise ValueInvalid("a short message has no pictures")
            if len(draft.pictures) >= PICTURES_MAX:
                raise ValueInvalid(
                    worded("a message may have %(most)s pictures", most=PICTURES_MAX)
                )
            size = draft.picture_bytes + len(content)
            self._check_length(draft.content, owner.enterprise_name, picture_bytes=size)
            row = {
                "template_id": template_id,
                "position": len(draft.pictures) + 1,
                "media_type": media_type,
                "content": content,
            }
            connection.execute(insert(message_picture).values(row))
            _change_draft(connection, template_id, picture_bytes=size)
            return _read_detail(connection, template_id)

    def remove_pictures(
        self, principal: Principal, app_id: str, template_id: str
    ) -> TemplateDetail:
        """Take all pictures off a draft."""
        with self._transactions.change(concerns_calls=False) as connection:
            require_application(connection, principal, app_id)
            _require_draft(connection, app_id, template_id)
            where = message_picture.c.template_id == template_id
            connection.execute(delete(message_picture).where(where))
            _change_draft(connection, template_id, picture_bytes=0)
            return _read_detail(connection, template_id)

    def read_picture(
        self, principal: Principal, app_id: str, template_id: str, position: int
    ) -> tuple[str, bytes]:
        """A picture's media type and content."""
        columns = message_picture.c
        query = select(columns.media_type, columns.content).where(
            columns.template_id == template_id, columns.position == position
        )
        with self._transactions.read() as connection:
            require_application(connection, principal, app_id)
            _require_template(connection, app_id, template_id)
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("there is no such picture")
        return row.media_type, row.content

    def submit(
        self, principal: Principal, app_id: str, template_id: str, *, now: datetime
    ) -> TemplateDetail:
        """Ask for its review: opens a work order, and what it says stays as it is from now on."""
        with self._transactions.change(concerns_calls=False) as connection:
            owner = require_application(connection, principal, app_id)
            template = _require_template(connection, app_id, template_id)
            details = {
                "application": app_id,
                "recipient": template.recipient.value,
                "version": str(template.version),
                "channel": template.content.channel.value,
                "subject": template.content.subject,
                "text": template.content.text[:1_000],
                "pictures": str(len(template.pictures)),
            }
            work_order_id = open_work_order(
                connection,
                kind=WorkOrderKind.TEMPLATE_REVIEW,
                enterprise_id=owner.enterprise_id,
                opened_by=principal.name,
                subject_id=template_id,
                details=details,
                now=now,
            )
            _step(connection, template, TemplateStep.SUBMIT, work_order_id=work_order_id)
            return _read_detail(connection, template_id)

    def retire(
        self, principal: Principal, app_id: str, template_id: str, *, now: datetime
    ) -> TemplateDetail:
        """Use it no more. Calls that began before keep it."""
        with self._transactions.change() as connection:
            require_application(connection, principal, app_id)
            template = _require_template(connection, app_id, template_id)
            _step(connection, template, TemplateStep.RETIRE)
            return _read_detail(connection, template_id)

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """See accounts.work_order.WorkOrderHandler: an approved version takes the place of the
        one in use."""
        _settle(connection, order, by=by.name, now=now)
        return True

    def end_enterprise(self, connection: Connection, enterprise_id: str, now: datetime) -> None:
        """Reject what is in review of an enterprise that has come to its end, in the transaction
        of that: an accounts.enterprise_change.OnCancelled."""
        in_review = (
            select(_columns.work_order_id)
            .join(application, application.c.app_id == _columns.app_id)
            .where(
                application.c.enterprise_id == enterprise_id,
                _columns.state == TemplateState.IN_REVIEW.value,
            )
            .order_by(_columns.id)
        )
        for work_order_id in connection.scalars(in_review).all():
            order = decide_work_order(
                connection,
                work_order_id,
                approved=False,
                decided_by=PLATFORM,
                reason="the enterprise is cancelled",
                now=now,
            )
            _settle(connection, order, by=PLATFORM, now=now)

    def list_templates(
        self, principal: Principal, app_id: str, *, limit: int = TEMPLATES_PAGE_MAX
    ) -> list[TemplateDetail]:
        """All versions of an application, newest first, at most TEMPLATES_PAGE_MAX."""
        query = select(message_template).where(_columns.app_id == app_id)
        query = query.order_by(_columns.id.desc()).limit(min(limit, TEMPLATES_PAGE_MAX))
        with self._transactions.read() as connection:
            require_application(connection, principal, app_id)
            rows = connection.execute(query).all()
            pictures = _read_pictures(connection, [row.id for row in rows])
            return [_render(row, pictures.get(row.id, ())) for row in rows]

    def show(self, principal: Principal, app_id: str, template_id: str) -> TemplateDetail:
        """One version."""
        with self._transactions.read() as connection:
            require_application(connection, principal, app_id)
            return _require_template(connection, app_id, template_id)

    def find_application(self, template_id: str) -> str:
        """The application of a version, for the operator's engineers."""
        query = select(_columns.app_id).where(_columns.id == template_id)
        with self._transactions.read() as connection:
            app_id = connection.scalar(query)
        if app_id is None:
            raise NotFound(worded("there is no template %(template_id)s", template_id=template_id))
        return str(app_id)

    def _check_length(self, content: TemplateText, enterprise: str, *, picture_bytes: int) -> None:
        filled = shortest_fill(enterprise)
        excess = find_excess(content, filled, self._limits, picture_bytes=picture_bytes)
        if excess is not None:
            raise ValueInvalid(worded("the message is too long: %(excess)s", excess=excess))


def _settle(connection: Connection, order: WorkOrder, *, by: str, now: datetime) -> None:
    template = _read_detail(connection, order.subject_id)
    approved = order.outcome is WorkOrderState.APPROVED
    if approved:
        in_use = (
            (_columns.app_id == template.app_id)
            & (_columns.recipient == template.recipient.value)
            & (_columns.state == TemplateState.APPROVED.value)
        )
        retired = {"state": TemplateState.RETIRED.value}
        connection.execute(update(message_template).where(in_use).values(retired))
    _step(
        connection,
        template,
        TemplateStep.APPROVE if approved else TemplateStep.REJECT,
        decided_at=now,
        decided_by=by,
        reason=clean_detail(order.reason or "") or None,
    )


def _require_template(connection: Connection, app_id: str, template_id: str) -> TemplateDetail:
    template = _read_detail(connection, template_id)
    if template.app_id != app_id:
        raise NotFound(worded("there is no template %(template_id)s", template_id=template_id))
    return template


def _require_draft(connection: Connection, app_id: str, template_id: str) -> TemplateDetail:
    template = _require_template(connection, app_id, template_id)
    if template.state is not TemplateState.DRAFT:
        raise Conflict(
            worded(
                "a template that is %(state)s does not change; make a new version",
                state=template.state,
            )
        )
    return template


def _change_draft(connection: Connection, template_id: str, **values: object) -> None:
    """Raises Conflict where it was submitted since it was read: what is reviewed stays as it is."""
    change = update(message_template).where(
        _columns.id == template_id, _columns.state == TemplateState.DRAFT.value
    )
    if connection.execute(change.values(**values)).rowcount == 0:
        raise Conflict("somebody else was quicker")


def _next_version(connection: Connection, app_id: str, recipient: TemplateRecipient) -> int:
    query = select(func.max(_columns.version)).where(
        _columns.app_id == app_id, _columns.recipient == recipient.value
    )
    version = (connection.scalar(query) or 0) + 1
    if version > VERSIONS_MAX:
        raise Conflict(
            worded(
                "the application has %(most)s versions of that template already", most=VERSIONS_MAX
            )
        )
    return version


def _step(
    connection: Connection, template: TemplateDetail, step: TemplateStep, **values: object
) -> None:
    try:
        following = step_template(template.state, step)
    except TemplateError as error:
        raise Conflict(words_of(error)) from error
    change = (
        update(message_template)
        .where(_columns.id == template.template_id, _columns.state == template.state.value)
        .values(state=following.value, **values)
    )
    if connection.execute(change).rowcount == 0:
        raise Conflict("somebody else was quicker")


def _read_detail(connection: Connection, template_id: str) -> TemplateDetail:
    query = select(message_template).where(_columns.id == template_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(worded("there is no template %(template_id)s", template_id=template_id))
    return _detail(connection, row)


def _detail(connection: Connection, row: Row[Any]) -> TemplateDetail:
    return _render(row, _read_pictures(connection, [row.id]).get(row.id, ()))


def _read_pictures(
    connection: Connection, template_ids: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """The media types of versions' pictures, in order, by the version."""
    pictures = message_picture.c
    query = (
        select(pictures.template_id, pictures.media_type)
        .where(pictures.template_id.in_(template_ids))
        .order_by(pictures.template_id, pictures.position)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.template_id] = (*found.get(row.template_id, ()), row.media_type)
    return found


def _render(row: Row[Any], pictures: tuple[str, ...]) -> TemplateDetail:
    return TemplateDetail(
        template_id=row.id,
        app_id=row.app_id,
        recipient=TemplateRecipient(row.recipient),
        version=row.version,
        state=TemplateState(row.state),
        content=TemplateText(
            channel=Channel(row.channel),
            text=row.text,
            subject=row.subject,
            values=msgspec.json.decode(row.fixed_values, type=dict[str, str]),
        ),
        only_connected=row.only_connected,
        pictures=pictures,
        picture_bytes=row.picture_bytes,
        created_at=row.created_at,
        created_by=row.created_by,
        work_order_id=row.work_order_id,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
    )
