"""Who looks at minutes and money, of whom, and how they find their way."""

from collections.abc import Mapping
from typing import Any

from clicktodial.billing.pool import PoolDetail
from clicktodial.domain.principal import Role
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound

# Of a customer's people, and of the operator's: as the management API has it.
OWN_READERS = frozenset({Role.OWNER, Role.FINANCE, Role.READER})
STAFF_READERS = frozenset({Role.ACCOUNT_MANAGER, Role.SUPPORT, Role.OPERATOR})
OWN_KEEPERS = frozenset({Role.OWNER, Role.FINANCE})
STAFF_KEEPERS = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
KEEPERS = OWN_KEEPERS | STAFF_KEEPERS
SELLERS = STAFF_KEEPERS

# The tabs: a page's name for one's own enterprise, for another's, its words and who has it.
_TABS = (
    ("pool", "enterprisePool", mark("Pool"), OWN_READERS | STAFF_READERS),
    ("movements", "enterpriseMovements", mark("Movements"), OWN_READERS | STAFF_READERS),
    ("cdrs", "enterpriseCdrs", mark("Call records"), KEEPERS),
    ("statements", "enterpriseStatements", mark("Statements"), OWN_READERS | STAFF_READERS),
    ("", "enterprisePackages", mark("Tariff and packages"), SELLERS),
)


def enterprise_of(visit: Visit) -> str:
    """Whose money it is: that of the path, or one's own."""
    found = visit.path.get("enterprise_id") or visit.principal.enterprise_id
    assert found is not None  # a page without an enterprise in its path is for customers
    return found


def link_money(visit: Visit, own: str, staff: str, **values: object) -> str:
    """The page of one's own enterprise, or of the one that is looked at."""
    if visit.principal.enterprise_id is not None:
        return visit.link(own, **values)
    return visit.link(staff, enterprise_id=enterprise_of(visit), **values)


async def frame(needs: ConsoleNeeds, visit: Visit, current: str) -> dict[str, Any]:
    """What all these pages show: whose it is, and the tabs. `current` is the page's name for
    one's own enterprise, or for staff. Raises NotFound."""
    enterprise_id, is_own = enterprise_of(visit), visit.principal.enterprise_id is not None
    visit.notes.enterprise_id = enterprise_id
    names: Mapping[str, str] = await needs.worker.run(
        lambda: needs.names.enterprises(visit.principal, [enterprise_id])
    )
    if enterprise_id not in names:
        raise NotFound
    tabs = []
    for own, staff, words, roles in _TABS:
        if visit.may(roles) and (own or not is_own):
            is_current = current in (own, staff)
            tabs.append((link_money(visit, own, staff), visit.words.look_up(words), is_current))
    return {
        "enterprise_id": enterprise_id,
        "enterprise_name": names[enterprise_id],
        "is_own": is_own,
        "tabs": tabs,
        "may_keep": visit.may(KEEPERS),
        "may_sell": visit.may(SELLERS),
    }


async def find_pool(needs: ConsoleNeeds, visit: Visit) -> PoolDetail | None:
    """The pool of an enterprise that may be seen; None where it has none."""
    enterprise_id = enterprise_of(visit)
    try:
        return await needs.worker.run(
            lambda: needs.pools.show(visit.principal, enterprise_id, visit.now)
        )
    except NotFound:
        return None
