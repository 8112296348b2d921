"""Pools, packages, caps, the ledger, CDRs and statements on the command line."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, text
from tests.billing.test_statement import add_cdr
from tests.cli.conftest import Command

from clicktodial.config import load_settings


def url(command: Command) -> str:
    return load_settings(command.config_path, {}).database_url


def set_up(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("pool", "set-up", "acme", "--unit", "6", "--alert-at", "50", "--alert-to", "a@b.cd")


def test_pool_is_set_up_filled_and_shown(command: Command) -> None:
    set_up(command)
    sold = command.run_json(
        "package", "add", "acme", "--minutes", "10", "--name", "Basic",
        "--price-micros", "5000000", "--valid-until", "2999-01-01",
    )  # fmt: skip
    overage = command.run_json(
        "package", "add", "acme", "--minutes", "5", "--name", "More",
        "--kind", "overage", "--micros-per-minute", "150000",
    )  # fmt: skip
    shown = command.run_json("pool", "show", "acme")
    assert (shown["available_s"], shown["overage_available_s"]) == (600, 300)
    assert shown["owed_micros"] == 5_000_000
    text = command.run("pool", "show", "acme")
    assert "Available (min)      10:00" in text and "Owed                 5.00 CNY" in text
    assert "Basic    once    2999-01-01 00:00:00  10:00      10:00" in text
    listed = command.run_json("package", "list", "acme")
    assert [each["package_id"] for each in listed] == [sold["package_id"], overage["package_id"]]
    command.run("package", "end", "acme", overage["package_id"])
    assert command.run_json("pool", "show", "acme")["overage_available_s"] == 0


def test_caps_are_set_listed_and_removed(command: Command) -> None:
    set_up(command)
    cap = command.run_json("cap", "set", "acme", "--minutes", "60", "--period", "day")
    assert (cap["scope"], cap["key"], cap["limit_s"]) == ("member", "*", 3600)
    assert "member  *    day     60:00" in command.run("cap", "list", "acme")
    command.run("cap", "remove", "acme", cap["cap_id"])
    assert command.run("cap", "list", "acme").strip() == "There are no caps."


def test_ledger_that_is_sound_exits_with_0_and_a_planted_second_with_1(command: Command) -> None:
    set_up(command)
    command.run("package", "add", "acme", "--minutes", "10", "--name", "Basic")
    assert command.run("ledger", "verify").startswith("Sound: 1 entries, 1 lots, 0 calls")
    engine = create_engine(url(command))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE package_lot SET available_s = available_s - 1, consumed_s = 1")
        )
    engine.dispose()
    found = command.run_json("ledger", "verify", code=1)
    assert found["count"] == 3
    assert [each["detail"] for each in found["discrepancies"]] == [
        "available_s is 599, the ledger moved 600",
        "consumed_s is 1, the ledger moved 0",
        "its calls took 0 s, its pool lost 1 s",
    ]


def test_cdrs_and_statement_are_written_to_files(command: Command, tmp_path: Path) -> None:
    set_up(command)
    engine = create_engine(url(command))
    add_cdr(engine, 1, datetime(2026, 3, 4, 12, tzinfo=UTC), enterprise_id="acme")
    engine.dispose()
    for kind in ("csv", "parquet"):
        file = tmp_path / f"cdrs.{kind}"
        answer = command.run_json(
            "cdr", "export", "acme", "--since", "2026-03-04", "--until", "2026-03-05",
            "--format", kind, "--output", str(file),
        )  # fmt: skip
        assert answer["rows"] == 1
        assert file.stat().st_size > 0
    for kind, magic in (("html", b"<!doctype html>"), ("pdf", b"%PDF-")):
        file = tmp_path / f"statement.{kind}"
        command.run(
            "statement", "acme", "--month", "2026-03", "--format", kind, "--output", str(file)
        )
        assert file.read_bytes().startswith(magic)


def test_what_is_not_there_is_said(command: Command) -> None:
    assert "there is no enterprise" in command.run("pool", "show", "nobody", code=1)
