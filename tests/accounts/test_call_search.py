"""Finding calls: those under way, sums, and all of them for a file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text, update
from tests.storage.support import add_missing_cdrs

from clicktodial.accounts import call_search
from clicktodial.accounts.call_search import CallFilter, CallSearch, CallSums, select_open_calls
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.error import NotFound
from clicktodial.storage.history import CallPlace
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACME = Principal(name="a", roles=frozenset({Role.OWNER}), enterprise_id="acme")
ANY = CallFilter()


@pytest.fixture
def search(
    transactions: Transactions, engine: Engine, administration: Administration
) -> CallSearch:
    """Ten calls of acme's, of which the even ones were joined and the last three live; two of
    bell's."""
    rows = [_row("acme-app", number) for number in range(10)]
    rows += [_row("bell-app", number) for number in (8, 9)]
    with engine.begin() as connection:
        connection.execute(insert(table.call), rows)
        add_missing_cdrs(connection)
    return CallSearch(transactions)


def _row(app_id: str, number: int) -> dict[str, object]:
    begun_at, is_live = NOW + timedelta(minutes=number), number >= 7
    is_joined = number % 2 == 0
    return {
        "id": f"{app_id}-{number}", "node_id": "n", "app_id": app_id, "begun_at": begun_at,
        "state": "connected" if is_live else "ended", "event_count": 1,
        "connected_at": begun_at if is_joined else None,
        "ended_at": None if is_live else begun_at, "duration_s": 30 if is_joined else 0,
        "reason": None if is_live else EndReason.HANG_UP if is_joined else EndReason.CALLEE_BUSY,
        "sponsor_e164": "+861", "sponsor_written": "1", "caller_e164": "+862",
        "caller_written": "2", "callee_e164": f"+863{number}", "callee_written": f"3{number}",
    }  # fmt: skip


def ids(calls: Sequence[object]) -> list[str]:
    return [str(call.call_id) for call in calls]  # type: ignore[attr-defined] # CallRecords


def test_calls_under_way_are_found_newest_first(search: CallSearch) -> None:
    assert ids(search.find_live(ACME, ANY, limit=9).calls) == [
        "acme-app-9", "acme-app-8", "acme-app-7",
    ]  # fmt: skip
    assert ids(search.find_live(ACME, ANY, limit=2).calls) == ["acme-app-9", "acme-app-8"]
    number = CallFilter(number="+8638")
    assert ids(search.find_live(OPERATOR_PRINCIPAL, number, limit=9).calls) == [
        "bell-app-8", "acme-app-8",
    ]  # fmt: skip
    with pytest.raises(NotFound):
        search.find_live(ACME, CallFilter(app_id="bell-app"), limit=9)


def test_calls_under_way_come_off_their_index(search: CallSearch, engine: Engine) -> None:
    query = select_open_calls().compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert "call_open" in str(plan)


@pytest.mark.on_every_database
def test_calls_are_added_up(search: CallSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert search.add_up(ACME, ANY) == CallSums(10, 5, 150)
    assert search.add_up(ACME, CallFilter(reason=EndReason.CALLEE_BUSY)) == CallSums(3, 0, 0)
    assert search.add_up(OPERATOR_PRINCIPAL, ANY) == CallSums(12, 6, 180)
    since = CallFilter(since=NOW + timedelta(minutes=4), until=NOW + timedelta(minutes=7))
    assert search.add_up(ACME, since) == CallSums(3, 2, 60)
    monkeypatch.setattr(call_search, "SUMMED_MAX", 4)
    cut = search.add_up(ACME, ANY)
    assert cut is not None and (cut.begun, cut.since) == (4, NOW + timedelta(minutes=5))
    with pytest.raises(NotFound):
        search.add_up(ACME, CallFilter(app_id="bell-app"))


def test_share_of_no_calls_is_none() -> None:
    assert CallSums(0, 0, 0).joined_share is None
    assert CallSums(4, 1, 0).joined_share == 0.25


def test_all_calls_are_streamed_in_pages(
    search: CallSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "EXPORTED_AT_A_TIME", 4)
    pages = list(search.stream(ACME, ANY))
    assert [len(page) for page in pages] == [4, 4, 2]
    assert ids([call for page in pages for call in page]) == [
        f"acme-app-{number}" for number in reversed(range(10))
    ]
    assert list(search.stream(ACME, CallFilter(number="+869"))) == [[]]
    live = search.stream(ACME, CallFilter(is_live=True))
    assert [ids(page) for page in live] == [["acme-app-9", "acme-app-8", "acme-app-7"]]


@pytest.mark.on_every_database
def test_number_is_found_of_whichever_party(search: CallSearch, engine: Engine) -> None:
    def find(number: str, **more: Any) -> list[str]:
        wanted = CallFilter(number=number, **more)
        return ids(search.find(OPERATOR_PRINCIPAL, wanted, limit=99).calls)

    assert find("+8634") == ["acme-app-4"]
    # Those under way have no CDR yet.
    assert find("+8638") == ["bell-app-8", "acme-app-8"]
    assert find("+8638", is_live=False) == []
    everybody = [f"acme-app-{number}" for number in reversed(range(7))]
    assert find("+862", is_live=False) == find("+861", is_live=False) == everybody
    assert find("+862", reason=EndReason.CALLEE_BUSY) == everybody[1::2]
    assert find("+862", until=NOW + timedelta(minutes=2)) == everybody[-2:]
    assert search.add_up(ACME, CallFilter(number="+8634")) == CallSums(1, 1, 30)
    assert search.add_up(ACME, CallFilter(number="+8638")) == CallSums(1, 1, 30)
    # Who calls from the number that is shown is one call, not two.
    with engine.begin() as connection:
        columns = table.call.c
        same = {"caller_e164": "+861"}
        connection.execute(update(table.call).where(columns.id == "acme-app-4").values(same))
        cdr_row = _row("acme-app", 20) | same | {"state": "ended", "reason": EndReason.OTHER}
        connection.execute(insert(table.call).values(cdr_row | {"ended_at": NOW}))
        add_missing_cdrs(connection)
    assert find("+861", is_live=False) == ["acme-app-20", *everybody]
    assert search.add_up(ACME, CallFilter(number="+861", is_live=False)) == CallSums(8, 5, 150)


def test_of_number_and_reason_the_rarer_is_looked_through(
    search: CallSearch, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The number is in all calls, of which three were busy: a search by it would end early.
    monkeypatch.setattr(call_search, "SCANNED_MAX", 3)
    monkeypatch.setattr(call_search, "_SHARE_MIN", 1)
    rare = CallFilter(app_id="acme-app", number="+862", reason=EndReason.CALLEE_BUSY)
    found = search.find(ACME, rare, limit=9)
    assert (ids(found.calls), found.before) == (["acme-app-5", "acme-app-3", "acme-app-1"], None)
    monkeypatch.setattr(call_search, "SUMMED_MAX", 3)
    assert search.add_up(ACME, rare) == CallSums(3, 0, 0)
    # Of two that are in many calls, the number is.
    monkeypatch.setattr(call_search, "SCANNED_MAX", 2)
    assert search.find(ACME, rare, limit=2).searched_to is not None


def test_number_that_was_forgotten_is_not_found(search: CallSearch, engine: Engine) -> None:
    with engine.begin() as connection:
        nothing = {"caller_e164": "", "callee_e164": ""}
        connection.execute(
            update(table.call).where(table.call.c.id == "acme-app-4").values(nothing)
        )
    found = search.find(ACME, CallFilter(number="+8634"), limit=9)
    assert found.calls == []


@pytest.mark.on_every_database
def test_pages_hold_all_that_fits_once_however_little_is_looked_through(
    search: CallSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wanted in (
        CallFilter(reason=EndReason.HANG_UP),
        CallFilter(reason=EndReason.CALLEE_BUSY),
        CallFilter(number="+862", reason=EndReason.CALLEE_BUSY),
        CallFilter(number="+862"),
        CallFilter(is_live=False),
        ANY,
    ):
        whole = ids(search.find(OPERATOR_PRINCIPAL, wanted, limit=99).calls)
        with monkeypatch.context() as little:
            little.setattr(call_search, "SCANNED_MAX", 1)
            little.setattr(call_search, "_SHARE_MIN", 1)
            for limit in (1, 3, 50):
                assert _page(search, wanted, limit) == whole


def _page(search: CallSearch, wanted: CallFilter, limit: int) -> list[str]:
    """The calls of all pages."""
    paged: list[str] = []
    before: CallPlace | None = None
    while True:
        found = search.find(OPERATOR_PRINCIPAL, wanted, limit=limit, before=before)
        paged += ids(found.calls)
        assert found.searched_to is None or len(found.calls) < limit
        if found.before is None:
            return paged
        assert before is None or found.before < before
        before = found.before


def test_search_that_ends_early_says_how_far_back_it_was(
    search: CallSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "SCANNED_MAX", 4)
    monkeypatch.setattr(call_search, "_SHARE_MIN", 1)
    wanted = CallFilter(app_id="acme-app", reason=EndReason.HANG_UP)
    found = search.find(ACME, wanted, limit=2)
    assert (ids(found.calls), found.searched_to) == (["acme-app-6"], NOW + timedelta(minutes=6))
    assert ids(search.find(ACME, wanted, limit=2, before=found.before).calls) == [
        "acme-app-4", "acme-app-2",
    ]  # fmt: skip


@pytest.mark.on_every_database
def test_each_question_comes_off_its_index_in_order(search: CallSearch, engine: Engine) -> None:
    numbers = ["cdr_by_caller", "cdr_by_callee", "cdr_by_sponsor"]
    for wanted, indexes in (
        (CallFilter(is_live=False), ["call_by_application"]),
        (CallFilter(reason=EndReason.HANG_UP), ["call_by_application"]),
        (CallFilter(reason=EndReason.OTHER), ["cdr_by_failure"]),
        (CallFilter(number="+862"), [*numbers, "call_open"]),
        (CallFilter(is_live=True), ["call_open"]),
    ):
        since = replace(wanted, since=NOW - timedelta(days=1))
        plans = _explain(engine, call_search._sources(["acme-app"], since))
        for plan, index in zip(plans, indexes, strict=True):
            assert index in plan


def _explain(engine: Engine, sources: Sequence[call_search._Source]) -> list[str]:
    before = CallPlace(NOW + timedelta(days=1), "x")
    is_sqlite = engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    plans = []
    with engine.connect() as connection:
        if not is_sqlite:
            # Of so few rows it would read all of them.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        for source in sources:
            query = source.select(before, 9).compile(engine, compile_kwargs={"literal_binds": True})
            plan = str(connection.execute(text(f"{explain} {query}")).all())
            # PostgreSQL sorts the calls of one millisecond where the index has no identifiers.
            # Those under way are few, and sorted.
            if "call_open" not in plan:
                assert "TEMP B-TREE" not in plan and "SCAN" not in plan
                assert is_sqlite or "Sort" not in plan or "call_by_application" in plan
            plans.append(plan)
    return plans
