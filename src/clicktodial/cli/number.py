"""`clicktodial number`: the operator's inventory of numbers to show."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import open_inventory

if TYPE_CHECKING:
    from clicktodial.accounts.number import NumberDetail, NumberFilter, NumberInventory
    from clicktodial.domain.sponsor_number import NumberKind, NumberState

app = typer.Typer(no_args_is_help=True, help="The inventory of numbers to show.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="A number, as people write it.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="fixed, mobile or service.")
]
City = Annotated[str | None, typer.Option("--city", metavar="CITY", help="Its city.")]
Region = Annotated[str | None, typer.Option("--region", metavar="REGION", help="Its region.")]
Trunk = Annotated[str | None, typer.Option("--trunk", metavar="NAME", help="Its trunk.")]


@app.command("add")
def add(
    number: Number,
    *,
    kind: Kind = None,
    city: City = None,
    region: Region = None,
    trunk: Trunk = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a number, free to be ordered."""
    from clicktodial.accounts.number import NewNumber

    new = NewNumber(
        number=number,
        kind=_kind(kind),
        city=city or "",
        region=region or "",
        trunk=trunk or None,
    )
    with open_inventory(config) as inventory:
        detail = inventory.add(new, datetime.now(UTC))
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV in UTF-8, with a header.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add the numbers of a file, each row for itself; exit with 1 where one is refused."""
    from clicktodial.accounts.number_import import FILE_BYTES_MAX, import_numbers

    with open_inventory(config) as inventory:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
        report = import_numbers(inventory, content, datetime.now(UTC))
    refused = [{"line": row.line, "why": row.why} for row in report.refused]
    lines = [f"{report.added} added, {len(refused)} refused."]
    lines += [f"line {row['line']}: {row['why']}" for row in refused]
    tell({"added": report.added, "refused": refused}, "\n".join(lines), as_json=as_json)
    if refused:
        raise typer.Exit(1)


@app.command("list")
def list_all(
    *,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="free, reserved, assigned, cooling-off or retired.",
        ),
    ] = None,
    kind: Kind = None,
    city: City = None,
    trunk: Trunk = None,
    enterprise: Annotated[
        str | None, typer.Option("--enterprise", metavar="ID", help="Whose they are.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the inventory, or what is asked for of it."""
    from clicktodial.accounts.number import NumberFilter

    which = NumberFilter(
        state=_state(state), kind=_kind(kind), city=city, trunk=trunk, enterprise_id=enterprise
    )
    with open_inventory(config) as inventory:
        details = _read_all(inventory, which)
    headings = ("NUMBER", "KIND", "CITY", "TRUNK", "STATE", "ENTERPRISE", "UNTIL (UTC)")
    rows = [
        (
            each.number.e164,
            each.kind,
            each.place.city,
            each.trunk,
            each.number.state,
            each.number.enterprise_id,
            each.number.until,
        )
        for each in details
    ]
    text = format_table(headings, rows, empty="There are no such numbers.")
    tell([_answer(each) for each in details], text, as_json=as_json)


@app.command("show")
def show(number: Number, *, config: Config = None, as_json: Json = False) -> None:
    """Show a number: whose it is, and which applications may show it."""
    with open_inventory(config) as inventory:
        detail = inventory.show(number, datetime.now(UTC))
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("set")
def set_fields(
    number: Number,
    *,
    city: City = None,
    region: Region = None,
    trunk: Annotated[
        str | None,
        typer.Option("--trunk", metavar="NAME", help="Its trunk; empty: none."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change where a number is, and the trunk that calls which show it try first."""
    has_trunk = None if trunk is None else bool(trunk)
    with open_inventory(config) as inventory:
        detail = inventory.describe(
            number,
            datetime.now(UTC),
            city=city,
            region=region,
            trunk=trunk or None,
            has_trunk=has_trunk,
        )
    tell(_answer(detail), _describe(detail), as_json=as_json)


@app.command("release")
def release(number: Number, *, config: Config = None, as_json: Json = False) -> None:
    """Take a number from its enterprise; it rests, and no application may show it."""
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    _move(
        open_inventory(config),
        lambda inventory: inventory.release(OPERATOR_PRINCIPAL, number, datetime.now(UTC)),
        as_json=as_json,
    )


@app.command("retire")
def retire(number: Number, *, config: Config = None, as_json: Json = False) -> None:
    """Take a number that is nobody's out of use."""
    _move(
        open_inventory(config),
        lambda inventory: inventory.retire(number, datetime.now(UTC)),
        as_json=as_json,
    )


@app.command("reinstate")
def reinstate(number: Number, *, config: Config = None, as_json: Json = False) -> None:
    """Take a retired number into use again; it rests on where its rest is not over."""
    _move(
        open_inventory(config),
        lambda inventory: inventory.reinstate(number, datetime.now(UTC)),
        as_json=as_json,
    )


def _move(
    opened: "AbstractContextManager[NumberInventory]",
    move: "Callable[[NumberInventory], NumberDetail]",
    *,
    as_json: bool,
) -> None:
    with opened as inventory:
        detail = move(inventory)
    tell(_answer(detail), _describe(detail), as_json=as_json)


def _read_all(inventory: "NumberInventory", which: "NumberFilter") -> "list[NumberDetail]":
    from clicktodial.accounts.number import NUMBERS_PAGE_MAX
    from clicktodial.storage.administration import LISTED_MAX

    now = datetime.now(UTC)
    found: list[NumberDetail] = []
    while len(found) < LISTED_MAX:
        after = found[-1].number.e164 if found else None
        page = inventory.list_numbers(which, now, after=after)
        found += page
        if len(page) < NUMBERS_PAGE_MAX:
            break
    return found


def _kind(text: str | None) -> "NumberKind | None":
    from clicktodial.domain.sponsor_number import NumberKind

    if text is None:
        return None
    try:
        return NumberKind(text.lower())
    except ValueError as error:
        message = f"the kind is one of {', '.join(NumberKind)}"
        raise CommandError(message, kind="ValueInvalid") from error


def _state(text: str | None) -> "NumberState | None":
    from clicktodial.domain.sponsor_number import NumberState

    if text is None:
        return None
    try:
        return NumberState(text.lower())
    except ValueError as error:
        message = f"the state is one of {', '.join(NumberState)}"
        raise CommandError(message, kind="ValueInvalid") from error


def _answer(detail: "NumberDetail") -> dict[str, object]:
    number = detail.number
    return {
        "number": number.e164,
        "kind": detail.kind,
        "city": detail.place.city,
        "region": detail.place.region,
        "trunk": detail.trunk,
        "state": number.state,
        "enterprise_id": number.enterprise_id,
        "order_id": number.order_id,
        "until": number.until,
        "applications": detail.applications,
    }


def _describe(detail: "NumberDetail") -> str:
    number = detail.number
    return format_fields(
        [
            ("Number", number.e164),
            ("Kind", detail.kind),
            ("City", detail.place.city),
            ("Region", detail.place.region),
            ("Trunk", detail.trunk),
            ("State", number.state),
            ("Enterprise", number.enterprise_id),
            ("Until (UTC)", number.until),
            ("Shown by", detail.applications),
        ]
    )
