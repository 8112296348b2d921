"""Messages that follow calls, as the call path writes and reads them.

They are made with their call, as planned, and queued by its terminal event's transaction: a crash
loses none, whoever ends the call in the end.
"""

import msgspec
from sqlalchemy import Boolean, Connection, Dialect, bindparam, case, insert, select, update

from clicktodial.domain.call import Call
from clicktodial.domain.call_plan import PlannedMessage
from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    ApplicationMessages,
    Channel,
    MessageState,
    TemplateInUse,
    TemplateRecipient,
    TemplateState,
    TemplateText,
)
from clicktodial.storage import table
from clicktodial.storage.instant import to_millis
from clicktodial.storage.message_table import message, message_template
from clicktodial.storage.statement import Parameters, Statement, compile_statement

_PLANNED_COLUMNS = (
    "id",
    "call_id",
    "app_id",
    "side",
    "template_id",
    "only_connected",
    "state",
    "created_at",
    "attempts",
)


def compile_message_insert(dialect: Dialect) -> Statement:
    """Plans a message; takes what `message_parameters` gives."""
    return compile_statement(insert(message), dialect, _PLANNED_COLUMNS, rank=2)


def message_parameters(call: Call, planned: PlannedMessage) -> Parameters:
    """The row of a message whose call begins."""
    return (
        planned.message_id,
        call.plan.call_id,
        call.plan.app_id,
        planned.side.value,
        planned.template_id,
        planned.only_connected,
        MessageState.PLANNED.value,
        to_millis(call.begun_at),
        0,
    )


def compile_message_queue(dialect: Dialect) -> Statement:
    """Queues the messages of a call that has ended, or skips those that its end does not want;
    takes what `queue_parameters` gives. A call without messages has no row to change."""
    columns = message.c
    skipped = columns.only_connected & bindparam("unconnected", type_=Boolean)
    due = case((skipped, bindparam("skipped")), else_=bindparam("queued"))
    statement = (
        update(message)
        .where(columns.call_id == bindparam("call"), columns.state == bindparam("planned"))
        .values(state=due, queued_at=bindparam("at"), next_attempt_at=bindparam("due_at"))
    )
    names = ("unconnected", "skipped", "queued", "at", "due_at", "call", "planned")
    return compile_statement(statement, dialect, names, rank=5, counted=False)


def queue_parameters(call_id: str, *, was_connected: bool, at_millis: int) -> Parameters:
    """For a call that has ended."""
    return (
        not was_connected,
        MessageState.SKIPPED.value,
        MessageState.QUEUED.value,
        at_millis,
        at_millis,
        call_id,
        MessageState.PLANNED.value,
    )


def read_application_messages(connection: Connection, app_id: str) -> ApplicationMessages | None:
    """The application's approved templates by side; None where it has none."""
    columns = message_template.c
    query = (
        select(message_template, table.enterprise.c.name.label("enterprise_name"))
        .join(table.application, table.application.c.app_id == columns.app_id)
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
        .where(columns.app_id == app_id, columns.state == TemplateState.APPROVED.value)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    templates: dict[Side, TemplateInUse] = {}
    # One for a side goes before one for both.
    for row in sorted(rows, key=lambda row: row.recipient != TemplateRecipient.BOTH):
        in_use = TemplateInUse(
            template_id=row.id,
            content=TemplateText(
                channel=Channel(row.channel),
                text=row.text,
                subject=row.subject,
                values=msgspec.json.decode(row.fixed_values, type=dict[str, str]),
            ),
            only_connected=row.only_connected,
            picture_bytes=row.picture_bytes,
        )
        templates.update(dict.fromkeys(TemplateRecipient(row.recipient).sides, in_use))
    return ApplicationMessages(rows[0].enterprise_name, templates)
