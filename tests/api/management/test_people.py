"""People over the API: from the registration to the log-out, and what they do as a team."""

import asyncio
import base64
import itertools
import re
import threading
from typing import Any

import pytest
from tests.accounts.people import CHEAP_HASHER
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import OPERATOR, Management
from tests.api.support import Answer

from clicktodial.accounts import password as password_module
from clicktodial.accounts.error import CredentialsWrong
from clicktodial.domain.principal import Role
from clicktodial.domain.totp import create_code, step_at
from clicktodial.messaging.mail import Mail
from clicktodial.web import worker as worker_module

PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a hundred blue umbrellas"
REGISTRATION = {
    "account": "zhang.wei",
    "email": "zhang.wei@example.com",
    "phone": "13912345673",
    "enterprise_name": "Example Couriers",
    "region": "North",
}


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)


def last_mail(management: Management) -> Mail:
    """The newest of the outbox."""
    return management.people.outbox.list_mails(limit=1)[0]


def token_of(mail: Mail) -> str:
    """What its link ends with."""
    match = re.search(r"https://platform\.example/[a-z-]+#(\S+)", mail.text)
    assert match is not None
    return match[1]


async def log_in(management: Management, account: str = "zhang.wei", **more: Any) -> Answer:
    """The answer to a login."""
    body = {"account": account, "password": PASSWORD} | more
    return await management.ask("POST", "/sessions", body, credential=None)


def bearer(answer: Answer) -> bytes:
    """The header of the session that began."""
    assert answer.status == 201, answer
    return f"Bearer {answer.json['token']}".encode()


async def join(management: Management, **changes: Any) -> bytes:
    """Somebody who registers, activates and logs in; the header of the session."""
    body = REGISTRATION | changes
    answer = await management.ask("POST", "/registrations", body, credential=None)
    assert (answer.status, answer.body) == (202, b"")
    token = token_of(last_mail(management))
    activation = {"token": token, "password": PASSWORD}
    answer = await management.ask("POST", "/activations", activation, credential=None)
    assert answer.status == 201, answer
    return bearer(await log_in(management, body["account"]))


async def invite(management: Management, owner: bytes, account: str, *roles: str) -> bytes:
    """Somebody who is invited, comes and logs in."""
    body = {"email": f"{account}@example.com", "roles": list(roles)}
    answer = await management.ask("POST", "/team/invitations", body, credential=owner)
    assert answer.status == 201, answer
    activation = {
        "token": token_of(last_mail(management)), "password": PASSWORD, "account": account,
    }  # fmt: skip
    answer = await management.ask("POST", "/activations", activation, credential=None)
    assert answer.status == 201, answer
    return bearer(await log_in(management, account))


async def test_whoever_registers_owns_an_enterprise(management: Management) -> None:
    owner = await join(management)
    me = (await management.ask("GET", "/me", credential=owner)).json
    assert (me["user"]["account"], me["user"]["roles"]) == ("zhang.wei", ["owner"])
    assert me["phone"] == "+8613912345673"
    changed = await management.ask("PATCH", "/me", {"phone": "13912345674"}, credential=owner)
    assert changed.json["phone"] == "+8613912345674"
    trunks = await management.ask("GET", "/trunks", credential=owner)
    assert (trunks.status, trunks.json["code"]) == (403, "not-permitted")
    told = [
        (each.operation, each.principal != "", each.outcome)
        for each in management.audit_log.list_entries(limit=20)[::-1]
    ]
    assert told == [
        ("register", False, "done"),
        ("activate", True, "done"),
        ("logIn", True, "done"),
        ("changeMe", True, "done"),
        ("listTrunks", True, "not-permitted"),
    ]


async def test_no_answer_tells_whether_there_is_an_account(management: Management) -> None:
    await join(management)
    answers = [
        await management.ask("POST", "/registrations", REGISTRATION | change, credential=None)
        for change in (
            {},
            {"account": "new", "email": "new@example.com"},
            {"email": "new2@example.com"},
        )
    ]
    answers += [
        await management.ask("POST", "/password-resets", {"name": name}, credential=None)
        for name in ("zhang.wei", "nobody", "nobody@example.com")
    ]
    assert {(answer.status, answer.body) for answer in answers} == {(202, b"")}
    failures = [
        await log_in(management, account, password="wrong")
        for account in ("zhang.wei", "nobody", "zhang.wei@example.com")
    ]
    assert len({(answer.status, answer.body) for answer in failures}) == 1
    assert (failures[0].status, failures[0].json["code"]) == (401, "wrong-credentials")


async def test_too_many_attempts_are_told_when_to_come_again(management: Management) -> None:
    management.clock.stop()
    for _ in range(5):
        assert (await log_in(management, password="wrong")).json["code"] == "wrong-credentials"
    answer = await log_in(management)
    assert (answer.status, answer.json["code"]) == (429, "too-many-attempts")
    assert answer.headers["retry-after"] == "2"


async def test_logins_beyond_what_may_wait_are_turned_away(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def hash_for_long(**_: object) -> None:
        assert go_on.wait(50)
        raise CredentialsWrong

    monkeypatch.setattr(management.people.sessions, "log_in", hash_for_long)
    monkeypatch.setattr(worker_module, "WAITING_MAX", 3)
    logins = [asyncio.create_task(log_in(management, f"a{n}")) for n in range(12)]
    turned_away = []
    for done in itertools.islice(asyncio.as_completed(logins), 9):
        turned_away.append((await done).json["code"])
    assert set(turned_away) == {"overloaded"}
    go_on.set()
    answers = await asyncio.gather(*logins)
    codes = [answer.json["code"] for answer in answers]
    assert codes.count("wrong-credentials") == 3


async def test_registration_may_be_closed(
    create_management: CreateManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    management = create_management()
    monkeypatch.setattr(management.people.enrolments, "_is_open", False)
    answer = await management.ask("POST", "/registrations", REGISTRATION, credential=None)
    assert (answer.status, answer.json["code"]) == (403, "registration-closed")


async def test_sessions_are_listed_and_ended(management: Management) -> None:
    first = await join(management)
    second = bearer(await log_in(management))
    listed = (await management.ask("GET", "/sessions", credential=second)).json["sessions"]
    assert [each["is_current"] for each in listed] == [False, True]
    path = f"/sessions/{listed[0]['session_id']}"
    assert (await management.ask("DELETE", path, credential=second)).status == 204
    assert (await management.ask("GET", "/me", credential=first)).status == 401
    assert (await management.ask("DELETE", path, credential=second)).status == 404
    third = bearer(await log_in(management))
    assert (await management.ask("DELETE", "/sessions", credential=third)).status == 204
    assert (await management.ask("GET", "/me", credential=second)).status == 401
    assert (await management.ask("DELETE", "/sessions/current", credential=third)).status == 204
    assert (await management.ask("GET", "/me", credential=third)).status == 401


async def test_password_is_changed_and_forgotten(management: Management) -> None:
    owner = await join(management)
    body = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
    assert (await management.ask("PUT", "/me/password", body, credential=owner)).status == 204
    assert (await management.ask("GET", "/me", credential=owner)).status == 401
    assert (await log_in(management)).status == 401
    await management.ask("POST", "/password-resets", {"name": "zhang.wei"}, credential=None)
    reset = {"token": token_of(last_mail(management)), "password": PASSWORD}
    path = "/password-resets/complete"
    assert (await management.ask("POST", path, reset, credential=None)).status == 204
    again = await management.ask("POST", path, reset, credential=None)
    assert (again.status, again.json["code"]) == (404, "not-found")
    assert (await log_in(management)).status == 201
    # What was chosen is in no log of what was done.
    told = str(management.audit_log.list_entries(limit=50))
    for secret in (PASSWORD, OTHER_PASSWORD, reset["token"]):
        assert secret not in told


async def test_second_factor_is_asked_for(management: Management) -> None:
    management.clock.stop()
    owner = await join(management)
    answer = await management.ask("POST", "/me/totp", {"password": "wrong"}, credential=owner)
    assert (answer.status, answer.json["code"]) == (401, "wrong-credentials")
    new = await management.ask("POST", "/me/totp", {"password": PASSWORD}, credential=owner)
    secret = base64.b32decode(new.json["secret"])
    assert new.json["uri"].startswith("otpauth://totp/Click%20to%20Dial%3Azhang.wei?secret=")

    def code(after: int) -> str:
        return create_code(secret, step_at(management.utc()) + after)

    on = await management.ask("PUT", "/me/totp", {"code": code(-1)}, credential=owner)
    assert on.status == 200
    asked = await log_in(management)
    assert (asked.status, asked.json["code"]) == (401, "code-required")
    assert (await log_in(management, code="0000000")).json["code"] == "wrong-credentials"
    assert (await log_in(management, code=code(1))).status == 201
    assert (await log_in(management, code=on.json["recovery_codes"][0])).status == 201
    off = await management.ask("POST", "/me/totp/disable", {"password": PASSWORD}, credential=owner)
    assert off.status == 204
    assert (await log_in(management)).status == 201


async def test_team_is_invited_changed_and_removed_by_its_owner(management: Management) -> None:
    owner = await join(management)
    developer = await invite(management, owner, "dev", "developer")
    for method, path, body in (
        ("GET", "/team", None),
        ("POST", "/team/invitations", {"email": "x@example.com", "roles": ["owner"]}),
    ):
        answer = await management.ask(method, path, body, credential=developer)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")
    await management.ask(
        "POST", "/team/invitations", {"email": "w@example.com", "roles": ["reader"]},
        credential=owner,
    )  # fmt: skip
    team = (await management.ask("GET", "/team", credential=owner)).json
    assert [each["account"] for each in team["users"]] == ["zhang.wei", "dev"]
    [waiting] = team["invitations"]
    path = f"/team/invitations/{waiting['invitation_id']}"
    assert (await management.ask("DELETE", path, credential=owner)).status == 204
    own, theirs = (f"/team/{each['user_id']}" for each in team["users"])
    for method, change in (("DELETE", None), ("PATCH", {"roles": ["reader"]})):
        answer = await management.ask(method, own, change, credential=owner)
        assert (answer.status, answer.json["code"]) == (409, "conflict")
    changed = await management.ask("PATCH", theirs, {"roles": ["finance"]}, credential=owner)
    assert changed.json["roles"] == ["finance"]
    assert (await management.ask("GET", "/me", credential=developer)).status == 401
    answer = await management.ask("PATCH", theirs, {"roles": ["support"]}, credential=owner)
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
    assert (await management.ask("DELETE", theirs, credential=owner)).status == 204
    assert (await management.ask("DELETE", theirs, credential=owner)).status == 404


async def test_operator_makes_staff_and_helps_users(management: Management) -> None:
    body = {
        "email": "m@example.com", "roles": ["account-manager"], "regions": ["North"],
        "account": "manager",
    }  # fmt: skip
    answer = await management.ask("POST", "/users", body)
    assert answer.status == 201
    activation = {"token": token_of(last_mail(management)), "password": PASSWORD}
    user = (await management.ask("POST", "/activations", activation, credential=None)).json
    assert (user["enterprise_id"], user["regions"]) == (None, ["North"])
    manager = bearer(await log_in(management, "manager"))
    staff = {"email": "n@example.com", "roles": ["support"]}
    answer = await management.ask("POST", "/users", staff, credential=manager)
    assert (answer.status, answer.json["code"]) == (403, "not-permitted")

    path = f"/users/{user['user_id']}"
    assert (await management.ask("GET", path)).json == user | {
        "seen_at": (await management.ask("GET", path)).json["seen_at"]
    }
    assert (await management.ask("POST", f"{path}/password-reset")).status == 202
    assert last_mail(management).subject == "Choose a new password"
    assert (await management.ask("DELETE", f"{path}/totp")).status == 204
    answer = await management.ask("PATCH", path, {"state": "disabled"})
    assert answer.json["state"] == "disabled"
    assert (await management.ask("GET", "/me", credential=manager)).status == 401
    assert (await management.ask("DELETE", path)).status == 204
    assert (await management.ask("GET", path)).status == 404


async def test_account_manager_invites_the_first_owner_of_their_region(
    management: Management,
) -> None:
    owner = await join(management)
    enterprise_id = (await management.ask("GET", "/me", credential=owner)).json["user"][
        "enterprise_id"
    ]
    body = {"email": "o@example.com", "roles": ["owner"], "enterprise_id": enterprise_id}
    for region, status in (("North", 201), ("South", 404)):
        manager = management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=frozenset({region}))
        answer = await management.ask("POST", "/users", body, credential=manager)
        assert answer.status == status


async def test_users_and_audit_come_in_pages(management: Management) -> None:
    owner = await join(management)
    await invite(management, owner, "dev", "developer")
    for path, name in (("/users", "users"), ("/audit", "entries"), ("/mail", "mails")):
        seen: list[Any] = []
        query = "limit=1"
        while True:
            page = (await management.ask("GET", path, query=query)).json
            seen += page[name]
            if page["next"] is None:
                break
            query = f"limit=1&cursor={page['next']}"
        whole = (await management.ask("GET", path, query="limit=100")).json
        assert seen == whole[name] and len(seen) >= 2
        for bad in ("cursor=a%20b", "limit=0", "limit=101", "x=1"):
            answer = await management.ask("GET", path, query=bad)
            assert (answer.status, answer.json["code"]) == (400, "invalid-parameter")


async def test_owner_sees_what_was_done_in_their_enterprise(management: Management) -> None:
    owner = await join(management)
    await management.ask("POST", "/trunks", {"name": "main", "host": "192.0.2.1"})
    own = (await management.ask("GET", "/audit", credential=owner)).json["entries"]
    assert "logIn" in {each["operation"] for each in own}
    assert "createTrunk" not in {each["operation"] for each in own}
    answer = await management.ask("GET", "/audit", credential=owner, query="enterprise_id=default")
    assert (answer.status, answer.json["code"]) == (404, "not-found")
    all_of_it = (await management.ask("GET", "/audit")).json["entries"]
    assert {"logIn", "createTrunk"} <= {each["operation"] for each in all_of_it}


async def test_operator_reads_the_mailbox_and_that_is_told(management: Management) -> None:
    await management.ask("POST", "/registrations", REGISTRATION, credential=None)
    [mail] = (await management.ask("GET", "/mail")).json["mails"]
    assert (mail["to"], mail["state"]) == ("zhang.wei@example.com", "waiting")
    answer = await management.ask("GET", f"/mail/{mail['mail_id']}", credential=OPERATOR)
    assert "https://platform.example/activate#" in answer.json["text"]
    newest = management.audit_log.list_entries(limit=1)[0]
    assert (newest.operation, newest.outcome) == ("showMail", "read")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/registrations", REGISTRATION | {"phone": "x"}),
        ("/registrations", REGISTRATION | {"email": "x"}),
        ("/registrations", REGISTRATION | {"account": "a b"}),
        ("/registrations", REGISTRATION | {"roles": ["operator"]}),
        ("/activations", {"token": "x" * 65, "password": PASSWORD}),
        ("/sessions", {"account": "a", "password": "x" * 1_025}),
        ("/sessions", {"account": "x" * 255, "password": "x"}),
        ("/password-resets", {"name": ""}),
    ],
)
async def test_bad_value_is_refused_and_nothing_done(
    management: Management, path: str, body: Any
) -> None:
    answer = await management.ask("POST", path, body, credential=None)
    assert answer.status == 400
    assert management.people.outbox.list_mails(limit=1) == []


async def test_email_is_changed_by_a_link_to_the_new_address(management: Management) -> None:
    owner = await join(management)
    body = {"password": PASSWORD, "email": "wei@new.example"}
    wrong = await management.ask("POST", "/me/email", body | {"password": "x"}, credential=owner)
    assert (wrong.status, wrong.json["code"]) == (401, "wrong-credentials")
    assert (await management.ask("POST", "/me/email", body, credential=owner)).status == 202
    mails = management.people.outbox.list_mails(limit=2)
    [link] = [mail for mail in mails if mail.to == body["email"]]
    proof = {"token": token_of(link)}
    path = "/email-changes/complete"
    assert (await management.ask("POST", path, proof, credential=None)).status == 204
    again = await management.ask("POST", path, proof, credential=None)
    assert (again.status, again.json["code"]) == (404, "not-found")
    me = await management.ask("GET", "/me", credential=owner)
    assert me.json["user"]["email"] == "wei@new.example"
    done = management.audit_log.list_entries(limit=50)
    assert [each.outcome for each in done if each.operation == "completeEmailChange"] == [
        "not-found",
        "done",
    ]
    [changed] = [each for each in done if each.operation == "completeEmailChange"][1:]
    assert changed.principal == me.json["user"]["user_id"]
    assert proof["token"] not in str(done)
