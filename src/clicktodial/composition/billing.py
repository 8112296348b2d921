"""What concerns minutes and money."""

from collections.abc import Callable

from clicktodial.api.management.billing import BillingNeeds
from clicktodial.api.management.worker import Worker
from clicktodial.billing.cdr import CdrReader
from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statements
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.upkeep import BillingUpkeep
from clicktodial.billing.use import UseSums
from clicktodial.composition.foundation import Foundation


def open_billing(base: Foundation, *, on_alert: Callable[[], None]) -> BillingNeeds:
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
    file_worker = Worker()
    base.stack.push_async_callback(file_worker.close)
    return BillingNeeds(
        pools=Pools(transactions, zone=settings.zone),
        cdrs=CdrReader(transactions),
        statements=Statements(transactions, zone=settings.zone),
        exports=exports,
        file_worker=file_worker,
        pdf_font=settings.pdf_font,
    )
