"""What every test of the console finds. A line for each area."""

from collections.abc import Sequence

from tests.portal.seed.audit import seed_audit
from tests.portal.seed.business import seed_business
from tests.portal.seed.call import seed_calls
from tests.portal.seed.message import seed_messages
from tests.portal.seed.money import seed_money
from tests.portal.seed.operation import seed_operation
from tests.portal.seed.people import seed_people
from tests.portal.seed.setup import seed_members, seed_numbers, seed_protection
from tests.portal.seed.support import seed_support
from tests.portal.world import Seed, World

# In their order: what comes later may build on what stands before.
SEEDS: Sequence[Seed] = (
    seed_people,
    seed_calls,
    seed_numbers,
    seed_members,
    seed_protection,
    seed_business,
    seed_support,
    seed_money,
    seed_messages,
    seed_audit,
    seed_operation,
)


def seed(world: World) -> World:
    """Give both enterprises everything."""
    for enterprise_id in world.ids:
        for each in SEEDS:
            world.ids[enterprise_id] |= each(world, enterprise_id)
    return world
