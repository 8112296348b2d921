"""An enterprise of a test's own, with an owner, an application and numbers to have."""

from dataclasses import dataclass

from tests.portal.world import World

from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.sponsor_number import NumberKind
from clicktodial.storage.administration import NewApplication


@dataclass(frozen=True)
class Own:
    """What it is called, and who its owner is."""

    enterprise_id: str
    app_id: str
    token: str
    owner: Principal


def create_own(world: World, name: str, app_id: str) -> Own:
    """A new one, active; its application may show two numbers that no inventory has."""
    world.administration.create_enterprise(name, name=name.title())
    world.add_person(f"owner.{name}", Role.OWNER, name)
    world.administration.create_application(
        NewApplication(
            app_id=app_id,
            name=f"{name.title()} app",
            enterprise_id=name,
            sponsors=(f"0108{app_id[:7]}", f"0109{app_id[:7]}"),
        )
    )
    owner = Principal(name=f"owner.{name}", roles=frozenset({Role.OWNER}), enterprise_id=name)
    return Own(name, app_id, world.log_in(f"owner.{name}"), owner)


def add_numbers(world: World, *numbers: str, city: str) -> None:
    """Free ones, in a city of their own."""
    inventory = NumberInventory(world.transactions, region="CN")
    rows = [
        NewNumber(number=number, kind=NumberKind.FIXED, city=city, region=city)
        for number in numbers
    ]
    assert not any(inventory.add_all(rows, world.now))
