"""Who asks for something: a person of an enterprise or of the operator, or a program."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do. A person has one or more of a customer's or of the operator's."""

    # A customer's people, each within their own enterprise.
    OWNER = "owner"  # all that the enterprise may do, its team included
    DEVELOPER = "developer"  # applications, keys, options, calls
    FINANCE = "finance"  # pool, packages, statements, CDRs
    READER = "reader"  # looks at all of it and changes nothing

    # The operator's people.
    ACCOUNT_MANAGER = "account-manager"  # the enterprises of their regions
    REVIEWER = "reviewer"  # qualification, numbers, templates
    SUPPORT = "support"  # tickets, diagnosis of calls
    OPERATOR = "operator"  # everything

    # A program with an application's own credential, within its enterprise.
    APPLICATION = "application"


CUSTOMER_ROLES = frozenset({Role.OWNER, Role.DEVELOPER, Role.FINANCE, Role.READER})
STAFF_ROLES = frozenset({Role.ACCOUNT_MANAGER, Role.REVIEWER, Role.SUPPORT, Role.OPERATOR})
PERSON_ROLES = CUSTOMER_ROLES | STAFF_ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks. `name` is what the audit log and work orders say: a user's or an application's
    identifier, or "operator" for the bearer of the management token.

    `enterprise_id` bounds what a customer's people and programs may see; None for the operator's,
    whose account managers are bound by `regions` (none: all).
    """

    name: str
    roles: frozenset[Role]
    enterprise_id: str | None = None
    regions: frozenset[str] = frozenset()

    def has_any(self, roles: frozenset[Role]) -> bool:
        """Whether one of these is among its roles."""
        return not roles.isdisjoint(self.roles)

    def may_see_enterprise(self, enterprise_id: str, region: str | None = None) -> bool:
        """Whether anything of that enterprise, of that region, is its business."""
        if self.enterprise_id is not None:
            return self.enterprise_id == enterprise_id
        if Role.OPERATOR in self.roles or not self.regions:
            return self.has_any(STAFF_ROLES)
        return region in self.regions


OPERATOR_PRINCIPAL = Principal(name="operator", roles=frozenset({Role.OPERATOR}))
