"""The inventory of numbers over a real database: who gets which, once."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, text, update

from clicktodial.accounts.business import create_business
from clicktodial.accounts.enterprise_change import NewChange
from clicktodial.accounts.number import (
    COOLING_OFF,
    COUNT_KEPT,
    NewNumber,
    NumberFilter,
    NumberInventory,
    has_number,
    kind_of,
)
from clicktodial.accounts.number_import import (
    FILE_BYTES_MAX,
    ROWS_MAX,
    import_numbers,
)
from clicktodial.accounts.number_order import (
    NUMBERS_PER_ORDER_MAX,
    OPEN_ORDERS_MAX,
    RESERVED_FOR,
    NumberOrders,
    OrderChannel,
    OrderState,
)
from clicktodial.accounts.number_pool import (
    FALLBACK_MAX,
    POOL_NUMBERS_MAX,
    POOLS_MAX,
    NumberPools,
)
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.api.management.number_desks import create_number_desks
from clicktodial.config import NumbersSettings
from clicktodial.domain.identifier import AppId
from clicktodial.domain.number_pool import Place, PoolNumber
from clicktodial.domain.place_lookup import GeocoderPlaceLookup, NullPlaceLookup
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.sponsor_number import NumberKind, NumberState
from clicktodial.domain.trunk import Trunk
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage import table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.application_row import read_application
from clicktodial.storage.error import (
    AdministrationError,
    AlreadyExists,
    Conflict,
    DatabaseUnavailable,
    NotFound,
    NotPermitted,
    ValueInvalid,
)
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ONE, TWO, THREE = "+861052680001", "+861052680002", "+8675512345678"
OLGA = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")
BEN = Principal(name="ben", roles=frozenset({Role.DEVELOPER}), enterprise_id="bell")
RITA = Principal(name="rita", roles=frozenset({Role.REVIEWER}))
MAX = Principal(name="max", roles=frozenset({Role.ACCOUNT_MANAGER}))
SAM = Principal(name="sam", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"south"}))
VAULT = SecretVault(bytes(range(32)))


class Office:
    """Everything that works with numbers, and what a test often does with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        transactions = Transactions(engine)
        self.inventory = NumberInventory(transactions, region="CN")
        self.orders = NumberOrders(transactions, region="CN")
        self.pools = NumberPools(transactions, region="CN")
        self.work_orders = WorkOrders(transactions, {WorkOrderKind.NUMBER_ORDER: self.orders})

    def add(self, *numbers: str, city: str = "Beijing") -> None:
        for number in numbers:
            self.inventory.add(NewNumber(number=number, city=city, region=city), NOW)

    def decide(self, order_id: str, *, approved: bool, now: datetime = NOW) -> None:
        order = self.orders.show(OPERATOR_PRINCIPAL, order_id)
        reason = "" if approved else "not for them"
        self.work_orders.decide(
            RITA, order.work_order_id, approved=approved, reason=reason, now=now
        )

    def give(self, principal: Principal, *numbers: str) -> None:
        """Order numbers and have that approved."""
        assert principal.enterprise_id is not None
        order = self.orders.place(principal, principal.enterprise_id, numbers, NOW)
        self.decide(order.order_id, approved=True)

    def state(self, number: str, now: datetime = NOW) -> NumberState:
        return self.inventory.show(number, now).number.state


@pytest.fixture
def office(engine: Engine, administration: Administration) -> Office:
    return Office(engine)


# The inventory


def test_number_is_added_free_and_of_the_kind_of_its_plan(office: Office) -> None:
    detail = office.inventory.add(NewNumber(number="010 5268 0001"), NOW)
    assert (detail.number.e164, detail.number.state) == (ONE, NumberState.FREE)
    assert (detail.kind, detail.place, detail.trunk) == (NumberKind.FIXED, Place(), None)
    with pytest.raises(AlreadyExists):
        office.add(ONE)


@pytest.mark.parametrize(
    ("e164", "kind"),
    [
        (ONE, NumberKind.FIXED),
        ("+8613912345673", NumberKind.MOBILE),
        ("+864001100868", NumberKind.SERVICE),
        ("+8610086", NumberKind.SERVICE),
    ],
)
def test_kind_follows_the_numbering_plan(e164: str, kind: NumberKind) -> None:
    assert kind_of(e164) is kind


@pytest.mark.parametrize(
    "new",
    [
        NewNumber(number="nonsense"),
        NewNumber(number=ONE, city="x" * 65),
        NewNumber(number=ONE, region="a\nb"),
        NewNumber(number=ONE, trunk="no such"),
    ],
)
def test_number_that_is_none_is_refused(office: Office, new: NewNumber) -> None:
    with pytest.raises(ValueInvalid):
        office.inventory.add(new, NOW)


def test_number_of_a_trunk_that_is_not_there_is_refused(office: Office) -> None:
    with pytest.raises(NotFound, match="no trunk"):
        office.inventory.add(NewNumber(number=ONE, trunk="main"), NOW)
    office.add(ONE)
    with pytest.raises(NotFound, match="no trunk"):
        office.inventory.describe(ONE, NOW, trunk="main")


def test_place_is_looked_up_where_none_is_given(engine: Engine) -> None:
    inventory = NumberInventory(Transactions(engine), region="CN", places=GeocoderPlaceLookup())
    found = inventory.add(NewNumber(number=THREE), NOW)
    assert found.place == Place("Shenzhen", "Guangdong")
    given = inventory.add(NewNumber(number=ONE, city="Peking"), NOW)
    assert given.place == Place("Peking", "")


def test_places_of_numbers() -> None:
    places = GeocoderPlaceLookup()
    assert places.find("+8613810268653") == Place("Beijing", "Beijing")
    assert places.find("+861052680000") == Place("Beijing", "Beijing")
    assert places.find("+8613912345673") == Place("Changzhou", "Jiangsu")
    assert places.find("nonsense") == Place()
    assert NullPlaceLookup().find("+8613810268653") == Place()


def test_numbers_are_listed_by_what_they_are_by_now(office: Office) -> None:
    office.add(ONE, TWO)
    office.add(THREE, city="Shenzhen")
    office.give(OLGA, ONE)
    office.orders.place(BEN, "bell", [TWO], NOW)

    def found(now: datetime = NOW, **which: object) -> list[str]:
        details = office.inventory.list_numbers(NumberFilter(**which), now)  # type: ignore[arg-type]  # any of them
        return [detail.number.e164 for detail in details]

    assert found() == [ONE, TWO, THREE]
    assert found(city="Shenzhen") == [THREE]
    assert found(enterprise_id="acme") == [ONE]
    assert found(state=NumberState.FREE) == [THREE]
    assert found(state=NumberState.RESERVED) == [TWO]
    lapsed = NOW + RESERVED_FOR
    assert found(lapsed, state=NumberState.FREE) == [TWO, THREE]
    assert found(lapsed, state=NumberState.RESERVED) == []
    assert office.state(TWO, lapsed) is NumberState.FREE
    free = office.inventory.list_free(NOW, city="Shenzhen")
    assert [detail.number.e164 for detail in free] == [THREE]
    page = office.inventory.list_numbers(NumberFilter(), NOW, after=ONE, limit=1)
    assert [detail.number.e164 for detail in page] == [TWO]


def test_number_that_is_somebodys_cannot_be_retired(office: Office) -> None:
    office.add(ONE, TWO)
    office.give(OLGA, ONE)
    with pytest.raises(Conflict, match="assigned takes no retire"):
        office.inventory.retire(ONE, NOW)
    office.inventory.retire(TWO, NOW)
    with pytest.raises(Conflict):
        office.orders.place(OLGA, "acme", [TWO], NOW)
    office.inventory.reinstate(TWO, NOW)
    assert office.state(TWO) is NumberState.FREE


# CSV


def test_every_row_of_a_file_has_its_own_outcome(
    office: Office, administration: Administration
) -> None:
    administration.add_trunk(Trunk(name="main", host="192.0.2.1", port=5060))
    office.add(TWO)
    content = (
        "\ufeffNumber,City,Region,Kind,Trunk\r\n"
        f'{ONE},"Bei\r\njing",Beijing,,main\r\n'
        "010 5268 0003,Beijing,Beijing,fixed,\r\n"
        f"{TWO},Beijing,Beijing,,\r\n"
        "nonsense,,,,\r\n"
        "\r\n"
        f"{THREE},,,landline,\r\n"
        f"{THREE},,,,other\r\n"
        f"{THREE},Shenzhen\r\n"
        f"{THREE},Shenzhen,Guangdong,,main\r\n"
        f"{THREE},Shenzhen,Guangdong,,main\r\n"
    )
    report = import_numbers(office.inventory, content.encode(), NOW)
    assert [(row.line, row.why) for row in report.rows] == [
        (2, "the city has at most 64 printable characters"),
        (4, None),
        (5, "it is in the inventory already"),
        (6, "******** is not a telephone number"),
        (8, "the kind is one of fixed, mobile, service"),
        (9, "there is no trunk of that name"),
        (10, "it has 2 cells, and the header 5"),
        (11, None),
        (12, "it is in the inventory already"),
    ]
    assert (report.added, len(report.refused)) == (2, 7)
    detail = office.inventory.show(THREE, NOW)
    assert (detail.place, detail.trunk) == (Place("Shenzhen", "Guangdong"), "main")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "must name the columns"),
        (b"city\nBeijing\n", "must name the columns"),
        (b"number,colour\n1,red\n", "the columns are"),
        (b"number,number\n1,2\n", "the columns are"),
        (b"number\n\xff\n", "not in UTF-8"),
        (b"number\n1\x00\n", "no text"),
        (b'number\n"1\n', "is not CSV"),
        (b"number\n" + b"1\n" * (ROWS_MAX + 1), "more than 10000 rows"),
        (b"number\n" + b"1" * FILE_BYTES_MAX, "more than 2000000 bytes"),
    ],
)
def test_file_that_is_none_is_refused_whole(office: Office, content: bytes, why: str) -> None:
    with pytest.raises(ValueInvalid, match=why):
        import_numbers(office.inventory, content, NOW)
    assert office.inventory.list_numbers(NumberFilter(), NOW) == []


# Orders


@pytest.mark.on_every_database
def test_order_of_a_customer_is_reserved_reviewed_and_assigned(office: Office) -> None:
    office.add(ONE, TWO)
    order = office.orders.place(OLGA, "acme", [TWO, "010 5268 0001", ONE], NOW)
    assert (order.channel, order.state) == (OrderChannel.ONLINE, OrderState.OPEN)
    assert order.numbers == (ONE, TWO)
    assert {office.state(ONE), office.state(TWO)} == {NumberState.RESERVED}
    work_order, _ = office.work_orders.show(RITA, order.work_order_id)
    assert work_order.details == {"numbers": "2", "cities": "Beijing: 2"}
    office.decide(order.order_id, approved=True)
    assert office.orders.show(OLGA, order.order_id).state is OrderState.APPROVED
    mine = office.inventory.list_of_enterprise(OLGA, "acme", NOW)
    assert [detail.number.e164 for detail in mine] == [ONE, TWO]
    with pytest.raises(NotFound):
        office.inventory.list_of_enterprise(BEN, "acme", NOW)


def test_order_of_an_account_manager_is_reviewed_by_another(office: Office) -> None:
    office.add(ONE)
    order = office.orders.place(MAX, "acme", [ONE], NOW)
    assert (order.channel, order.placed_by) == (OrderChannel.OFFLINE, "max")
    with pytest.raises(NotPermitted):
        office.work_orders.decide(MAX, order.work_order_id, approved=True, reason="", now=NOW)
    office.decide(order.order_id, approved=True)
    assert office.state(ONE) is NumberState.ASSIGNED


def test_rejected_and_withdrawn_orders_free_their_numbers(office: Office) -> None:
    office.add(ONE, TWO)
    rejected = office.orders.place(OLGA, "acme", [ONE], NOW)
    office.decide(rejected.order_id, approved=False)
    withdrawn = office.orders.place(OLGA, "acme", [TWO], NOW)
    office.orders.withdraw(OLGA, withdrawn.order_id, NOW)
    assert {office.state(ONE), office.state(TWO)} == {NumberState.FREE}
    states = [order.state for order in office.orders.list_orders(OLGA)]
    assert states == [OrderState.REJECTED, OrderState.WITHDRAWN]
    with pytest.raises(Conflict):
        office.orders.withdraw(OLGA, rejected.order_id, NOW)
    with pytest.raises(Conflict):
        office.decide(withdrawn.order_id, approved=True)


def test_order_with_a_number_that_is_taken_takes_none(office: Office) -> None:
    office.add(ONE, TWO)
    office.orders.place(BEN, "bell", [TWO], NOW)
    with pytest.raises(Conflict, match="reserved takes no reserve"):
        office.orders.place(OLGA, "acme", [ONE, TWO], NOW)
    assert office.state(ONE) is NumberState.FREE
    assert office.orders.list_orders(OLGA) == []


@pytest.mark.on_every_database
def test_reservation_that_lapsed_goes_to_the_next_and_not_to_its_late_review(
    office: Office,
) -> None:
    office.add(ONE, TWO)
    late = office.orders.place(OLGA, "acme", [ONE, TWO], NOW)
    then = NOW + RESERVED_FOR
    quick = office.orders.place(BEN, "bell", [ONE], then)
    with pytest.raises(Conflict, match="has lapsed"):
        office.decide(late.order_id, approved=True, now=then)
    office.decide(late.order_id, approved=False, now=then)
    # The rejection frees nothing that is another order's.
    assert office.state(ONE, then) is NumberState.RESERVED
    office.decide(quick.order_id, approved=True, now=then)
    assert office.inventory.show(ONE, then).number.enterprise_id == "bell"


def test_orders_are_bounded(office: Office) -> None:
    numbers = [f"+8610526810{index:02}" for index in range(OPEN_ORDERS_MAX + 1)]
    office.add(*numbers)
    for wrong in ([], [f"+86105268{index:04}" for index in range(NUMBERS_PER_ORDER_MAX + 1)]):
        with pytest.raises(ValueInvalid, match="an order has 1 to 100 numbers"):
            office.orders.place(OLGA, "acme", wrong, NOW)
    for number in numbers[:-1]:
        office.orders.place(OLGA, "acme", [number], NOW)
    with pytest.raises(Conflict, match="at most 10 open orders"):
        office.orders.place(OLGA, "acme", numbers[-1:], NOW)
    office.orders.place(BEN, "bell", numbers[-1:], NOW)


@pytest.mark.parametrize("state", ["prospect", "in-review", "suspended", "cancelled"])
def test_enterprise_that_is_no_customer_orders_nothing(office: Office, state: str) -> None:
    office.add(ONE)
    with office.engine.begin() as connection:
        connection.execute(update(table.enterprise).values(state=state))
    with pytest.raises(Conflict, match=f"that is {state} orders no numbers"):
        office.orders.place(OLGA, "acme", [ONE], NOW)
    assert office.state(ONE) is NumberState.FREE


def test_orders_of_others_are_not_there(office: Office) -> None:
    office.add(ONE)
    order = office.orders.place(OLGA, "acme", [ONE], NOW)
    for stranger in (BEN, SAM):
        with pytest.raises(NotFound):
            office.orders.show(stranger, order.order_id)
        with pytest.raises(NotFound):
            office.orders.withdraw(stranger, order.order_id, NOW)
        with pytest.raises(NotFound):
            office.orders.place(stranger, "acme", [ONE], NOW)
        assert office.orders.list_orders(stranger) == []


@pytest.mark.on_every_database
def test_of_many_orders_for_one_number_at_once_one_wins(office: Office) -> None:
    numbers = [ONE, TWO, THREE]
    office.add(*numbers)
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def order(index: int) -> None:
        principal = OLGA if index % 2 else BEN
        # Overlapping, in either order: all or none, and never a deadlock.
        wanted = [numbers[index % 3], numbers[(index + 1) % 3]]
        barrier.wait(timeout=30)
        while len(outcomes) < 8:
            try:
                office.orders.place(principal, principal.enterprise_id or "", wanted, NOW)
                outcomes.append("won")
            except DatabaseUnavailable:
                continue  # the others held the lock for long: asked again, as a client does
            except AdministrationError as error:
                outcomes.append(type(error).__name__)
            return

    threads = [threading.Thread(target=order, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    # Any two of three numbers overlap with any other two.
    assert sorted(outcomes) == ["Conflict"] * 7 + ["won"]
    [order_placed] = office.orders.list_orders(OPERATOR_PRINCIPAL)
    reserved = office.inventory.list_numbers(NumberFilter(state=NumberState.RESERVED), NOW)
    assert tuple(detail.number.e164 for detail in reserved) == order_placed.numbers
    assert {detail.number.order_id for detail in reserved} == {order_placed.order_id}


# Releasing, and what applications show


def test_released_number_rests_and_is_shown_by_nobody(office: Office) -> None:
    office.add(ONE)
    office.give(OLGA, ONE)
    office.inventory.assign(OLGA, "acme-app", ONE)
    for stranger in (BEN, SAM):
        with pytest.raises(NotFound):
            office.inventory.release(stranger, ONE, NOW)
    released = office.inventory.release(OLGA, ONE, NOW)
    assert (released.number.state, released.applications) == (NumberState.COOLING_OFF, ())
    assert office.inventory.list_of_application(OLGA, "acme-app") == []
    just_before = NOW + COOLING_OFF - timedelta(milliseconds=1)
    with pytest.raises(Conflict, match="cooling-off takes no reserve"):
        office.orders.place(BEN, "bell", [ONE], just_before)
    office.orders.place(BEN, "bell", [ONE], NOW + COOLING_OFF)


@pytest.mark.on_every_database
def test_cancelled_enterprise_gives_back_what_it_has_and_what_it_ordered(
    engine: Engine, office: Office, tmp_path: Path
) -> None:
    settings = NumbersSettings(cooling_off_days=7)
    administration = Administration(engine, VAULT, region="CN")
    desks = create_number_desks(
        Transactions(engine), administration, settings, region="CN", random=Random(1)
    )
    business = create_business(
        Transactions(engine),
        VAULT,
        documents_root=tmp_path / "documents",
        default_region="CN",
        further_handlers={WorkOrderKind.NUMBER_ORDER: desks.orders},
        on_cancelled=[desks.giving_back],
    )
    office.add(ONE, TWO, THREE)
    office.give(OLGA, ONE)
    office.inventory.assign(OLGA, "acme-app", ONE)
    ordered = office.orders.place(OLGA, "acme", [TWO], NOW)
    office.give(BEN, THREE)
    cancellation = NewChange(kind=WorkOrderKind.CANCELLATION, reason="no more couriers")
    change = business.changes.request_change(OLGA, "acme", cancellation, now=NOW)
    assert office.state(ONE) is NumberState.ASSIGNED
    business.work_orders.decide(
        OPERATOR_PRINCIPAL, change.work_order_id, approved=True, reason="", now=NOW
    )
    rests = office.inventory.show(ONE, NOW)
    assert (rests.number.state, rests.number.until) == (
        NumberState.COOLING_OFF,
        NOW + timedelta(days=7),
    )
    assert rests.applications == ()
    assert office.state(TWO) is NumberState.FREE
    assert office.orders.show(OLGA, ordered.order_id).state is OrderState.WITHDRAWN
    assert office.state(THREE) is NumberState.ASSIGNED


def test_order_that_was_placed_while_its_enterprise_was_cancelled_is_not_approved(
    office: Office,
) -> None:
    office.add(ONE)
    order = office.orders.place(OLGA, "acme", [ONE], NOW)
    with office.engine.begin() as connection:
        connection.execute(text("UPDATE enterprise SET state = 'cancelled' WHERE id = 'acme'"))
    with pytest.raises(Conflict, match="cancelled gets no numbers"):
        office.decide(order.order_id, approved=True)
    assert office.state(ONE) is NumberState.RESERVED
    office.decide(order.order_id, approved=False)
    assert office.state(ONE) is NumberState.FREE


def test_number_is_shown_by_applications_of_its_enterprise_alone(office: Office) -> None:
    office.add(ONE, TWO)
    office.give(OLGA, ONE)
    for principal, app_id, number in (
        (OLGA, "bell-app", ONE),
        (BEN, "bell-app", ONE),
        (OPERATOR_PRINCIPAL, "bell-app", ONE),
        (OLGA, "acme-app", TWO),
        (OLGA, "nothing", ONE),
    ):
        with pytest.raises(NotFound):
            office.inventory.assign(principal, app_id, number)
    assert office.inventory.assign(OLGA, "acme-app", ONE) == ONE
    with pytest.raises(AlreadyExists):
        office.inventory.assign(OLGA, "acme-app", ONE)
    assert office.inventory.show(ONE, NOW).applications == ("acme-app",)
    with pytest.raises(NotFound):
        office.inventory.unassign(BEN, "acme-app", ONE)
    office.inventory.unassign(OLGA, "acme-app", ONE)
    with pytest.raises(NotFound):
        office.inventory.unassign(OLGA, "acme-app", ONE)
    assert office.state(ONE) is NumberState.ASSIGNED


def test_operator_without_an_inventory_still_says_who_shows_what(
    office: Office, administration: Administration
) -> None:
    assert administration.add_sponsor("acme-app", ONE) == ONE
    office.add(TWO)
    with pytest.raises(Conflict, match="has not assigned that number"):
        administration.add_sponsor("acme-app", TWO)
    with pytest.raises(Conflict, match="has not assigned that number"):
        new = NewApplication(app_id="new", enterprise_id="acme", sponsors=(TWO,))
        administration.create_application(new)
    office.give(OLGA, TWO)
    with pytest.raises(Conflict, match="has not assigned that number"):
        administration.add_sponsor("bell-app", TWO)
    administration.add_sponsor("acme-app", TWO)


def test_number_that_options_show_stays(office: Office, administration: Administration) -> None:
    office.add(ONE)
    office.give(OLGA, ONE)
    office.inventory.assign(OLGA, "acme-app", ONE)
    administration.change_options("acme-app", lambda _: CallOptions(shown_to_callee=ONE))
    for leave in (
        lambda: office.inventory.release(OLGA, ONE, NOW),
        lambda: office.inventory.unassign(OLGA, "acme-app", ONE),
    ):
        with pytest.raises(Conflict, match="options of application acme-app show"):
            leave()
    assert office.inventory.list_of_application(OLGA, "acme-app") == [ONE]


def test_enterprise_has_a_number_by_either_way(
    office: Office, administration: Administration
) -> None:
    def has(enterprise_id: str) -> bool:
        with office.engine.connect() as connection:
            return has_number(connection, enterprise_id)

    assert not has("acme") and not has("bell")
    administration.add_sponsor("bell-app", ONE)
    office.add(TWO)
    office.orders.place(OLGA, "acme", [TWO], NOW)
    assert has("bell") and not has("acme")
    office.decide(office.orders.list_orders(OLGA)[0].order_id, approved=True)
    assert has("acme")


# Pools, and what the call path reads


def test_pool_is_read_with_its_application(office: Office, administration: Administration) -> None:
    administration.add_trunk(Trunk(name="main", host="192.0.2.1", port=5060))
    office.inventory.add(
        NewNumber(number=THREE, city="Shenzhen", region="Guangdong", trunk="main"), NOW
    )
    office.give(OLGA, THREE)
    office.inventory.assign(OLGA, "acme-app", THREE)
    administration.add_sponsor("acme-app", ONE)
    pool = office.pools.put(
        OLGA, "acme-app", "sales", numbers=[THREE, ONE, ONE], fallback=["Shenzhen"]
    )
    assert pool.numbers == (
        PoolNumber(ONE),
        PoolNumber(THREE, Place("Shenzhen", "Guangdong")),
    )
    with office.engine.connect() as connection:
        application = read_application(connection, AppId("acme-app"), VAULT)
    assert application is not None
    assert application.pools == (pool,)
    assert application.trunk_by_number == {THREE: "main"}
    assert application.sponsors == {ONE, THREE}
    assert office.pools.list_pools(OLGA, "acme-app") == (pool,)


def test_number_that_is_shown_no_longer_leaves_its_pools(
    office: Office, administration: Administration
) -> None:
    for number in (ONE, TWO):
        administration.add_sponsor("acme-app", number)
    office.pools.put(OLGA, "acme-app", "sales", numbers=[ONE, TWO], fallback=[])
    administration.remove_sponsor("acme-app", ONE)
    assert office.pools.show(OLGA, "acme-app", "sales").numbers == (PoolNumber(TWO),)


def test_pool_is_made_anew_and_taken_apart(office: Office, administration: Administration) -> None:
    administration.add_sponsor("acme-app", ONE)
    office.pools.put(OLGA, "acme-app", "sales", numbers=[ONE], fallback=["Beijing"])
    office.pools.put(OLGA, "acme-app", "sales", numbers=[], fallback=[])
    pool = office.pools.show(OLGA, "acme-app", "sales")
    assert (pool.numbers, pool.fallback) == ((), ())
    office.pools.remove(OLGA, "acme-app", "sales")
    with pytest.raises(NotFound):
        office.pools.remove(OLGA, "acme-app", "sales")
    with pytest.raises(NotFound):
        office.pools.show(OLGA, "acme-app", "sales")


def test_pools_are_bounded_and_of_its_own_numbers(
    office: Office, administration: Administration
) -> None:
    def put(name: str = "p", numbers: int = 0, fallback: tuple[str, ...] = ()) -> None:
        wanted = [f"+86105268{index:04}" for index in range(numbers)]
        office.pools.put(OLGA, "acme-app", name, numbers=wanted, fallback=fallback)

    wrong: list[Callable[[], None]] = [
        lambda: put("a b"),
        lambda: put(numbers=1),
        lambda: put(numbers=POOL_NUMBERS_MAX + 1),
        lambda: put(fallback=("",)),
        lambda: put(fallback=("x" * 65,)),
        lambda: put(fallback=("x",) * (FALLBACK_MAX + 1)),
    ]
    for refused in wrong:
        with pytest.raises(ValueInvalid):
            refused()
    for index in range(POOLS_MAX):
        put(f"p{index}")
    put("p0")
    with pytest.raises(ValueInvalid, match="at most 20 pools"):
        put("one-more")
    for stranger in (BEN, SAM):
        with pytest.raises(NotFound):
            office.pools.put(stranger, "acme-app", "p", numbers=[], fallback=[])
        with pytest.raises(NotFound):
            office.pools.list_pools(stranger, "acme-app")
        with pytest.raises(NotFound):
            office.pools.remove(stranger, "acme-app", "p0")


def test_free_numbers_are_counted_by_city(office: Office) -> None:
    office.add(ONE, TWO)
    office.add(THREE, city="Shenzhen")
    office.orders.place(OLGA, "acme", [ONE], NOW)
    counted = [(Place("Beijing", "Beijing"), 1), (Place("Shenzhen", "Shenzhen"), 1)]
    assert office.inventory.count_free(NOW) == counted
    # It is kept for a while, and no longer.
    office.orders.place(OLGA, "acme", [TWO, THREE], NOW)
    assert office.inventory.count_free(NOW) == counted
    assert office.inventory.count_free(NOW + COUNT_KEPT) == []


def test_customer_reads_what_the_reviewer_said_and_nobody_elses(office: Office) -> None:
    office.add(ONE, TWO)
    order = office.orders.place(OLGA, "acme", [ONE], NOW)
    office.decide(order.order_id, approved=False)
    later = office.orders.place(OLGA, "acme", [TWO], NOW)
    said = [step.why for step in office.orders.show_review(OLGA, order.order_id)]
    assert "not for them" in said
    with pytest.raises(NotFound):
        office.orders.show_review(BEN, order.order_id)
    newest = office.orders.list_orders(OLGA, is_newest_first=True)
    assert [each.order_id for each in newest] == [later.order_id, order.order_id]
    older = office.orders.list_orders(OLGA, is_newest_first=True, after=later.order_id)
    assert [each.order_id for each in older] == [order.order_id]
