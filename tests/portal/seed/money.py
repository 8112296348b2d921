"""A pool with packages of each kind, caps, CDRs of six weeks and the file of a day."""

from datetime import timedelta

from sqlalchemy import insert
from tests.portal.world import World

from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.export_order import ExportOrders
from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.cause import EndReason
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.rating import Tariff
from clicktodial.storage.billing_table import cap_usage, cdr

_DAYS = 42
_CALLS_A_DAY = 3


def seed_money(world: World, enterprise_id: str) -> dict[str, str]:
    """Minutes of which some are used; who may use how much of them."""
    pools = Pools(world.transactions, zone=world.settings.billing.zone)
    begun = world.now - timedelta(days=_DAYS)
    alerts = (f"books@{enterprise_id}.example",)
    settings = PoolSettings(Tariff(), alert_emails=alerts)
    pools.set_up(OPERATOR_PRINCIPAL, enterprise_id, settings, begun)
    package_id = _sell(pools, world, enterprise_id)
    cap_id = _set_caps(pools, world, enterprise_id)
    _add_cdrs(world, enterprise_id)
    return {
        "package_id": package_id,
        "cap_id": cap_id,
        "export_id": _export(world, enterprise_id),
        "export_order_id": _order(world, enterprise_id),
        "month": f"{world.now.astimezone(world.settings.billing.zone):%Y-%m}",
    }


def _sell(pools: Pools, world: World, enterprise_id: str) -> str:
    sold = ""
    for new in (
        NewPackage(
            kind=PackageKind.MONTHLY, name="Business 600", seconds=36_000,
            price_micros=480_000_000, carry_months=1, valid_from=world.now,
        ),
        NewPackage(
            kind=PackageKind.ONE_OFF, name="Welcome", seconds=6_000,
            valid_from=world.now, valid_until=world.now + timedelta(days=60),
        ),
        NewPackage(
            kind=PackageKind.OVERAGE, name="Overage", seconds=30_000,
            micros_per_minute=350_000, valid_from=world.now,
        ),
    ):  # fmt: skip
        detail = pools.add_package(OPERATOR_PRINCIPAL, enterprise_id, new, world.now)
        sold = sold or detail.package_id
    return sold


def _set_caps(pools: Pools, world: World, enterprise_id: str) -> str:
    zone, now = world.settings.billing.zone, world.now
    rows = (
        (CapScope.MEMBER, "*", CapPeriod.DAY, 3_600, "+8613912345673", 3_600),
        (CapScope.DEPARTMENT, "Dispatch", CapPeriod.MONTH, 18_000, "Dispatch", 15_120),
        (CapScope.APPLICATION, world.ids[enterprise_id]["app_id"], CapPeriod.MONTH, 30_000, "", 0),
    )
    cap_id = ""
    for scope, key, period, limit_s, user, used_s in rows:
        made = pools.set_cap(
            OPERATOR_PRINCIPAL, enterprise_id, scope=scope, key=key, period=period, limit_s=limit_s
        )
        cap_id = cap_id or made.cap_id
        if used_s:
            row = {"cap_id": made.cap_id, "key": user, "period": period.start(now, zone)}
            with world.engine.begin() as connection:
                connection.execute(insert(cap_usage).values(**row, used_s=used_s, limit_s=limit_s))
    return cap_id


def _add_cdrs(world: World, enterprise_id: str) -> None:
    app_id, rows = world.ids[enterprise_id]["app_id"], []
    for number in range(_DAYS * _CALLS_A_DAY):
        ended_at = world.now - timedelta(hours=24 / _CALLS_A_DAY * number + 1)
        seconds = 0 if number % 5 == 4 else 45 + (number * 97) % 900
        rows.append(
            {
                "call_id": f"{app_id}c{number:023x}", "enterprise_id": enterprise_id,
                "node_id": "another", "app_id": app_id, "sponsor_e164": "+861052680000",
                "caller_e164": "+8613912345673", "callee_e164": f"+8613810268{number % 1000:03}",
                "begun_at": ended_at - timedelta(seconds=seconds + 20),
                "connected_at": ended_at - timedelta(seconds=seconds) if seconds else None,
                "ended_at": ended_at, "duration_s": seconds,
                "reason": EndReason.HANG_UP if seconds else EndReason.CALLEE_BUSY,
                "member": "+8613912345673", "department": "Dispatch" if number % 2 else None,
                "tariff_id": "seed", "legs_counted": 1, "rated_s": -(-seconds // 60) * 60,
                "billed_s": -(-seconds // 60) * 60, "overage_s": 60 if number % 9 == 0 else 0,
                "price_micros": 350_000 if number % 9 == 0 else 0, "lots": "[]",
            }
        )  # fmt: skip
    with world.engine.begin() as connection:
        connection.execute(insert(cdr), rows)


def _export(world: World, enterprise_id: str) -> str:
    """The file of a day, as the schedule writes it."""
    settings, zone = world.settings, world.settings.billing.zone
    root = settings.data_dir / "exports"
    exports = Exports(world.transactions, root, zone=zone, keep_days=30)
    local = (world.now - timedelta(days=2)).astimezone(zone)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for kind in (ExportKind.CSV, ExportKind.PARQUET):
        exports.write_day(enterprise_id, kind, day, world.now)
    (found, *_) = exports.list(OPERATOR_PRINCIPAL, enterprise_id)
    return found.export_id


def _order(world: World, enterprise_id: str) -> str:
    """An export that somebody asked for, written here or by the platform that runs."""
    orders = ExportOrders(
        world.transactions,
        world.settings.data_dir / "exports",
        keep_days=30,
        utc=lambda: world.now,
    )
    asked = orders.ask(
        OPERATOR_PRINCIPAL,
        enterprise_id,
        ExportKind.CSV,
        since=world.now - timedelta(days=40),
        until=world.now - timedelta(days=10),
        now=world.now,
    )
    orders.run_next()
    return asked.order_id
