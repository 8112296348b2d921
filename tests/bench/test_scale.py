"""The bench of scale, at a scale of its own."""

import asyncio
import re
from pathlib import Path

from clicktodial.bench.scale import Report, ScaleOptions, build, measure_books, measure_scale
from clicktodial.billing.ledger import verify_ledger
from clicktodial.storage.engine import open_engine

OPTIONS = ScaleOptions(enterprises=5, members=3, cdrs=2_000, begins=20)


def test_everything_is_measured(tmp_path: Path) -> None:
    options = ScaleOptions(OPTIONS.enterprises, OPTIONS.members, 400, 20, tmp_path)
    told: list[str] = []
    rows = asyncio.run(measure_scale(options, told.append))
    assert [re.sub(r"\d+", "N", row.what) for row in rows] == [
        "built",
        "begin, one enterprise and nothing else",
        "begin, N enterprises and all CDRs",
        "a call through the writer, free",
        "the same, charged",
        "statement of a small enterprise, N calls",
        "CSV of a small enterprise, N CDRs",
        "statement of the large enterprise, N calls",
        "CSV of the large enterprise, N CDRs",
        "ledger verify, N entries, N CDRs: sound",
    ]
    assert not any(row.is_error for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_ledger_that_is_not_sound_is_an_error(tmp_path: Path) -> None:
    build(tmp_path / "large.db", OPTIONS)
    engine = open_engine(f"sqlite:///{tmp_path / 'large.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE package_lot SET available_s = available_s - 1, consumed_s = consumed_s + 1"
        )
    engine.dispose()
    report = Report(lambda _: None)
    measure_books(tmp_path / "large.db", OPTIONS, tmp_path, report)
    assert [row.what for row in report.rows if row.is_error] == [report.rows[-1].what]
    assert "ERRORS" in report.rows[-1].what


def test_what_is_built_is_as_the_platform_would_have_left_it(tmp_path: Path) -> None:
    build(tmp_path / "large.db", OPTIONS)
    engine = open_engine(f"sqlite:///{tmp_path / 'large.db'}")
    found = verify_ledger(engine)
    assert found.discrepancies == []
    assert (found.calls, found.lots, found.open_calls) == (2_000, 5, 0)
    engine.dispose()
