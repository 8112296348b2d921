"""How trunks fare, read from what was noted of them."""

import pytest

from clicktodial.control.port import TrunkState
from clicktodial.domain.trunk import Trunk, TrunkCredentials
from clicktodial.sip.aio.trunk_monitor import StatesMonitor
from clicktodial.sip.trunk_selection import TrunkStates

TRUNK = Trunk("main", "192.0.2.1", 5060)
REGISTERING = Trunk(
    "reg", "192.0.2.2", 5060, credentials=TrunkCredentials("us", "x"), registers=True
)


@pytest.fixture
def states() -> TrunkStates:
    return TrunkStates(lambda: 100.0)


def test_trunk_of_which_nothing_is_noted_fares_well(states: TrunkStates) -> None:
    assert StatesMonitor(states).state(TRUNK) == TrunkState(0, False, False, None)
    assert StatesMonitor(states).state(REGISTERING) == TrunkState(0, False, False, True)


def test_what_was_noted_of_a_trunk_is_told(states: TrunkStates) -> None:
    monitor = StatesMonitor(states)
    for _ in range(3):
        assert states.take(TRUNK)
    states.release(TRUNK)
    states.set_down("main", down=True)
    assert monitor.state(TRUNK) == TrunkState(2, True, False, None)
    states.set_down("main", down=False)
    states.note_silence(TRUNK)
    assert monitor.state(TRUNK) == TrunkState(2, False, True, None)


def test_trunk_that_does_not_know_us_is_told(states: TrunkStates) -> None:
    states.set_registered("reg", registered=False)
    assert StatesMonitor(states).state(REGISTERING) == TrunkState(0, False, True, False)
