"""What came into a pool, what expired, and what calls took of it."""

import re
from collections.abc import Sequence
from typing import Any

from clicktodial.billing.movement import Movement, MovementKind, MovementPlace
from clicktodial.portal.money.audience import (
    OWN_READERS,
    STAFF_READERS,
    find_pool,
    frame,
    link_money,
)
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Page, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_place
from clicktodial.portal.text import mark
from clicktodial.storage.instant import to_millis

# In the middle: whether it is a call's, which has an identifier and no number.
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_CALL, _LOT = "c", "l"


class MovementPages:
    """GET /pool/movements and /money/{enterprise_id}/movements"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of them, the latest first."""
        needs, context = self._needs, await frame(self._needs, visit, "movements")
        pool = await find_pool(needs, visit)
        if pool is None:
            return View("money/no_pool.html", context)
        before = parse_movement_place(visit.query.get("before"))
        movements: Sequence[Movement] = await needs.worker.run(
            lambda: needs.movements.list_movements(
                visit.principal, pool.enterprise_id, before=before, limit=PAGE_SIZE + 1
            )
        )
        next_href = ""
        if len(movements) > PAGE_SIZE:
            place = render_movement_place(movements[PAGE_SIZE - 1].place)
            next_href = link_money(visit, "movements", "enterpriseMovements", before=place)
        context |= {
            "pool": pool,
            "movements": movements[:PAGE_SIZE],
            "kinds": MovementKind,
            "is_first": before is None,
            "first_href": link_money(visit, "movements", "enterpriseMovements"),
            "next_href": next_href,
        }
        return View("money/movements.html", context)

    def pages(self) -> list[Page]:
        """What is shown."""
        shared: dict[str, Any] = {
            "title": mark("Movements of the pool"),
            "show": self.show,
            "operations": ("showMinutePool",),
        }
        return [
            Page(
                name="movements",
                path="/pool/movements",
                roles=OWN_READERS,
                parent="pool",
                **shared,
            ),
            Page(
                name="enterpriseMovements",
                path="/money/{enterprise_id}/movements",
                roles=STAFF_READERS,
                parent="enterprisePool",
                **shared,
            ),
        ]


def render_movement_place(place: MovementPlace) -> str:
    """As a cursor in an address: its time, and whose and which it is."""
    return f"{to_millis(place.at)}-{_CALL if place.is_call else _LOT}{place.key}"


def parse_movement_place(text: str | None) -> MovementPlace | None:
    """The inverse; None, the first page, for what is no cursor of ours."""
    place = parse_place(text)
    if place is None:
        return None
    at, (kind, key) = place.begun_at, (place.call_id[:1], place.call_id[1:])
    if kind == _CALL and key:
        return MovementPlace(at, True, key)
    return MovementPlace(at, False, key) if kind == _LOT and _NUMBER.fullmatch(key) else None
