"""Files of members as strangers send them: every encoding that is taken, and what is not."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts.enterprises import spreadsheet

from clicktodial.accounts import table_reader, table_row
from clicktodial.accounts.table_reader import TableLine, open_table, read_lines
from clicktodial.accounts.table_row import (
    ListedRow,
    MemberRow,
    TableError,
    TableKind,
    neutralize,
    parse_member_row,
)
from clicktodial.storage import table

LI_LEI = MemberRow("+8613912345673", "李雷", "销售", "A1", "", None, None)


def read(content: bytes, kind: TableKind = TableKind.MEMBERS) -> list[TableLine]:
    return list(read_lines(io.BytesIO(content), kind, "CN"))


def members(content: bytes) -> list[MemberRow]:
    lines = read(content)
    assert [line.problem for line in lines if line.problem] == []
    return [msgspec.convert(line.values, MemberRow) for line in lines]


def problems(content: bytes) -> list[tuple[int, str | None]]:
    return [(line.row, line.problem) for line in read(content) if line.problem]


CSV = "手机号,姓名,部门,工号\n139-1234-5673,李雷,销售,A1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_each_encoding_delimiter_and_line_end(
    encoding: str, delimiter: str, end: str
) -> None:
    text = CSV.replace(",", delimiter).replace("\n", end)
    assert members(text.encode(encoding)) == [LI_LEI]


def test_spreadsheet_with_numbers_as_numbers_and_formulas_as_what_they_showed() -> None:
    rows: list[list[Any]] = [
        ["Phone number", "Name", "Department", "Employee ID", "Note", "calls per day"],
        [13912345673, "李雷", "销售", "A1", None, None],
        [],
        ["13912345674", '=HYPERLINK("http://192.0.2.1/","x")', None, 17.0, True, 20],
    ]
    # A formula that nothing has computed shows nothing, and is not computed here.
    assert members(spreadsheet(rows)) == [
        LI_LEI,
        MemberRow("+8613912345674", "", "", "17", "True", 20, None),
    ]


def test_each_row_is_told_what_is_wrong_with_it_by_its_number() -> None:
    content = (
        "number,name,calls_per_day\n"
        "13912345673,Li\n"
        ",Nobody\n"
        "12,Short\n"
        "\n"
        f"13912345674,{'x' * 201}\n"
        "13912345675,Li,0\n"
        "13912345676,Li,many\n"
        "13912345677,Li,1,more\n"
        "13912345678,Li\u202e\n"
        f"13912345679,{'y' * 1_025}\n"
    ).encode()
    assert problems(content) == [
        (3, "there is no number"),
        (4, "the number is not a telephone number"),
        (6, "name has more than 200 characters"),
        (7, "calls_per_day must be a whole number between 1 and 1000000"),
        (8, "calls_per_day must be a whole number between 1 and 1000000"),
        (9, "the row has more cells than there are columns"),
        (10, "name has characters that cannot be printed"),
        (11, "a cell has more than 1024 characters"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"13912345673,Li\n", "column 1 is none of number, name"),
        (b"number,nmae\n", "column 2 ('nmae') is none of"),
        (b"name,department\n", "one of them must be number"),
        (b"number,phone\n", "two columns number"),
        (b"number\n\x00\x01", "neither CSV"),
        (b"\xff\xfen\x00", "neither CSV"),
        (b"\xff\xff\xff\xff", "neither CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old spreadsheet"),
        (b"PK\x03\x04 no zip at all", "the spreadsheet cannot be read"),
        (b'number\n"13912345673\n', "a quote is open"),
        (b"number" + b"," * 40, "more than 32 columns"),
    ],
)
def test_file_that_cannot_be_read_is_told_why(content: bytes, words: str) -> None:
    with pytest.raises(TableError) as refused:
        read(content)
    assert words in str(refused.value)
    assert "13912345673" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(content: bytes) -> None:
    for prefix in (b"", b"number\n", b"number,name\n13912345673,", b"PK\x03\x04"):
        try:
            read(prefix + content)
        except TableError:
            continue


@given(st.text(max_size=30))
def test_what_is_exported_is_no_formula_and_is_taken_as_it_was(text: str) -> None:
    cell = neutralize(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    if text.isprintable():
        row = parse_member_row({"number": "13912345673", "name": cell}, "CN")
        assert row.name in (text.strip(), text)


def test_more_rows_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_reader, "ROWS_MAX", 3)
    four = "number\n" + "".join(f"1391234567{digit}\n" for digit in range(4))
    with pytest.raises(TableError, match="more than 3 rows"):
        read(four.encode())
    with pytest.raises(TableError, match="more than 3 rows"):
        read(spreadsheet([line.split(",") for line in four.splitlines()]))
    assert len(read(four[: four.rindex("139")].encode())) == 3


def test_file_longer_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_reader, "FILE_BYTES_MAX", 20)
    with pytest.raises(TableError, match="more than 20 bytes"):
        read(b"number\n" + b"1" * 20)


def sheet_with(xml: bytes, *, entries: int = 0) -> bytes:
    """A spreadsheet whose sheet is that XML."""
    plain = spreadsheet([["number"], ["13912345673"]])
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(plain)) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("sheet1.xml") and xml:
                content = xml
            target.writestr(entry.filename, content)
        for each in range(entries):
            target.writestr(f"junk/{each}", b"")
    return file.getvalue()


SHEET = (
    b'<?xml version="1.0"?>%s<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/'
    b'2006/main"><sheetData>%s</sheetData></worksheet>'
)
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "%s">%s]>' % (
    b"a" * 100,
    b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 100) for i in range(6)),
)
FAR_BELOW = b'<row r="900000000"><c r="A900000000"/></row>'
CELL = b'<row r="1"><c r="A1" t="inlineStr"><is><t>%s</t></is></c></row>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(sheet_with(b" " * 3_000_000), "unfolds to more", id="zip bomb"),
        pytest.param(sheet_with(b"", entries=1_001), "unfolds to more", id="many entries"),
        pytest.param(
            sheet_with(SHEET % (ENTITIES, CELL % b"&g;")), "cannot be read", id="entities"
        ),
        pytest.param(
            sheet_with(SHEET % (b"", CELL % b"number" + FAR_BELOW)),
            "more than 100000 rows",
            id="row far below",
        ),
        pytest.param(sheet_with(b"<worksheet><sheetData>"), "cannot be read", id="open element"),
    ],
)  # fmt: skip
def test_hostile_spreadsheet_is_told_why_it_is_not_taken(
    content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_reader, "UNFOLDED_BYTES_MAX", 2_000_000)
    with pytest.raises(TableError, match=words):
        read(content)


def test_external_entity_is_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("number")
    doctype = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file://%s">]>' % str(secret).encode()
    with pytest.raises(TableError):
        read(sheet_with(SHEET % (doctype, CELL % b"&f;")))


def test_process_tells_rows_and_errors() -> None:
    with named(CSV.encode("gb18030")) as real, open_table(real, TableKind.MEMBERS, "CN") as lines:
        [line] = list(lines)
    assert msgspec.convert(line.values, MemberRow) == LI_LEI
    with (
        named(b"") as real,
        open_table(real, TableKind.MEMBERS, "CN") as lines,
        pytest.raises(TableError, match="empty"),
    ):
        list(lines)


@contextmanager
def named(content: bytes) -> Iterator[IO[bytes]]:
    """A file that a process can be given."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file


def test_process_that_needs_too_much_memory_is_a_file_that_cannot_be_read() -> None:
    # One cell of 60 MB, in a file of 60 kB.
    content = sheet_with(SHEET % (b"", CELL % (b"x" * 60_000_000)))
    with (
        named(content) as real,
        open_table(real, TableKind.MEMBERS, "CN", memory_bytes_max=200 * 1024 * 1024) as lines,
        pytest.raises(TableError, match="memory"),
    ):
        list(lines)


def test_do_not_call_rows_have_a_reason_a_source_and_a_last_day() -> None:
    content = (
        "number;reason;source;expires\n"
        "13912345673;asked;hotline;2026-12-31\n"
        "13912345674;;;\n"
        "13912345675;;;tomorrow\n"
    )
    lines = read(content.encode(), TableKind.DO_NOT_CALL)
    rows = [msgspec.convert(line.values, ListedRow) for line in lines if line.values]
    # Noon of the next day in UTC, when that day is over everywhere.
    assert rows[0] == ListedRow("+8613912345673", "asked", "hotline", 1_798_804_800)
    assert rows[1].expires_at is None
    assert lines[2].problem == "expires must be a day such as 2026-01-31"


def test_bounds_are_those_of_the_tables() -> None:
    for name in ("NAME_CHARACTERS_MAX", "IDENTIFIER_CHARACTERS_MAX", "DETAIL_CHARACTERS_MAX"):
        assert getattr(table_row, name) == getattr(table, name)
