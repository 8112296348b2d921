"""The list of calls: those under way first, filtered by days, added up, as a file."""

import csv
import io
import re

import pytest
from tests.portal.client import Client
from tests.portal.world import ACME, World

from clicktodial.accounts.audit import AuditEntry
from clicktodial.domain.principal import Role
from clicktodial.portal.call.export import COLUMNS

# Of the forty that are seeded; other parts of the console seed calls, too.
SEEDED_BUSY = 4


def test_calls_are_taken_as_a_file_with_whole_numbers(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    answer = client.get("/calls.csv?reason=CalleeBusy")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.body.decode("utf-8-sig")))
    assert tuple(head) == COLUMNS
    values = [dict(zip(head, row, strict=True)) for row in rows]
    assert {each["reason"] for each in values} == {"CalleeBusy"}
    assert "+8613912345673" in {each["caller"] for each in values}
    assert len(values) >= SEEDED_BUSY
    entry = world.audit_log.list_entries(enterprise_id=ACME, limit=1)[0]
    assert (entry.operation, entry.outcome) == ("callsCsv", "read")


def test_file_of_what_nothing_fits_has_its_headings(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.READER])
    text = client.get("/calls.csv?number=13900000000").body.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [list(COLUMNS)]
    assert client.get("/calls.csv?application=22222222").status == 404
    assert client.get("/calls.csv?until=tomorrow").status == 422


def test_days_that_do_not_fit_are_said_at_their_field(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    for query, words in (
        ("from=yesterday", "This is no day."),
        ("from=0001-01-01", "This is no day."),
        ("until=9999-12-31", "This is no day."),
        ("from=2026-02-02&until=2026-02-01", "This is before the first day."),
    ):
        answer = client.get(f"/calls?{query}")
        assert answer.status == 422 and words in answer.text, query


def test_calls_of_days_are_added_up(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    part = {"HX_Request": "true", "HX_Target": "sums"}
    busy = client.get("/calls?reason=CalleeBusy", **part).text
    count = re.search(r"<dd>([0-9]+)</dd>", busy)
    assert count is not None and int(count[1]) >= SEEDED_BUSY
    assert "<dd>0 (0%)</dd>" in busy
    assert "<table" not in busy
    none = client.get("/calls?from=2020-01-01&until=2020-01-02", **part).text
    assert "<dd>0</dd>" in none


def test_calls_under_way_stand_first(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    live = world.ids[ACME]["live_call_id"]
    first = client.get("/calls").text
    assert first.count(live) == 1 and 'class="is-live"' in first
    assert live in client.get("/calls?state=live").text
    assert live not in client.get("/calls?state=ended").text


@pytest.mark.parametrize(
    ("path", "operation", "role"),
    [
        ("/calls/whole/numbers?period=month", "callsNumbers", Role.OWNER),
        ("/pool/records/numbers", "cdrsNumbers", Role.OWNER),
        (f"/money/{ACME}/records/numbers", "enterpriseCdrsNumbers", Role.OPERATOR),
    ],
)
def test_numbers_of_a_list_are_shown_whole_and_that_is_noted_once(
    origin: str, world: World, path: str, operation: str, role: Role
) -> None:
    client = Client(origin, world.tokens[role])
    masked_page = client.get(path.replace("/whole/numbers", "").replace("/numbers", ""))
    whole = re.compile(r"\+?86138[0-9]{8}\b")
    assert masked_page.status == 200 and not whole.search(masked_page.text)

    def noted() -> list[AuditEntry]:
        entries = world.audit_log.list_entries(limit=1_000, enterprise_id=ACME)
        return [each for each in entries if each.operation == operation]

    before = len(noted())
    page = client.get(path)
    numbers = whole.findall(page.text)
    assert page.status == 200 and numbers
    # It is not fetched again by itself, which would be another showing.
    assert "data-follows" not in page.text
    entry, *rest = noted()
    assert len(rest) == before
    assert int(entry.subjects["calls"]) > 0
    assert {"oldest_call_id", "newest_call_id"} <= set(entry.subjects)
