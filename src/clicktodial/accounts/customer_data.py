"""Who a customer is: legal name, representative, handler. Sealed as a whole, each reading by the
operator's people noted with its purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select, update

from clicktodial.accounts.audit import note_access
from clicktodial.accounts.contact import (
    check_email,
    check_id_number,
    check_paper_number,
    check_phone,
    check_text,
)
from clicktodial.accounts.scope import require_visible
from clicktodial.domain.customer import DATA_FIELDS, CustomerData
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.wording import worded
from clicktodial.storage.business_table import customer_data
from clicktodial.storage.error import Conflict, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

# The audit log keeps so much of it.
PURPOSE_CHARACTERS_MAX = 64
# What a change by the operator's people is noted to be read for.
CHANGE_PURPOSE = "change"
WRITING_ROLES = frozenset({Role.OWNER, Role.ACCOUNT_MANAGER, Role.OPERATOR})
READING_ROLES = WRITING_ROLES | {Role.REVIEWER}
_columns = customer_data.c


@dataclass(frozen=True, slots=True)
class KeptData:
    """The data as they are, and their version."""

    data: CustomerData = field(repr=False)
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None


NO_DATA = KeptData(CustomerData())


class CustomerDataBook:
    """What people do with customers' data. All methods raise AdministrationError."""

    def __init__(
        self, transactions: Transactions, vault: SecretVault, *, default_region: str
    ) -> None:
        self._transactions = transactions
        self._vault = vault
        self._default_region = default_region

    def read(
        self, principal: Principal, enterprise_id: str, *, purpose: str, now: datetime
    ) -> KeptData:
        """The data. The operator's people say what for, and that is noted."""
        if not principal.has_any(READING_ROLES):
            raise NotPermitted
        with self._transactions.change(concerns_calls=False) as connection:
            require_visible(connection, principal, enterprise_id)
            _note_data_read(connection, principal, enterprise_id, purpose, now)
            return read_customer_data(connection, self._vault, enterprise_id)

    def change(
        self,
        principal: Principal,
        enterprise_id: str,
        given: Mapping[str, str],
        *,
        version: int | None = None,
        now: datetime,
    ) -> KeptData:
        """Fill in or correct what is `given`, by name of CustomerData, before the review; an
        empty text takes something away. With `version`, only where it is still that one.

        Returns all of them, and so is a reading where it is not the customer's own."""
        if not principal.has_any(WRITING_ROLES):
            raise NotPermitted
        checked = check_customer_data(given, self._default_region)
        with self._transactions.change(concerns_calls=False) as connection:
            row = require_visible(connection, principal, enterprise_id)
            if EnterpriseState(row.state) is not EnterpriseState.PROSPECT:
                raise Conflict(
                    worded(
                        "the enterprise is %(state)s: ask for a modification",
                        state=EnterpriseState(row.state),
                    )
                )
            known = read_customer_data(connection, self._vault, enterprise_id)
            if version is not None and known.version != version:
                raise Conflict("somebody else changed the data meanwhile")
            data = replace(known.data, **checked)
            write_customer_data(
                connection, self._vault, enterprise_id, data, by=principal.name, now=now
            )
            if principal.enterprise_id is None:
                _note_data_read(connection, principal, enterprise_id, CHANGE_PURPOSE, now)
            return read_customer_data(connection, self._vault, enterprise_id)


def read_customer_data(connection: Connection, vault: SecretVault, enterprise_id: str) -> KeptData:
    """The data, within the caller's transaction; NO_DATA where there are none."""
    query = select(customer_data).where(_columns.enterprise_id == enterprise_id)
    row = connection.execute(query).first()
    if row is None:
        return NO_DATA
    opened = vault.open(row.data_encrypted, _place(enterprise_id))
    data = msgspec.json.decode(opened, type=CustomerData)
    return KeptData(data, row.version, row.changed_by, row.changed_at)


def write_customer_data(
    connection: Connection,
    vault: SecretVault,
    enterprise_id: str,
    data: CustomerData,
    *,
    by: str,
    now: datetime,
) -> None:
    """Put them in the place of those before."""
    sealed = vault.seal(msgspec.json.encode(data), _place(enterprise_id))
    values = {"data_encrypted": sealed, "changed_by": by, "changed_at": now}
    change = (
        update(customer_data)
        .where(_columns.enterprise_id == enterprise_id)
        .values(version=_columns.version + 1, **values)
    )
    if connection.execute(change).rowcount == 0:
        connection.execute(
            insert(customer_data).values(enterprise_id=enterprise_id, version=1, **values)
        )


def check_customer_data(given: Mapping[str, str], region: str) -> dict[str, str]:
    """The same, as it is kept; telephone numbers are read in that country. Raises ValueInvalid."""
    unknown = next((name for name in given if name not in DATA_FIELDS), None)
    if unknown is not None:
        raise ValueInvalid("there are no such data of a customer")
    return {name: _check(name, text, region) if text else "" for name, text in given.items()}


def note_reading(
    connection: Connection,
    principal: Principal,
    operation: str,
    subjects: Mapping[str, str],
    enterprise_id: str,
    *,
    purpose: str,
    now: datetime,
) -> None:
    """Who reads what, and what for; customers need not say why they read their own."""
    purpose = purpose.strip()
    if principal.enterprise_id is None and not purpose:
        raise ValueInvalid("say what it is read for: the purpose is noted")
    if len(purpose) > PURPOSE_CHARACTERS_MAX or not (purpose.isprintable() or not purpose):
        raise ValueInvalid(
            worded("the purpose has at most %(most)s characters", most=PURPOSE_CHARACTERS_MAX)
        )
    note_access(
        connection,
        principal=principal,
        operation=operation,
        subjects={**subjects, "purpose": purpose or "own"},
        enterprise_id=enterprise_id,
        now=now,
    )


def _note_data_read(
    connection: Connection, principal: Principal, enterprise_id: str, purpose: str, now: datetime
) -> None:
    note_reading(
        connection,
        principal,
        "readCustomerData",
        {"enterprise_id": enterprise_id},
        enterprise_id,
        purpose=purpose,
        now=now,
    )


_FIELD_WORDS = {
    "legal_name": worded("the legal name"),
    "certificate_number": worded("the certificate number"),
    "representative_name": worded("the representative name"),
    "representative_id_number": worded("the representative id number"),
    "representative_phone": worded("the representative phone"),
    "handler_name": worded("the handler name"),
    "handler_id_number": worded("the handler id number"),
    "handler_email": worded("the handler email"),
    "handler_phone": worded("the handler phone"),
}


def _check(name: str, text: str, region: str) -> str:
    what = _FIELD_WORDS[name]
    if name.endswith("_phone"):
        return check_phone(text, what, region)
    if name.endswith("_id_number"):
        return check_id_number(text, what)
    if name.endswith("_email"):
        return check_email(text, what)
    if name == "certificate_number":
        return check_paper_number(text, what)
    return check_text(text, what)


def _place(enterprise_id: str) -> str:
    return f"customer_data/data/{enterprise_id}"
