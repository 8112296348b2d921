"""Every setting and every command is documented, and nothing that is not there."""

import json
import re
import typing
from pathlib import Path

import msgspec
import msgspec.inspect as inspected
import pytest
import typer
from tests.documentation.block import pages

from clicktodial.cli import app
from clicktodial.config import ENVIRONMENT_PREFIX, Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_UNIT_BY_SUFFIX = {"_s": "seconds", "_ms": "milliseconds", "_bytes_max": "bytes"}
# A row of a table: cells between bars.
_ROW = re.compile(r"^\|(.+)\|$")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


# What the program begins a line of its own with, which is no command.
_SAID = {"ready"}


class Row(typing.NamedTuple):
    """What the page says of a setting, but for its meaning."""

    key: str
    default: str
    values: str
    environment: str


def documented_settings() -> dict[str, dict[str, Row]]:
    """Rows by table and key, from the page."""
    tables: dict[str, dict[str, Row]] = {}
    table = ""
    for line in (DOCS / "settings.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `\[(\w+)\]`.*", line):
            table = heading[1]
            tables[table] = {}
        elif (row := _ROW.match(line)) and table:
            cells = [cell.strip() for cell in row[1].split("|")]
            assert len(cells) == 5, f"cells of {line!r}"
            if cells[0] != "Key" and not cells[0].startswith("--"):
                assert cells[4], f"{table}.{cells[0]} has no meaning"
                tables[table][cells[0].strip("`")] = Row(*cells[:4])
    return tables


def actual_settings() -> dict[str, dict[str, Row]]:
    """The same, from the types."""
    tables: dict[str, dict[str, Row]] = {}
    for table in msgspec.structs.fields(Settings):
        rows = {}
        for key in msgspec.structs.fields(table.type):
            name = key.encode_name
            rows[name] = Row(
                key=f"`{name}`",
                default=spell_default(key.default),
                values=spell_values(name, inspected.type_info(key.type)),
                environment=f"`{ENVIRONMENT_PREFIX}{table.name}__{name}`".upper(),
            )
        tables[table.name] = rows
    return tables


def spell_default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def spell_values(name: str, kind: inspected.Type) -> str:
    """Bounds and unit, in words."""
    match kind:
        case inspected.UnionType(types=(first, inspected.NoneType())):
            return spell_values(name, first)
        case inspected.IntType(ge=low, le=high):
            bounds = f"{low} or more" if high is None else f"{low} to {high}"
            suffixes = (suffix for suffix in _UNIT_BY_SUFFIX if name.endswith(suffix))
            unit = next((_UNIT_BY_SUFFIX[suffix] for suffix in suffixes), "")
            return f"{bounds} {unit}".strip()
        case inspected.BoolType():
            return "true, false"
        case inspected.LiteralType(values=values):
            return ", ".join(f'`"{value}"`' for value in values)
        case inspected.StrType(pattern=None):
            return "text"
        case inspected.StrType(pattern=pattern):
            return f"text like `{pattern}`"
        case inspected.VarTupleType(item_type=item, max_length=most):
            return f"list of at most {most}, each {spell_values(name, item)}"
        case _:
            raise AssertionError(f"how is {kind} documented?")


def test_each_setting_is_documented_as_it_is() -> None:
    assert documented_settings() == actual_settings()


def test_each_table_of_the_settings_says_what_it_is_for() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    for table in msgspec.structs.fields(Settings):
        heading = page.split(f"## `[{table.name}]`")[1]
        assert not heading.lstrip().startswith("|"), table.name


class Command(typing.NamedTuple):
    """A command, and the options that are its own."""

    name: str
    options: frozenset[str]


_SHARED_OPTIONS = frozenset({"--config", "--json", "--help"})


def actual_commands() -> list[Command]:
    """Every command that can be run, as the program itself knows it."""
    found: list[Command] = []
    waiting: list[tuple[str, typing.Any]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        if hasattr(command, "commands"):
            waiting += [(f"{name} {sub}".strip(), each) for sub, each in command.commands.items()]
            continue
        spelled = {each for param in command.params for each in param.opts + param.secondary_opts}
        options = {option for option in spelled if option.startswith("--")}
        # The demonstration brings its own settings.
        assert options >= _SHARED_OPTIONS - {"--help"} or name == "demo", f"{name}: options"
        found.append(Command(name, frozenset(options - _SHARED_OPTIONS)))
    return sorted(found)


def documented_commands() -> dict[str, str]:
    """The section of each command, by its name."""
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    sections = re.split(r"^### (.+)$", page, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def test_each_command_is_registered_once() -> None:
    names = [group.name for group in app.registered_groups]
    names += [command.name for command in app.registered_commands]
    assert sorted(map(str, names)) == sorted({*map(str, names)})


def test_each_command_is_documented_and_no_other() -> None:
    assert sorted(documented_commands()) == [command.name for command in actual_commands()]


def test_each_command_that_a_page_names_exists() -> None:
    """As inline code of a sentence; blocks are run."""
    names = {command.name for command in actual_commands()}
    groups = {name.rpartition(" ")[0] for name in names} - {""}
    unknown = [
        f"{page.name}: {named}"
        for page in pages()
        for named in re.findall(r"`clicktodial ([a-z][a-z -]*)", page.read_text(encoding="utf-8"))
        if not any(f"{named.strip()} ".startswith(f"{name} ") for name in names)
        and named.strip() not in groups | _SAID
    ]
    assert unknown == []


@pytest.mark.parametrize("command", actual_commands(), ids=lambda command: command.name)
def test_each_option_of_a_command_is_documented(command: Command) -> None:
    section = documented_commands()[command.name]
    assert f"`clicktodial {command.name}" in section
    documented = set(re.findall(r"--[a-z][a-z-]*", section.split("\n## ")[0]))
    if command.name.startswith("sandbox "):
        documented |= {"--events"}  # told once, for both
    assert documented - _SHARED_OPTIONS == command.options


def markdown_files() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("page", markdown_files(), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    shown = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for match in _LINK.finditer(shown):
        assert (page.parent / match[1]).exists(), match[1]


def headings_of(page: Path) -> set[str]:
    """The anchors that GitHub, and the site, make of a page's headings."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower())
        anchors.add(kept.strip().replace(" ", "-"))
    return anchors


@pytest.mark.parametrize("page", markdown_files(), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_anchor_that_is_linked_is_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        linked = page.parent / target if target else page
        assert anchor in headings_of(linked), f"{target}#{anchor}"


def test_each_page_is_reached_from_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        if page != DOCS / "index.md":
            assert f"({page.relative_to(DOCS)})" in index, page.name


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))) <= targets
