"""A measurement as JSON, for programs that compare one with another."""

from typing import Any

import msgspec

from clicktodial.bench.aim import compare_to_aims
from clicktodial.bench.result import RateResult, Report


def render_json(report: Report) -> bytes:
    """Everything that was measured, what follows from it, and the aims; ends with a newline."""
    document = msgspec.to_builtins(report)
    document["rates"] = [_render_rate(result, report) for result in report.rates]
    if report.memory is not None:
        document["memory"]["kb_per_call"] = report.memory.kb_per_call
    document["aims"] = [
        {"aim": aim.text, "found": aim.found, "reached": aim.is_reached}
        for aim in compare_to_aims(report)
    ]
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _render_rate(result: RateResult, report: Report) -> dict[str, Any]:
    cost = result.cost
    return {
        **msgspec.to_builtins(result),
        "success": result.success,
        "relative_speed": report.relative_speed(result),
        "sustained": result.is_sustained,
        "cpu_ms_per_call": result.cpu_ms_per_call,
        "bench_cpu_ms_per_call": result.per_call_ms(cost.bench_s),
        "phones_cpu_ms_per_call": result.per_call_ms(cost.phones_s),
    }
