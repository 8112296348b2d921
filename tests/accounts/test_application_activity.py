"""How much applications call just now."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from tests.api.management.support import NO_END, add_call

from clicktodial.accounts.application_activity import Activity, ApplicationActivity
from clicktodial.domain.call import CallState
from clicktodial.storage.administration import Administration
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_live_calls_and_those_of_a_minute_and_an_hour_are_counted(
    engine: Engine, administration: Administration
) -> None:
    for number, (app_id, age) in enumerate(
        (
            ("acme-app", timedelta(seconds=10)),
            ("acme-app", timedelta(minutes=30)),
            ("acme-app", timedelta(hours=2)),
            ("bell-app", timedelta(seconds=5)),
        )
    ):
        add_call(engine, f"{number:032x}", app_id=app_id, begun_at=NOW - age)
    # One that has gone on for long is live, and no longer of the hour.
    long = NOW - timedelta(hours=3)
    live = CallState.CONNECTED
    add_call(engine, "f" * 32, app_id="acme-app", begun_at=long, state=live, **NO_END)
    found = ApplicationActivity(Transactions(engine)).show(["acme-app", "none"], NOW)
    assert found == {"acme-app": Activity(1, 1, 2), "none": Activity()}


def test_nothing_is_asked_of_no_application(engine: Engine) -> None:
    assert ApplicationActivity(Transactions(engine)).show([], NOW) == {}
