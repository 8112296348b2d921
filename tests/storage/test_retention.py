"""What is forgotten, when, and what is not."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, insert, select
from tests.storage.support import NOW, count_rows

from clicktodial.storage import retention, table
from clicktodial.storage.billing_table import cdr, pool_notice
from clicktodial.storage.message_table import (
    message,
    message_mailbox,
    message_part,
    message_report,
    message_template,
)
from clicktodial.storage.people_table import audit, mail
from clicktodial.storage.quality_table import call_quality
from clicktodial.storage.retention import Retention, RetentionTerms, first_identifier
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database

KEPT = timedelta(days=30)
ALL = RetentionTerms(
    audit=KEPT,
    mail=KEPT,
    notifications=KEPT,
    messages=KEPT,
    call_quality=KEPT,
    call_numbers=KEPT,
)
OLD, YOUNG = NOW - KEPT - timedelta(seconds=1), NOW - KEPT + timedelta(seconds=1)


def name(moment: datetime, number: int = 0) -> str:
    """An identifier as it is made then."""
    return f"{first_identifier(moment)}7{number:019x}"


def add(engine: Engine, to: Table, rows: Iterable[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(to), list(rows))


def run(engine: Engine, terms: RetentionTerms = ALL) -> dict[str, int]:
    return Retention(Transactions(engine), terms, lambda: NOW).run_once()


def ids(engine: Engine, of: Table) -> set[Any]:
    with engine.connect() as connection:
        return set(connection.scalars(select(next(iter(of.primary_key)))))


def call_row(call_id: str, state: str = "ended") -> dict[str, Any]:
    return {
        "id": call_id, "node_id": "n", "app_id": "a",
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "13912345673",
        "callee_e164": "+8613810268653", "callee_written": "13810268653",
        "begun_at": OLD, "state": state, "duration_s": 0, "event_count": 1,
    }  # fmt: skip


def event_row(call_id: str, state: str, seq: int = 1) -> dict[str, Any]:
    return {
        "call_id": call_id, "seq": seq, "app_id": "a", "status": "Disconnected",
        "occurred_at": OLD, "payload": "{}", "delivery_state": state, "attempts": 1,
    }  # fmt: skip


def numbers(engine: Engine) -> dict[str, set[str]]:
    """The parties' numbers that are left of each call."""
    columns = table.call.c
    with engine.connect() as connection:
        return {
            row.id: {row.caller_e164, row.caller_written, row.callee_e164, row.callee_written}
            for row in connection.execute(select(table.call).order_by(columns.id))
        }


def test_identifiers_of_the_platform_sort_by_the_time_at_which_they_were_made() -> None:
    assert first_identifier(OLD) < name(OLD) < first_identifier(YOUNG) < name(YOUNG)
    assert first_identifier(datetime.fromtimestamp(0, NOW.tzinfo)) == "0" * 12


def test_audit_and_mails_go_when_they_are_old_and_done(engine: Engine) -> None:
    entry = {
        "at": OLD, "principal": "p", "roles": "", "address": "", "operation": "o",
        "subjects": "{}", "outcome": "done",
    }  # fmt: skip
    add(engine, audit, [entry | {"id": name(OLD)}, entry | {"id": name(YOUNG)}])
    letter = {
        "recipient": "a@example.com", "subject": "s", "text": "t", "attempts": 1, "created_at": OLD,
    }  # fmt: skip
    rows = [
        letter | {"id": name(OLD, number), "state": state}
        for number, state in enumerate(["sent", "given-up", "waiting"])
    ]
    add(engine, mail, [*rows, letter | {"id": name(YOUNG), "state": "sent"}])
    done = run(engine)
    assert (done["audit"], done["mail"]) == (1, 2)
    assert ids(engine, audit) == {name(YOUNG)}
    assert ids(engine, mail) == {name(OLD, 2), name(YOUNG)}
    assert not any(run(engine).values())


def test_notifications_go_once_they_wait_no_longer(engine: Engine) -> None:
    add(engine, table.call, [call_row(name(OLD)), call_row(name(YOUNG))])
    states = ["delivered", "given_up", "none", "pending"]
    events = [event_row(name(OLD), state, seq) for seq, state in enumerate(states)]
    add(engine, table.call_event, [*events, event_row(name(YOUNG), "delivered")])
    notice = {"app_id": "a", "payload": "{}", "attempts": 0}
    add(
        engine,
        pool_notice,
        [
            notice | {"id": 1, "created_at": OLD, "delivery_state": "delivered"},
            notice | {"id": 2, "created_at": OLD, "delivery_state": "pending"},
            notice | {"id": 3, "created_at": YOUNG, "delivery_state": "delivered"},
        ],
    )
    done = run(engine)
    assert (done["notifications"], done["alerts"]) == (3, 1)
    with engine.connect() as connection:
        query = select(table.call_event.c.call_id, table.call_event.c.delivery_state)
        left = [tuple(row) for row in connection.execute(query)]
    assert sorted(left) == sorted([(name(OLD), "pending"), (name(YOUNG), "delivered")])
    assert ids(engine, pool_notice) == {2, 3}


def test_messages_go_with_all_that_is_known_of_them(engine: Engine) -> None:
    with engine.begin() as connection:
        enterprise = {"id": "e", "name": "E", "status": "active"}
        connection.execute(insert(table.enterprise).values(enterprise))
        connection.execute(
            insert(table.application).values(
                app_id="a", enterprise_id="e", name="A", status="active", secret_encrypted=b"",
                signing_secret_encrypted=b"", allow_private_addresses=False, created_at=OLD,
            )
        )  # fmt: skip
        connection.execute(
            insert(message_template).values(
                id="t", app_id="a", recipient="caller", version=1, state="approved", channel="sms",
                subject="", text="x", fixed_values="{}", only_connected=False, picture_bytes=0,
                created_at=OLD, created_by="p",
            )
        )  # fmt: skip
    sent, queued, young = name(OLD, 1), name(OLD, 2), name(YOUNG)
    add(engine, table.call, [call_row(each) for each in (sent, queued, young)])
    row = {"app_id": "a", "side": "caller", "template_id": "t", "only_connected": False,
           "created_at": OLD, "attempts": 1}  # fmt: skip
    kept = {sent: "delivered", queued: "queued", young: "delivered"}
    for each, state in kept.items():
        add(engine, message, [row | {"id": each, "call_id": each, "state": state}])
        add(engine, message_part, [{"message_id": each, "number": 1, "gateway": "g",
            "gateway_id": each, "state": "sent", "sent_at": OLD}])  # fmt: skip
        add(engine, message_mailbox, [{"message_id": each, "arrived_at": OLD, "recipient": "r",
            "sender": "s", "channel": "sms", "subject": "", "text": "x",
            "pictures": 0}])  # fmt: skip
    report = {"gateway": "g", "gateway_id": "x", "state": "delivered", "received_at": OLD}
    rows = [
        report | {"id": name(OLD, 3), "message_id": sent},
        report | {"id": name(OLD, 4), "message_id": None},
        report | {"id": name(OLD, 5), "message_id": queued},
        report | {"id": name(YOUNG), "message_id": None},
    ]
    add(engine, message_report, rows)
    done = run(engine)
    assert (done["messages"], done["reports"]) == (1, 1)
    for of in (message, message_part, message_mailbox):
        assert ids(engine, of) == {queued, young}
    assert ids(engine, message_report) == {name(OLD, 5), name(YOUNG)}


def test_numbers_of_calls_are_erased_in_order_and_cdrs_are_not(engine: Engine) -> None:
    add(engine, table.call, [call_row(name(OLD, 1)), call_row(name(YOUNG))])
    add(engine, cdr, [{
        "call_id": name(OLD, 1), "enterprise_id": "e", "node_id": "n", "app_id": "a",
        "sponsor_e164": "+861052680000", "caller_e164": "+8613912345673",
        "callee_e164": "+8613810268653", "begun_at": OLD, "ended_at": OLD, "duration_s": 0,
        "reason": "HangUp", "member": "+8613912345673", "tariff_id": "", "legs_counted": 0,
        "rated_s": 0, "billed_s": 0, "overage_s": 0, "price_micros": 0, "lots": "[]",
    }])  # fmt: skip
    assert run(engine)["call-numbers"] == 1
    left = numbers(engine)
    assert left[name(OLD, 1)] == {""}
    assert "+8613912345673" in left[name(YOUNG)]
    with engine.connect() as connection:
        assert connection.scalar(select(cdr.c.caller_e164)) == "+8613912345673"
        assert connection.scalar(select(table.call.c.sponsor_e164).limit(1)) == "+861052680000"
    assert run(engine)["call-numbers"] == 0


def test_numbers_behind_a_call_that_is_open_wait_for_its_end(engine: Engine) -> None:
    first, opened, last = (name(OLD, number) for number in range(3))
    add(engine, table.call, [call_row(first), call_row(opened, "connected"), call_row(last)])
    assert run(engine)["call-numbers"] == 1
    assert [each for each, left in numbers(engine).items() if left == {""}] == [first]
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE call SET state = 'ended'")
    assert run(engine)["call-numbers"] == 2
    assert all(left == {""} for left in numbers(engine).values())


def test_numbers_that_go_take_along_what_tells_them(engine: Engine) -> None:
    add(engine, table.call, [call_row(name(OLD))])
    add(engine, table.call_event, [event_row(name(OLD), "delivered")])
    for_ever = RetentionTerms(notifications=timedelta(days=365))
    assert run(engine, for_ever) == {"notifications": 0, "alerts": 0}
    terms = RetentionTerms(notifications=timedelta(days=365), call_numbers=KEPT)
    assert run(engine, terms)["notifications"] == 1


def test_how_a_call_sounded_goes_and_its_row_stays(engine: Engine) -> None:
    calls = [name(OLD), name(YOUNG)]
    add(engine, table.call, [call_row(call_id) for call_id in calls])
    add(engine, call_quality, [{"call_id": each, "intervals": b"\x90"} for each in calls])
    assert run(engine, RetentionTerms(call_quality=KEPT)) == {"call-quality": 1}
    assert ids(engine, call_quality) == {name(YOUNG)}
    assert count_rows(engine, "call") == 2


def test_all_is_kept_where_nothing_is_to_go(engine: Engine) -> None:
    add(engine, table.call, [call_row(name(OLD))])
    assert run(engine, RetentionTerms()) == {}
    assert count_rows(engine, "call") == 1


def test_more_than_a_batch_goes_in_batches_up_to_a_bound(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    monkeypatch.setattr(retention, "BATCHES_MAX", 2)
    add(engine, table.call, [call_row(name(OLD, number)) for number in range(10)])
    assert [run(engine)["call-numbers"] for _ in range(3)] == [6, 4, 0]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(table.call.c.caller_e164 == "")) == 10
