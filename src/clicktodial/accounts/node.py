"""The nodes of the platform, as they enter themselves into its database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, literal_column, select

from clicktodial.storage import table
from clicktodial.storage.peer import HEARTBEAT_INTERVAL_S, LOOKS_UNTIL_DEAD
from clicktodial.storage.transaction import Transactions

# Nodes that ended long ago stay in the table; the newest are those that matter.
NODES_MAX = 200


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node: since when it runs and which version, when it last said so, and its calls."""

    node_id: str
    started_at: datetime
    seen_at: datetime
    live_calls: int
    # None of one that runs a version which does not say it yet.
    version: str | None
    stale_after: timedelta

    def lives(self, now: datetime) -> bool:
        """Whether it still says so; the calls of one that does not are ended for it."""
        return now - self.seen_at < self.stale_after


class Nodes:
    """All methods block; they raise DatabaseUnavailable."""

    def __init__(
        self, transactions: Transactions, *, interval_s: int = HEARTBEAT_INTERVAL_S
    ) -> None:
        """`interval_s` is that of the nodes' heartbeats."""
        self._transactions = transactions
        self._stale_after = timedelta(seconds=LOOKS_UNTIL_DEAD * interval_s)

    def list_nodes(self) -> list[NodeSeen]:
        """Those that were seen last, at most NODES_MAX, the latest first."""
        columns = table.node.c
        # Spelled out, so that SQLite finds the index of open calls.
        is_open: ColumnElement[bool] = literal_column("call.state <> 'ended'")
        node_id = table.call.c.node_id
        live = select(node_id, func.count()).where(is_open).group_by(node_id)
        query = select(table.node).order_by(columns.heartbeat_at.desc(), columns.id)
        with self._transactions.read() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(live)}
            return [
                NodeSeen(
                    row.id,
                    row.started_at,
                    row.heartbeat_at,
                    counts.get(row.id, 0),
                    row.version,
                    self._stale_after,
                )
                for row in connection.execute(query.limit(NODES_MAX))
            ]
