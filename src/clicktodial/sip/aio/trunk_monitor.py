"""How trunks fare, for people who look after them: what legs and keepers found, read together."""

from clicktodial.control.port import TrunkState
from clicktodial.domain.trunk import Trunk
from clicktodial.sip.trunk_selection import TrunkStates


class StatesMonitor:
    """Implements `control.port.TrunkMonitor` over what is noted of each trunk."""

    def __init__(self, states: TrunkStates) -> None:
        self._states = states

    def state(self, trunk: Trunk) -> TrunkState:
        """Of a trunk, whether or not it is used."""
        states = self._states
        return TrunkState(
            channels=states.channels(trunk),
            is_down=states.is_down(trunk),
            is_resting=states.is_resting(trunk),
            is_registered=states.is_registered(trunk) if trunk.registers else None,
        )
