"""Templates, calls and gateways for the tests of messages."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from tests.storage.support import create_call, create_event

from clicktodial.accounts.work_order import WorkOrders
from clicktodial.domain.call import Call, CallState
from clicktodial.domain.call_plan import (
    CallEnd,
    EndedBy,
    EndStage,
    PlannedMessage,
    SendDirection,
)
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus
from clicktodial.domain.identifier import AppId
from clicktodial.domain.message import (
    Channel,
    MessageLimits,
    MessageState,
    TemplateRecipient,
    sides_of,
)
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.messaging.gateway import (
    GatewayReceipt,
    OnReport,
    OutgoingMessage,
)
from clicktodial.messaging.outbox import MessageOutbox
from clicktodial.messaging.template import NewTemplate, TemplateDetail, Templates
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.message_row import read_application_messages
from clicktodial.storage.message_table import message
from clicktodial.storage.transaction import Transactions

APP_ID = AppId("12345678")
ENTERPRISE = "acme"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PLACE = ZoneInfo("Asia/Shanghai")
NODE_ID = "node-1"
DEVELOPER = Principal(name="developer", roles=frozenset({Role.DEVELOPER}), enterprise_id=ENTERPRISE)
STRANGER = Principal(name="stranger", roles=frozenset({Role.OWNER}), enterprise_id="other")
REVIEWER = Principal(name="reviewer", roles=frozenset({Role.REVIEWER}))
LIMITS = MessageLimits(parts_max=2, mms_bytes_max=4_000)
TEXT = "{enterprise}: call of {time}, {duration}, with {other} by {sponsor}. {greeting}"
GIF = b"GIF89a" + bytes(20) + b";"


def new_template(
    recipient: TemplateRecipient = TemplateRecipient.BOTH,
    *,
    text: str = TEXT,
    channel: Channel = Channel.SMS,
    subject: str = "",
    only_connected: bool = True,
) -> NewTemplate:
    """What a version may say."""
    return NewTemplate(
        recipient=recipient,
        channel=channel,
        text=text,
        subject=subject,
        values={"greeting": "Thank you!"},
        only_connected=only_connected,
    )


def decide(
    transactions: Transactions,
    templates: Templates,
    template: TemplateDetail,
    *,
    approved: bool = True,
    by: Principal = REVIEWER,
) -> TemplateDetail:
    """Decide the work order of a submitted version."""
    orders = WorkOrders(transactions, {WorkOrderKind.TEMPLATE_REVIEW: templates})
    assert template.work_order_id is not None
    reason = "" if approved else "no greeting"
    orders.decide(by, template.work_order_id, approved=approved, reason=reason, now=NOW)
    return templates.show(DEVELOPER, template.app_id, template.template_id)


def approve_template(transactions: Transactions, new: NewTemplate | None = None) -> TemplateDetail:
    """A version in use, written, submitted and approved."""
    templates = Templates(transactions, MessageLimits())
    draft = templates.create(DEVELOPER, APP_ID, new or new_template(), now=NOW)
    if draft.content.channel is Channel.MMS:
        templates.add_picture(DEVELOPER, APP_ID, draft.template_id, GIF)
    submitted = templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)
    return decide(transactions, templates, submitted)


def plan(transactions: Transactions, direction: SendDirection) -> tuple[PlannedMessage, ...]:
    """What a call of the application would plan for that direction."""
    with transactions.read() as connection:
        known = read_application_messages(connection, APP_ID)
    assert known is not None
    return tuple(
        PlannedMessage(
            f"message-{side.value}",
            side,
            known.templates[side].template_id,
            known.templates[side].only_connected,
        )
        for side in sides_of(direction)
    )


def create_call_with_messages(planned: tuple[PlannedMessage, ...]) -> Call:
    """A call that was just begun."""
    call = create_call(app_id=APP_ID)
    return Call(replace(call.plan, messages=planned), begun_at=NOW)


async def end_call(
    database: Database, call: Call, *, connected: bool = True, create: bool = True
) -> None:
    """The call as its store sees it: begun, perhaps connected for 67 s, over."""
    store = SqlCallStore(database, node_id=NODE_ID)
    if create:
        await store.create(call, [create_event(call)])
    if connected:
        call.connected_at = NOW + timedelta(seconds=20)
        call.duration_s = 67
    call.state = CallState.ENDED
    call.end = CallEnd(EndReason.HANG_UP, EndedBy.CALLER, EndStage.CONNECTED, None, NOW)
    end = create_event(call, 2, CallStatus.DISCONNECTED, EndReason.HANG_UP)
    await store.update(call, [end])


def states(transactions: Transactions) -> dict[str, str]:
    """What each message is by now."""

    def read(connection: Connection) -> dict[str, str]:
        rows = connection.execute(select(message.c.side, message.c.state))
        return {row.side: row.state for row in rows}

    with transactions.read() as connection:
        return read(connection)


def create_outbox(transactions: Transactions, *, node_id: str = NODE_ID) -> MessageOutbox:
    """As a node has it."""
    return MessageOutbox(
        transactions, node_id=node_id, place=PLACE, expires_after=timedelta(days=1)
    )


@dataclass(slots=True)
class StepClock:
    """Real in its pace, for waits; its date is set by the test."""

    now: datetime = NOW

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> datetime:
        return self.now


class ScriptedGateway:
    """Takes messages as it is told: each answer is raised or returned in turn, then receipts."""

    name = "scripted"

    def __init__(self, *answers: Exception | GatewayReceipt, parts: int = 1) -> None:
        self.answers = list(answers)
        self.parts = parts
        self.sent: list[tuple[OutgoingMessage, int]] = []
        self.came = asyncio.Event()
        self.on_report: OnReport | None = None
        self.before: Callable[[], None] | None = None

    async def start(self, on_report: OnReport) -> None:
        self.on_report = on_report

    async def close(self) -> None:
        self.on_report = None

    def count_parts(self, message: OutgoingMessage) -> int:
        return self.parts

    async def send(self, message: OutgoingMessage, number: int) -> GatewayReceipt:
        self.sent.append((message, number))
        self.came.set()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer or GatewayReceipt(f"{message.key}-{number}", MessageState.SENT)
