"""Statements and exports: what they add up to, and that they are whole."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet
import pytest
from pypdf import PdfReader
from sqlalchemy import Engine, insert
from tests.billing.support import (
    ENTERPRISE,
    OPERATOR,
    create_enterprise,
    create_pool,
    execute,
    top_up,
)
from tests.storage.support import NOW

from clicktodial.billing import cdr as cdr_module
from clicktodial.billing.cdr import COLUMNS, CdrQuery, CdrReader
from clicktodial.billing.export import (
    WRITTEN_LATE,
    ExportKind,
    Exports,
    csv_pieces,
    hash_file,
)
from clicktodial.billing.statement import Statements
from clicktodial.billing.statement_page import format_minutes, format_money, render_html, render_pdf
from clicktodial.domain.principal import Principal, Role
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions

SHANGHAI = ZoneInfo("Asia/Shanghai")
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ALL = CdrQuery(ENTERPRISE, SINCE, UNTIL)
STRANGER = Principal(name="eve", roles=frozenset({Role.OWNER}), enterprise_id="other")


def cdr_row(number: int, ended_at: datetime, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "call_id": f"{number:032x}",
        "enterprise_id": ENTERPRISE,
        "node_id": "node",
        "app_id": "12345678",
        "sponsor_e164": "+861052680000",
        "caller_e164": "+8613912345673",
        "callee_e164": "+8613810268653",
        "begun_at": ended_at - timedelta(seconds=90),
        "connected_at": ended_at - timedelta(seconds=70),
        "ended_at": ended_at,
        "duration_s": 70,
        "reason": "HangUp",
        "member": "+8613912345673",
        "tariff_id": "tariff",
        "legs_counted": 1,
        "rated_s": 120,
        "billed_s": 120,
        "overage_s": 0,
        "price_micros": 0,
        "lots": '[["lot",120]]',
    }
    return row | changes


def add_cdr(engine: Engine, number: int, ended_at: datetime, **changes: object) -> None:
    with engine.begin() as connection:
        connection.execute(insert(cdr).values(cdr_row(number, ended_at, **changes)))


@pytest.mark.on_every_database
def test_statement_adds_up_by_application_department_and_local_day(engine: Engine) -> None:
    pools = create_pool(engine)
    top_up(pools, 6000, price_micros=50_000_000)
    execute(engine, "UPDATE enterprise SET name = '北京某某科技有限公司'")
    # The last hour of March in Shanghai, and the first of April.
    add_cdr(engine, 1, datetime(2026, 3, 31, 15, 30, tzinfo=UTC), department="销售部")
    add_cdr(engine, 2, datetime(2026, 3, 31, 16, 0, tzinfo=UTC))
    add_cdr(engine, 3, datetime(2026, 3, 5, 2, 0, tzinfo=UTC), connected_at=None, duration_s=0,
            billed_s=0, rated_s=0, app_id="87654321")  # fmt: skip
    add_cdr(engine, 4, datetime(2026, 3, 5, 3, 0, tzinfo=UTC), overage_s=60, price_micros=123_456)
    statement = Statements(Transactions(engine), zone=SHANGHAI).make(
        OPERATOR, ENTERPRISE, "2026-03", NOW
    )
    total = statement.total
    assert (total.calls, total.connected, total.billed_s) == (3, 2, 240)
    assert [(each.name, each.calls) for each in statement.by_day] == [
        ("2026-03-05", 2),
        ("2026-03-31", 1),
    ]
    assert [(each.name, each.billed_s) for each in statement.by_application] == [
        ("12345678", 240),
        ("87654321", 0),
    ]
    assert {each.name: each.calls for each in statement.by_department} == {"": 2, "销售部": 1}
    assert [(line.seconds, line.price_micros) for line in statement.packages] == [
        (6000, 50_000_000)
    ]
    assert statement.owed_micros == 50_123_456
    page = render_html(statement).decode()
    assert "北京某某科技有限公司" in page and "50.123456 CNY" in page
    text = PdfReader(io.BytesIO(render_pdf(statement))).pages[0].extract_text()
    assert "Statement 2026-03" in text and "50.123456 CNY" in text
    assert "北京某某科技有限公司" in text and "销售部" in text


def test_statement_escapes_what_people_called_themselves(engine: Engine) -> None:
    create_pool(engine)
    execute(engine, "UPDATE enterprise SET name = '<b>Acme</b> & Co'")
    statement = Statements(Transactions(engine)).make(OPERATOR, ENTERPRISE, "2026-03", NOW)
    assert b"&lt;b&gt;Acme" in render_html(statement)
    assert (
        "<b>Acme</b> & Co" in PdfReader(io.BytesIO(render_pdf(statement))).pages[0].extract_text()
    )


@pytest.mark.parametrize("month", ["2026-13", "2026", "26-01", "2026-1", "x", "0001-01"])
def test_statement_of_no_month_is_refused(engine: Engine, month: str) -> None:
    create_pool(engine)
    with pytest.raises(ValueInvalid):
        Statements(Transactions(engine)).make(OPERATOR, ENTERPRISE, month, NOW)


def test_statement_of_another_enterprise_is_not_there(engine: Engine) -> None:
    create_pool(engine)
    with pytest.raises(NotFound):
        Statements(Transactions(engine)).make(STRANGER, ENTERPRISE, "2026-03", NOW)
    with pytest.raises(NotFound):
        CdrReader(Transactions(engine)).page(STRANGER, ALL)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (1, "0.000001"), (10_000, "0.01"), (-1_500_000, "-1.50"), (123_456, "0.123456")],
)
def test_money_is_exact(micros: int, text: str) -> None:
    assert format_money(micros) == text


def test_minutes_are_whole_and_seconds() -> None:
    assert (format_minutes(0), format_minutes(61), format_minutes(36_005)) == (
        "0:00",
        "1:01",
        "600:05",
    )


@pytest.mark.on_every_database
def test_stream_gives_each_cdr_once_across_pages(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_pool(engine)
    monkeypatch.setattr(cdr_module, "ROWS_AT_A_TIME", 3)
    for number in range(7):
        add_cdr(engine, number, NOW + timedelta(seconds=number // 4))
    pages = list(CdrReader(Transactions(engine)).stream(ALL))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each.values["call_id"] for page in pages for each in page] == [
        f"{number:032x}" for number in range(7)
    ]


def test_csv_has_all_columns_and_no_formula(engine: Engine) -> None:
    create_pool(engine)
    add_cdr(engine, 1, NOW, department='=HYPERLINK("http://x")')
    reader = CdrReader(Transactions(engine))
    text = b"".join(csv_pieces(reader.stream(ALL))).decode()
    [row] = csv.DictReader(io.StringIO(text))
    assert list(row) == [*COLUMNS, "lots"]
    assert row["caller_e164"] == "+8613912345673"
    assert row["ended_at"] == "2026-03-04T05:06:07.890Z"
    assert row["department"] == '\'=HYPERLINK("http://x")'
    assert (row["billed_s"], row["sip_status"], row["lots"]) == ("120", "", "lot:120")


@pytest.mark.parametrize("department", ["\uff1dcmd|' /C calc'!A0", "\uff20SUM(1)", "-1+1"])
def test_csv_has_no_formula_in_another_spelling(engine: Engine, department: str) -> None:
    create_pool(engine)
    add_cdr(engine, 1, NOW, department=department)
    text = b"".join(csv_pieces(CdrReader(Transactions(engine)).stream(ALL))).decode()
    [row] = csv.DictReader(io.StringIO(text))
    assert row["department"] == f"'{department}"


def test_csv_of_nothing_has_headings(engine: Engine) -> None:
    create_pool(engine)
    text = b"".join(csv_pieces(CdrReader(Transactions(engine)).stream(ALL)))
    assert text.decode().split("\r\n") == [",".join([*COLUMNS, "lots"]), ""]


def test_schedule_writes_each_day_once_and_drops_the_old(engine: Engine, tmp_path: Path) -> None:
    create_pool(engine)
    now = NOW + timedelta(days=3)
    add_cdr(engine, 1, NOW)
    add_cdr(engine, 2, NOW + timedelta(days=1))
    add_cdr(engine, 3, now)
    exports = Exports(Transactions(engine), tmp_path, zone=UTC, keep_days=30)
    assert exports.run(tuple(ExportKind), now) == 6
    assert exports.run(tuple(ExportKind), now) == 0
    listed = exports.list(OPERATOR, ENTERPRISE)
    assert [(each.period, each.kind, each.row_count) for each in listed[:2]] == [
        ("2026-03-06", "csv", 0),
        ("2026-03-06", "parquet", 0),
    ]
    assert sum(each.row_count for each in listed) == 4
    for each in listed:
        path = tmp_path / each.path
        assert (path.stat().st_size, hash_file(path)) == (each.size_bytes, each.sha256)
        assert path.stat().st_mode & 0o077 == 0
    with exports.open(exports.find(OPERATOR, ENTERPRISE, listed[0].export_id)) as file:
        assert file.read(7) == b"call_id"
    with pytest.raises(NotFound):
        exports.list(STRANGER, ENTERPRISE)
    with pytest.raises(NotFound):
        exports.find(STRANGER, ENTERPRISE, listed[0].export_id)
    table = pyarrow.parquet.read_table(tmp_path / ENTERPRISE / "2026-03-04.parquet")
    [row] = table.to_pylist()
    assert (row["billed_s"], row["ended_at"], row["lots"]) == (120, NOW, [("lot", 120)])
    assert exports.run((), now + timedelta(days=31)) == 0
    assert exports.list(OPERATOR, ENTERPRISE) == []
    assert not list((tmp_path / ENTERPRISE).iterdir())


def test_file_that_was_dropped_is_not_written_again(engine: Engine, tmp_path: Path) -> None:
    create_pool(engine)
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) + timedelta(days=1)
    exports = Exports(Transactions(engine), tmp_path, zone=UTC, keep_days=1)
    written = [exports.run((ExportKind.CSV,), midnight + timedelta(hours=h)) for h in range(72)]
    assert sum(written) == 3
    [kept] = exports.list(OPERATOR, ENTERPRISE)
    assert [each.name for each in (tmp_path / ENTERPRISE).iterdir()] == [Path(kept.path).name]


def test_files_that_another_node_dropped_from_the_catalog_go(
    engine: Engine, tmp_path: Path
) -> None:
    create_pool(engine)
    now = NOW + timedelta(days=1)
    transactions = Transactions(engine)
    own, other = (
        Exports(transactions, tmp_path / node, zone=UTC, keep_days=30) for node in ("own", "other")
    )
    assert own.run((ExportKind.CSV,), now) == 1
    broken_off = tmp_path / "own" / ENTERPRISE / ".2026-03-04.csv.id.part"
    broken_off.touch()
    assert other.drop_old(now + timedelta(days=31)) == 1
    own.drop_old(now + timedelta(days=31))
    assert broken_off.exists()
    own.drop_old(now + timedelta(days=41))
    assert not list((tmp_path / "own" / ENTERPRISE).iterdir())


@pytest.mark.on_every_database
@pytest.mark.parametrize("kind", list(ExportKind))
def test_file_that_another_node_wrote_is_written_again_byte_for_byte(
    engine: Engine, tmp_path: Path, kind: ExportKind
) -> None:
    create_pool(engine)
    for number in range(3):
        add_cdr(engine, number, NOW + timedelta(seconds=number))
    own, other = create_two(engine, tmp_path)
    assert own.run((kind,), NOW + timedelta(days=1)) == 1
    (listed,) = other.list(OPERATOR, ENTERPRISE)
    with own.open(listed) as first, other.open(listed) as second:
        written = first.read()
        assert second.read() == written
    assert other.list(OPERATOR, ENTERPRISE) == [listed]
    # Somebody cut it off: what is handed out is what the catalog knows.
    (tmp_path / "other" / listed.path).write_bytes(written[:-1])
    with other.open(listed) as again:
        assert again.read() == written


@pytest.mark.on_every_database
def test_file_with_a_cdr_that_came_late_is_the_same_on_every_node(
    engine: Engine, tmp_path: Path
) -> None:
    create_pool(engine)
    add_cdr(engine, 1, NOW)
    own, other = create_two(engine, tmp_path)
    assert own.run((ExportKind.CSV,), NOW + timedelta(days=1)) == 1
    (before,) = own.list(OPERATOR, ENTERPRISE)
    add_cdr(engine, 2, NOW)
    with other.open(before) as file:
        complete = file.read()
    (after,) = own.list(OPERATOR, ENTERPRISE)
    assert (before.row_count, after.row_count, after.export_id) == (1, 2, before.export_id)
    with own.open(after) as file:
        assert file.read() == complete
    assert after.size_bytes == len(complete)


def create_two(engine: Engine, tmp_path: Path) -> tuple[Exports, Exports]:
    """The exports of two nodes that share a database."""
    transactions = Transactions(engine)
    own, other = (
        Exports(transactions, tmp_path / node, zone=UTC, keep_days=30) for node in ("own", "other")
    )
    return own, other


def test_enterprise_without_a_pool_has_a_file_of_each_day_with_calls(
    engine: Engine, tmp_path: Path
) -> None:
    create_enterprise(engine)
    add_cdr(engine, 1, NOW, charging="not-charged", tariff_id="", lots="[]")
    exports, _ = create_two(engine, tmp_path)
    assert exports.run((ExportKind.CSV,), NOW + timedelta(days=3)) == 1
    (listed,) = exports.list(OPERATOR, ENTERPRISE)
    with exports.open(listed) as file:
        (row,) = csv.DictReader(io.StringIO(file.read().decode(), newline=""))
    assert (listed.period, row["charging"], row["lots"]) == ("2026-03-04", "not-charged", "")


def test_day_waits_for_the_cdrs_that_are_written_late(engine: Engine, tmp_path: Path) -> None:
    create_pool(engine)
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) + timedelta(days=1)
    exports = Exports(Transactions(engine), tmp_path, zone=UTC, keep_days=30)
    assert exports.run((ExportKind.CSV,), midnight + timedelta(seconds=1)) == 0
    add_cdr(engine, 1, midnight - timedelta(seconds=1))
    assert exports.run((ExportKind.CSV,), midnight + WRITTEN_LATE) == 1
    assert exports.list(OPERATOR, ENTERPRISE)[0].row_count == 1


def test_export_that_fails_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    create_pool(engine)
    add_cdr(engine, 1, NOW, lots="no JSON")
    exports = Exports(Transactions(engine), tmp_path, zone=UTC, keep_days=30)
    with pytest.raises(ValueError, match="JSON"):
        exports.run((ExportKind.CSV,), NOW + timedelta(days=1))
    assert not list((tmp_path / ENTERPRISE).iterdir())
    assert exports.list(OPERATOR, ENTERPRISE) == []
