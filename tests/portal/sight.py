"""What is worth a picture: the names of things in the exhibition's paths."""

from sqlalchemy import Connection, Select, select

from clicktodial.config import Settings
from clicktodial.domain.call import CallState
from clicktodial.domain.ticket import TicketCategory
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.sandbox.demo.history.fill import DISPATCH
from clicktodial.storage import table
from clicktodial.storage.business_table import work_order
from clicktodial.storage.engine import open_engine
from clicktodial.storage.ticket_table import ticket


def find_sights(settings: Settings) -> dict[str, str]:
    """Their identifiers, by the names that paths give them."""
    call = table.call.c
    queries: dict[str, Select[str]] = {
        "live_call": select(call.id)
        .where(call.state == CallState.CONNECTED, call.app_id == DISPATCH)
        .order_by(call.begun_at.desc()),
        "recorded_call": select(call.id)
        .where(call.recording_id.is_not(None))
        .order_by(call.begun_at.desc()),
        "review": select(work_order.c.id).where(
            work_order.c.kind == WorkOrderKind.QUALIFICATION,
            work_order.c.decided_at.is_(None),
        ),
        "ticket": select(ticket.c.id).where(ticket.c.category == TicketCategory.FAULT),
    }
    engine = open_engine(settings.database_url, "normal")
    with engine.connect() as connection:
        found = {name: _first(connection, query) for name, query in queries.items()}
    engine.dispose()
    return found


def _first(connection: Connection, query: Select[str]) -> str:
    return str(connection.scalars(query.limit(1)).one())
