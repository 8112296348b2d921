"""What a call costs in one checkout, against what it costs in another.

A shared machine is faster and slower by turns, more than a change of the code makes. So both are
measured in turn, the one that goes first changing with each pair; and of each measurement the
platform's CPU time is taken as a multiple of what the same calls cost the phones and the bench
itself at the same time: these are the same programs throughout, so that what slows the machine
slows both sides of that ratio.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

import clicktodial
from clicktodial.bench.error import BenchError
from clicktodial.bench.measurement import Options, measure_rate
from clicktodial.bench.placement import choose_placement, running_on
from clicktodial.bench.result import RateResult
from clicktodial.bench.table import align, print_line

COMPARISON_COLUMNS = ("pair", "this ms/call", "other ms/call", "ratio", "relative")
_SOURCES = "src"


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU time of one call: the platform's, and that of all who offered it, in milliseconds."""

    platform_ms: float
    offering_ms: float

    @property
    def relative(self) -> float:
        return self.platform_ms / self.offering_ms


@dataclass(frozen=True, slots=True)
class Pair:
    """Both checkouts, one measured right after the other."""

    this: Sample
    other: Sample

    @property
    def ratio(self) -> float:
        """Below 1 where this checkout is cheaper."""
        return self.this.platform_ms / self.other.platform_ms

    @property
    def relative_ratio(self) -> float:
        """The same, with the speed of the machine taken out."""
        return self.this.relative / self.other.relative


def checkout_command(sources: Path, program: Path) -> tuple[str, ...]:
    """How the platform of that checkout is run, with this one's dependencies."""
    return ("/usr/bin/env", f"PYTHONPATH={sources}", str(program))


def find_sources(checkout: Path) -> Path:
    """The sources of a checkout. Raises BenchError where it is none."""
    sources = checkout.resolve() / _SOURCES
    if not (sources / "clicktodial" / "__init__.py").is_file():
        raise BenchError(f"no checkout of this project: {checkout}")
    return sources


async def compare(
    options: Options, other: Path, program: Path, *, pairs: int, tell: Callable[[str], None]
) -> list[Pair]:
    """Measure both by turns, at the one rate of the options. Raises BenchError."""
    own = Path(clicktodial.__file__).parents[1]
    commands = {
        "this": checkout_command(own, program),
        "other": checkout_command(find_sources(other), program),
    }
    found: list[Pair] = []
    for number in range(pairs):
        names = ("this", "other") if number % 2 == 0 else ("other", "this")
        samples = {}
        for name in names:
            tell(f"pair {number + 1} of {pairs}: {name}")
            samples[name] = await _measure(replace(options, command=commands[name]))
        found.append(Pair(samples["this"], samples["other"]))
    return found


async def _measure(options: Options) -> Sample:
    placement = choose_placement(is_pinned=options.is_pinned)
    (rate,) = options.rates_per_s
    with running_on(placement.bench):
        return sample_of(await measure_rate(rate, options, placement))


def sample_of(result: RateResult) -> Sample:
    """Raises BenchError where calls failed: what they cost is not what a call costs."""
    if result.succeeded != result.offered or result.cpu_ms_per_call is None:
        raise BenchError(f"not all calls were made: {result.failures}")
    offering_s = result.cost.bench_s + result.cost.phones_s
    return Sample(result.cpu_ms_per_call, offering_s * 1_000 / result.succeeded)


def show_comparison(pairs: list[Pair], console: Console) -> None:
    """Write each pair, and what follows from all."""
    rows = [
        [
            str(number),
            f"{pair.this.platform_ms:.2f}",
            f"{pair.other.platform_ms:.2f}",
            f"{pair.ratio:.3f}",
            f"{pair.relative_ratio:.3f}",
        ]
        for number, pair in enumerate(pairs, 1)
    ]
    for line in align([COMPARISON_COLUMNS, *rows]):
        print_line(console, line)
    relative = [pair.relative_ratio for pair in pairs]
    print_line(
        console,
        f"a call costs {statistics.median(relative):.3f} of what it costs there "
        f"(median of {len(pairs)}; {min(relative):.3f} to {max(relative):.3f})",
    )
