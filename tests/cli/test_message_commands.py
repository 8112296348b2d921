"""Templates and messages on the command line."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command

APP_ID = "12345678"
GIF = b"GIF89a" + bytes(20) + b";"


@pytest.fixture
def shop(command: Command) -> Command:
    command.run_json("app", "create", "--app-id", APP_ID)
    return command


def add(command: Command, *options: str) -> Any:
    return command.run_json("template", "add", APP_ID, "--text", "Hello {who}", *options)


def test_template_goes_from_review_into_use_and_out_of_it(shop: Command) -> None:
    first = add(shop, "--value", "who=Ann")
    assert (first["state"], first["values"], first["recipient"]) == (
        "in-review", {"who": "Ann"}, "both",
    )  # fmt: skip
    shop.run("template", "approve", first["template_id"])
    second = add(shop, "--value", "who=Bea", "--any-call")
    assert (second["version"], second["only_connected"]) == (2, False)
    shop.run_json("template", "approve", second["template_id"])
    listed = shop.run_json("template", "list", APP_ID)
    assert [(each["version"], each["state"]) for each in listed] == [
        (2, "approved"), (1, "retired"),
    ]  # fmt: skip
    assert "approved" in shop.run("template", "list", APP_ID)


def test_rejected_template_tells_why(shop: Command) -> None:
    added = add(shop, "--value", "who=Ann", "--recipient", "callee")
    shop.run("template", "reject", added["template_id"], "--reason", "too friendly")
    shown = shop.run_json("template", "show", added["template_id"])
    assert (shown["state"], shown["reason"]) == ("rejected", "too friendly")
    again = shop.run_json("template", "approve", added["template_id"], code=1)
    assert again["error"]["kind"] == "Conflict"


def test_pictures_of_a_multimedia_message_are_read_from_files(
    shop: Command, tmp_path: Path
) -> None:
    picture = tmp_path / "logo.gif"
    picture.write_bytes(GIF)
    options = ("--value", "who=Ann", "--channel", "mms", "--subject", "Hi")
    added = add(shop, *options, "--picture", str(picture))
    assert added["pictures"] == ["image/gif"]
    picture.write_bytes(b"<svg/>")
    wrong = shop.run("template", "add", APP_ID, "--text", "x", "--channel", "mms",
                     "--picture", str(picture), code=1)  # fmt: skip
    assert "JPEG, PNG or GIF" in wrong


# One platform for all: making one takes longer than the commands.
def test_template_that_cannot_be_is_refused(shop: Command) -> None:
    for options, kind in (
        ((), "ValueInvalid"),
        (("--value", "who"), "ValueInvalid"),
        (("--value", "who=x", "--channel", "pigeon"), "ValueInvalid"),
        (("--value", "who=x", "--picture", "/nowhere/at/all.gif"), "FileError"),
    ):
        answer = shop.run_json("template", "add", APP_ID, "--text", "Hello {who}", *options, code=1)
        assert answer["error"]["kind"] == kind


def test_without_messages_there_is_nothing_to_list_or_replay(shop: Command) -> None:
    assert shop.run_json("messages", "list", "--app", APP_ID) == []
    assert shop.run("messages", "mailbox").strip() == "The mailbox is empty."
    for command in (("messages", "show", "none"), ("messages", "replay", "none")):
        assert shop.run_json(*command, code=1)["error"]["kind"] == "NotFound"
    assert (
        shop.run_json("messages", "list", "--app", "nobody", code=1)["error"]["kind"] == "NotFound"
    )
