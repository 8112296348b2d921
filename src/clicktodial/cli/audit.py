"""`clicktodial audit`: who did what."""

from typing import Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.people import open_people

app = typer.Typer(no_args_is_help=True, help="Who did what.")

LISTED_DEFAULT = 20
# More than anybody reads in a terminal.
LISTED_MAX = 1_000


# Without it the only command would take the place of its group.
@app.callback()
def group() -> None:
    """Who did what."""


@app.command("list")
def list_all(
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LISTED_MAX, help="How many at most.")
    ] = LISTED_DEFAULT,
    enterprise: Annotated[
        str | None, typer.Option("--enterprise", metavar="ID", help="What concerns that one.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the newest entries of the audit log."""
    with open_people(config) as cases:
        entries = cases.audit_log.list_entries(limit=limit, enterprise_id=enterprise)
    rows = [
        (
            each.at,
            each.principal,
            each.roles,
            each.address,
            each.operation,
            tuple(f"{name}={value}" for name, value in each.subjects.items()),
            each.enterprise_id,
            each.outcome,
        )
        for each in entries
    ]
    headings = ("AT", "WHO", "ROLES", "FROM", "OPERATION", "ABOUT", "ENTERPRISE", "OUTCOME")
    tell(entries, format_table(headings, rows, empty="Nothing was done."), as_json=as_json)
