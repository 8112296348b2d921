"""The pages that are made of the code are what would be made of it now."""

from tests.documentation.reference import (
    ERRORS,
    FURTHER,
    LIMITS,
    read_limits,
    render_errors,
    render_further,
    render_limits,
)


def test_each_limit_has_a_reason() -> None:
    """A comment above it, or above the group that it belongs to."""
    limits = read_limits()
    assert limits
    assert [f"{limit.module}.{limit.name}" for limit in limits if not limit.reason] == []


def test_page_of_limits_is_not_stale() -> None:
    assert LIMITS.read_text(encoding="utf-8") == render_limits(), "run `make reference`"


def test_page_of_errors_is_not_stale() -> None:
    assert ERRORS.read_text(encoding="utf-8") == render_errors(), "run `make reference`"


def test_page_of_events_and_tokens_is_not_stale() -> None:
    assert FURTHER.read_text(encoding="utf-8") == render_further(), "run `make reference`"
