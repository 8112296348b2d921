"""The bench of pages: what it asks for, what it makes of the answers, and once all of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.portal.registry import CONSOLE

from clicktodial.bench.page_data import list_visitors
from clicktodial.bench.pages import (
    FIRST_VIEW_BYTES_MAX,
    VARIANTS,
    PagesOptions,
    PagesReport,
    Probe,
    _Finder,
    measure_pages,
    tabulate,
)
from clicktodial.bench.scale import LARGE_NAME, ScaleOptions
from clicktodial.portal.page import BASE_PATH


def probe(times_ms: Sequence[float], *, status: int = 200, first_view: int = 0) -> Probe:
    times_s = [each / 1_000 for each in times_ms]
    return Probe(
        "large", "calls", f"{BASE_PATH}/calls", times_s=times_s, cpu_s=times_s, status=status,
        first_view=first_view,
    )  # fmt: skip


def test_p95_is_what_nineteen_of_twenty_kept() -> None:
    found = probe(range(1, 21))
    assert (found.p50_ms, found.p95_ms, found.max_ms) == (10, 19, 20)


def test_what_is_slow_large_or_no_page_is_a_failure() -> None:
    fine, slow = probe([99.0]), probe([101.0])
    large, missing = probe([1.0], first_view=FIRST_VIEW_BYTES_MAX + 1), probe([1.0], status=404)
    report = PagesReport([fine, slow, large, missing], [], 100.0)
    assert report.failures == [slow, large, missing]
    # Those that failed are shown however few are wanted.
    assert len(tabulate(report, most=0)) == 3
    assert len(tabulate(report, most=9)) == 4


def test_address_belongs_to_the_page_that_names_most_of_it() -> None:
    finder = _Finder(CONSOLE.pages)
    for path, name in {
        "/members/new": "newMember",
        "/members/m-1": "member",
        "/money/e-0/records?before=1-a": "enterpriseCdrs",
        "/": "home",
    }.items():
        found = finder.find(BASE_PATH + path)
        assert found is not None and found.name == name
    assert finder.find(f"{BASE_PATH}/nowhere/at/all") is None


def test_visitors_and_variants_are_of_what_there_is() -> None:
    assert set(VARIANTS) <= {page.name for page in CONSOLE.pages}
    roles = {visitor.role for visitor in list_visitors(ScaleOptions())}
    for page in CONSOLE.pages:
        assert not page.roles or page.roles & roles, page.name


@pytest.mark.asyncio
async def test_pages_are_opened_and_measured(tmp_path: Path) -> None:
    options = PagesOptions(
        ScaleOptions(enterprises=2, members=3, cdrs=200, directory=tmp_path, is_kept=True),
        (str(Path(sys.executable).with_name("clicktodial")),),
        turns=1,
        limit_ms=60_000,
        only=frozenset({"home", "pool", "pools", "cdrs", "downloadCdrs"}),
    )
    report = await measure_pages(options, lambda _: None)
    assert report.failures == []
    assert {(each.visitor, each.page) for each in report.probes} == {
        ("large", "home"), ("large", "pool"), ("large", "cdrs"), ("large", "downloadCdrs"),
        ("small", "home"), ("small", "pool"), ("small", "cdrs"), ("small", "downloadCdrs"),
        ("operator", "home"), ("operator", "pools"), ("support", "home"), ("support", "pools"),
        ("manager", "home"), ("manager", "pools"), ("reviewer", "home"),
    }  # fmt: skip
    shown = {each.page: each for each in report.probes}
    assert shown["home"].first_view > shown["home"].size > 0
    assert shown["downloadCdrs"].size > 0
    assert all(each.cpu_ms > 0 for each in report.probes)
    # The database stays, for the next time.
    assert (tmp_path / LARGE_NAME).exists()
