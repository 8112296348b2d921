"""Exports of a span: asked for, written by one node of several, kept, dropped."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update
from tests.billing.support import ENTERPRISE, OPERATOR, create_enterprise
from tests.storage.support import NOW

from clicktodial.billing import export_order as module
from clicktodial.billing.export import ExportKind
from clicktodial.billing.export_order import (
    OPEN_OF_ENTERPRISE_MAX,
    SILENT_MAX,
    SPAN_MAX,
    ExportOrder,
    ExportOrders,
    OrderState,
)
from clicktodial.domain.principal import Principal, Role
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.billing_table import export_order as table
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions

KEEP_DAYS = 30
STRANGER = Principal(name="stranger", roles=frozenset({Role.OWNER}), enterprise_id="bravo")


class Bench:
    """Two nodes on one database, each with a disk of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.now = NOW
        self.folder = folder
        create_enterprise(engine)
        create_enterprise(engine, "bravo")

    def node(self, name: str = "a") -> ExportOrders:
        return ExportOrders(
            Transactions(self.engine),
            self.folder / name,
            keep_days=KEEP_DAYS,
            utc=lambda: self.now,
        )

    def ask(self, enterprise_id: str = ENTERPRISE, days: int = 10) -> ExportOrder:
        return self.node().ask(
            OPERATOR,
            enterprise_id,
            ExportKind.CSV,
            since=NOW - timedelta(days=days),
            until=NOW,
            now=self.now,
        )

    def state(self, order: ExportOrder) -> OrderState:
        return self.node().find(OPERATOR, order.order_id).state

    def add_call(self, number: int, *, days: int) -> None:
        row = {
            "call_id": f"{number:032x}", "enterprise_id": ENTERPRISE, "node_id": "a",
            "app_id": "app", "sponsor_e164": "+861052680000", "caller_e164": "+8613912345673",
            "callee_e164": "+8613810268653", "begun_at": NOW - timedelta(days=days, seconds=60),
            "ended_at": NOW - timedelta(days=days), "duration_s": 51, "reason": "hang-up",
            "member": "", "tariff_id": "t", "legs_counted": 1, "rated_s": 60, "billed_s": 60,
            "overage_s": 0, "price_micros": 0, "lots": "[]",
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(cdr), [row])

    def set_running(self, order: ExportOrder, changed_at: datetime) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == order.order_id)
                .values(state="running", changed_at=changed_at)
            )


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Bench:
    """With three calls of the last days, and one of long ago."""
    bench = Bench(engine, tmp_path)
    for number, days in enumerate((1, 2, 3, 90)):
        bench.add_call(number, days=days)
    return bench


@pytest.mark.on_every_database
def test_order_is_written_and_downloaded_from_any_node(bench: Bench) -> None:
    order = bench.ask()
    assert bench.state(order) is OrderState.WAITING
    with pytest.raises(NotFound):
        bench.node().open(order)
    before = bench.node().version()
    assert bench.node().run_next()
    assert not bench.node().run_next()
    assert bench.node().version() != before
    done = bench.node().find(OPERATOR, order.order_id)
    assert (done.state, done.row_count, done.row_total) == (OrderState.DONE, 3, 3)
    contents = []
    for node in ("a", "b"):
        with bench.node(node).open(done) as file:
            contents.append(file.read())
    assert contents[0] == contents[1]
    assert contents[0].count(b"\n") == 4
    assert len(contents[0]) == done.size_bytes
    assert [each.order_id for each in bench.node().list_orders(OPERATOR, limit=9)] == [
        order.order_id
    ]
    assert bench.node().list_orders(STRANGER, limit=9) == []
    with pytest.raises(NotFound):
        bench.node().find(STRANGER, order.order_id)
    with pytest.raises(NotFound):
        bench.node().ask(
            STRANGER, ENTERPRISE, ExportKind.CSV, since=NOW, until=NOW + timedelta(1), now=NOW
        )


def test_call_that_came_late_is_in_the_file_that_is_written_again(bench: Bench) -> None:
    order = bench.ask()
    bench.node().run_next()
    bench.add_call(9, days=4)
    done = bench.node().find(OPERATOR, order.order_id)
    with bench.node("b").open(done) as file:
        assert file.read().count(b"\n") == 5
    # The other node follows.
    done = bench.node().find(OPERATOR, order.order_id)
    assert done.row_count == 4
    with bench.node("a").open(done) as file:
        assert file.read().count(b"\n") == 5


def test_order_of_a_node_that_fell_silent_is_taken_by_another(bench: Bench) -> None:
    order = bench.ask()
    bench.set_running(order, NOW)
    bench.now = NOW + SILENT_MAX
    assert not bench.node("b").run_next()
    bench.now += timedelta(seconds=1)
    assert bench.node("b").run_next()
    assert bench.state(order) is OrderState.DONE


def test_order_is_put_away_when_the_node_ends(bench: Bench) -> None:
    order, node = bench.ask(), bench.node()
    pages = node._reader.stream
    # The node is told to end while the first page is read.
    node._reader.stream = lambda query: (node.stop(), pages(query))[1]  # type: ignore[method-assign,func-returns-value]
    assert node.run_next()
    assert bench.state(order) is OrderState.WAITING
    assert not list((bench.folder / "a").rglob("*.*"))
    assert bench.node("b").run_next()
    assert bench.state(order) is OrderState.DONE


def test_order_that_cannot_be_written_has_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_whole", fail)
    order = bench.ask()
    assert bench.node().run_next()
    assert bench.state(order) is OrderState.FAILED


def test_file_is_dropped_when_it_was_kept_long_enough(bench: Bench) -> None:
    order = bench.ask()
    bench.node().run_next()
    assert bench.node().drop_old(NOW + timedelta(days=KEEP_DAYS)) == 0
    later = max(NOW, datetime.now(NOW.tzinfo)) + timedelta(days=KEEP_DAYS + 1)
    assert bench.node().drop_old(later) == 1
    assert bench.state(order) is OrderState.DROPPED
    assert not list((bench.folder / "a").rglob("*.csv"))
    done = replace(bench.node().find(OPERATOR, order.order_id))
    with pytest.raises(NotFound):
        bench.node().open(done)
    bench.node().drop_old(NOW + module.ROWS_KEPT + timedelta(days=1))
    with pytest.raises(NotFound):
        bench.node().find(OPERATOR, order.order_id)


@pytest.mark.on_every_database
def test_spans_and_how_many_wait_are_bounded(bench: Bench) -> None:
    with pytest.raises(ValueInvalid, match="366 days at most"):
        bench.ask(days=SPAN_MAX.days + 1)
    with pytest.raises(ValueInvalid, match="ends before it begins"):
        bench.ask(days=0)
    for _ in range(OPEN_OF_ENTERPRISE_MAX):
        bench.ask()
    with pytest.raises(Conflict, match="3 exports of the enterprise wait already"):
        bench.ask()
    bench.ask("bravo")
    first, second, *_ = bench.node().list_orders(OPERATOR, limit=2)
    (next_one,) = bench.node().list_orders(
        OPERATOR, before=(first.asked_at, first.order_id), limit=1
    )
    assert next_one == second
