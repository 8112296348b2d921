"""What resources of one enterprise share: who may see it, and what its path names."""

from collections.abc import Callable
from typing import TypeVar

from clicktodial.accounts.scope import require_visible
from clicktodial.api.management.route import Ask, Parameter
from clicktodial.api.management.worker import Worker
from clicktodial.storage.transaction import Transactions

T = TypeVar("T")

ENTERPRISE_ID = Parameter(
    "enterprise_id", "The enterprise.", {"type": "string", "maxLength": 64}, example="default"
)


class EnterpriseScope:
    """Runs what is about an enterprise where it is the business of who asks."""

    def __init__(self, transactions: Transactions, worker: Worker) -> None:
        self._transactions = transactions
        self._worker = worker

    async def run(self, ask: Ask, work: Callable[[str], T]) -> T:
        """What `work` makes of the enterprise of the path, on the worker. Raises what it does,
        and NotFound: what is another's is not there."""
        enterprise_id = ask.path["enterprise_id"]

        def look_and_work() -> T:
            with self._transactions.read() as connection:
                require_visible(connection, ask.principal, enterprise_id)
            return work(enterprise_id)

        return await self._worker.run(look_and_work)
