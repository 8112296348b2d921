"""The site shows every page to somebody, and nothing in it asks a third party."""

import ast
from pathlib import Path

from tests.documentation.block import DOCS

_CONFIGURATION = DOCS / "conf.py"
_DECISIONS = "decisions/"


def shown_pages() -> list[str]:
    """What the navigation names, read without Sphinx, which the tests do not need."""
    tree = ast.parse(_CONFIGURATION.read_text(encoding="utf-8"))
    pages: list[str] = []
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="NAVIGATION"), value=ast.expr() as value):
                pages += [page for _, section in ast.literal_eval(value) for page in section]
            case ast.Assign(targets=[ast.Name(id="_CONTRIBUTORS")], value=value):
                pages += ast.literal_eval(value)[1]
            case _:
                pass
    return pages


def test_each_page_stands_in_the_navigation_once() -> None:
    """Decisions are taken in by a pattern; the index is where one begins."""
    names = [path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")]
    expected = [name for name in names if name != "index" and not name.startswith(_DECISIONS)]
    assert sorted(shown_pages()) == sorted(expected)


def test_no_file_of_the_site_is_of_another_host() -> None:
    """A style sheet may bring fonts and pictures from elsewhere: this one brings none."""
    for path in Path(DOCS / "_static").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "//" not in text.replace("://www.w3.org", ""), path.name
