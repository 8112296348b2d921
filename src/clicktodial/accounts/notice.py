"""What customers are told by mail of what was decided about them."""

from datetime import datetime

from sqlalchemy import Connection, select

from clicktodial.accounts.contact import decode_contact
from clicktodial.accounts.customer_data import read_customer_data
from clicktodial.messaging.mail import queue_mail
from clicktodial.storage.business_table import intention
from clicktodial.storage.secret import SecretVault


def contact_place(intention_id: str) -> str:
    """Where an intention's contact is sealed."""
    return f"intention/contact/{intention_id}"


def tell_customer(
    connection: Connection,
    vault: SecretVault,
    enterprise_id: str,
    *,
    subject: str,
    text: str,
    now: datetime,
) -> None:
    """Mail to the handler, or while there is none to the contact of the intention; to nobody
    where neither is known, as of an enterprise that the operator made by hand."""
    to = read_customer_data(connection, vault, enterprise_id).data.handler_email
    to = to or _find_contact(connection, vault, enterprise_id)
    if to:
        queue_mail(connection, to=to, subject=subject, text=text, now=now)


def _find_contact(connection: Connection, vault: SecretVault, enterprise_id: str) -> str:
    columns = intention.c
    query = (
        select(columns.id, columns.contact_encrypted)
        .where(columns.enterprise_id == enterprise_id)
        .order_by(columns.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None or not row.contact_encrypted:
        return ""
    return decode_contact(vault.open(row.contact_encrypted, contact_place(row.id))).email
