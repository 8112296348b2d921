"""How commands answer: text for people, one line of JSON for programs."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
import typer

NOTHING = "-"


def tell(answer: object, text: str, *, as_json: bool) -> None:
    """Print the answer in the form that was asked for."""
    typer.echo(msgspec.json.encode(answer, enc_hook=str).decode() if as_json else text)


def format_cell(value: object) -> str:
    """A value as people read it."""
    match value:
        case None | "" | ():
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case tuple() | list():
            return " ".join(format_cell(item) for item in value)
        case _:
            return str(value)


def format_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
    """Columns as wide as they need to be; `empty` where there is no row."""
    lines = [[format_cell(value) for value in row] for row in rows]
    if not lines:
        return empty
    lines.insert(0, list(headings))
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def format_fields(fields: Iterable[tuple[str, object]]) -> str:
    """One name and value a line."""
    pairs = [(name, format_cell(value)) for name, value in fields]
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs)
