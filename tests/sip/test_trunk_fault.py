"""Whose fault the end of a leg was."""

import pytest

from clicktodial.domain.cause import cause_of_status
from clicktodial.sip.trunk_fault import is_trunk_fault


@pytest.mark.parametrize("status", [401, 407, 500, 502, 503, 504, 505])
def test_status_of_a_server_is_the_trunks_fault(status: int) -> None:
    assert is_trunk_fault(cause_of_status(status))


@pytest.mark.parametrize(
    "status", [301, 400, 403, 404, 408, 410, 480, 484, 486, 487, 488, 600, 603, 604, 606]
)
def test_status_that_may_be_the_partys_is_not(status: int) -> None:
    assert not is_trunk_fault(cause_of_status(status))


@pytest.mark.parametrize("q850", [1, 16, 17, 18, 19, 20, 21, 22, 28, 127])
def test_cause_of_the_party_is_worth_more_than_the_status(q850: int) -> None:
    header = f"Q.850;cause={q850}"
    assert not is_trunk_fault(cause_of_status(503, "", q850, reason_header=header))


@pytest.mark.parametrize("q850", [34, 38, 41, 42, 44, 47])
def test_cause_of_the_network_is_worth_more_than_the_status(q850: int) -> None:
    header = f"Q.850;cause={q850}"
    assert is_trunk_fault(cause_of_status(480, "", q850, reason_header=header))


def test_reason_of_another_protocol_leaves_it_to_the_status() -> None:
    told = "SIP;cause=200"
    assert not is_trunk_fault(cause_of_status(480, reason_header=told))
    assert is_trunk_fault(cause_of_status(504, reason_header=told))
