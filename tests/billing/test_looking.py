"""What is shown of pools: days, movements, caps and lists, over a real database."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert
from tests.billing.support import (
    ENTERPRISE,
    OPERATOR,
    create_enterprise,
    create_pool,
    top_up,
)
from tests.billing.test_statement import STRANGER, add_cdr
from tests.storage.support import NOW

from clicktodial.billing.cdr import CdrQuery, CdrReader
from clicktodial.billing.movement import MovementKind, MovementPlace, Movements
from clicktodial.billing.pool import Pools
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.usage import DailyUse
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.storage.billing_table import cap_usage
from clicktodial.storage.error import NotFound
from clicktodial.storage.transaction import Transactions

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def pools(engine: Engine) -> Pools:
    return create_pool(engine)


def test_days_are_those_of_the_billing_zone(engine: Engine, pools: Pools) -> None:
    daily = DailyUse(Transactions(engine), zone=SHANGHAI)
    midnight = NOW.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    add_cdr(engine, 1, midnight - timedelta(seconds=1), billed_s=60)
    add_cdr(engine, 2, midnight, billed_s=120, overage_s=60)
    add_cdr(engine, 3, midnight - timedelta(days=9), billed_s=600)
    found = daily.read(OPERATOR, ENTERPRISE, NOW, days=3)
    assert [each.day for each in found] == [
        midnight.date() - timedelta(days=back) for back in (2, 1, 0)
    ]
    told = [(each.calls, each.billed_s, each.overage_s) for each in found]
    assert told == [(0, 0, 0), (1, 60, 0), (1, 120, 60)]


def test_movements_are_paged_without_a_gap(engine: Engine, pools: Pools) -> None:
    movements = Movements(Transactions(engine))
    top_up(pools, 600)
    # At one moment: a lot's movement, and calls'.
    for number in range(5):
        add_cdr(engine, number, NOW, billed_s=60)
    add_cdr(engine, 9, NOW - timedelta(hours=1), billed_s=0)
    add_cdr(engine, 10, NOW - timedelta(hours=2), billed_s=120)
    whole = movements.list_movements(OPERATOR, ENTERPRISE)
    assert [each.seconds for each in whole] == [600, *[-60] * 5, -120]
    assert (whole[0].kind, whole[0].title) == (MovementKind.GRANT, "600 s")
    paged, before = [], None
    while page := movements.list_movements(OPERATOR, ENTERPRISE, before=before, limit=2):
        paged += page
        before = page[-1].place
    assert paged == whole


def test_what_expires_is_a_movement(engine: Engine, pools: Pools) -> None:
    top_up(pools, 600, days=1)
    PoolSweep(Transactions(engine)).run(NOW + timedelta(days=2))
    found = Movements(Transactions(engine)).list_movements(OPERATOR, ENTERPRISE)
    assert [(each.kind, each.seconds) for each in found] == [
        (MovementKind.EXPIRE, -600),
        (MovementKind.GRANT, 600),
    ]
    before = MovementPlace(found[0].at, False, found[0].place.key)
    rest = Movements(Transactions(engine)).list_movements(OPERATOR, ENTERPRISE, before=before)
    assert rest == found[1:]


def test_newest_cdrs_come_in_pages(engine: Engine, pools: Pools) -> None:
    reader = CdrReader(Transactions(engine))
    for number in range(4):
        add_cdr(engine, number, NOW + timedelta(minutes=number // 2))
    query = CdrQuery(ENTERPRISE, NOW - timedelta(days=1), NOW + timedelta(days=1))
    first = reader.newest(OPERATOR, query, limit=3)
    rest = reader.newest(OPERATOR, query, before=first[-1].place, limit=3)
    calls = [each.values["call_id"] for each in first + rest]
    assert calls == [f"{number:032x}" for number in (3, 2, 1, 0)]


def test_caps_are_told_with_what_is_used(engine: Engine, pools: Pools) -> None:
    of_all = pools.set_cap(
        OPERATOR, ENTERPRISE, scope=CapScope.MEMBER, key="*", period=CapPeriod.MONTH, limit_s=600
    )
    of_one = pools.set_cap(
        OPERATOR, ENTERPRISE, scope=CapScope.DEPARTMENT, key="Sales", period=CapPeriod.DAY,
        limit_s=60,
    )  # fmt: skip
    month, day = NOW.strftime("%Y-%m"), NOW.strftime("%Y-%m-%d")
    rows = [
        (of_all.cap_id, "+8613912345673", month, 600),
        (of_all.cap_id, "+8613912345674", month, 30),
        (of_all.cap_id, "+8613912345674", "2020-01", 599),
        (of_one.cap_id, "Sales", day, 20),
    ]
    with engine.begin() as connection:
        for cap_id, key, period, used_s in rows:
            row = {"cap_id": cap_id, "key": key, "period": period, "used_s": used_s}
            connection.execute(insert(cap_usage).values(**row, limit_s=600))
    found = pools.list_cap_uses(OPERATOR, ENTERPRISE, NOW)
    assert [(each.cap, each.used_s, each.reached) for each in found] == [
        (of_all, 600, 1),
        (of_one, 20, 0),
    ]
    assert pools.list_cap_uses(OPERATOR, ENTERPRISE, NOW, after=of_all.cap_id) == found[1:]


def test_pools_are_listed_with_what_is_left(engine: Engine, pools: Pools) -> None:
    top_up(pools, 600)
    top_up(pools, 600, days=1)
    create_enterprise(engine, "zebra")
    now = NOW + timedelta(days=2)
    (summary,) = pools.list_pools(OPERATOR, now)
    assert (summary.enterprise_id, summary.available_s, summary.used_percent) == (
        ENTERPRISE,
        600,
        0,
    )
    assert pools.list_pools(OPERATOR, now, after=ENTERPRISE) == []
    assert pools.list_pools(STRANGER, now) == []


def test_what_is_anothers_is_not_found(engine: Engine, pools: Pools) -> None:
    transactions = Transactions(engine)
    query = CdrQuery(ENTERPRISE, NOW - timedelta(days=1), NOW)
    with pytest.raises(NotFound):
        DailyUse(transactions).read(STRANGER, ENTERPRISE, NOW, days=3)
    with pytest.raises(NotFound):
        Movements(transactions).list_movements(STRANGER, ENTERPRISE)
    with pytest.raises(NotFound):
        CdrReader(transactions).newest(STRANGER, query)
    with pytest.raises(NotFound):
        pools.list_cap_uses(STRANGER, ENTERPRISE, NOW)
