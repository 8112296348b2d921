"""People of every role."""

from tests.portal.world import ACME, World

from clicktodial.domain.principal import CUSTOMER_ROLES, OPERATOR_PRINCIPAL, STAFF_ROLES, Role


def seed_people(world: World, enterprise_id: str) -> dict[str, str]:
    """The enterprise, one of each role, and, of acme, sessions for all and for the staff."""
    world.administration.create_enterprise(enterprise_id, name=f"{enterprise_id.title()} Couriers")
    ids = {"enterprise_id": enterprise_id}
    for role in sorted(CUSTOMER_ROLES):
        ids["user_id"] = world.add_person(f"{role}.{enterprise_id}", role, enterprise_id)
        if enterprise_id == ACME:
            world.tokens[role] = world.log_in(f"{role}.{enterprise_id}")
    if enterprise_id == ACME:
        for role in sorted(STAFF_ROLES):
            world.add_person(f"{role}.staff", role, None)
            world.tokens[role] = world.log_in(f"{role}.staff")
    invited = world.enrolments.invite(
        OPERATOR_PRINCIPAL,
        email=f"invited@{enterprise_id}.example",
        roles=[Role.DEVELOPER],
        enterprise_id=enterprise_id,
        now=world.now,
    )
    return ids | {"invitation_id": invited.invitation.invitation_id}
