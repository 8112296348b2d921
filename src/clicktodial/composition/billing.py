"""What concerns minutes and money."""

from collections.abc import Callable
from dataclasses import dataclass

from clicktodial.api.management.billing import BillingNeeds
from clicktodial.api.management.worker import Worker
from clicktodial.billing.cdr import CdrReader
from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.export_order import ExportOrders
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statements
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.upkeep import BillingUpkeep, ExportWriter
from clicktodial.billing.use import UseSums
from clicktodial.composition.foundation import Foundation


@dataclass(frozen=True, slots=True)
class Billing:
    """What the management API is given, and what only the console has; `take_up_orders` says on
    the loop that there is an export to be written."""

    needs: BillingNeeds
    export_orders: ExportOrders
    take_up_orders: Callable[[], None]


def open_billing(base: Foundation, *, on_alert: Callable[[], None]) -> Billing:
    """Pools are swept, and exports written, from now on. `on_alert`: see BillingUpkeep."""
    settings, transactions = base.settings.billing, base.transactions
    exports = Exports(
        transactions,
        base.settings.data_dir / "exports",
        zone=settings.zone,
        keep_days=settings.exports_keep_days,
    )
    upkeep = BillingUpkeep(
        PoolSweep(transactions, zone=settings.zone),
        UseSums(transactions, zone=settings.zone),
        exports,
        kinds=tuple(ExportKind(kind) for kind in settings.exports),
        interval_s=settings.sweep_interval_s,
        utc=base.clock.utc,
        on_alert=on_alert,
    )
    base.background.run("billing_upkeep", upkeep.run())
    orders = ExportOrders(
        transactions,
        base.settings.data_dir / "exports",
        keep_days=settings.exports_keep_days,
        utc=base.clock.utc,
    )
    writer = ExportWriter(orders, base.clock.utc, dropped_every_s=settings.sweep_interval_s)
    base.background.run("export_writer", writer.run())
    file_worker = Worker()
    base.stack.push_async_callback(file_worker.close)
    needs = BillingNeeds(
        pools=Pools(transactions, zone=settings.zone),
        cdrs=CdrReader(transactions),
        statements=Statements(transactions, zone=settings.zone),
        exports=exports,
        file_worker=file_worker,
        pdf_font=settings.pdf_font,
    )
    return Billing(needs, orders, writer.look)
