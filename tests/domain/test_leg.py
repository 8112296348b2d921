"""What is kept of a leg."""

import pytest

from clicktodial.domain.leg import SideQuality


@pytest.mark.parametrize(
    ("packets", "lost", "loss"), [(0, 0, 0.0), (99, 1, 0.01), (0, 5, 1.0), (50, 0, 0.0)]
)
def test_loss_is_the_part_that_never_came(packets: int, lost: int, loss: float) -> None:
    assert SideQuality(packets, lost, 0.0, None).loss == loss
