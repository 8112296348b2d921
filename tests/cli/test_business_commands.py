"""Work orders and changes of enterprises on the command line."""

from tests.cli.conftest import Command

from clicktodial.config import load_settings
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.storage.engine import open_engine
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.transaction import Transactions


def test_change_of_an_enterprise_leaves_an_archived_work_order(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("enterprise", "suspend", "acme", "--reason", "unpaid", "--calls", "at-once")
    # What is so already is asked for no second time.
    command.run("enterprise", "suspend", "acme", "--reason", "still unpaid")
    assert command.run_json("work-order", "list") == []
    assert "There are none." in command.run("work-order", "list")
    [order] = command.run_json("work-order", "list", "--all")
    assert (order["kind"], order["state"], order["outcome"]) == (
        "suspension",
        "archived",
        "approved",
    )
    shown = command.run_json("work-order", "show", order["work_order_id"])
    assert shown["work_order"]["details"] == {"reason": "unpaid", "calls": "at-once"}
    assert [step["by"] for step in shown["steps"]] == ["operator"] * 3
    text = command.run("work-order", "show", order["work_order_id"])
    assert "suspension" in text and "archive" in text
    listed = command.run_json("work-order", "list", "--all", "--after", order["work_order_id"])
    assert listed == []


def test_cancelled_enterprise_is_not_resumed(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("enterprise", "cancel", "acme", "--reason", "moved")
    back = ("enterprise", "resume", "acme", "--reason", "they miss it")
    assert "is cancelled cannot resume" in command.run(*back, code=1)


def test_prospect_is_no_customer_who_is_suspended(command: Command) -> None:
    engine = open_engine(load_settings(command.config_path).database_url)
    migrate_engine(engine)
    with Transactions(engine).change() as connection:
        insert_enterprise(connection, "acme", name="Acme", state=EnterpriseState.PROSPECT)
    engine.dispose()
    suspend = ("enterprise", "suspend", "acme", "--reason", "unpaid")
    assert "is prospect cannot suspend" in command.run(*suspend, code=1)
    cancelled = command.run_json("enterprise", "cancel", "acme", "--reason", "was a test")
    assert cancelled == {"enterprise_id": "acme", "status": "cancelled", "state": "cancelled"}


def test_change_without_a_reason_is_refused(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    for name in ("suspend", "resume", "cancel"):
        assert "--reason" in command.run("enterprise", name, "acme", code=2)
    for name in ("suspend", "cancel"):
        refused = command.run("enterprise", name, "acme", "--reason", " ", code=1)
        assert "the reason is required" in refused
    assert command.run_json("enterprise", "show", "acme")["status"] == "active"


def test_audit_log_is_told_of_what_was_changed_and_decided(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    for name in ("suspend", "suspend", "resume", "cancel"):
        command.run("enterprise", name, "acme", "--reason", "because")
    entries = command.run_json("audit", "list", "--enterprise", "acme")
    assert [each["operation"] for each in entries] == [
        "enterprise cancel",
        "enterprise resume",
        "enterprise suspend",
    ]
    assert {(each["principal"], each["address"]) for each in entries} == {("operator", "shell")}


def test_archived_work_order_is_not_decided_again(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("enterprise", "suspend", "acme", "--reason", "unpaid")
    [order] = command.run_json("work-order", "list", "--all", "--kind", "suspension")
    decide = ("work-order", "decide", order["work_order_id"])
    assert "is archived" in command.run(*decide, "--reject", "--reason", "r", code=1)
    assert "no work order" in command.run("work-order", "show", "none", code=1)


def test_unknown_words_are_used_wrongly(command: Command) -> None:
    command.run("work-order", "list", "--kind", "party", code=2)
    command.run("enterprise", "suspend", "acme", "--reason", "r", "--calls", "later", code=2)
    command.run("work-order", "decide", "x", code=2)
