"""`clicktodial user`: people, above all the first of the operator's, whom nobody could invite."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.people import open_people
from clicktodial.cli.session import note_done

if TYPE_CHECKING:
    from clicktodial.accounts.person import PersonState
    from clicktodial.domain.principal import Role

app = typer.Typer(no_args_is_help=True, help="People who log in.")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, or its email.")]


@app.command("create")
def create(
    *,
    email: Annotated[str, typer.Option("--email", help="Where the link goes.")],
    role: Annotated[list[str], typer.Option("--role", help="What they may; may be repeated.")],
    account: Annotated[
        str | None, typer.Option("--account", help="Their account; chosen by them when not given.")
    ] = None,
    enterprise: Annotated[
        str | None,
        typer.Option("--enterprise", metavar="ID", help="Whose they are; default: the operator's."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", help="Of an account manager; may be repeated; default: all."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Invite somebody; prints the link that makes the account, which also goes out by mail."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    roles = _parse_roles(role)
    with open_people(config) as cases:
        created = cases.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=email,
            roles=roles,
            enterprise_id=enterprise,
            regions=region or (),
            account=account,
            now=datetime.now(UTC),
        )
        invitation = created.invitation
        note_done(cases.audit_log, "user create", {"invitation_id": invitation.invitation_id})
        link = f"{cases.base_url}/activate#{created.token}"
    answer = {
        "email": invitation.email,
        "roles": sorted(invitation.roles),
        "token": created.token,
        "link": link,
        "expires_at": invitation.expires_at,
    }
    tell(answer, f"Within 24 hours, {invitation.email} follows\n{link}", as_json=as_json)


@app.command("list")
def list_all(
    *,
    enterprise: Annotated[
        str | None, typer.Option("--enterprise", metavar="ID", help="Of that one alone.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List people, the oldest first, at most 1000."""
    from clicktodial.accounts.person import LISTED_MAX

    with open_people(config) as cases:
        people = cases.people.list_people(limit=LISTED_MAX, enterprise_id=enterprise)
    rows = [
        (each.account, each.email, each.enterprise_id, sorted(each.roles), each.state, each.seen_at)
        for each in people
    ]
    headings = ("ACCOUNT", "EMAIL", "ENTERPRISE", "ROLES", "STATE", "SEEN")
    answer = [
        {
            "user_id": each.person_id,
            "account": each.account,
            "email": each.email,
            "enterprise_id": each.enterprise_id,
            "roles": sorted(each.roles),
            "regions": sorted(each.regions),
            "state": each.state,
            "has_totp": each.has_second_factor,
            "created_at": each.created_at,
            "seen_at": each.seen_at,
        }
        for each in people
    ]
    tell(answer, format_table(headings, rows, empty="There are no users."), as_json=as_json)


@app.command("disable")
def disable(account: Account, *, config: Config = None, as_json: Json = False) -> None:
    """Log somebody out, and let them in no more."""
    from clicktodial.accounts.person import PersonState

    _set_state(account, PersonState.DISABLED, config, as_json=as_json)


@app.command("enable")
def enable(account: Account, *, config: Config = None, as_json: Json = False) -> None:
    """Let somebody in again."""
    from clicktodial.accounts.person import PersonState

    _set_state(account, PersonState.ACTIVE, config, as_json=as_json)


@app.command("reset")
def reset(
    account: Account,
    *,
    totp: Annotated[bool, typer.Option("--totp", help="Take the second factor away, too.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Help somebody to another password; prints the link, which also goes out by mail."""
    now = datetime.now(UTC)
    with open_people(config) as cases:
        person = cases.people.find(account)
        token = cases.passwords.send_reset(person.person_id, now=now)
        if totp:
            cases.factors.take_away(person.person_id, now=now)
        note_done(cases.audit_log, "user reset", {"user_id": person.person_id})
        link = f"{cases.base_url}/reset-password#{token}"
    answer = {"account": person.account, "token": token, "link": link}
    tell(answer, f"Within an hour, {person.account} follows\n{link}", as_json=as_json)


def _set_state(account: str, state: "PersonState", config: Path | None, *, as_json: bool) -> None:
    with open_people(config) as cases:
        person = cases.people.find(account)
        cases.people.change(person.person_id, state=state)
        note_done(cases.audit_log, f"user {state}", {"user_id": person.person_id})
    answer = {"account": person.account, "state": state}
    tell(answer, f"{person.account} is {state}.", as_json=as_json)


def _parse_roles(words: list[str]) -> list["Role"]:
    from clicktodial.domain.principal import PERSON_ROLES

    known = {str(role): role for role in PERSON_ROLES}
    for word in words:
        if word not in known:
            raise typer.BadParameter(f"{word} is none of {', '.join(sorted(known))}")
    return [known[word] for word in words]
