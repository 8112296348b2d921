"""Commands about people, on a real database."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.cli.conftest import Command

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.own_password import Passwords
from clicktodial.domain.principal import Role
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

PASSWORD = "correct horse battery staple"


def open_database(command: Command) -> Engine:
    """The commands' own."""
    path = command.config_path.parent / "data" / "clicktodial.db"
    return open_engine(f"sqlite:///{path}", "normal")


def activate(command: Command, token: str) -> None:
    """As the server does, of whoever follows the link."""
    engine = open_database(command)
    enrolments = Enrolments(
        Transactions(engine), SecretVault(bytes(32)), Letters("https://x"), region="CN"
    )
    enrolments.activate(token, password=PASSWORD, now=datetime.now(UTC))
    engine.dispose()


def create_operator(command: Command) -> dict[str, str]:
    """The first one."""
    answer = command.run_json(
        "user", "create", "--role", "operator", "--email", "Ann@example.com", "--account", "ann"
    )
    activate(command, answer["token"])
    return dict(answer)


def test_first_operator_is_made_and_the_link_is_in_the_mailbox(command: Command) -> None:
    answer = create_operator(command)
    assert answer["link"] == f"http://localhost:8080/activate#{answer['token']}"
    [mail] = command.run_json("mail", "list")
    assert (mail["to"], mail["subject"]) == ("ann@example.com", "Activate your account")
    assert "text" not in mail
    shown = command.run("mail", "show", mail["mail_id"])
    assert answer["link"] in shown and "ann@example.com" in shown
    [user] = command.run_json("user", "list")
    assert (user["account"], user["roles"], user["state"]) == ("ann", ["operator"], "active")
    assert user["enterprise_id"] is None
    assert "ann" in command.run("user", "list")
    [entry] = command.run_json("audit", "list")
    assert (entry["operation"], entry["principal"], entry["address"]) == (
        "user create",
        "operator",
        "shell",
    )
    assert "user create" in command.run("audit", "list")


def test_user_of_an_enterprise_is_listed_there(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    answer = command.run_json(
        "user", "create", "--role", "owner", "--role", "finance", "--email", "o@example.com",
        "--account", "o", "--enterprise", "acme",
    )  # fmt: skip
    activate(command, answer["token"])
    create_operator(command)
    [user] = command.run_json("user", "list", "--enterprise", "acme")
    assert (user["account"], user["roles"]) == ("o", ["finance", "owner"])
    assert command.run_json("audit", "list", "--enterprise", "acme") == []


def test_account_manager_has_regions(command: Command) -> None:
    answer = command.run_json(
        "user", "create", "--role", "account-manager", "--email", "m@example.com",
        "--account", "m", "--region", "North", "--region", "South",
    )  # fmt: skip
    activate(command, answer["token"])
    [user] = command.run_json("user", "list")
    assert user["regions"] == ["North", "South"]


def test_user_is_disabled_and_enabled(command: Command) -> None:
    create_operator(command)
    assert command.run_json("user", "disable", "ann") == {"account": "ann", "state": "disabled"}
    assert command.run_json("user", "list")[0]["state"] == "disabled"
    command.run("user", "enable", "ann@example.com")
    assert command.run_json("user", "list")[0]["state"] == "active"


def test_user_reset_prints_a_link_that_works(command: Command) -> None:
    create_operator(command)
    answer = command.run_json("user", "reset", "ann", "--totp")
    assert answer["link"].endswith(f"/reset-password#{answer['token']}")
    engine = open_database(command)
    passwords = Passwords(Transactions(engine), Letters("https://x"))
    assert passwords.complete_reset(
        answer["token"], password="a hundred blue umbrellas", now=datetime.now(UTC)
    )
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("user", "create", "--role", "king", "--email", "a@example.com"), 2),
        (("user", "create", "--role", Role.OWNER, "--email", "a@example.com"), 1),
        (("user", "create", "--role", "operator", "--email", "nobody"), 1),
        (("user", "create", "--role", "owner", "--email", "a@b.c", "--enterprise", "x"), 1),
        (("user", "disable", "nobody"), 1),
        (("user", "reset", "nobody"), 1),
        (("mail", "show", "nothing"), 1),
        (("mail", "list", "--limit", "0"), 2),
        (("audit", "list", "--limit", "1001"), 2),
    ],
)
def test_what_cannot_be_done_is_refused(
    command: Command, arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    command.run(*arguments, code=code)
    assert command.run_json("user", "list") == []
    assert command.run_json("mail", "list") == []
