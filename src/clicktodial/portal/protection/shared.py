"""What the pages of protection share: who may what, and the tabs."""

from clicktodial.domain.principal import Role
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark
from clicktodial.storage.protection_row import PLATFORM_SCOPE

EDITORS = frozenset({Role.OWNER, Role.DEVELOPER})
READERS = EDITORS | {Role.READER}
OPERATOR = frozenset({Role.OPERATOR})

_TABS = {
    "protection": mark("Rules"),
    "doNotCall": mark("Do-not-call list"),
    "allowedCallees": mark("Exceptions"),
}
_PLATFORM_TABS = {
    "platformProtection": mark("Rules"),
    "platformDoNotCall": mark("Do-not-call list"),
    "platformAllowedCallees": mark("Exceptions"),
    "blacklist": mark("Blacklist"),
}


def tabs(visit: Visit, current: str) -> list[tuple[str, str, bool]]:
    """Those of the enterprise, or of the platform, whichever the page is one of."""
    known = _TABS if current in _TABS else _PLATFORM_TABS
    word = visit.words.look_up
    return [(visit.link(name), word(words), name == current) for name, words in known.items()]


def scope_of(visit: Visit, *, is_platform: bool) -> str:
    """Whose the rules and lists are that a page is about."""
    own = visit.principal.enterprise_id
    if is_platform:
        return PLATFORM_SCOPE
    assert own is not None  # the roles are a customer's
    return own
