"""`clicktodial roster`: who is on call."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import open_support

app = typer.Typer(no_args_is_help=True, help="Who of the second and third line is on call.")

# A leap year.
DAYS_MAX = 366


# Without it the only command would take the place of its group.
@app.callback()
def roster_group() -> None:
    """Who of the second and third line is on call."""


@app.command("show")
def show(
    *,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=DAYS_MAX, help="From now on.")
    ] = 14,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show shifts, gaps and overlaps from now on."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL
    from clicktodial.domain.roster import Span

    now = datetime.now(UTC)
    span = Span(now, now + timedelta(days=days))
    with open_support(config) as support:
        lines = support.rosters.show(OPERATOR_PRINCIPAL, span)
    rows: list[tuple[object, ...]] = []
    for line in lines:
        rows += [
            (line.line, each.span.from_at, each.span.until_at, each.name, each.phone, each.email)
            for each in line.shifts
        ]
        rows += [(line.line, gap.from_at, gap.until_at, "NOBODY", "", "") for gap in line.gaps]
        rows += [
            (line.line, each.from_at, each.until_at, "MORE THAN ONE", "", "")
            for each in line.overlaps
        ]
    headings = ("LINE", "FROM", "UNTIL", "WHO", "PHONE", "EMAIL")
    tell(lines, format_table(headings, rows, empty="There is no roster."), as_json=as_json)
