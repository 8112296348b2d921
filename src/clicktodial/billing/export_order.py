"""Exports of a span that somebody asked for: who, of what, how far they are, and the file.

An order waits in the database until a node takes it. While the file is written, the node says how
far it is; one that says nothing any more - its process died - is taken by another node, which
begins anew: CDRs never change, so the file is the same. For the same reason the file need not
travel between nodes: one that has it not writes it again when it is asked for.

    waiting -> running -> done -> dropped
                  |
                  +-> failed
"""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import (
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.billing.cdr import CdrQuery, CdrReader
from clicktodial.billing.export import (
    ExportKind,
    Pages,
    ParquetMissing,
    hash_file,
    is_same,
    write_whole,
)
from clicktodial.billing.package import create_identifier
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.billing_table import cdr, export_order
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# A year and the day that some have more; who wants more asks twice.
SPAN_MAX = timedelta(days=366)
# Those that wait or run: whoever presses the button ten times is told so.
OPEN_OF_ENTERPRISE_MAX = 3
# Of all: they are written one after the other, and nobody waits for hours unknowingly.
OPEN_MAX = 20
# So long after its last word the node that writes a file is taken for dead. It says something
# every PROGRESS_PAGES pages of CDRs, which takes seconds.
SILENT_MAX = timedelta(minutes=2)
PROGRESS_PAGES = 5
# Who asked for what is told so long; the audit log tells it for longer.
ROWS_KEPT = timedelta(days=400)
_columns = export_order.c


class OrderState(StrEnum):
    """How far it is. The file of a `dropped` one was kept long enough."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


class OrderFailure(StrEnum):
    """Why there is no file."""

    NO_PARQUET = "no-parquet"
    DISK = "disk"


OPEN_STATES = frozenset({OrderState.WAITING, OrderState.RUNNING})
_OPEN = [each.value for each in OPEN_STATES]


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What was asked for. `row_count` is how many CDRs are written so far, of `row_total`."""

    order_id: str
    enterprise_id: str
    kind: ExportKind
    since: datetime
    until: datetime
    asked_by: str
    asked_at: datetime
    state: OrderState
    row_count: int
    row_total: int | None
    size_bytes: int | None
    sha256: str | None
    failure: OrderFailure | None
    changed_at: datetime


class _Stopped(Exception):
    """The node is to end: another writes the file."""


class ExportOrders:
    """Blocking; all raise DatabaseUnavailable."""

    def __init__(
        self,
        transactions: Transactions,
        root: Path,
        *,
        keep_days: int,
        utc: Callable[[], datetime],
    ) -> None:
        self._transactions = transactions
        self._reader = CdrReader(transactions)
        self._root = root
        self._keep = timedelta(days=keep_days)
        self._utc = utc
        self._stopping = threading.Event()

    # Asking

    def ask(
        self,
        principal: Principal,
        enterprise_id: str,
        kind: ExportKind,
        *,
        since: datetime,
        until: datetime,
        now: datetime,
    ) -> ExportOrder:
        """An order of the CDRs of calls that ended in that span. Raises NotFound, ValueInvalid,
        Conflict where too many wait."""
        if not since < until:
            raise ValueInvalid("the span ends before it begins")
        if until - since > SPAN_MAX:
            raise ValueInvalid(worded("the span is of %(most)s days at most", most=SPAN_MAX.days))
        order_id = create_identifier()
        row = {
            "id": order_id,
            "enterprise_id": enterprise_id,
            "kind": kind.value,
            "since": since,
            "until": min(until, now) if since < now else until,
            "asked_by": principal.name,
            "asked_at": now,
            "state": OrderState.WAITING.value,
            "row_count": 0,
            "changed_at": now,
        }
        with self._transactions.change(concerns_calls=False) as connection:
            require_visible(connection, principal, enterprise_id)
            _require_room(connection, enterprise_id)
            connection.execute(insert(export_order).values(row))
            return _read(connection, order_id)

    def list_orders(
        self, principal: Principal, *, before: tuple[datetime, str] | None = None, limit: int
    ) -> list[ExportOrder]:
        """Of all enterprises that somebody may see, the latest first, of those before that one."""
        of_visible = select(table.enterprise.c.id).where(visible_enterprises(principal))
        query = select(export_order).where(_columns.enterprise_id.in_(of_visible))
        if before is not None:
            place = tuple_(_columns.asked_at, _columns.id)
            query = query.where(place < tuple_(literal(before[0], UtcMillis), before[1]))
        query = query.order_by(_columns.asked_at.desc(), _columns.id.desc()).limit(limit)
        with self._transactions.read() as connection:
            return [_order_of(row) for row in connection.execute(query)]

    def version(self) -> object:
        """Something that differs when any order changed."""
        query = select(func.max(_columns.changed_at), func.count(), func.sum(_columns.row_count))
        with self._transactions.read() as connection:
            return tuple(connection.execute(query).one())

    def find(self, principal: Principal, order_id: str) -> ExportOrder:
        """Raises NotFound."""
        with self._transactions.read() as connection:
            order = _read(connection, order_id)
            try:
                require_visible(connection, principal, order.enterprise_id)
            except NotFound as error:
                raise _not_found(order_id) from error
            return order

    def open(self, order: ExportOrder) -> io.BufferedReader:
        """The file of one that is done, written anew where this node has it not. Raises NotFound,
        OSError where there is no room for it, and ParquetMissing."""
        if order.state is not OrderState.DONE or order.sha256 is None or order.size_bytes is None:
            raise _not_found(order.order_id)
        path = self._path(order)
        if not is_same(path, size_bytes=order.size_bytes, sha256=order.sha256):
            count = write_whole(order.kind, self._reader.stream(_query_of(order)), path)
            self._catalog(order, count)
        return path.open("rb")

    def _catalog(self, order: ExportOrder, count: int) -> None:
        """What was written again is the same, but where a CDR came late, or another version of the
        program writes another form: then the catalog follows, and so do the other nodes."""
        path = self._path(order)
        written = {"size_bytes": path.stat().st_size, "sha256": hash_file(path)}
        log.info("export.order_written_again", order_id=order.order_id, rows=count)
        if written["sha256"] != order.sha256:
            with self._transactions.change(concerns_calls=False) as connection:
                where = _columns.id == order.order_id
                connection.execute(
                    update(export_order).where(where).values(row_count=count, **written)
                )

    # Writing

    def run_next(self) -> bool:
        """Take the oldest order that waits, or that a node fell silent with, and write its file;
        whether there was one."""
        order = self._take(self._utc())
        if order is None:
            return False
        try:
            self._write(order)
        except _Stopped:
            self._set(order, OrderState.WAITING)
        except ParquetMissing:
            self._set(order, OrderState.FAILED, failure=OrderFailure.NO_PARQUET.value)
        except OSError as error:
            log.error("export.order_failed", order_id=order.order_id, error=error.strerror)
            self._set(order, OrderState.FAILED, failure=OrderFailure.DISK.value)
        return True

    def stop(self) -> None:
        """Put away what runs, from another thread."""
        self._stopping.set()

    def _take(self, now: datetime) -> ExportOrder | None:
        is_silent = and_(
            _columns.state == OrderState.RUNNING.value, _columns.changed_at < now - SILENT_MAX
        )
        query = (
            select(export_order)
            .where(or_(_columns.state == OrderState.WAITING.value, is_silent))
            .order_by(_columns.asked_at, _columns.id)
            .limit(1)
        )
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None or self._stopping.is_set():
            return None
        order = _order_of(row)
        with self._transactions.change(concerns_calls=False) as connection:
            taken = connection.execute(
                update(export_order)
                .where(
                    _columns.id == order.order_id,
                    _columns.state == order.state.value,
                    _columns.changed_at == order.changed_at,
                )
                .values(state=OrderState.RUNNING.value, changed_at=now, row_count=0)
            )
        # None: another node was quicker.
        return order if taken.rowcount else None

    def _write(self, order: ExportOrder) -> None:
        total = self._count(_query_of(order))
        self._set(order, OrderState.RUNNING, row_total=total)
        count = write_whole(order.kind, self._told(order), self._path(order))
        path = self._path(order)
        self._set(
            order,
            OrderState.DONE,
            row_count=count,
            size_bytes=path.stat().st_size,
            sha256=hash_file(path),
        )
        log.info("export.order_written", order_id=order.order_id, rows=count)

    def _told(self, order: ExportOrder) -> Pages:
        """The pages, with their count told as they are written."""
        count = 0
        for number, page in enumerate(self._reader.stream(_query_of(order)), 1):
            if self._stopping.is_set():
                raise _Stopped
            yield page
            count += len(page)
            if number % PROGRESS_PAGES == 0:
                self._set(order, OrderState.RUNNING, row_count=count)

    def _count(self, query: CdrQuery) -> int:
        counted = select(func.count()).where(
            cdr.c.enterprise_id == query.enterprise_id,
            cdr.c.ended_at >= query.since,
            cdr.c.ended_at < query.until,
        )
        with self._transactions.read() as connection:
            return int(connection.scalar(counted) or 0)

    def _set(self, order: ExportOrder, state: OrderState, **values: object) -> None:
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(
                update(export_order)
                .where(_columns.id == order.order_id, _columns.state == OrderState.RUNNING.value)
                .values(state=state.value, changed_at=self._utc(), **values)
            )

    # Forgetting

    def drop_old(self, now: datetime) -> int:
        """Remove the files that were kept long enough, and at last who asked for them; returns how
        many files the catalog let go."""
        with self._transactions.change(concerns_calls=False) as connection:
            dropped = connection.execute(
                update(export_order)
                .where(
                    _columns.state == OrderState.DONE.value,
                    _columns.changed_at < now - self._keep,
                )
                .values(state=OrderState.DROPPED.value)
            )
            connection.execute(
                delete(export_order).where(
                    _columns.asked_at < now - ROWS_KEPT, _columns.state.not_in(_OPEN)
                )
            )
        # On every node that wrote one; what is asked for again is written again.
        for path in self._old_files(now):
            path.unlink(missing_ok=True)
        return dropped.rowcount

    def _old_files(self, now: datetime) -> Iterator[Path]:
        for path in self._root.glob("*/*order-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < (now - self._keep).timestamp():
                    yield path

    def _path(self, order: ExportOrder) -> Path:
        return self._root / order.enterprise_id / f"order-{order.order_id}.{order.kind}"


def _require_room(connection: Connection, enterprise_id: str) -> None:
    query = (
        select(_columns.enterprise_id, func.count())
        .where(_columns.state.in_(_OPEN))
        .group_by(_columns.enterprise_id)
    )
    open_orders = {row[0]: int(row[1]) for row in connection.execute(query)}
    if open_orders.get(enterprise_id, 0) >= OPEN_OF_ENTERPRISE_MAX:
        raise Conflict(
            worded("%(most)s exports of the enterprise wait already", most=OPEN_OF_ENTERPRISE_MAX)
        )
    if sum(open_orders.values()) >= OPEN_MAX:
        raise Conflict(worded("%(most)s exports wait already", most=OPEN_MAX))


def _read(connection: Connection, order_id: str) -> ExportOrder:
    row = connection.execute(select(export_order).where(_columns.id == order_id)).first()
    if row is None:
        raise _not_found(order_id)
    return _order_of(row)


def _not_found(order_id: str) -> NotFound:
    return NotFound(worded("there is no export %(export_id)s", export_id=order_id))


def _query_of(order: ExportOrder) -> CdrQuery:
    return CdrQuery(order.enterprise_id, order.since, order.until)


def _order_of(row: Row[Any]) -> ExportOrder:
    return ExportOrder(
        order_id=row.id,
        enterprise_id=row.enterprise_id,
        kind=ExportKind(row.kind),
        since=row.since,
        until=row.until,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=OrderState(row.state),
        row_count=row.row_count,
        row_total=row.row_total,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        failure=None if row.failure is None else OrderFailure(row.failure),
        changed_at=row.changed_at,
    )
