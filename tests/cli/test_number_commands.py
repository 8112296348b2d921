"""The inventory, keys and bounds of applications on the command line."""

from pathlib import Path

import pytest
from sqlalchemy import update
from tests.cli.conftest import Command

from clicktodial.config import load_settings
from clicktodial.domain.sponsor_number import NumberState
from clicktodial.storage.engine import open_engine
from clicktodial.storage.number_table import sponsor_number

APP_ID = "12345678"
NUMBER, E164 = "01052680001", "+861052680001"


@pytest.fixture
def application(command: Command) -> str:
    command.run_json("app", "create", "--app-id", APP_ID, "--secret", "S")
    return APP_ID


def test_number_is_added_listed_described_and_retired(command: Command) -> None:
    command.run("trunk", "add", "north", "--target", "192.0.2.1")
    added = command.run_json(
        "number", "add", NUMBER, "--city", "Beijing", "--region", "Beijing", "--trunk", "north"
    )
    assert added == {
        "number": E164,
        "kind": "fixed",
        "city": "Beijing",
        "region": "Beijing",
        "trunk": "north",
        "state": "free",
        "enterprise_id": None,
        "order_id": None,
        "until": None,
        "applications": [],
    }
    assert command.run_json("number", "list", "--state", "free", "--kind", "FIXED") == [added]
    assert command.run_json("number", "list", "--enterprise", "acme") == []
    assert E164 in command.run("number", "list", "--city", "Beijing", "--trunk", "north")
    changed = command.run_json("number", "set", NUMBER, "--trunk", "", "--city", "Peking")
    assert (changed["trunk"], changed["city"], changed["region"]) == (None, "Peking", "Beijing")
    assert command.run_json("number", "show", NUMBER) == changed
    assert command.run_json("number", "retire", NUMBER)["state"] == "retired"
    assert command.run_json("number", "reinstate", NUMBER)["state"] == "free"
    refused = command.run_json("number", "release", NUMBER, code=1)
    assert refused["error"]["kind"] == "NotFound"


def test_cancelled_enterprise_gives_its_numbers_back(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("number", "add", NUMBER)
    engine = open_engine(load_settings(command.config_path).database_url)
    with engine.begin() as connection:
        # Orders are reviewed in the portal.
        has_it = {"state": NumberState.ASSIGNED.value, "enterprise_id": "acme"}
        connection.execute(update(sponsor_number).values(has_it))
    engine.dispose()
    command.run("pool", "set-up", "acme")
    monthly = ("--name", "Monthly", "--minutes", "10", "--kind", "monthly")
    command.run("package", "add", "acme", *monthly)
    command.run("enterprise", "cancel", "acme", "--reason", "moved")
    [package] = command.run_json("package", "list", "acme")
    assert package["ended_at"] is not None
    left = command.run_json("number", "show", NUMBER)
    assert (left["state"], left["enterprise_id"]) == ("cooling-off", None)


def test_number_import_tells_each_row_that_it_refuses(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text(f"number\n{NUMBER}\n{NUMBER}\n", encoding="utf-8")
    answer = command.run_json("number", "import", str(file), code=1)
    assert answer == {
        "added": 1,
        "refused": [{"line": 3, "why": "it is in the inventory already"}],
    }
    file.write_text("number\n01052680002\n", encoding="utf-8")
    assert command.run("number", "import", str(file)).strip() == "1 added, 0 refused."
    assert len(command.run_json("number", "list")) == 2
    missing = command.run_json("number", "import", str(tmp_path / "none"), code=1)
    assert missing["error"]["kind"] == "FileError"


@pytest.mark.parametrize(
    "arguments",
    [("number", "list", "--state", "lost"), ("number", "add", NUMBER, "--kind", "x")],
)
def test_word_that_is_none_is_refused(command: Command, arguments: tuple[str, ...]) -> None:
    assert command.run_json(*arguments, code=1)["error"]["kind"] == "ValueInvalid"


def test_more_numbers_than_a_page_are_listed(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    rows = "".join(f"010526{index:05}\n" for index in range(201))
    file.write_text(f"number\n{rows}", encoding="utf-8")
    command.run("number", "import", str(file))
    assert len(command.run_json("number", "list")) == 201


def test_inventory_bounds_what_add_number_lets_show(command: Command, application: str) -> None:
    command.run("number", "add", NUMBER)
    refused = command.run_json("app", "add-number", application, NUMBER, code=1)
    assert refused["error"]["kind"] == "Conflict"
    command.run("app", "add-number", application, "01052680002")


def test_secret_is_rotated_with_a_grace_and_the_old_one_revoked(
    command: Command, application: str
) -> None:
    rotated = command.run_json("app", "rotate-secret", application, "--grace", "3600")
    shown = command.run_json("app", "show", application)
    assert shown["old_secret_until"] == rotated["old_secret_until"] is not None
    assert "Old one until" in command.run("app", "rotate-secret", application, "--grace", "60")
    command.run("app", "revoke-old-secret", application)
    assert command.run_json("app", "show", application)["old_secret_until"] is None
    refused = command.run_json("app", "rotate-secret", application, "--grace", "-1", code=1)
    assert refused["error"]["kind"] == "ValueInvalid"


def test_bounds_of_an_application_are_set_and_taken_away(
    command: Command, application: str
) -> None:
    networks = ("203.0.113.0/24", "2001:db8::1")
    answer = command.run_json("app", "set-allow-list", application, *networks)
    assert answer["allow_list"] == ["203.0.113.0/24", "2001:db8::1/128"]
    assert command.run_json("app", "set-allow-list", application)["allow_list"] == []
    answer = command.run_json(
        "app", "set-limits", application, "--live-calls", "5", "--calls-per-second", "2",
        "--requests-per-second", "9",
    )  # fmt: skip
    expected = {"live_calls_max": 5, "calls_per_second_max": 2, "requests_per_second_max": 9}
    assert answer["limits"] == expected
    answer = command.run_json("app", "set-limits", application, "--live-calls", "0")
    assert answer["limits"] == expected | {"live_calls_max": None}
    answer = command.run_json("app", "set-capabilities", application, "click-to-dial")
    assert answer["capabilities"] == ["click-to-dial"]
    refused = command.run_json("app", "set-capabilities", application, "flying", code=1)
    assert refused["error"]["kind"] == "ValueInvalid"
