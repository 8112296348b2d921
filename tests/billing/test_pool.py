"""What is sold, granted, expires and is told, and who may see it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from tests.billing.support import (
    ENTERPRISE,
    OPERATOR,
    PER_MINUTE,
    add_application,
    balances,
    create_enterprise,
    create_pool,
    top_up,
)
from tests.billing.test_statement import STRANGER, add_cdr
from tests.storage.support import NOW

from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.package import (
    CARRY_MONTHS_MAX,
    PRICE_MICROS_MAX,
    SECONDS_MAX,
    NewPackage,
    PackageKind,
    check_package,
    lots_due,
)
from clicktodial.billing.pool import (
    PoolSettings,
    create_tariff,
    end_packages,
    forecast_since,
    runs_dry_at,
    used_percent,
)
from clicktodial.billing.sweep import PoolSweep
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.storage.billing_table import FOREVER, pool_notice
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import Conflict, DatabaseUnavailable, NotFound, ValueInvalid
from clicktodial.storage.people_table import mail
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database

SHANGHAI = ZoneInfo("Asia/Shanghai")
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def new(kind: PackageKind = PackageKind.ONE_OFF, **changes: object) -> NewPackage:
    values: dict[str, object] = {"name": "Basic", "seconds": 600, "valid_from": NOW}
    return NewPackage(kind=kind, **(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        new(name=""),
        new(seconds=0),
        new(seconds=SECONDS_MAX + 1),
        new(price_micros=-1),
        new(price_micros=PRICE_MICROS_MAX + 1),
        new(micros_per_minute=1),
        new(carry_months=1),
        new(valid_until=NOW),
        new(valid_from=FOREVER),
        new(PackageKind.MONTHLY, carry_months=CARRY_MONTHS_MAX + 1),
        new(PackageKind.OVERAGE),
        new(PackageKind.OVERAGE, micros_per_minute=1, price_micros=1),
    ],
)
def test_package_that_makes_no_sense_is_refused(wrong: NewPackage) -> None:
    with pytest.raises(ValueInvalid):
        check_package(wrong)


def test_month_begins_where_the_customer_lives() -> None:
    last_hour = datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
    spans = lots_due(
        PackageKind.MONTHLY, MARCH, FOREVER, 1, now=last_hour - timedelta(days=2), zone=SHANGHAI
    )
    assert [span.period for span in spans] == ["2026-03"]
    spans = lots_due(PackageKind.MONTHLY, MARCH, FOREVER, 1, now=last_hour, zone=SHANGHAI)
    assert [span.period for span in spans] == ["2026-03", "2026-04"]
    assert spans[1].valid_from == datetime(2026, 3, 31, 16, 0, tzinfo=UTC)
    assert spans[1].valid_until == datetime(2026, 5, 31, 16, 0, tzinfo=UTC)


def test_monthly_package_grants_each_month_once_and_carries_over(engine: Engine) -> None:
    pools = create_pool(engine)
    top_up(pools, 600, kind=PackageKind.MONTHLY, now=NOW, carry_months=1, price_micros=5)
    sweep = PoolSweep(Transactions(engine))
    sweep.run(NOW)
    assert balances(engine)["granted_s"] == 600
    april = datetime(2026, 4, 2, tzinfo=UTC)
    sweep.run(april)
    sweep.run(april)
    shown = pools.show(OPERATOR, ENTERPRISE, april)
    assert (shown.granted_s, shown.available_s, shown.owed_micros) == (1200, 1200, 10)
    sweep.run(datetime(2026, 5, 2, tzinfo=UTC))
    shown = pools.show(OPERATOR, ENTERPRISE, datetime(2026, 5, 2, tzinfo=UTC))
    assert [lot.period for lot in shown.lots] == ["2026-04", "2026-05"]
    assert balances(engine)["expired_s"] == 600
    assert verify_ledger(engine).is_sound


def test_monthly_package_that_ended_grants_no_more(engine: Engine) -> None:
    pools = create_pool(engine)
    package_id = top_up(pools, 600, kind=PackageKind.MONTHLY)
    pools.end_package(OPERATOR, ENTERPRISE, package_id, NOW)
    assert PoolSweep(Transactions(engine)).grant(datetime(2026, 4, 2, tzinfo=UTC)) == 0
    assert pools.show(OPERATOR, ENTERPRISE, NOW).available_s == 600
    with pytest.raises(NotFound):
        pools.end_package(OPERATOR, ENTERPRISE, package_id, NOW)


def test_cancelled_enterprise_is_granted_and_sold_nothing_more(engine: Engine) -> None:
    pools, other = create_pool(engine), create_pool(engine, enterprise_id="brave")
    top_up(pools, 600, kind=PackageKind.MONTHLY, price_micros=5_000_000)
    top_up(other, 600, kind=PackageKind.MONTHLY, enterprise_id="brave")
    with Transactions(engine).change() as connection:
        move_enterprise(connection, ENTERPRISE, EnterpriseMove.CANCEL, now=NOW)
        end_packages(connection, ENTERPRISE, NOW)
    april = datetime(2026, 4, 2, tzinfo=UTC)
    assert PoolSweep(Transactions(engine)).grant(april) == 1  # the other's
    assert pools.show(OPERATOR, ENTERPRISE, april).owed_micros == 5_000_000
    assert [each.ended_at for each in pools.list_packages(OPERATOR, ENTERPRISE)] == [NOW]
    with pytest.raises(Conflict, match="is cancelled"):
        top_up(pools, 600)
    assert verify_ledger(engine).is_sound


def test_overage_that_ended_is_taken_back(engine: Engine) -> None:
    pools = create_pool(engine)
    package_id = top_up(pools, 600, kind=PackageKind.OVERAGE, micros_per_minute=1)
    assert pools.show(OPERATOR, ENTERPRISE, NOW).overage_available_s == 600
    pools.end_package(OPERATOR, ENTERPRISE, package_id, NOW)
    assert pools.show(OPERATOR, ENTERPRISE, NOW).overage_available_s == 0
    assert balances(engine)["expired_s"] == 600


def test_alert_is_mailed_once_until_the_share_falls(engine: Engine) -> None:
    pools = create_pool(engine)
    pools.set_alerts(OPERATOR, ENTERPRISE, percents=(90, 50), emails=("a@example.com",))
    package_id = top_up(pools, 100)
    sweep = PoolSweep(Transactions(engine))
    assert sweep.alert(NOW) == 0
    use(engine, package_id, 60)
    assert sweep.alert(NOW) == 1
    assert sweep.alert(NOW) == 0
    use(engine, package_id, 35)
    assert sweep.alert(NOW) == 1
    top_up(pools, 900)
    assert sweep.alert(NOW) == 0
    use(engine, package_id, 5)
    assert sweep.alert(NOW) == 0
    with engine.connect() as connection:
        subjects = connection.scalars(select(mail.c.subject).order_by(mail.c.id)).all()
    assert subjects == [
        "50 % of the minutes of acme are used",
        "90 % of the minutes of acme are used",
    ]


def test_application_that_wants_it_is_told_of_each_threshold_once(engine: Engine) -> None:
    pools = create_pool(engine)
    add_application(engine, "told", pool_alerts=True)
    add_application(engine, "unwilling", pool_alerts=False)
    add_application(engine, "nowhere", pool_alerts=True, notify_url=None)
    create_enterprise(engine, "other")
    add_application(engine, "another", pool_alerts=True, enterprise_id="other")
    package_id = top_up(pools, 100)
    sweep = PoolSweep(Transactions(engine))
    use(engine, package_id, 95)
    assert [sweep.alert(NOW), sweep.alert(NOW)] == [2, 0]
    assert read_notices(engine) == [("told", 80, 95), ("told", 90, 95)]
    use(engine, package_id, 5)
    assert sweep.alert(NOW) == 1
    assert read_notices(engine)[2:] == [("told", 100, 100)]


def test_minutes_bought_and_used_up_between_two_looks_are_told_again(engine: Engine) -> None:
    pools = create_pool(engine)
    add_application(engine, "told", pool_alerts=True)
    pools.set_alerts(OPERATOR, ENTERPRISE, percents=(80,), emails=())
    first = top_up(pools, 100)
    sweep = PoolSweep(Transactions(engine))
    use(engine, first, 90)
    assert sweep.alert(NOW) == 1
    second = top_up(pools, 100)
    use(engine, second, 90)
    assert sweep.alert(NOW) == 1
    assert read_notices(engine) == [("told", 80, 90), ("told", 80, 90)]


def test_sweeps_at_once_tell_a_threshold_once(engine: Engine) -> None:
    pools = create_pool(engine)
    add_application(engine, "told", pool_alerts=True)
    use(engine, top_up(pools, 100), 85)
    sweep = PoolSweep(Transactions(engine))
    with ThreadPoolExecutor(4) as executor:
        told = list(executor.map(lambda _: sweep.alert(NOW), range(4)))
    assert sum(told) == 1
    assert read_notices(engine) == [("told", 80, 85)]


def test_alert_that_could_not_be_written_whole_stands_not(engine: Engine) -> None:
    pools = create_pool(engine)
    add_application(engine, "told", pool_alerts=True)
    use(engine, top_up(pools, 100), 85)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE pool_notice RENAME TO away")
    sweep = PoolSweep(Transactions(engine))
    with pytest.raises(SQLAlchemyError if engine.name == "postgresql" else DatabaseUnavailable):
        sweep.alert(NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO pool_notice")
    assert sweep.alert(NOW) == 1
    assert read_notices(engine) == [("told", 80, 85)]


def read_notices(engine: Engine) -> list[tuple[str, int, int]]:
    """Whom of which threshold, and how much was used then, in the order of being told."""
    with engine.connect() as connection:
        rows = connection.execute(select(pool_notice).order_by(pool_notice.c.id)).all()
    payloads = [json.loads(row.payload) for row in rows]
    return [
        (row.app_id, payload["percent"], payload["used_percent"])
        for row, payload in zip(rows, payloads, strict=True)
    ]


def use(engine: Engine, package_id: str, seconds: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ledger_entry (kind, enterprise_id, lot_id, occurred_at, available_s,"
            f" consumed_s) SELECT 'settle', enterprise_id, id, 0, -{seconds}, {seconds}"
            f" FROM package_lot WHERE package_id = '{package_id}'"
        )


@pytest.mark.parametrize(
    ("percents", "emails"),
    [
        ((0,), ()),
        ((101,), ()),
        (tuple(range(1, 12)), ()),
        ((), ("nobody",)),
        ((), ("a b@example.com",)),
        ((), ("a@example.com",) * 11),
    ],
)
def test_alerts_that_reach_nobody_are_refused(
    engine: Engine, percents: tuple[int, ...], emails: tuple[str, ...]
) -> None:
    pools = create_pool(engine)
    with pytest.raises(ValueInvalid):
        pools.set_alerts(OPERATOR, ENTERPRISE, percents=percents, emails=emails)


def test_forecast_goes_by_the_last_week(engine: Engine) -> None:
    pools = create_pool(engine)
    top_up(pools, 600)
    assert pools.show(OPERATOR, ENTERPRISE, NOW).runs_dry_at is None
    add_cdr(engine, 1, NOW - timedelta(days=1))
    add_cdr(engine, 2, NOW - timedelta(days=8))
    # From the beginning of the day a week ago; a fifth of what there was is used.
    since = datetime(2026, 2, 25, tzinfo=UTC)
    assert forecast_since(NOW, UTC) == since
    lasts = timedelta(seconds=5 * (NOW - since) // timedelta(seconds=1))
    dry_at = pools.show(OPERATOR, ENTERPRISE, NOW).runs_dry_at
    assert dry_at is not None and abs(dry_at - NOW - lasts) < timedelta(seconds=5)
    assert runs_dry_at(10**12, 1, NOW, since=since) is None


def test_share_of_nothing_is_all() -> None:
    assert (used_percent(0, 0), used_percent(3, 2), used_percent(100, 100)) == (100, 66, 100)


def test_tariff_changes_and_the_currency_stays(engine: Engine) -> None:
    pools = create_pool(engine)
    rated = create_tariff(unit_s=6, minimum_s=0, free_below_s=0, legs=2)
    pools.set_up(OPERATOR, ENTERPRISE, PoolSettings(rated), NOW)
    assert pools.show(OPERATOR, ENTERPRISE, NOW).settings.tariff == rated
    with pytest.raises(ValueInvalid):
        pools.set_up(OPERATOR, ENTERPRISE, PoolSettings(rated, "EUR"), NOW)
    with pytest.raises(ValueInvalid):
        pools.set_up(OPERATOR, ENTERPRISE, PoolSettings(rated, "cny"), NOW)
    with pytest.raises(ValueInvalid):
        create_tariff(unit_s=0, minimum_s=0, free_below_s=0, legs=2)


def test_cap_that_is_set_again_changes(engine: Engine) -> None:
    pools = create_pool(engine)
    for limit_s in (600, 700):
        pools.set_cap(
            OPERATOR,
            ENTERPRISE,
            scope=CapScope.DEPARTMENT,
            key="Sales",
            period=CapPeriod.MONTH,
            limit_s=limit_s,
        )
    [kept] = pools.list_caps(OPERATOR, ENTERPRISE)
    assert kept.limit_s == 700
    with pytest.raises(NotFound):
        pools.remove_cap(OPERATOR, ENTERPRISE, "nothing")
    with pytest.raises(NotFound):
        pools.cap_used_s("nothing", "Sales", NOW)


def test_what_is_anothers_or_has_no_pool_is_not_there(engine: Engine) -> None:
    pools = create_pool(engine)
    create_enterprise(engine, "other")
    for principal, enterprise_id in ((STRANGER, ENTERPRISE), (STRANGER, "other"), (OPERATOR, "no")):
        with pytest.raises(NotFound):
            pools.show(principal, enterprise_id, NOW)
        with pytest.raises(NotFound):
            pools.add_package(principal, enterprise_id, new(), NOW)
        with pytest.raises(NotFound):
            pools.list_caps(principal, enterprise_id)
    with pytest.raises(NotFound):
        pools.set_up(STRANGER, ENTERPRISE, PoolSettings(PER_MINUTE), NOW)
