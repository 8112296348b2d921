"""How the applications' servers take what they are told."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select

from clicktodial.accounts import notification
from clicktodial.accounts.node import Nodes
from clicktodial.accounts.notification import KEPT, Notifications
from clicktodial.domain.call import CallState
from clicktodial.domain.event import CallStatus
from clicktodial.storage import table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.instant import to_millis
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 7, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture
def notifications(transactions: Transactions, administration: Administration) -> Notifications:
    return Notifications(transactions)


def add_event(
    engine: Engine,
    number: int,
    state: str,
    *,
    at: datetime = NOW,
    attempts: int = 0,
    error: str | None = None,
    answer: tuple[int, str | None] = (0, None),
    is_open: bool = False,
    app_id: str = "acme-app",
) -> str:
    """A call with one event; returns the call's identifier."""
    call_id = f"{to_millis(at):012x}{number:020x}"
    call = {
        "id": call_id, "node_id": "node", "app_id": app_id, "sponsor_e164": "+861052680000",
        "sponsor_written": "01052680000", "caller_e164": "+8613912345673",
        "caller_written": "8613912345673", "callee_e164": "+8613810268653",
        "callee_written": "8613810268653", "begun_at": at, "duration_s": 0, "event_count": 1,
        "state": CallState.CALLING_CALLEE if is_open else CallState.ENDED,
    }  # fmt: skip
    event = {
        "call_id": call_id, "seq": 1, "app_id": app_id, "status": CallStatus.CONNECTED,
        "occurred_at": at, "payload": "{}", "attempts": attempts, "delivery_state": state,
        "next_attempt_at": at if attempts and state == "pending" else None, "last_error": error,
        "answer_status": answer[0] or None, "answer_text": answer[1],
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values(call))
        connection.execute(insert(table.call_event).values(event))
    return call_id


def test_what_waits_and_what_was_given_up_is_told_by_application(
    engine: Engine, notifications: Notifications
) -> None:
    add_event(engine, 1, "pending", at=NOW - timedelta(minutes=5))
    refused = 500, "no such tenant"
    add_event(engine, 2, "pending", attempts=3, error="HTTP 500", answer=refused)
    add_event(engine, 3, "given_up", at=NOW - timedelta(hours=20), error="no answer in time")
    add_event(engine, 4, "given_up", at=NOW - timedelta(hours=25), error="of yesterday")
    add_event(engine, 5, "delivered")

    [found] = notifications.list_reached(NOW)

    assert (found.app_id, found.enterprise_id) == ("acme-app", "acme")
    assert (found.waiting, found.retried, found.given_up) == (2, 1, 1)
    assert found.since == NOW - timedelta(minutes=5)
    assert (found.last_error, found.refused) == ("HTTP 500", "HTTP 500: no such tenant")
    assert found.fails


def test_nothing_is_told_where_all_is_delivered(
    engine: Engine, notifications: Notifications
) -> None:
    add_event(engine, 1, "delivered")
    assert notifications.list_reached(NOW) == []


def test_the_worst_are_told_where_there_are_more(
    engine: Engine,
    notifications: Notifications,
    administration: Administration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notification, "APPLICATIONS_MAX", 2)
    for app_id in ("bad", "worst"):
        administration.create_application(
            NewApplication(app_id=app_id, name=app_id, enterprise_id="acme")
        )
    add_event(engine, 1, "pending")
    add_event(engine, 2, "given_up", app_id="worst")
    add_event(engine, 3, "pending", app_id="bad", attempts=1)
    found = notifications.list_reached(NOW)
    assert [each.app_id for each in found] == ["worst", "bad"]


def test_replay_makes_what_was_given_up_wait_again(
    engine: Engine, notifications: Notifications
) -> None:
    silent = 503, None
    call_id = add_event(engine, 1, "given_up", attempts=8, error="timeout", answer=silent)
    add_event(engine, 2, "given_up", at=NOW - timedelta(hours=25))
    [found] = notifications.list_reached(NOW)
    assert (found.given_up, found.refused) == (1, "HTTP 503")

    assert notifications.replay("acme-app", NOW) == 1
    assert notifications.replay("acme-app", NOW) == 0

    [found] = notifications.list_reached(NOW)
    assert (found.waiting, found.retried, found.given_up) == (1, 0, 0)
    with engine.connect() as connection:
        query = select(table.call_event).where(table.call_event.c.call_id == call_id)
        row = connection.execute(query).one()
    assert (row.delivery_state, row.attempts, row.last_error) == ("pending", 0, None)
    assert (row.answer_status, found.refused) == (None, None)


def test_what_was_given_up_is_counted_once_a_minute(
    engine: Engine, notifications: Notifications
) -> None:
    assert notifications.list_reached(NOW) == []
    add_event(engine, 1, "given_up")
    assert notifications.list_reached(NOW + KEPT / 2) == []
    assert len(notifications.list_reached(NOW + KEPT)) == 1


def test_nodes_are_told_with_their_calls(engine: Engine, transactions: Transactions) -> None:
    rows = [
        {"id": "node", "started_at": NOW, "heartbeat_at": NOW},
        {"id": "gone", "started_at": NOW, "heartbeat_at": NOW - timedelta(minutes=5)},
    ]
    with engine.begin() as connection:
        connection.execute(insert(table.node), rows)
    add_event(engine, 1, "delivered", is_open=True)
    add_event(engine, 2, "delivered")

    first, second = Nodes(transactions).list_nodes()

    assert (first.node_id, first.live_calls, first.lives(NOW)) == ("node", 1, True)
    assert (second.node_id, second.live_calls, second.lives(NOW)) == ("gone", 0, False)

    # Where hearts beat once in two minutes, five are no long silence.
    _, slow = Nodes(transactions, interval_s=120).list_nodes()
    assert slow.lives(NOW)
