"""control.port.Telephony over SIP trunks, with fail-over before ringing."""

from collections.abc import Callable, Sequence

from clicktodial.control.port import Leg, LegEvent, LegPlan
from clicktodial.domain.trunk import Trunk
from clicktodial.sip.aio.endpoint import SipEndpoint


class TrunkTelephony:
    """Places legs through trunks by priority, then name."""

    def __init__(self, endpoint: SipEndpoint, trunks: Callable[[], Sequence[Trunk]]) -> None:
        """`trunks` is asked anew for every leg."""
        raise NotImplementedError

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> Leg:
        """Dial; never raises for what a trunk does. Without any trunk the leg ends with 503."""
        raise NotImplementedError

    async def close(self) -> None:
        """Cancel the name look-ups that are under way."""
        raise NotImplementedError
