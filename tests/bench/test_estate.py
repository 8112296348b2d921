"""The large estate, at a size of its own: use cases read it as what they wrote themselves."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from tests.bench.estate import NOW, PASSWORD, SMALL, furnish_small

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.customer_data import CustomerDataBook
from clicktodial.accounts.do_not_call import ListPlace, NumberLists
from clicktodial.accounts.member import Members, MemberSearch
from clicktodial.accounts.number import NumberFilter, NumberInventory
from clicktodial.accounts.number_order import NumberOrders, OrderState
from clicktodial.accounts.session import Sessions
from clicktodial.accounts.ticket_store import SupportPolicy, TicketStore
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.bench.estate import LARGEST, EstateSize
from clicktodial.config import SupportSettings
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.protection import ListKind
from clicktodial.domain.sponsor_number import NumberState
from clicktodial.storage.engine import open_engine
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault, secret_place
from clicktodial.storage.table import application
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

OWNER = Principal(name="person-0", roles=frozenset({Role.OWNER}), enterprise_id=LARGEST)


@pytest.fixture
def vault() -> SecretVault:
    return SecretVault(bytes(range(32)))


@pytest.fixture
def engine(database_url: str, vault: SecretVault) -> Iterator[Engine]:
    """A database with the estate."""
    engine = open_engine(database_url, "normal")
    furnish_small(engine, vault)
    yield engine
    engine.dispose()


def test_a_smaller_estate_has_the_same_shape() -> None:
    assert EstateSize.for_enterprises(1_000, 1_000) == EstateSize()
    small = EstateSize.for_enterprises(5, 3)
    assert (small.members, small.members_of_largest, small.people) == (3, 300, 25)
    assert small.orders_open < small.orders <= small.numbers


@pytest.mark.on_every_database
def test_what_is_built_is_as_the_platform_would_have_left_it(
    engine: Engine, vault: SecretVault
) -> None:
    transactions = Transactions(engine)
    entries = AuditLog(transactions).list_entries(limit=SMALL.audited + 1)
    assert len(entries) == SMALL.audited
    assert entries[-1].at < NOW - timedelta(days=600) < entries[0].at < NOW
    _look_at_people(transactions, vault)
    _look_at_numbers(transactions)
    _look_at_tickets(engine, vault)
    with engine.connect() as connection:
        for row in connection.execute(select(application)):
            assert vault.open(row.secret_encrypted, secret_place(row.app_id)) == b"secret"


def _look_at_people(transactions: Transactions, vault: SecretVault) -> None:
    sessions = Sessions(transactions, vault, idle=timedelta(hours=1), life=timedelta(hours=1))
    for account in (OWNER.name, "operator-0"):
        assert sessions.log_in(
            account=account, password=PASSWORD, code=None, address=f"host-{account}", now=NOW
        ).token
    members = Members(transactions, region="CN")
    assert members.count(LARGEST) == SMALL.members_of_largest
    assert members.count("e-6") == SMALL.members
    (one,) = members.find(LARGEST, MemberSearch("S1000007"), limit=9)
    assert members.change(LARGEST, one.member_id, lambda known: known, now=NOW) == one
    data = CustomerDataBook(transactions, vault, default_region="CN")
    assert data.read(OWNER, LARGEST, purpose="", now=NOW).data.handler_name == "Li Lei"
    book = NumberLists(transactions, NumberKeys(vault), region="CN")
    place = ListPlace(ListKind.DO_NOT_CALL, LARGEST)
    (first, *_) = book.list_all(place, limit=9)
    assert book.find(place, "+8613900000003") == first


def _look_at_numbers(transactions: Transactions) -> None:
    inventory = NumberInventory(transactions, region="CN")
    orders = NumberOrders(transactions, region="CN")
    which = NumberFilter(state=NumberState.ASSIGNED)
    assigned = inventory.list_numbers(which, NOW)
    assert len(assigned) == SMALL.orders - SMALL.orders_open
    for detail in assigned:
        order = orders.show(OPERATOR_PRINCIPAL, detail.number.order_id or "")
        assert order.state is OrderState.APPROVED
        assert order.numbers == (detail.number.e164,)
        steps = orders.show_review(OPERATOR_PRINCIPAL, order.order_id)
        assert [each.action for each in steps] == ["open", "approve", "archive"]
    waiting = WorkOrders(transactions, {}).count_open(OPERATOR_PRINCIPAL)
    assert sum(waiting.values()) == SMALL.orders_open
    assert sum(count for _, count in inventory.count_free(NOW)) > 0


def _look_at_tickets(engine: Engine, vault: SecretVault) -> None:
    """What their steps make of them is what the table says of them."""
    store = TicketStore(vault, SupportPolicy.from_settings(SupportSettings()))
    with engine.connect() as connection:
        rows = connection.execute(select(ticket)).all()
        for row in rows:
            file = store.read(connection, row.id)
            due = store.next_due(file)
            assert len(file.steps) == row.steps
            assert (row.due_at, row.state, row.is_resolution_late) == (
                None if due is None else due.at,
                file.ticket.state,
                file.ticket.is_resolution_late,
            )
    assert len(rows) > SMALL.tickets
    assert {row.state for row in rows} >= {"new", "assigned", "closed"}
