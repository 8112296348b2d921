"""Identifiers: their form, order and uniqueness."""

import re

from clicktodial.domain.identifier import create_call_id, create_recording_id


def test_identifiers_are_32_hexadecimal_digits() -> None:
    for identifier in (create_call_id(), create_recording_id()):
        assert re.fullmatch("[0-9a-f]{32}", identifier)


def test_identifiers_made_in_a_row_are_distinct_and_ordered() -> None:
    identifiers = [create_call_id() for _ in range(1000)]
    assert len(set(identifiers)) == 1000
    assert identifiers == sorted(identifiers)


def test_recording_identifier_never_equals_a_calls() -> None:
    calls = {create_call_id() for _ in range(100)}
    assert calls.isdisjoint(create_recording_id() for _ in range(100))
