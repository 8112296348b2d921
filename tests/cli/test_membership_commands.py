"""Members, the blacklist and do-not-call lists on the command line."""

from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.fixture
def acme(command: Command) -> Command:
    command.run("enterprise", "create", "acme")
    return command


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_members_are_imported_and_listed(acme: Command, tmp_path: Path) -> None:
    file = write(tmp_path, "number,name,department\n13912345673,Ann,Sales\n12,Bob,\n")
    answer = acme.run_json("member", "import", "acme", file)
    assert (answer["import"]["state"], answer["import"]["added"]) == ("done", 1)
    assert answer["problems"] == [{"row": 3, "problem": "the number is not a telephone number"}]
    [listed] = acme.run_json("member", "list", "acme", "--search", "ann")
    assert listed["profile"]["e164"] == "+8613912345673"
    assert "Sales" in acme.run("member", "list", "acme")
    assert acme.run_json("member", "list", "acme", "--search", "nobody") == []


def test_import_that_imports_nothing_fails(acme: Command, tmp_path: Path) -> None:
    file = write(tmp_path, "number\n13912345673\n12\n")
    acme.run("member", "import", "acme", file, "--all-or-nothing", code=1)
    bad = write(tmp_path, "name\nAnn\n")
    error = acme.run_json("member", "import", "acme", bad, code=1)
    assert "one of them must be number" in error["error"]["message"]
    acme.run("member", "import", "nobody", file, code=1)


def test_blacklist_is_kept(command: Command) -> None:
    command.run("blacklist", "add", "+4487", "--prefix", "--reason", "revenue share")
    command.run("blacklist", "add", "01052680000")
    listed = command.run_json("blacklist", "list")
    assert [(each["number"], each["is_prefix"]) for each in listed] == [
        ("+4487", True),
        ("+861052680000", False),
    ]
    command.run("blacklist", "remove", "+4487")
    command.run("blacklist", "remove", "+4487", code=1)
    command.run("blacklist", "add", "x", code=1)
    assert "+861052680000" in command.run("blacklist", "list")


def test_do_not_call_list_is_imported_for_an_enterprise_or_all(
    acme: Command, tmp_path: Path
) -> None:
    file = write(tmp_path, "number,reason\n13912345673,asked\n")
    for options in ([], ["--enterprise", "acme"]):
        answer = acme.run_json("do-not-call", "import", file, *options)
        assert answer["import"]["added"] == 1
    acme.run("do-not-call", "import", file, "--enterprise", "nobody", code=1)
