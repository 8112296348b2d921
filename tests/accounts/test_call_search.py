"""Finding calls: those under way, sums, and all of them for a file."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, text

from clicktodial.accounts import call_search
from clicktodial.accounts.call_search import CallFilter, CallSearch, CallSums, select_open_calls
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.error import NotFound
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


def test_calls_are_added_up(search: CallSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert search.add_up(ACME, ANY) == CallSums(10, 5, 150)
    assert search.add_up(ACME, CallFilter(reason=EndReason.CALLEE_BUSY)) == CallSums(3, 0, 0)
    assert search.add_up(OPERATOR_PRINCIPAL, ANY) == CallSums(12, 6, 180)
    since = CallFilter(since=NOW + timedelta(minutes=4), until=NOW + timedelta(minutes=7))
    assert search.add_up(ACME, since) == CallSums(3, 2, 60)
    monkeypatch.setattr(call_search, "SUMMED_MAX", 4)
    cut = search.add_up(ACME, ANY)
    assert cut is not None and (cut.begun, cut.is_cut) == (4, True)
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
    assert list(search.stream(ACME, CallFilter(number="+869"))) == []
