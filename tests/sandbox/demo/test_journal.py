"""The journal: reading lines, waiting for entries."""

import asyncio

import pytest
from tests.sandbox.demo.call import BEGAN_AT, entry, notification

from clicktodial.sandbox.demo.error import MissedError
from clicktodial.sandbox.demo.journal import ENTRIES_MAX, Entry, Journal, read_entry


def test_line_of_a_report_is_read() -> None:
    line = b'{"time":"2024-05-01T08:00:00.000000Z","event":"ringing","phone":"1"}\n'
    assert read_entry("carrier", line) == Entry("carrier", BEGAN_AT, "ringing", {"phone": "1"})


@pytest.mark.parametrize(
    "line",
    [b"", b"clicktodial ready", b"[]", b"{}", b'{"time":"now","event":"x"}', b"\xff",
     b'{"time":"2024-05-01T08:00:00Z"}', b'{"event":"x"}'],
)  # fmt: skip
def test_any_other_line_is_none(line: bytes) -> None:
    assert read_entry("carrier", line) is None


async def test_waiting_finds_what_came_before() -> None:
    journal = Journal()
    journal.add(notification(1, "Connected"))
    found = await journal.wait_for("notification", timeout_s=1, status="Connected")
    assert found.fields["notification"]["status"] == "Connected"


async def test_waiting_ends_with_what_comes_later() -> None:
    journal = Journal()
    waits = [
        asyncio.create_task(journal.wait_for("heard", timeout_s=5, phone=phone))
        for phone in ("1", "2")
    ]
    await asyncio.sleep(0)
    journal.add(entry(1, "heard", phone="3"))
    journal.add(entry(2, "heard", phone="2"))
    journal.add(entry(3, "heard", phone="1"))
    found = await asyncio.gather(*waits)
    assert [each.fields["phone"] for each in found] == ["1", "2"]


async def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(MissedError, match="heard, phone 1"):
        await Journal().wait_for("heard", timeout_s=0.01, phone="1")


def test_listeners_are_told_of_every_entry() -> None:
    journal, told = Journal(), list[Entry]()
    journal.add(entry(1, "before"))
    journal.listen(told.append)
    journal.add(entry(2, "after"))
    assert [each.event for each in told] == ["after"]


def test_entries_beyond_the_limit_push_the_oldest_out() -> None:
    journal = Journal()
    for index in range(ENTRIES_MAX + 1):
        journal.add(entry(index, "ringing"))
    assert len(journal.entries) == ENTRIES_MAX
    assert journal.entries[0] == entry(1, "ringing")
