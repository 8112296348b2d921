"""`clicktodial messages` and `clicktodial template`: messages after calls, and what they say."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import AppId, Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import log_to_standard_error, read_settings, storage_errors

if TYPE_CHECKING:
    from clicktodial.messaging.message import MailboxMessage, MessageDetail
    from clicktodial.messaging.template import TemplateDetail, Templates
    from clicktodial.storage.transaction import Transactions

messages_app = typer.Typer(no_args_is_help=True, help="Messages after calls (sendDirection).")
template_app = typer.Typer(no_args_is_help=True, help="What messages after calls say.")

MessageId = Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The message's identifier.")]
TemplateId = Annotated[str, typer.Argument(metavar="TEMPLATE_ID", help="The version's identifier.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="How many at most.")]


@messages_app.command("list")
def list_messages(
    *,
    app_id: Annotated[
        str | None, typer.Option("--app", metavar="APP_ID", help="Of this application alone.")
    ] = None,
    call_id: Annotated[
        str | None, typer.Option("--call", metavar="CALL_ID", help="Of this call alone.")
    ] = None,
    limit: Limit = 20,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List messages, the newest first."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.messaging.message import Messages

    with open_transactions(config) as transactions:
        listed = Messages(transactions).list_messages(
            OPERATOR_PRINCIPAL, app_id, call_id=call_id, limit=limit
        )
    rows = [
        (each.message_id, each.call_id, each.side, each.recipient, each.state, each.attempts)
        for each in listed
    ]
    headings = ("MESSAGE", "CALL", "TO", "NUMBER", "STATE", "ATTEMPTS")
    text = format_table(headings, rows, empty="There is no message.")
    tell([render_message(each) for each in listed], text, as_json=as_json)


@messages_app.command("mailbox")
def mailbox(*, limit: Limit = 20, config: Config = None, as_json: Json = False) -> None:
    """Read the embedded mailbox, the newest message first."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.messaging.message import Messages

    with open_transactions(config) as transactions:
        found = Messages(transactions).mailbox(OPERATOR_PRINCIPAL, limit=limit)
    text = "\n\n".join(
        f"{each.arrived_at:%Y-%m-%d %H:%M:%S}  {each.sender} -> {each.recipient}  {each.channel}\n"
        + (f"{each.subject}\n" if each.subject else "")
        + each.text
        for each in found
    )
    answer = [render_arrival(each) for each in found]
    tell(answer, text or "The mailbox is empty.", as_json=as_json)


@messages_app.command("show")
def show(message_id: MessageId, *, config: Config = None, as_json: Json = False) -> None:
    """Show a message, its parts and what was reported of it."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.messaging.message import Messages

    with open_transactions(config) as transactions:
        shown = Messages(transactions).show(OPERATOR_PRINCIPAL, message_id)
    parts = [
        {
            "number": each.number,
            "gateway": each.gateway,
            "gateway_id": each.gateway_id,
            "state": each.state,
            "sent_at": each.sent_at,
        }
        for each in shown.parts
    ]
    reports = [
        {
            "gateway_id": each.gateway_id,
            "state": each.state,
            "detail": each.detail,
            "received_at": each.received_at,
        }
        for each in shown.reports
    ]
    fields: list[tuple[str, object]] = list(render_message(shown.message).items())
    text = format_fields(fields)
    for part in parts:
        text += f"\npart {part['number']}: {part['state']}, {part['gateway']} {part['gateway_id']}"
    for report in reports:
        text += f"\nreport: {report['state']} of {report['gateway_id']}, {report['detail'] or '-'}"
    answer = render_message(shown.message) | {"parts": parts, "reports": reports}
    tell(answer, text, as_json=as_json)


@messages_app.command("replay")
def replay(message_id: MessageId, *, config: Config = None, as_json: Json = False) -> None:
    """Send a message anew that failed or expired."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.messaging.message import Messages

    with open_transactions(config) as transactions:
        message = Messages(transactions).replay(
            OPERATOR_PRINCIPAL, message_id, now=datetime.now(UTC)
        )
    tell(render_message(message), f"{message_id} is sent anew.", as_json=as_json)


@template_app.command("add")
def add(
    app_id: AppId,
    *,
    text: Annotated[str, typer.Option("--text", help="What it says; {variables} in braces.")],
    recipient: Annotated[str, typer.Option("--recipient", help="caller, callee or both.")] = "both",
    channel: Annotated[str, typer.Option("--channel", help="sms or mms.")] = "sms",
    subject: Annotated[str, typer.Option("--subject", help="Of a multimedia message.")] = "",
    value: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="NAME=TEXT", help="A value of its own; repeatable."),
    ] = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option("--picture", metavar="FILE", help="JPEG, PNG or GIF; repeatable."),
    ] = None,
    any_call: Annotated[
        bool, typer.Option("--any-call", help="After calls that were not connected, too.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write a new version and submit it for review."""
    from clicktodial.domain.message import Channel, TemplateRecipient
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.messaging.template import NewTemplate

    try:
        new = NewTemplate(
            recipient=TemplateRecipient(recipient),
            channel=Channel(channel),
            text=text,
            subject=subject,
            values=dict(map(_parse_value, value or [])),
            only_connected=not any_call,
        )
        pictures = [path.read_bytes() for path in picture or []]
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", kind="FileError") from error
    except ValueError as error:
        raise CommandError(str(error), kind="ValueInvalid") from error
    now = datetime.now(UTC)
    with open_templates(config) as (templates, _):
        draft = templates.create(OPERATOR_PRINCIPAL, app_id, new, now=now)
        for content in pictures:
            templates.add_picture(OPERATOR_PRINCIPAL, app_id, draft.template_id, content)
        template = templates.submit(OPERATOR_PRINCIPAL, app_id, draft.template_id, now=now)
    told = f"{template.template_id}, version {template.version}, waits for its review."
    tell(render_template(template), told, as_json=as_json)


@template_app.command("list")
def list_templates(app_id: AppId, *, config: Config = None, as_json: Json = False) -> None:
    """List the versions of an application's templates, the newest first."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    with open_templates(config) as (templates, _):
        listed = templates.list_templates(OPERATOR_PRINCIPAL, app_id)
    rows = [
        (each.template_id, each.recipient, each.version, each.state, each.content.channel)
        for each in listed
    ]
    headings = ("TEMPLATE", "TO", "VERSION", "STATE", "CHANNEL")
    text = format_table(headings, rows, empty="There is no template.")
    tell([render_template(each) for each in listed], text, as_json=as_json)


@template_app.command("show")
def show_template(template_id: TemplateId, *, config: Config = None, as_json: Json = False) -> None:
    """Show a version."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    with open_templates(config) as (templates, _):
        app_id = templates.find_application(template_id)
        template = templates.show(OPERATOR_PRINCIPAL, app_id, template_id)
    answer = render_template(template)
    tell(answer, format_fields(list(answer.items())), as_json=as_json)


@template_app.command("approve")
def approve(template_id: TemplateId, *, config: Config = None, as_json: Json = False) -> None:
    """Approve a version that waits for its review: calls use it within a second."""
    template = _decide(config, template_id, approved=True, reason="")
    told = f"{template_id} is in use for the {template.recipient} of {template.app_id}'s calls."
    tell(render_template(template), told, as_json=as_json)


@template_app.command("reject")
def reject(
    template_id: TemplateId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever wrote it reads it.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Reject a version that waits for its review."""
    template = _decide(config, template_id, approved=False, reason=reason)
    tell(render_template(template), f"{template_id} is rejected.", as_json=as_json)


def _decide(
    config: Path | None, template_id: str, *, approved: bool, reason: str
) -> "TemplateDetail":
    from clicktodial.accounts.work_order import WorkOrders
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.work_order import WorkOrderKind

    with open_templates(config) as (templates, transactions):
        app_id = templates.find_application(template_id)
        template = templates.show(OPERATOR_PRINCIPAL, app_id, template_id)
        if template.work_order_id is None:
            raise CommandError("it was not submitted for review", kind="Conflict")
        orders = WorkOrders(transactions, {WorkOrderKind.TEMPLATE_REVIEW: templates})
        orders.decide(
            OPERATOR_PRINCIPAL,
            template.work_order_id,
            approved=approved,
            reason=reason,
            now=datetime.now(UTC),
        )
        return templates.show(OPERATOR_PRINCIPAL, app_id, template_id)


@contextmanager
def open_transactions(config: Path | None) -> "Generator[Transactions]":
    """Transactions on the migrated database of these settings. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            yield Transactions(engine)
        finally:
            engine.dispose()


@contextmanager
def open_templates(config: Path | None) -> "Generator[tuple[Templates, Transactions]]":
    """The templates, with the transactions that they change in. Raises CommandError."""
    settings = read_settings(config)
    with open_transactions(config) as transactions:
        from clicktodial.messaging.driver import message_limits
        from clicktodial.messaging.template import Templates

        yield Templates(transactions, message_limits(settings.messages)), transactions


def render_message(message: "MessageDetail") -> dict[str, Any]:
    """A message, as JSON has it."""
    return {
        "message_id": message.message_id,
        "call_id": message.call_id,
        "app_id": message.app_id,
        "to": message.side,
        "number": message.recipient,
        "template_id": message.template_id,
        "channel": message.channel,
        "state": message.state,
        "subject": message.subject,
        "text": message.text,
        "gateway": message.gateway,
        "attempts": message.attempts,
        "created_at": message.created_at,
        "queued_at": message.queued_at,
        "next_attempt_at": message.next_attempt_at,
        "sent_at": message.sent_at,
        "settled_at": message.settled_at,
        "last_error": message.last_error,
    }


def render_arrival(arrived: "MailboxMessage") -> dict[str, Any]:
    """A message of the mailbox, as JSON has it."""
    return {
        "message_id": arrived.message_id,
        "arrived_at": arrived.arrived_at,
        "sender": arrived.sender,
        "recipient": arrived.recipient,
        "channel": arrived.channel,
        "subject": arrived.subject,
        "text": arrived.text,
        "pictures": arrived.pictures,
    }


def render_template(template: "TemplateDetail") -> dict[str, Any]:
    """A version, as JSON has it."""
    content = template.content
    return {
        "template_id": template.template_id,
        "app_id": template.app_id,
        "recipient": template.recipient,
        "version": template.version,
        "state": template.state,
        "channel": content.channel,
        "subject": content.subject,
        "text": content.text,
        "values": dict(content.values),
        "only_connected": template.only_connected,
        "pictures": template.pictures,
        "picture_bytes": template.picture_bytes,
        "created_at": template.created_at,
        "created_by": template.created_by,
        "work_order_id": template.work_order_id,
        "decided_at": template.decided_at,
        "decided_by": template.decided_by,
        "reason": template.reason,
    }


def _parse_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not NAME=TEXT")
    return name, value
