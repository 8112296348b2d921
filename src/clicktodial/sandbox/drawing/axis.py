"""Time axes: round steps, and times as people read them."""

import math

# A picture wants some five to twelve marks.
_MARKS_WANTED = 10
_ROUND_STEPS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def time_marks(duration_s: float) -> list[float]:
    """Round times from 0 to the end, at most about ten; shorter than that never none."""
    wanted = duration_s / _MARKS_WANTED
    step = next((step for step in _ROUND_STEPS_S if step >= wanted), _ROUND_STEPS_S[-1])
    # Whatever the length, the number of marks stays bounded.
    step *= max(1, math.ceil(wanted / step))
    return [index * step for index in range(int(duration_s / step + 1e-9) + 1)]


def format_time(seconds: float) -> str:
    """`0.25 s`, `7 s`, `2:05`, `1:00:00`."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minutes}:{second:02}"
