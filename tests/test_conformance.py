"""The conformance page names tests that exist, and says of what is done which test shows it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "sip.md"
_NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_NOT_DONE = "no"


def rows() -> list[list[str]]:
    """Cells of each row of the tables, headings left out."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "Standard" and not cells[0].startswith("---"):
            found.append(cells)
    return found


def named_tests() -> list[tuple[str, str]]:
    return sorted(set(_NAMED.findall(PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("file", "test"), named_tests())
def test_each_test_that_is_named_exists(file: str, test: str) -> None:
    source = (TESTS / file).read_text(encoding="utf-8")
    assert re.search(rf"^\s*(?:async )?def {test}\(", source, re.MULTILINE), test


@pytest.mark.parametrize("cells", rows(), ids=lambda cells: cells[1][:40])
def test_each_row_that_is_done_names_a_test(cells: list[str]) -> None:
    _, _, done, shown = cells
    assert bool(_NAMED.search(shown)) == (done != _NOT_DONE)
