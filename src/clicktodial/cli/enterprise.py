"""`clicktodial enterprise`: who pays, and whether they may use the service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import open_administration

if TYPE_CHECKING:
    from clicktodial.domain.application import EnterpriseStatus

app = typer.Typer(no_args_is_help=True, help="Enterprises that own applications.")

EnterpriseId = Annotated[
    str, typer.Argument(metavar="ENTERPRISE", help="The enterprise's identifier.")
]


@app.command("create")
def create(
    enterprise: EnterpriseId,
    *,
    name: Annotated[str | None, typer.Option("--name", help="For people.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create an enterprise."""
    with open_administration(config) as administration:
        administration.create_enterprise(enterprise, name=name)
    answer = {"enterprise_id": enterprise, "name": name or enterprise, "status": "active"}
    tell(answer, f"{enterprise} is active.", as_json=as_json)


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List all enterprises."""
    with open_administration(config) as administration:
        details = administration.list_enterprises()
    rows = [(each.enterprise_id, each.name, each.status) for each in details]
    text = format_table(("ENTERPRISE", "NAME", "STATUS"), rows, empty="There are no enterprises.")
    tell(details, text, as_json=as_json)


@app.command("suspend")
def suspend(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Refuse the requests of all its applications for now."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.SUSPENDED, config, as_json=as_json)


@app.command("resume")
def resume(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Take the requests of its applications again."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.ACTIVE, config, as_json=as_json)


@app.command("cancel")
def cancel(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """End its use of the service."""
    from clicktodial.domain.application import EnterpriseStatus

    _set_status(enterprise, EnterpriseStatus.CANCELLED, config, as_json=as_json)


def _set_status(
    enterprise: str, status: "EnterpriseStatus", config: Path | None, *, as_json: bool
) -> None:
    with open_administration(config) as administration:
        administration.set_enterprise_status(enterprise, status)
    answer = {"enterprise_id": enterprise, "status": status}
    tell(answer, f"{enterprise} is {status}.", as_json=as_json)
