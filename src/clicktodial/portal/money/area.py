"""The pages of this area."""

from clicktodial.portal.money.movement import MovementPages
from clicktodial.portal.money.pool import PoolPages
from clicktodial.portal.money.record import RecordPages
from clicktodial.portal.money.sale import SalePages
from clicktodial.portal.money.statement import StatementPages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_money_area(needs: ConsoleNeeds) -> Area:
    """Its pages, actions and cards."""
    pool, sale = PoolPages(needs), SalePages(needs)
    return Area(
        [
            *pool.pages(),
            *MovementPages(needs).pages(),
            *RecordPages(needs).pages(),
            *StatementPages(needs).pages(),
            *sale.pages(),
        ],
        [*pool.actions(), *sale.actions()],
        pool.cards(),
    )
