"""The command line of the bench."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from clicktodial.bench.comparison import compare, show_comparison
from clicktodial.bench.error import BenchError
from clicktodial.bench.export import render_json
from clicktodial.bench.measurement import Options, measure, profile_path
from clicktodial.bench.pages import COLUMNS, LIMIT_MS, PagesOptions, measure_pages, tabulate
from clicktodial.bench.profiler import find_costliest, require_profiler
from clicktodial.bench.relay_cost import RelayOptions, measure_relays
from clicktodial.bench.relay_server import DRIVERS
from clicktodial.bench.relay_table import show_relays
from clicktodial.bench.scale import ScaleOptions, measure_scale
from clicktodial.bench.table import show

RATES_DEFAULT = "20,50,100,150,200,300"
# Beyond any single core's reach; it keeps a slip of the finger from running for hours.
RATE_MAX = 5_000.0
DURATION_S_MAX = 600.0
HOLD_S_MAX = 60.0
MEMORY_CALLS_MAX = 4_000
# Two sockets each, of this process; and four ports of the relay's.
RELAY_CALLS_MAX = 400
PAIRS_MAX = 100
_FUNCTIONS_SHOWN = 25
# About 1 KB each, so a disk's worth; and what a number of nine digits tells apart.
CDRS_MAX = 100_000_000
ENTERPRISES_MAX = 100_000
MEMBERS_MAX = 10_000
BEGINS_MAX = 100_000
TURNS_MAX = 10_000


def parse_rates(text: str) -> tuple[float, ...]:
    """Rates as written on the command line, `20,50,100`. Raises typer.BadParameter."""
    try:
        rates = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise typer.BadParameter(f"not a list of numbers: {text}") from error
    if any(not 0 < rate <= RATE_MAX for rate in rates):
        raise typer.BadParameter(f"a rate lies above 0 and is at most {RATE_MAX:g}")
    return rates


app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    rates: Annotated[
        str, typer.Option(help="Calls a second, one measurement each.")
    ] = RATES_DEFAULT,
    duration: Annotated[
        float, typer.Option(min=0.5, max=DURATION_S_MAX, help="Seconds of each rate.")
    ] = 10.0,
    hold: Annotated[
        float, typer.Option(min=0.0, max=HOLD_S_MAX, help="Seconds that each call lasts.")
    ] = 1.0,
    memory_calls: Annotated[
        int,
        typer.Option(min=0, max=MEMORY_CALLS_MAX, help="Calls held live for the memory; 0: none."),
    ] = 500,
    json: Annotated[
        Path | None, typer.Option(help="Write the results to this file as well.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Write py-spy's raw stacks of the platform here.")
    ] = None,
    pin: Annotated[bool, typer.Option(help="Give the platform a core of its own.")] = True,
    directory: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where temporary data lies."),
    ] = None,
    platform: Annotated[Path | None, typer.Option(help="The program that is measured.")] = None,
) -> None:
    """Offer calls to a platform of its own at rising rates, and print what each costs."""
    if context.invoked_subcommand is not None:
        return
    program = platform or Path(sys.executable).with_name("clicktodial")
    options = Options(
        command=(str(program),),
        rates_per_s=parse_rates(rates),
        duration_s=duration,
        hold_s=hold,
        memory_calls=memory_calls,
        is_pinned=pin,
        profile=profile,
        directory=directory,
    )
    try:
        run(options, json)
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from error


@app.command()
def relay(
    drivers: Annotated[str, typer.Option(help="The relays to measure.")] = ",".join(DRIVERS),
    calls: Annotated[
        int, typer.Option(min=1, max=RELAY_CALLS_MAX, help="Calls that talk at once.")
    ] = 100,
    duration: Annotated[
        float, typer.Option(min=0.5, max=DURATION_S_MAX, help="Seconds of each measurement.")
    ] = 10.0,
    pin: Annotated[bool, typer.Option(help="Give the relay a core of its own.")] = True,
    directory: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where captures lie meanwhile."),
    ] = None,
) -> None:
    """Let phones talk through each relay, plain and recorded, and print what that costs."""
    options = RelayOptions(parse_drivers(drivers), calls, duration, pin, directory)
    report = uvloop.run(measure_relays(options, _tell))
    show_relays(report, Console())
    if report.errors:
        typer.echo("bench: not everything could be measured", err=True)
        raise typer.Exit(1)


@app.command()
def scale(
    enterprises: Annotated[
        int, typer.Option(min=1, max=ENTERPRISES_MAX, help="Enterprises with a pool.")
    ] = 1_000,
    members: Annotated[
        int, typer.Option(min=1, max=MEMBERS_MAX, help="Members of each, under a cap.")
    ] = 1_000,
    cdrs: Annotated[int, typer.Option(min=1, max=CDRS_MAX, help="CDRs in all.")] = 10_000_000,
    begins: Annotated[int, typer.Option(min=1, max=BEGINS_MAX, help="Calls begun on it.")] = 500,
    directory: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where the databases lie meanwhile."),
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Use the large database that lies there, and leave it.")
    ] = False,
) -> None:
    """Build a database of many enterprises and CDRs, and print what work on it costs."""
    from rich.table import Table

    if keep and directory is None:
        raise typer.BadParameter("--keep needs a --directory")
    options = ScaleOptions(enterprises, members, cdrs, begins, directory, keep)
    rows = uvloop.run(measure_scale(options, _tell))
    shown = Table("what", "figure")
    for row in rows:
        shown.add_row(row.what, row.figure)
    Console().print(shown)
    if any(row.is_error for row in rows):
        raise typer.Exit(1)


@app.command()
def pages(
    directory: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, help="Where the database is, or is built."),
    ],
    enterprises: Annotated[
        int, typer.Option(min=1, max=ENTERPRISES_MAX, help="As the database has them.")
    ] = 1_000,
    members: Annotated[
        int, typer.Option(min=1, max=MEMBERS_MAX, help="As the database has them.")
    ] = 1_000,
    cdrs: Annotated[
        int, typer.Option(min=1, max=CDRS_MAX, help="As the database has them.")
    ] = 10_000_000,
    turns: Annotated[
        int, typer.Option(min=1, max=TURNS_MAX, help="How often each page is asked for.")
    ] = 20,
    limit_ms: Annotated[float, typer.Option(min=1.0, help="What p95 may be.")] = LIMIT_MS,
    rows: Annotated[int, typer.Option(min=0, help="How many addresses are shown.")] = 60,
    only: Annotated[str, typer.Option(help="Names of pages, with commas; none: all.")] = "",
    pin: Annotated[bool, typer.Option(help="Give the platform a core of its own.")] = True,
) -> None:
    """Ask for every page of the console on a large database, and print how long each takes."""
    from rich.table import Table

    options = PagesOptions(
        ScaleOptions(enterprises, members, cdrs, directory=directory, is_kept=True),
        (str(Path(sys.executable).with_name("clicktodial")),),
        turns,
        limit_ms,
        frozenset(filter(None, only.split(","))),
        pin,
    )
    try:
        report = uvloop.run(measure_pages(options, _tell))
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from error
    shown = Table(*COLUMNS)
    for row in tabulate(report, rows):
        shown.add_row(*row)
    Console().print(shown)
    asked = len(report.probes) * turns
    typer.echo(f"bench: {len(report.probes)} addresses, {asked} requests", err=True)
    if report.unseen:
        typer.echo(f"bench: no link led to {', '.join(report.unseen)}", err=True)
    if report.failures:
        typer.echo(f"bench: {len(report.failures)} addresses missed what is aimed at", err=True)
        raise typer.Exit(1)


@app.command("compare")
def compare_checkouts(
    other: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The checkout.")],
    pairs: Annotated[int, typer.Option(min=1, max=PAIRS_MAX, help="How often both.")] = 6,
    rate: Annotated[float, typer.Option(min=0.1, max=RATE_MAX, help="Calls a second.")] = 60.0,
    duration: Annotated[
        float, typer.Option(min=0.5, max=DURATION_S_MAX, help="Seconds of each measurement.")
    ] = 8.0,
    hold: Annotated[
        float, typer.Option(min=0.0, max=HOLD_S_MAX, help="Seconds that each call lasts.")
    ] = 1.0,
    pin: Annotated[bool, typer.Option(help="Give the platform a core of its own.")] = True,
) -> None:
    """Measure what a call costs here against what it costs in another checkout."""
    program = Path(sys.executable).with_name("clicktodial")
    options = Options((), (rate,), duration, hold, memory_calls=0, is_pinned=pin)
    try:
        found = uvloop.run(compare(options, other, program, pairs=pairs, tell=_tell))
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from error
    show_comparison(found, Console())


def parse_drivers(text: str) -> tuple[str, ...]:
    """Names as written on the command line. Raises typer.BadParameter."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in DRIVERS]
    if unknown or not names:
        raise typer.BadParameter(f"relays are {', '.join(DRIVERS)}; not: {', '.join(unknown)}")
    return names


def run(options: Options, json: Path | None) -> None:
    """Measure and show. Raises BenchError."""
    if options.profile is not None:
        require_profiler()
    report = uvloop.run(measure(options, _tell))
    show(report, Console())
    if json is not None:
        json.write_bytes(render_json(report))
    if options.profile is not None:
        for result in report.rates:
            _show_profile(profile_path(options.profile, result.rate_per_s, options.rates_per_s))
    if report.errors:
        raise BenchError("not everything could be measured")


def _tell(text: str) -> None:
    typer.echo(f"bench: {text}", err=True)


def _show_profile(path: Path) -> None:
    typer.echo(f"{path}: functions by their own time (then with what they call)")
    for name, own, inclusive in find_costliest(path, count=_FUNCTIONS_SHOWN):
        typer.echo(f"{own * 100:6.1f} % {inclusive * 100:6.1f} %  {name}")


if __name__ == "__main__":
    app()
