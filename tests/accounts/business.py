"""The operator's business over one database: all use cases, put together as the program does."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection
from tests.accounts.paper import jpeg, pdf, png

from clicktodial.accounts.business import create_business
from clicktodial.accounts.contact import Contact
from clicktodial.accounts.erasure import PersonalDataEraser
from clicktodial.accounts.intention import Intention, NewIntention
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.principal import Principal, Role
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RETENTION = timedelta(days=30)
VAULT = SecretVault(bytes(32))
PURPOSE = "a test"
NORTH = "north"

MANAGER = Principal(
    name="mina", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({NORTH})
)
SOUTH_MANAGER = Principal(
    name="sam", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"south"})
)
REVIEWER = Principal(name="rita", roles=frozenset({Role.REVIEWER}))
SUPPORT = Principal(name="sue", roles=frozenset({Role.SUPPORT}))

CONTACT = Contact("Li Lei", "13912345673", "lei@acme.example")
NEW_INTENTION = NewIntention(
    enterprise_name="Acme Ltd", region=NORTH, contact=CONTACT, note="two shops"
)
# The example of GB 11643-1999.
ID_NUMBER = "11010519491231002X"
DATA = {
    "legal_name": "Acme Limited",
    "certificate_number": "91110000MA01ABCD2X",
    "representative_name": "Han Meimei",
    "representative_id_number": ID_NUMBER,
    "representative_phone": "13912345673",
    "handler_name": "Li Lei",
    "handler_id_number": "E12345678",
    "handler_email": "lei@acme.example",
    "handler_phone": "01052680000",
}
PAPERS = {
    DocumentKind.CERTIFICATE: pdf(),
    DocumentKind.REPRESENTATIVE_ID_FRONT: jpeg(),
    DocumentKind.REPRESENTATIVE_ID_BACK: jpeg(),
    DocumentKind.HANDLER_ID_FRONT: png(),
    DocumentKind.HANDLER_ID_BACK: png(),
}


class FakeManagers:
    """Account managers by region."""

    def __init__(self) -> None:
        self.by_region = {NORTH: [MANAGER.name], "south": ["sam", "susi"]}

    def find(self, connection: Connection, region: str) -> list[str]:
        return self.by_region.get(region, [])


@dataclass
class Business:
    """All use cases."""

    transactions: Transactions
    root: Path
    managers: FakeManagers = field(default_factory=FakeManagers)
    numbers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        made = create_business(
            self.transactions,
            VAULT,
            documents_root=self.root,
            default_region="CN",
            managers=self.managers,
            has_numbers=self._has_numbers,
        )
        self.enterprises, self.intentions = made.enterprises, made.intentions
        self.data, self.documents, self.store = made.data, made.documents, made.store
        self.reviews, self.activations = made.reviews, made.activations
        self.changes, self.work_orders = made.changes, made.work_orders
        self.eraser = PersonalDataEraser(self.transactions, self.store, retention=RETENTION)

    def _has_numbers(self, connection: Connection, enterprise_id: str) -> bool:
        return enterprise_id in self.numbers

    def enter(self) -> Intention:
        """An intention of one who called, of the north."""
        return self.intentions.submit(MANAGER, NEW_INTENTION, now=NOW)

    def fill(self, enterprise_id: str) -> None:
        """All that has to be shown."""
        self.data.change(MANAGER, enterprise_id, DATA, now=NOW)
        for kind, content in PAPERS.items():
            self.documents.upload(MANAGER, enterprise_id, kind=kind, content=content, now=NOW)

    def approve(self, enterprise_id: str) -> None:
        """Submitted and approved."""
        order = self.reviews.submit(MANAGER, enterprise_id, now=NOW).order
        self.work_orders.decide(REVIEWER, order.work_order_id, approved=True, reason="", now=NOW)

    def activate(self, enterprise_id: str, *, code: str = "95001") -> None:
        """All of the list done, and its order approved."""
        self.numbers.add(enterprise_id)
        for step in ActivationStep:
            given = code if step is ActivationStep.SERVICE_CODE else None
            self.activations.complete_step(MANAGER, enterprise_id, step, code=given, now=NOW)
        order = self.activations.show(MANAGER, enterprise_id).order
        assert order is not None
        self.work_orders.decide(MANAGER, order.work_order_id, approved=True, reason="", now=NOW)

    def create_active(self) -> str:
        """An enterprise that went all the way."""
        enterprise_id = self.enter().enterprise_id
        self.fill(enterprise_id)
        self.approve(enterprise_id)
        self.activate(enterprise_id)
        return enterprise_id


def owner_of(enterprise_id: str, role: Role = Role.OWNER) -> Principal:
    """A person of that enterprise."""
    return Principal(name=f"{role}-person", roles=frozenset({role}), enterprise_id=enterprise_id)
