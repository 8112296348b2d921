"""What a call, a statement, an export and a proof cost where much is known already.

Builds a database of many enterprises with many members each, and the CDRs, calls and ledger of
years, all of it as the platform would have left it: the ledger that is built is proved to be
sound. The work is then done on it, and on a database with one enterprise and nothing else.

Enterprise 0 has a tenth of all CDRs, the others share the rest: a large export beside small ones
tells whether memory follows the number of rows.
"""

import asyncio
import random
import resource
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine, insert, text

from clicktodial.billing.cdr import CdrQuery, CdrReader
from clicktodial.billing.export import write_csv
from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.billing.statement import Statements
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import Call, CallPlan, Moment
from clicktodial.domain.call_effect import Effect, EmitEvent
from clicktodial.domain.call_input import CallStarted, LegAnswered, LegEnded
from clicktodial.domain.cause import HANG_UP_CAUSE, Side
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, create_call_id
from clicktodial.domain.leg import LegRecord
from clicktodial.domain.media import PCMA, MediaAddress, MediaDescription
from clicktodial.domain.minutes import CapPeriod, CapScope, Charge
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.rating import Tariff
from clicktodial.storage import table
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.engine import Durability, open_engine
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.minutes import SqlMinutes, read_pool_terms
from clicktodial.storage.transaction import Transactions

# Two months, so that a month's statement is not all there is.
_SPAN = timedelta(days=61)
_SPAN_MS = _SPAN // timedelta(milliseconds=1)
# The last call that is built is over by then.
_QUIET = timedelta(minutes=10)
_CHUNK_ROWS = 200_000
_LOT_S = 10**10
_LARGE_SHARE = 10
_TURNS_WARM = 20
_CALLS_AT_ONCE = 64
_MEDIA = MediaDescription(MediaAddress("192.0.2.1", 4000), (PCMA,))
LARGE_NAME = "large.db"


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """How much is built, and how often a call is begun on it."""

    enterprises: int = 1_000
    members: int = 1_000
    cdrs: int = 10_000_000
    begins: int = 500
    directory: Path | None = None
    # Whether what is built stays in the directory, and what stands there is used.
    is_kept: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def since(self) -> datetime:
        """When the first call began."""
        return self.now - _QUIET - _SPAN

    @property
    def month(self) -> str:
        """The last one that is over."""
        return f"{self.now.replace(day=1) - timedelta(days=1):%Y-%m}"


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """One line of the report."""

    what: str
    figure: str
    is_error: bool = False


Tell = Callable[[str], None]


class Report:
    """The lines, each told as soon as it is known."""

    def __init__(self, tell: Tell) -> None:
        self.rows: list[ScaleRow] = []
        self._tell = tell

    def note(self, text: str) -> None:
        """What goes on."""
        self._tell(text)

    def add(self, what: str, figure: str, *, is_error: bool = False) -> None:
        """A line."""
        self.rows.append(ScaleRow(what, figure, is_error))
        self._tell(f"{what}: {figure}")


async def measure_scale(options: ScaleOptions, tell: Tell) -> list[ScaleRow]:
    """Build, measure, and remove what was built unless it is to be kept."""
    report = Report(tell)
    with TemporaryDirectory(dir=options.directory) as name, keep_or_remove(options) as kept:
        directory = Path(name)
        small, large = directory / "small.db", kept / LARGE_NAME
        tell("building the small database")
        build(small, ScaleOptions(1, 1, 0))
        build_once(large, options, report)
        for label, path, count in (
            ("begin, one enterprise and nothing else", small, 1),
            (f"begin, {options.enterprises} enterprises and all CDRs", large, options.enterprises),
        ):
            times = await measure_begins(path, count, options.begins)
            report.add(label, _quantiles(times))
        tell("calls through the writer, free and charged")
        free, charged = await measure_calls(small, options.begins * 4)
        ratio = charged / free
        report.add("a call through the writer, free", f"{free * 1e6:.0f} us")
        report.add("the same, charged", f"{charged * 1e6:.0f} us, {ratio:.2f} times as much")
        measure_books(large, options, directory, report)
    return report.rows


# Building


@contextmanager
def keep_or_remove(options: ScaleOptions) -> Iterator[Path]:
    """Where the large database lies."""
    if options.is_kept:
        assert options.directory is not None
        yield options.directory
        return
    with TemporaryDirectory(dir=options.directory) as name:
        yield Path(name)


def build_once(path: Path, options: ScaleOptions, report: Report) -> None:
    """Build the large database, or bring the one that is there up to this version."""
    began = time.monotonic()
    if path.exists():
        engine = open_engine(f"sqlite:///{path}", "normal")
        migrate_engine(engine)
        engine.dispose()
        report.add("found, and migrated in", f"{time.monotonic() - began:.0f} s")
        return
    report.note(f"building {options.cdrs} CDRs of {options.enterprises} enterprises")
    built = path.with_suffix(".part")
    built.unlink(missing_ok=True)
    build(built, options)
    built.rename(path)
    size_mb = path.stat().st_size // 1_000_000
    report.add("built", f"{time.monotonic() - began:.0f} s, {size_mb} MB")


def build(path: Path, options: ScaleOptions) -> None:
    """A migrated database with so much in it."""
    engine = open_engine(f"sqlite:///{path}", "normal")
    migrate_engine(engine)
    pools = Pools(Transactions(engine))
    for number in range(options.enterprises):
        _create_enterprise(engine, pools, number, options.since)
    engine.dispose()
    with engine.connect() as connection:
        _hurry(connection)
        for first in range(0, options.cdrs, _CHUNK_ROWS):
            with connection.begin():
                _fill(connection, options, first)
        with connection.begin():
            _balance(connection, options)
    engine.dispose()


def _hurry(connection: Connection) -> None:
    """Nothing else is there to be lost, and each commit would wait for the disk."""
    cursor = connection.connection.cursor()
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _create_enterprise(engine: Engine, pools: Pools, number: int, since: datetime) -> None:
    name = enterprise_name(number)
    with engine.begin() as connection:
        row = {"id": name, "name": f"Enterprise {number}", "status": "active"}
        connection.execute(insert(table.enterprise).values(row))
    pools.set_up(OPERATOR_PRINCIPAL, name, PoolSettings(Tariff()), since)
    new = NewPackage(
        kind=PackageKind.ONE_OFF, name="All", seconds=_LOT_S, valid_from=since, price_micros=1
    )
    pools.add_package(OPERATOR_PRINCIPAL, name, new, since)
    pools.set_cap(
        OPERATOR_PRINCIPAL,
        name,
        scope=CapScope.MEMBER,
        key="*",
        period=CapPeriod.MONTH,
        limit_s=10**9,
    )


def _fill(connection: Connection, options: ScaleOptions, first: int) -> None:
    """Some calls, all of whose rows are made within the database; the guards of the ledger stand
    aside meanwhile."""
    run = connection.exec_driver_sql
    with _unguarded(connection):
        run(_LOT_OF)
        values = {
            "first": first,
            "last": min(first + _CHUNK_ROWS, options.cdrs),
            "e": options.enterprises,
            "m": options.members,
            "since": int(options.since.timestamp() * 1000),
            "step": max(_SPAN_MS // options.cdrs, 1),
            "large": _LARGE_SHARE,
            "cdrs": options.cdrs,
            # Those of the last two days, which are looked at: what they were placed on.
            "legs": encode_legs({side: LegRecord(trunk="bench") for side in Side}),
        }
        connection.execute(text(_MADE_CALLS), values)
        for statement in (_INSERT_CALLS, _INSERT_CDRS, _INSERT_HOLDS, _INSERT_SETTLEMENTS):
            run(statement)
        run("DROP TABLE made")
        run("DROP TABLE lot_of")


def _balance(connection: Connection, options: ScaleOptions) -> None:
    with _unguarded(connection):
        connection.exec_driver_sql(_MOVE_BALANCES)
    if options.cdrs:
        values = {"m": options.members, "period": f"{options.now:%Y-%m}"}
        connection.execute(text(_INSERT_USAGE), values)


@contextmanager
def _unguarded(connection: Connection) -> Iterator[None]:
    run = connection.exec_driver_sql
    guards = run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
    for guard in guards:
        run(f"DROP TRIGGER {guard.name}")
    yield
    for guard in guards:
        run(guard.sql)


_LOT_OF = """
CREATE TEMP TABLE lot_of AS
SELECT CAST(substr(enterprise_id, 3) AS INTEGER) AS e, id FROM package_lot ORDER BY 1
"""
# A fifth of the calls was never answered; the others lasted up to five minutes. An enterprise has
# two applications and one number to show; a callee is called some ten times, a member more often.
_MADE_CALLS = """
CREATE TEMP TABLE made AS
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last),
numbered AS (
    SELECT i, CASE WHEN i % :large = 0 THEN 0 ELSE i % :e END AS e,
        :since + i * :step AS begun_at,
        CASE WHEN i % 5 = 3 THEN 0 ELSE i * 7919 % 300 + 1 END AS duration_s
    FROM n WHERE i < :last
)
SELECT printf('%012x%020x', begun_at, i) AS id, e, begun_at, duration_s,
    CASE WHEN i / 10 % 4 = 0 THEN 'app-' || e || '-2' ELSE 'app-' || e END AS app_id,
    '+8610526' || printf('%05d', e) AS sponsor,
    '+86139' || printf('%08d', i * 104729 % max(:cdrs / 10, 1)) AS callee,
    CASE WHEN duration_s > 0 THEN 'HangUp' WHEN i % 100000 = 3 THEN 'Other'
        WHEN i / 5 % 10 < 4 THEN 'CalleeBusy' WHEN i / 5 % 10 < 8 THEN 'CalleeNoAnswer'
        WHEN i / 5 % 10 = 8 THEN 'CallerNoAnswer' ELSE 'CalleeFailure' END AS reason,
    CASE WHEN duration_s > 0 THEN NULL WHEN i / 5 % 10 < 4 THEN 486 WHEN i / 5 % 10 = 9 THEN 503
        END AS sip_status,
    CASE WHEN i > :cdrs - :cdrs / 30 THEN :legs END AS legs,
    '+8613' || printf('%09d', e * :m + i / :e % :m) AS member,
    CASE WHEN duration_s = 0 THEN NULL ELSE begun_at + 8000 END AS connected_at,
    begun_at + 8000 + duration_s * 1000 AS ended_at,
    (duration_s + 59) / 60 * 60 AS billed_s,
    max((duration_s + 59) / 60 * 60, 120) AS held_s,
    lot_of.id AS lot_id, 'e-' || e AS enterprise_id
FROM numbered JOIN lot_of USING (e) ORDER BY i
"""
_INSERT_CALLS = """
INSERT INTO call (id, node_id, app_id, sponsor_e164, sponsor_written, caller_e164, caller_written,
    callee_e164, callee_written, begun_at, state, connected_at, ended_at, duration_s, reason,
    ended_by, stage, event_count, sip_status, legs)
SELECT id, 'node', app_id, sponsor, sponsor, member, member, callee, callee, begun_at, 'ended',
    connected_at, ended_at, duration_s, reason, 'caller', 'connected', 0, sip_status, legs FROM made
"""
_INSERT_CDRS = """
INSERT INTO cdr (call_id, enterprise_id, node_id, app_id, sponsor_e164, caller_e164, callee_e164,
    begun_at, connected_at, ended_at, duration_s, reason, ended_by, stage, member, department,
    tariff_id, legs_counted, rated_s, billed_s, overage_s, price_micros, lots, sip_status, legs)
SELECT made.id, made.enterprise_id, 'node', app_id, sponsor, member, callee,
    begun_at, connected_at, ended_at, duration_s, reason, 'caller', 'connected', member,
    'department ' || substr(member, -1), pool.tariff_id, 1, billed_s, billed_s, 0, 0,
    CASE WHEN billed_s = 0 THEN '[]' ELSE '[["' || lot_id || '",' || billed_s || ']]' END,
    sip_status, legs
FROM made JOIN pool USING (enterprise_id) ORDER BY made.id
"""
_INSERT_HOLDS = """
INSERT INTO ledger_entry (kind, enterprise_id, lot_id, call_id, occurred_at, available_s,
    reserved_s, context)
SELECT 'reserve', enterprise_id, lot_id, id, begun_at, -held_s, held_s,
    '["tariff","' || member || '",null,[]]' FROM made ORDER BY id
"""
_INSERT_SETTLEMENTS = """
INSERT INTO ledger_entry (kind, enterprise_id, lot_id, call_id, occurred_at, available_s,
    reserved_s, consumed_s)
SELECT 'settle', enterprise_id, lot_id, id, ended_at, held_s - billed_s, -held_s, billed_s
FROM made ORDER BY id
"""
_MOVE_BALANCES = """
UPDATE package_lot SET consumed_s = used.s, available_s = available_s - used.s
FROM (SELECT lot_id, sum(consumed_s) AS s FROM ledger_entry WHERE call_id IS NOT NULL
    GROUP BY lot_id) AS used WHERE used.lot_id = package_lot.id
"""
_INSERT_USAGE = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :m)
INSERT INTO cap_usage (cap_id, key, period, used_s, limit_s)
SELECT usage_cap.id, '+8613' || printf('%09d', CAST(substr(enterprise_id, 3) AS INTEGER) * :m + i),
    :period, 600, limit_s FROM usage_cap, n
"""


def enterprise_name(number: int) -> str:
    """The identifier of an enterprise that is built."""
    return f"e-{number}"


# Calls


async def measure_begins(path: Path, enterprises: int, begins: int) -> list[float]:
    """Seconds that each begin takes from the pool's read to the commit, of any of them in turn."""
    times: list[float] = []
    async with _opened(path, "full") as database:
        store, minutes = SqlCallStore(database, node_id="bench"), SqlMinutes(database)
        chance = random.Random(7)
        for turn in range(begins + _TURNS_WARM):
            application = _read_application(database.engine, chance.randrange(enterprises))
            began = time.perf_counter()
            await _begin(store, minutes, application)
            if turn >= _TURNS_WARM:
                times.append(time.perf_counter() - began)
    return times


async def measure_calls(path: Path, calls: int) -> tuple[float, float]:
    """CPU seconds of a whole call through store and writer, many at once: free, and charged."""
    results = []
    async with _opened(path, "normal") as database:
        store, minutes = SqlCallStore(database, node_id="bench"), SqlMinutes(database)
        application = _read_application(database.engine, 0)
        for each in (replace(application, pool_terms=None), application):
            waiting = iter(range(calls))

            async def work(
                application: Application = each, waiting: Iterator[int] = waiting
            ) -> None:
                for _ in waiting:
                    call = await _begin(store, minutes, application)
                    await _finish(store, call)

            began = time.process_time()
            await asyncio.gather(*(work() for _ in range(_CALLS_AT_ONCE)))
            results.append((time.process_time() - began) / calls)
    free, charged = results
    return free, charged


@asynccontextmanager
async def _opened(path: Path, durability: Durability) -> AsyncIterator[Database]:
    """A database for the time of a block."""
    database = Database(f"sqlite:///{path}", durability=durability)
    database.open()
    try:
        yield database
    finally:
        await database.close()


def _read_application(engine: Engine, number: int) -> Application:
    with engine.connect() as connection:
        terms = read_pool_terms(connection, enterprise_name(number))
    return Application(
        app_id=AppId(f"app-{number}"),
        enterprise_id=enterprise_name(number),
        enterprise_status=EnterpriseStatus.ACTIVE,
        status=ApplicationStatus.ACTIVE,
        secret="secret",
        signing_secret=b"secret",
        sponsors=frozenset(),
        notify_url=None,
        allow_private_addresses=False,
        pool_terms=terms,
    )


async def _begin(store: SqlCallStore, minutes: SqlMinutes, application: Application) -> Call:
    now = datetime.now(UTC)
    caller = PhoneNumber("+8613000000001", "8613000000001")
    charge: Charge | None = await minutes.plan(application, caller.e164, now)
    plan = CallPlan(
        call_id=create_call_id(),
        app_id=application.app_id,
        sponsor=PhoneNumber("+861052680000", "01052680000"),
        caller=caller,
        callee=PhoneNumber("+8613810268653", "8613810268653"),
        recording_id=None,
        send_direction=None,
        caller_ring_timeout_s=45,
        callee_ring_timeout_s=60,
        max_duration_s=3_600,
        covered_s=None if charge is None else charge.covered_s,
    )
    call = Call(plan, begun_at=now, charge=charge)
    await store.create(call, _events(call.handle(CallStarted(), _at(call, 0))))
    return call


async def _finish(store: SqlCallStore, call: Call) -> None:
    for side in (Side.CALLER, Side.CALLEE):
        await store.update(call, _events(call.handle(LegAnswered(side, _MEDIA), _at(call, 5))))
    ended = LegEnded(Side.CALLER, HANG_UP_CAUSE)
    await store.update(call, _events(call.handle(ended, _at(call, 70))))


def _at(call: Call, seconds: float) -> Moment:
    return Moment(1_000.0 + seconds, call.begun_at + timedelta(seconds=seconds))


def _events(effects: list[Effect]) -> list[StatusEvent]:
    return [effect.event for effect in effects if isinstance(effect, EmitEvent)]


# Books


def measure_books(path: Path, options: ScaleOptions, directory: Path, report: Report) -> None:
    """Statements and exports of a small and the large enterprise, and the proof of all."""
    engine = open_engine(f"sqlite:///{path}")
    transactions = Transactions(engine)
    statements, reader = Statements(transactions), CdrReader(transactions)
    span = (options.since - _SPAN, options.now + _SPAN)
    for size, number in (("a small", options.enterprises - 1), ("the large", 0)):
        name = enterprise_name(number)
        with _weighed() as weight:
            made = statements.make(OPERATOR_PRINCIPAL, name, options.month, options.now)
        calls = made.total.calls
        report.add(f"statement of {size} enterprise, {calls} calls", str(weight))
        with _weighed() as weight:
            count = write_csv(reader.stream(CdrQuery(name, *span)), directory / f"{name}.csv")
        report.add(f"CSV of {size} enterprise, {count} CDRs", str(weight))
    with _weighed() as weight:
        found = verify_ledger(engine)
    sound = "sound" if found.is_sound else f"{found.count} ERRORS"
    label = f"ledger verify, {found.entries} entries, {found.calls} CDRs: {sound}"
    report.add(label, str(weight), is_error=not found.is_sound)
    engine.dispose()


@dataclass(slots=True)
class _Weight:
    seconds: float = 0.0
    peak_mb: float = 0.0
    grown_mb: float = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, peak {self.peak_mb:.0f} MB (+{self.grown_mb:.1f})"


@contextmanager
def _weighed() -> Iterator[_Weight]:
    """Time, and the highest resident size of this process within the block."""
    weight = _Weight()
    before_mb = _reset_peak_mb()
    began = time.perf_counter()
    yield weight
    weight.seconds = time.perf_counter() - began
    weight.peak_mb = _peak_mb()
    weight.grown_mb = weight.peak_mb - before_mb


def _reset_peak_mb() -> float:
    # proc(5), clear_refs: 5 resets the peak resident size.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak_mb()


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000


def _quantiles(times: list[float]) -> str:
    ordered = sorted(times)
    p50, p95 = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    return f"{p50 * 1_000:.2f} ms p50, {p95 * 1_000:.2f} ms p95"
