"""All use cases of the operator's business, put together once for whoever composes a program."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clicktodial.accounts.account_manager import AccountManagers, PersonAccountManagers
from clicktodial.accounts.activation import Activations, NumbersCheck, has_sponsor_number
from clicktodial.accounts.customer_data import CustomerDataBook
from clicktodial.accounts.document import Documents
from clicktodial.accounts.document_store import DocumentStore
from clicktodial.accounts.enterprise import Enterprises
from clicktodial.accounts.enterprise_change import CHANGE_KINDS, EnterpriseChanges
from clicktodial.accounts.intention import Intentions
from clicktodial.accounts.review import Reviews
from clicktodial.accounts.work_order import WorkOrderHandler, WorkOrders
from clicktodial.domain.enterprise import CallPolicy
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """The use cases."""

    enterprises: Enterprises
    intentions: Intentions
    data: CustomerDataBook
    documents: Documents
    reviews: Reviews
    activations: Activations
    changes: EnterpriseChanges
    work_orders: WorkOrders
    store: DocumentStore


def create_business(
    transactions: Transactions,
    vault: SecretVault,
    *,
    documents_root: Path,
    default_region: str,
    calls: CallPolicy = CallPolicy.WHEN_ENDED,
    managers: AccountManagers | None = None,
    has_numbers: NumbersCheck = has_sponsor_number,
    further_handlers: Mapping[WorkOrderKind, WorkOrderHandler] | None = None,
) -> Business:
    """`further_handlers` are those of the kinds of work orders that belong to other parts;
    `managers` None: those of the operator's people who are account managers."""
    store = DocumentStore(documents_root, vault)
    reviews = Reviews(transactions, vault)
    activations = Activations(transactions, has_numbers)
    changes = EnterpriseChanges(transactions, vault, default_region=default_region, calls=calls)
    handlers: dict[WorkOrderKind, WorkOrderHandler] = {
        **(further_handlers or {}),
        WorkOrderKind.QUALIFICATION: reviews,
        WorkOrderKind.ACTIVATION: activations,
        **dict.fromkeys(CHANGE_KINDS, changes),
    }
    return Business(
        enterprises=Enterprises(transactions),
        intentions=Intentions(
            transactions,
            vault,
            managers or PersonAccountManagers(),
            default_region=default_region,
        ),
        data=CustomerDataBook(transactions, vault, default_region=default_region),
        documents=Documents(transactions, vault, store),
        reviews=reviews,
        activations=activations,
        changes=changes,
        work_orders=WorkOrders(transactions, handlers),
        store=store,
    )
