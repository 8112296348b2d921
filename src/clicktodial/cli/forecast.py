"""A dry run of a call, as a person reads it."""

from typing import Any

from clicktodial.cli.output import format_fields

_MICROS = 1_000_000


def describe_forecast(forecast: dict[str, Any]) -> str:
    """What the server answered: whether the two may be called, how, at what cost, or why not."""
    if forecast.get("is_possible"):
        first = "The call may be placed."
    else:
        why = "; ".join(str(each).rstrip(".") for each in forecast.get("obstacles", ()))
        first = f"The call would not be placed: {why}."
    fields = [
        ("Caller through", _describe_leg(forecast.get("caller"))),
        ("Callee through", _describe_leg(forecast.get("callee"))),
        ("Cost a minute", _describe_cost(forecast.get("cost_per_minute_micros"))),
        ("Takes a minute (s)", forecast.get("billed_s_per_minute")),
        ("Overage a minute", _describe_cost(forecast.get("price_per_minute_micros"))),
        ("Maximum (s)", forecast.get("max_duration_s")),
    ]
    return f"{first}\n{format_fields(fields)}"


def _describe_leg(leg: Any) -> str | None:
    if not isinstance(leg, dict):
        return None
    return leg.get("trunk") or leg.get("obstacle")


def _describe_cost(micros: Any) -> str | None:
    return None if not isinstance(micros, int) else f"{micros / _MICROS:.4f}"
