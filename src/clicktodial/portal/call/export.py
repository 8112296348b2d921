"""Calls as CSV, for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime, tzinfo

from clicktodial.accounts.table_row import neutralize
from clicktodial.storage.history import CallRecord

COLUMNS = (
    "begun_at",
    "connected_at",
    "ended_at",
    "duration_s",
    "caller",
    "callee",
    "sponsor",
    "state",
    "reason",
    "ended_by",
    "sip_status",
    "sip_text",
    "q850",
    "app_id",
    "call_id",
    "recording_id",
)
# Spreadsheets take a file without it for one of the machine's own encoding.
_MARK = "\ufeff"


def render_csv_head() -> bytes:
    """The line of headings."""
    return (_MARK + _render([COLUMNS])).encode()


def render_csv(calls: Sequence[CallRecord], zone: tzinfo) -> bytes:
    """A line for each; times of that zone, with its offset."""
    return _render(
        [[_cell(getattr(call, name), zone) for name in COLUMNS] for call in calls]
    ).encode()


def _render(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: object, zone: tzinfo) -> object:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    # Numbers of E.164 begin like a formula by their nature, and are digits behind it.
    return text if text[1:].isdigit() else neutralize(text)
