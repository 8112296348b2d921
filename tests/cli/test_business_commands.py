"""Work orders and changes of enterprises on the command line."""

from tests.cli.conftest import Command


def test_change_of_an_enterprise_leaves_an_archived_work_order(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("enterprise", "suspend", "acme", "--reason", "unpaid", "--calls", "at-once")
    # What is so already is asked for no second time.
    command.run("enterprise", "suspend", "acme")
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
    command.run("enterprise", "cancel", "acme")
    assert "is cancelled cannot resume" in command.run("enterprise", "resume", "acme", code=1)


def test_archived_work_order_is_not_decided_again(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    command.run("enterprise", "suspend", "acme")
    [order] = command.run_json("work-order", "list", "--all", "--kind", "suspension")
    decide = ("work-order", "decide", order["work_order_id"])
    assert "is archived" in command.run(*decide, "--reject", "--reason", "r", code=1)
    assert "no work order" in command.run("work-order", "show", "none", code=1)


def test_unknown_words_are_used_wrongly(command: Command) -> None:
    command.run("work-order", "list", "--kind", "party", code=2)
    command.run("enterprise", "suspend", "acme", "--calls", "later", code=2)
    command.run("work-order", "decide", "x", code=2)
