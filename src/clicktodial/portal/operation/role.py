"""Who opens the pages of this area."""

from clicktodial.domain.principal import Role

OPERATOR = frozenset({Role.OPERATOR})
# Who explains calls must see by which trunks they went, and how these fare.
SEERS = OPERATOR | {Role.SUPPORT}
