"""Messages on their way: queued by the call's end, sent once, tried again, reported on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import String, func, select
from tests.messaging.support import (
    APP_ID,
    DEVELOPER,
    NODE_ID,
    NOW,
    STRANGER,
    ScriptedGateway,
    StepClock,
    approve_template,
    create_call_with_messages,
    create_outbox,
    end_call,
    new_template,
    plan,
    states,
)
from tests.storage.support import create_event

from clicktodial.control.reaper import OpenCall
from clicktodial.domain.call_plan import SendDirection
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.message import Channel, MessageState
from clicktodial.messaging.dispatcher import DispatchLimits, MessageDispatcher
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import GatewayReceipt, GatewayReport, MessageGateway
from clicktodial.messaging.mailbox import MailboxGateway
from clicktodial.messaging.message import MessageDetail, Messages
from clicktodial.messaging.outbox import LEASE_S, MessageOutbox
from clicktodial.messaging.pace import Pace
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.error import Conflict, NotFound
from clicktodial.storage.message_table import message_mailbox, message_part, message_report
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database

LIMITS = DispatchLimits(retry_after_s=(10, 20), per_second_max=10_000, concurrency=4)
PATIENCE_S = 20


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, durability="normal")
    database.open()
    yield database
    await database.close()


def both_to(gateway: MessageGateway) -> dict[Channel, MessageGateway]:
    return dict.fromkeys(Channel, gateway)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what only the table tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def settle(transactions: Transactions, message_id: str, *wanted: MessageState) -> None:
    """Wait until the message is in one of these states."""
    await until(lambda: shown(transactions, message_id).state in wanted)


async def postponed(transactions: Transactions, message_id: str, clock: StepClock) -> MessageDetail:
    """Wait until a try has failed, and the next one is to come."""

    def is_so() -> bool:
        next_attempt_at = shown(transactions, message_id).next_attempt_at
        return next_attempt_at is not None and next_attempt_at > clock.now

    await until(is_so)
    return shown(transactions, message_id)


def shown(transactions: Transactions, message_id: str) -> MessageDetail:
    return Messages(transactions).show(DEVELOPER, message_id).message


async def queue_one(
    transactions: Transactions, database: Database, *, connected: bool = True
) -> None:
    """A call with a message to its caller, over."""
    approve_template(transactions)
    call = create_call_with_messages(plan(transactions, SendDirection.MO))
    await end_call(database, call, connected=connected)


async def test_message_is_planned_with_its_call_and_queued_by_its_end(
    transactions: Transactions, database: Database
) -> None:
    approve_template(transactions)
    call = create_call_with_messages(plan(transactions, SendDirection.BOTH))
    await SqlCallStore(database, node_id=NODE_ID).create(call, [create_event(call)])
    assert states(transactions) == {"caller": "planned", "callee": "planned"}
    await end_call(database, call, create=False)
    assert states(transactions) == {"caller": "queued", "callee": "queued"}


async def test_call_without_messages_writes_none(
    transactions: Transactions, database: Database
) -> None:
    await end_call(database, create_call_with_messages(()))
    assert states(transactions) == {}


async def test_message_for_connected_calls_is_skipped_after_another(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database, connected=False)
    assert states(transactions) == {"caller": "skipped"}


async def test_message_for_any_call_is_queued_after_an_unconnected_one(
    transactions: Transactions, database: Database
) -> None:
    approve_template(transactions, new_template(only_connected=False))
    call = create_call_with_messages(plan(transactions, SendDirection.MT))
    await end_call(database, call, connected=False)
    assert states(transactions) == {"callee": "queued"}


async def test_call_of_a_dead_process_queues_its_messages_when_it_is_reaped(
    transactions: Transactions, database: Database
) -> None:
    approve_template(transactions, new_template(only_connected=False))
    call = create_call_with_messages(plan(transactions, SendDirection.BOTH))
    await SqlCallStore(database, node_id=NODE_ID).create(call, [create_event(call)])

    async def no_recording(_: OpenCall) -> RecordingResult:
        return RecordingResult.NO_RECORD

    registry = NodeRegistry(database, node_id=NODE_ID)
    await registry.reap(NOW, no_recording, own=True)
    assert states(transactions) == {"caller": "queued", "callee": "queued"}


async def test_message_tells_of_its_call_and_not_the_other_number(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway()
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(1 / 24))
    )
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.SENT)
    await dispatcher.close()
    (sent, number), *others = gateway.sent
    assert (number, others) == (1, [])
    assert sent.text == (
        "Acme Couriers: call of 2026-03-04 13:06, 1:07, with +8613*******53 by +861052680000. "
        "Thank you!"
    )
    assert (sent.sender, sent.recipient) == ("+861052680000", "+8613912345673")
    assert "13912345673" not in repr(sent)


async def test_mailbox_has_each_message_once_across_a_restart(
    transactions: Transactions, database: Database
) -> None:
    approve_template(transactions)
    call = create_call_with_messages(plan(transactions, SendDirection.BOTH))
    await end_call(database, call)
    clock = StepClock(NOW + timedelta(hours=1))
    outbox = create_outbox(transactions)
    # A process that had put one in, and died before it could say so.
    claimed = outbox.claim(clock.now, limit=1)
    await MailboxGateway(transactions, clock.utc).send(claimed[0].outgoing, 1)
    for _ in range(2):
        gateway = MailboxGateway(transactions, clock.utc)
        dispatcher = MessageDispatcher(create_outbox(transactions), both_to(gateway), LIMITS, clock)
        await dispatcher.start()
        for message_id in ("message-caller", "message-callee"):
            await settle(transactions, message_id, MessageState.DELIVERED)
        await dispatcher.close()
    with transactions.read() as connection:
        count = connection.scalar(select(func.count()).select_from(message_mailbox))
    assert count == 2


async def test_failed_attempts_follow_the_schedule_and_the_last_gives_up(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway(*[GatewayUnavailable("no answer")] * 3)
    clock = StepClock(NOW + timedelta(hours=1))
    dispatcher = MessageDispatcher(create_outbox(transactions), both_to(gateway), LIMITS, clock)
    await dispatcher.start()
    for attempt, wait_s in ((1, 10), (2, 20)):
        detail = await postponed(transactions, "message-caller", clock)
        assert detail.attempts == attempt
        assert detail.next_attempt_at is not None
        waited_s = (detail.next_attempt_at - clock.now).total_seconds()
        assert 0.8 * wait_s <= waited_s <= 1.2 * wait_s
        clock.now = detail.next_attempt_at
        dispatcher.wake()
    await settle(transactions, "message-caller", MessageState.FAILED)
    detail = shown(transactions, "message-caller")
    assert (detail.attempts, detail.last_error) == (3, "no answer")
    # Somebody mends the gateway and sends it anew.
    replayed = Messages(transactions).replay(DEVELOPER, "message-caller", now=clock.now)
    assert (replayed.state, replayed.attempts) == (MessageState.QUEUED, 0)
    dispatcher.wake()
    await settle(transactions, "message-caller", MessageState.SENT)
    await dispatcher.close()
    keys = [sent.key for sent, _ in gateway.sent]
    assert keys == ["message-caller"] * 3 + ["message-caller-1"]


async def test_refused_message_is_not_tried_again(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway(MessageRefused("unknown number"))
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(1))
    )
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.FAILED)
    await dispatcher.close()
    assert len(gateway.sent) == 1


async def test_part_that_a_gateway_took_is_not_sent_again(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway(
        GatewayReceipt("one"), GatewayUnavailable("gone"), GatewayReceipt("two"), parts=3
    )
    clock = StepClock(NOW + timedelta(hours=1))
    dispatcher = MessageDispatcher(create_outbox(transactions), both_to(gateway), LIMITS, clock)
    await dispatcher.start()
    await postponed(transactions, "message-caller", clock)
    clock.now += timedelta(minutes=1)
    dispatcher.wake()
    await settle(transactions, "message-caller", MessageState.SENT)
    await dispatcher.close()
    assert [number for _, number in gateway.sent] == [1, 2, 2, 3]


async def test_reports_on_all_parts_make_it_delivered(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway(GatewayReceipt("one"), GatewayReceipt("two"), parts=2)
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(1 / 24))
    )
    # A report may be quicker than the answer to what it reports on.
    early = GatewayReport("two", MessageState.DELIVERED, "early")
    assert not await dispatcher.report("scripted", early)
    assert not await dispatcher.report("another", GatewayReport("one", MessageState.FAILED))
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.SENT)
    assert await dispatcher.report("scripted", GatewayReport("one", MessageState.DELIVERED))
    await settle(transactions, "message-caller", MessageState.DELIVERED)
    # What is delivered does not fail later.
    assert await dispatcher.report("scripted", GatewayReport("one", MessageState.FAILED))
    await dispatcher.close()
    whole = Messages(transactions).show(DEVELOPER, "message-caller")
    assert whole.message.state is MessageState.DELIVERED
    assert dispatcher.tally.reached() == {("sms", "sent"): 1, ("sms", "delivered"): 1}
    assert sorted(report.state for report in whole.reports) == ["delivered", "delivered", "failed"]


@pytest.mark.parametrize("state", [MessageState.FAILED, MessageState.EXPIRED])
async def test_report_of_a_lost_message_is_kept_and_it_can_be_sent_anew(
    transactions: Transactions, database: Database, state: MessageState
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway(GatewayReceipt("one"))
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(1 / 24))
    )
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.SENT)
    await dispatcher.report("scripted", GatewayReport("one", state, "phone is off"))
    await settle(transactions, "message-caller", state)
    Messages(transactions).replay(DEVELOPER, "message-caller", now=NOW)
    dispatcher.wake()
    await settle(transactions, "message-caller", MessageState.SENT)
    await dispatcher.close()
    assert len(gateway.sent) == 2
    assert dispatcher.tally.reached() == {("sms", "sent"): 2, ("sms", state.value): 1}


async def test_identifier_longer_than_its_column_is_cut_and_still_found(
    transactions: Transactions, database: Database
) -> None:
    """PostgreSQL refuses it: the part would be sent again, and what keeps SMPP open would end."""
    await queue_one(transactions, database)
    identifier = "g" * 300
    gateway = ScriptedGateway(GatewayReceipt(identifier))
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(1 / 24))
    )
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.SENT)
    assert await dispatcher.report("scripted", GatewayReport(identifier, MessageState.DELIVERED))
    await settle(transactions, "message-caller", MessageState.DELIVERED)
    await dispatcher.close()
    for table in (message_part, message_report):
        column = table.c.gateway_id
        with transactions.read() as connection:
            kept = connection.scalars(select(column)).one()
        assert isinstance(column.type, String)
        assert len(kept) == column.type.length


async def test_message_that_is_too_old_expires_unsent(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    gateway = ScriptedGateway()
    dispatcher = MessageDispatcher(
        create_outbox(transactions), both_to(gateway), LIMITS, StepClock(NOW + timedelta(days=2))
    )
    await dispatcher.start()
    await settle(transactions, "message-caller", MessageState.EXPIRED)
    await dispatcher.close()
    assert gateway.sent == []


async def test_messages_that_wait_are_counted_by_channel(
    transactions: Transactions, database: Database
) -> None:
    outbox = create_outbox(transactions)
    assert outbox.count_queued() == {"sms": 0, "mms": 0}
    await queue_one(transactions, database)
    assert outbox.count_queued() == {"sms": 1, "mms": 0}
    assert outbox.tally.queued() == {"sms": 1, "mms": 0}
    # Claimed, it waits still.
    assert len(outbox.claim(NOW + timedelta(hours=1), limit=1)) == 1
    assert outbox.count_queued()["sms"] == 1
    outbox.give_up("message-caller", "no", now=NOW)
    outbox.give_up("message-caller", "no", now=NOW)
    assert outbox.count_queued() == {"sms": 0, "mms": 0}
    assert outbox.tally.reached() == {("sms", "failed"): 1}


async def test_message_of_another_node_is_left_until_its_lease_is_over(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    now = NOW + timedelta(hours=1)
    assert len(create_outbox(transactions, node_id="node-2").claim(now, limit=10)) == 1
    mine: MessageOutbox = create_outbox(transactions)
    assert mine.release_own() == 0
    assert mine.claim(now, limit=10) == []
    claimed = mine.claim(now + timedelta(seconds=LEASE_S), limit=10)
    assert [each.attempts for each in claimed] == [2]


async def test_unmatched_reports_are_bounded(
    transactions: Transactions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.messaging.outbox.UNMATCHED_REPORTS_MAX", 3)
    outbox = create_outbox(transactions)
    for number in range(5):
        outbox.report("scripted", GatewayReport(str(number), MessageState.DELIVERED), now=NOW)
    with transactions.read() as connection:
        assert connection.scalar(select(func.count()).select_from(message_report)) == 3


async def test_reports_of_one_message_are_bounded_and_the_last_still_counts(
    transactions: Transactions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.messaging.outbox.REPORTS_PER_MESSAGE_MAX", 3)
    await queue_one(transactions, database)
    outbox = create_outbox(transactions)
    (claimed,) = outbox.claim(NOW + timedelta(hours=1), limit=1)
    outbox.keep_part(claimed.message_id, 1, "scripted", GatewayReceipt("one"), now=NOW)
    outbox.settle_sent(claimed.message_id, "scripted", now=NOW)
    for state in (*[MessageState.SENT] * 4, MessageState.DELIVERED):
        outbox.report("scripted", GatewayReport("one", state), now=NOW)
    whole = Messages(transactions).show(DEVELOPER, claimed.message_id)
    assert whole.message.state is MessageState.DELIVERED
    assert len(whole.reports) == 3


async def test_messages_of_another_enterprise_are_not_found(
    transactions: Transactions, database: Database
) -> None:
    await queue_one(transactions, database)
    messages = Messages(transactions)
    assert messages.list_messages(STRANGER) == []
    assert messages.mailbox(STRANGER) == []
    for ask in (
        lambda: messages.list_messages(STRANGER, APP_ID),
        lambda: messages.show(STRANGER, "message-caller"),
        lambda: messages.replay(STRANGER, "message-caller", now=NOW),
    ):
        with pytest.raises(NotFound):
            ask()
    (listed,) = messages.list_messages(DEVELOPER, APP_ID, state=MessageState.QUEUED)
    assert listed.recipient == "+8613*******73"
    assert messages.list_messages(DEVELOPER, APP_ID, before=listed.message_id) == []
    with pytest.raises(Conflict):
        messages.replay(DEVELOPER, "message-caller", now=NOW)


async def test_pace_keeps_its_distance() -> None:
    now = [100.0]
    pace = Pace(50, lambda: now[0])
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(pace.wait() for _ in range(4)))
    # The first at once, and three intervals of 20 ms; the loop's clock is as fine as 1 ms.
    assert asyncio.get_running_loop().time() - started >= 3 / 50 - 0.002
