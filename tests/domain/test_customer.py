"""What a customer has to show."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.customer import (
    DATA_FIELDS,
    REQUIRED_DOCUMENTS,
    CustomerData,
    DocumentKind,
    find_missing,
    is_misspelled_resident_id,
    is_single,
)

# The example of GB 11643-1999.
RESIDENT_ID = "11010519491231002X"
FULL = CustomerData(**dict.fromkeys(DATA_FIELDS, "x"))


def test_all_is_missing_of_nothing_and_nothing_of_all() -> None:
    assert find_missing(CustomerData(), ()) == (*DATA_FIELDS, *REQUIRED_DOCUMENTS)
    assert find_missing(FULL, REQUIRED_DOCUMENTS) == ()


@pytest.mark.parametrize("name", DATA_FIELDS)
def test_each_of_the_data_is_needed(name: str) -> None:
    data = replace(FULL, **{name: ""})
    assert find_missing(data, REQUIRED_DOCUMENTS) == (name,)


@pytest.mark.parametrize("kind", REQUIRED_DOCUMENTS)
def test_each_document_is_needed(kind: DocumentKind) -> None:
    assert find_missing(FULL, set(REQUIRED_DOCUMENTS) - {kind}) == (kind,)


def test_sides_of_a_card_are_single() -> None:
    several = {kind for kind in DocumentKind if not is_single(kind)}
    assert several == {DocumentKind.CERTIFICATE, DocumentKind.OTHER}


def test_data_are_in_no_repr() -> None:
    assert "x" not in repr(FULL).replace("CustomerData", "")


@pytest.mark.parametrize(
    ("id_number", "is_misspelled"),
    [
        (RESIDENT_ID, False),
        ("110105194912310021", True),
        ("11010519491231002x", False),  # not of that form: letters are made large before
        ("E12345678", False),
        ("", False),
    ],
)
def test_resident_id_has_its_check_character(id_number: str, is_misspelled: bool) -> None:
    assert is_misspelled_resident_id(id_number) is is_misspelled


@given(st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_of_a_resident_id_is_found(at: int, by: int) -> None:
    digit = str((int(RESIDENT_ID[at]) + by) % 10)
    assert is_misspelled_resident_id(RESIDENT_ID[:at] + digit + RESIDENT_ID[at + 1 :])
