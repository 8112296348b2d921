"""What access tokens allow: scopes, each a kind of request of an application."""

from collections.abc import Iterable
from enum import StrEnum

from clicktodial.domain.wording import worded


class AccessScope(StrEnum):
    """The first four are those of the CAMARA click-to-dial document; the others are ours."""

    CALLS_CREATE = "click-to-dial:calls:create"
    CALLS_READ = "click-to-dial:calls:read"
    CALLS_DELETE = "click-to-dial:calls:delete"
    RECORDINGS_READ = "click-to-dial:recordings:read"
    EVENTS_READ = "click-to-dial:events:read"
    EVENTS_REPLAY = "click-to-dial:events:replay"


ALL_SCOPES: frozenset[AccessScope] = frozenset(AccessScope)
_KNOWN = {scope.value: scope for scope in AccessScope}


class ScopeUnknown(ValueError):
    """There is no scope of that name."""


def parse_scopes(names: Iterable[str]) -> frozenset[AccessScope]:
    """Scopes by their names. Raises ScopeUnknown."""
    try:
        return frozenset(_KNOWN[name] for name in names)
    except KeyError as error:
        raise ScopeUnknown(worded("scopes are %(names)s", names=AccessScope)) from error


def known_scopes(names: Iterable[str]) -> frozenset[AccessScope]:
    """Those of the names that are scopes here; others mean something elsewhere."""
    return frozenset(_KNOWN[name] for name in names if name in _KNOWN)


def join_scopes(scopes: Iterable[str]) -> str:
    """As a `scope` parameter has them (RFC 6749 3.3), in the order of their names."""
    return " ".join(sorted(scopes))
