"""Where a telephone number seems to be, by the tables of libphonenumber.

They cost 0.9 s and 100 MB once, and 15-35 us a look-up; so whoever wants no cities has none of it.
A mobile number is where it was sold, which is often where its owner lives.
"""

from typing import Protocol

import phonenumbers

from clicktodial.domain.number_pool import NOWHERE, Place

_LANGUAGE = "en"


class PlaceLookup(Protocol):
    """Finds places."""

    def find(self, e164: str) -> Place:
        """The place of a number in E.164 with plus; NOWHERE where none is known."""


class NullPlaceLookup:
    """Knows no place."""

    def find(self, e164: str) -> Place:
        return NOWHERE


class GeocoderPlaceLookup:
    """Knows those of libphonenumber, in English: `Shenzhen` of `Guangdong`."""

    def __init__(self) -> None:
        # Here and not above: only who looks up pays for it.
        from phonenumbers import geocoder

        self._describe = geocoder.description_for_valid_number

    def find(self, e164: str) -> Place:
        try:
            number = phonenumbers.parse(e164)
        except phonenumbers.NumberParseException:
            return NOWHERE
        # "Shenzhen, Guangdong"; a city that is its own region stands alone, as a region does
        # that is all that is known: "Beijing", "London".
        city, _, region = self._describe(number, _LANGUAGE).partition(", ")
        return Place(city, region or city)
