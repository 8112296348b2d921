"""All tables of the database, for what looks at the whole of it."""

from clicktodial.storage import (
    billing_table,
    business_table,
    member_table,
    message_table,
    number_table,
    oauth_table,
    once_table,
    people_table,
    quality_table,
    ticket_table,
)
from clicktodial.storage.table import metadata

__all__ = ["MODULES", "metadata"]

MODULES = (
    people_table,
    business_table,
    number_table,
    member_table,
    billing_table,
    message_table,
    ticket_table,
    oauth_table,
    once_table,
    quality_table,
)
