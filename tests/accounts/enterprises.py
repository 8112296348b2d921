"""Enterprises in a real database, and files of members."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import openpyxl
from sqlalchemy import Engine, insert

from clicktodial.storage import table

ACME, OTHER = "acme", "other"
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def add_enterprises(engine: Engine) -> None:
    """ACME and OTHER."""
    with engine.begin() as connection:
        for enterprise_id in (ACME, OTHER):
            row = {"id": enterprise_id, "name": enterprise_id, "status": "active"}
            connection.execute(insert(table.enterprise).values(row))


def spreadsheet(rows: Sequence[Sequence[Any]]) -> bytes:
    """The rows as XLSX."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
