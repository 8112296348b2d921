"""All that is kept of one call, for those whom it concerns."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, update

from clicktodial.accounts.call_file import CallFiles
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import LegRecord, TracedMessage
from clicktodial.domain.minutes import Charging
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.error import NotFound
from clicktodial.storage.event_codec import encode_event
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACME = Principal(name="a", roles=frozenset({Role.OWNER}), enterprise_id="acme")
BELL = Principal(name="b", roles=frozenset({Role.OWNER}), enterprise_id="bell")
MESSAGE = TracedMessage(at_ms=1, is_sent=False, line="SIP/2.0 200 OK", codecs=("PCMA",))
EVENT = StatusEvent(
    call_id=CallId("c1"), seq=1, app_id=AppId("acme-app"), status=CallStatus.DISCONNECTED,
    occurred_at=NOW, sponsor="1", caller="2", callee="3",
)  # fmt: skip
NUMBERS = {
    f"{whose}_{form}": f"+86{index}" for index, whose in enumerate(("sponsor", "caller", "callee"))
    for form in ("e164", "written")
}  # fmt: skip


@pytest.fixture
def files(transactions: Transactions, engine: Engine, administration: Administration) -> CallFiles:
    """A call of acme's, with an event that can be read and one that cannot."""
    call = {
        "id": "c1", "node_id": "n", "app_id": "acme-app", "begun_at": NOW, "ended_at": NOW,
        "state": "ended", "reason": "HangUp", "duration_s": 60, "event_count": 2,
        "recording_id": "r1", "legs": encode_legs({Side.CALLER: LegRecord(trace=(MESSAGE,))}),
        **NUMBERS,
    }  # fmt: skip
    event = {
        "call_id": "c1", "app_id": "acme-app", "status": "Disconnected", "occurred_at": NOW,
        "delivery_state": "pending", "attempts": 1,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values(call))
        connection.execute(
            insert(table.call_event).values(event | {"seq": 1, "payload": encode_event(EVENT)})
        )
        connection.execute(insert(table.call_event).values(event | {"seq": 2, "payload": "?"}))
    return CallFiles(transactions)


def add_recording(engine: Engine, call_id: str) -> None:
    row = {
        "recording_id": "r1", "call_id": call_id, "app_id": "acme-app", "key": "2026/03/04/r1.wav",
        "size_bytes": 9, "duration_ms": 60_000, "sha256": "0", "created_at": NOW,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.recording).values(row))


def test_call_is_shown_to_its_enterprise_alone(files: CallFiles) -> None:
    found = files.show(ACME, "c1")
    assert (found.enterprise_id, found.application.app_id) == ("acme", "acme-app")
    assert [each.event for each in found.events] == [EVENT, None]
    assert found.call.legs[Side.CALLER].trace == (MESSAGE,)
    assert (found.recording, found.charge) == (None, None)
    assert files.show(OPERATOR_PRINCIPAL, "c1").call == found.call
    for principal, call_id in ((BELL, "c1"), (ACME, "c2")):
        with pytest.raises(NotFound):
            files.show(principal, call_id)


def test_recording_is_found_where_it_is_that_calls(files: CallFiles, engine: Engine) -> None:
    with pytest.raises(NotFound):
        files.recording(ACME, "c1")
    add_recording(engine, "another")
    with pytest.raises(NotFound):
        files.recording(ACME, "c1")
    with engine.begin() as connection:
        connection.execute(update(table.recording).values(call_id="c1"))
    recording, enterprise_id = files.recording(ACME, "c1")
    assert (recording.key, enterprise_id) == ("2026/03/04/r1.wav", "acme")
    assert files.show(ACME, "c1").recording == recording
    with pytest.raises(NotFound):
        files.recording(BELL, "c1")


def test_charge_is_told_when_the_call_is_rated(files: CallFiles, engine: Engine) -> None:
    row = {
        "call_id": "c1", "enterprise_id": "acme", "node_id": "n", "app_id": "acme-app",
        "begun_at": NOW, "ended_at": NOW, "duration_s": 60, "reason": "HangUp", "member": "+861",
        "department": "sales", "tariff_id": "", "legs_counted": 1, "rated_s": 60, "billed_s": 120,
        "overage_s": 60, "price_micros": 5, "lots": "[]", "charging": "rated",
        **{name: each for name, each in NUMBERS.items() if name.endswith("e164")},
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(cdr).values(row))
    charge = files.show(ACME, "c1").charge
    assert charge is not None
    assert (charge.charging, charge.billed_s, charge.overage_s) == (Charging.RATED, 120, 60)
    assert (charge.price_micros, charge.department, charge.currency) == (5, "sales", None)


def test_version_changes_with_what_is_shown(files: CallFiles, engine: Engine) -> None:
    versions = {files.version("c1")}
    assert files.version("c1") in versions
    for change in (
        update(table.call).values(recording_result="Success"),
        update(table.call).values(legs="{}"),
        update(table.call_event).where(table.call_event.c.seq == 1).values(attempts=2),
        update(table.call_event).values(delivery_state="delivered", delivered_at=NOW),
        update(table.call).values(state="connected", begun_at=NOW + timedelta(seconds=1)),
    ):
        with engine.begin() as connection:
            connection.execute(change)
        version = files.version("c1")
        assert version not in versions
        versions.add(version)
