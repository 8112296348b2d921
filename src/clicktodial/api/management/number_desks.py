"""The use cases of applications and numbers, together, as the API needs them."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from clicktodial.accounts.application import ApplicationDesk
from clicktodial.accounts.number import NumberInventory
from clicktodial.accounts.number_order import NumberOrders, NumbersGivenBack
from clicktodial.accounts.number_pool import NumberPools
from clicktodial.config import NumbersSettings
from clicktodial.control.sponsor_choice import SponsorChooser
from clicktodial.domain.place_lookup import (
    GeocoderPlaceLookup,
    NullPlaceLookup,
    PlaceLookup,
)
from clicktodial.storage.administration import Administration
from clicktodial.storage.transaction import Transactions


@dataclass(frozen=True, slots=True)
class NumberDesks:
    """What people do with applications and numbers, and what chooses among the latter."""

    applications: ApplicationDesk
    inventory: NumberInventory
    orders: NumberOrders
    pools: NumberPools
    chooser: SponsorChooser

    @property
    def giving_back(self) -> NumbersGivenBack:
        """What is told of the end of enterprises."""
        return NumbersGivenBack(self.inventory, self.orders)


def create_number_desks(
    transactions: Transactions,
    administration: Administration,
    settings: NumbersSettings,
    *,
    region: str,
    random: Random,
) -> NumberDesks:
    """By the settings; places are loaded now, where they are wanted."""
    places: PlaceLookup = GeocoderPlaceLookup() if settings.locate else NullPlaceLookup()
    return NumberDesks(
        ApplicationDesk(transactions, administration),
        NumberInventory(
            transactions,
            region=region,
            places=places,
            cooling_off=timedelta(days=settings.cooling_off_days),
        ),
        NumberOrders(transactions, region=region, reserved_for=timedelta(days=settings.order_days)),
        NumberPools(transactions, region=region),
        SponsorChooser(places, random),
    )
