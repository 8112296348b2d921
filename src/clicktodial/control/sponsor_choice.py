"""Chooses the number to show where an application leaves that to its pools."""

from random import Random

from clicktodial.domain.application import Application
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.number_pool import NumberPool, Place, choose_number
from clicktodial.domain.place_lookup import PlaceLookup

# The pool that is meant where none is named and there are several.
DEFAULT_POOL = "default"
# Some 150 bytes each. Of a number that is forgotten it is as if it had never been shown.
SHOWN_KEPT_MAX = 100_000


class SponsorChooser:
    """Remembers, on this node, in which order numbers were shown."""

    def __init__(self, places: PlaceLookup, random: Random) -> None:
        """`places` tells where callees are; `random` decides among numbers never shown."""
        self._places = places
        self._random = random
        self._turn = 0
        # By number, the longest ago first.
        self._shown_at: dict[str, float] = {}

    def choose(
        self,
        application: Application,
        callee: PhoneNumber,
        *,
        pool_name: str | None = None,
        city: str | None = None,
        is_trial: bool = False,
    ) -> PhoneNumber | None:
        """A number of the pool, of the callee's `city` where it is said; None where there is no
        such pool, or nothing in it. A trial leaves no trace."""
        pool = _find_pool(application, pool_name)
        if pool is None:
            return None
        place = self._places.find(callee.e164) if city is None else Place(city)
        e164 = choose_number(pool, place, self._shown_at, self._random)
        if e164 is None:
            return None
        if not is_trial:
            self._note(e164)
        return PhoneNumber(e164, e164)

    def _note(self, e164: str) -> None:
        self._turn += 1
        self._shown_at.pop(e164, None)
        self._shown_at[e164] = self._turn
        if len(self._shown_at) > SHOWN_KEPT_MAX:
            del self._shown_at[next(iter(self._shown_at))]


def _find_pool(application: Application, name: str | None) -> NumberPool | None:
    pools = application.pools
    if name is None:
        if len(pools) == 1:
            return pools[0]
        name = DEFAULT_POOL
    return next((pool for pool in pools if pool.name == name), None)
