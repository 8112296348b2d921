"""The overview: what each area has to say there to whoever looks."""

import asyncio
from collections.abc import Sequence

from clicktodial.domain.principal import PERSON_ROLES, Role
from clicktodial.portal.page import Answer, Area, Card, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark


def create_home_area(cards: Sequence[Card]) -> Area:
    """Its page, made of the cards of all areas."""
    return Area([*HomePages(cards).pages()])


# Who may make calls.
CALLERS = frozenset({Role.OWNER, Role.DEVELOPER})


class HomePages:
    """GET /"""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = sorted(cards, key=lambda card: (card.order, card.name))

    async def show(self, visit: Visit) -> Answer:
        """What matters to this role now."""
        cards = [card for card in self._cards if visit.may(card.roles)]
        loaded = await asyncio.gather(*(card.load(visit) for card in cards))
        pairs = [(card.template, context) for card, context in zip(cards, loaded, strict=True)]
        return View("home/home.html", {"cards": pairs, "callers": CALLERS})

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="home",
                path="/",
                title=mark("Overview"),
                roles=PERSON_ROLES,
                show=self.show,
                nav=Nav(Section.TOP, 0, "layout-dashboard"),
            )
        ]
