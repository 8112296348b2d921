"""Every page and every action asked for with every role, and for what is another enterprise's."""

from unittest.mock import MagicMock

import pytest
from tests.portal.client import Client
from tests.portal.registry import CONSOLE
from tests.portal.test_pages import path_of
from tests.portal.world import ACME, BRAVO, World

from clicktodial.api.management.api import create_routes
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.principal import CUSTOMER_ROLES, PERSON_ROLES, Role
from clicktodial.portal.page import BASE_PATH, Action, Page
from clicktodial.storage.enterprise_row import move_enterprise

# Of what the console alone can do there is no route.
_OWN_OPERATIONS = {
    "orderExport",
    "setPreferences",
    "logOut",
    "showToast",
    "previewTemplate",
    "replayApplicationNotifications",
}


@pytest.mark.parametrize("role", sorted(PERSON_ROLES))
def test_page_opens_for_its_roles_alone(origin: str, world: World, role: Role) -> None:
    client = Client(origin, world.tokens[role])
    for page in CONSOLE.pages:
        answer = client.get(path_of(page, world.ids[ACME]))
        if page.name == "login":
            assert answer.status == 303
        elif not page.roles or role in page.roles:
            assert answer.status == 200, (page.name, role)
        else:
            assert answer.status == 403, (page.name, role)


@pytest.mark.parametrize("role", sorted(PERSON_ROLES))
def test_action_is_refused_to_other_roles(origin: str, world: World, role: Role) -> None:
    client = Client(origin, world.tokens[role])
    for action in CONSOLE.actions:
        if action.roles and role not in action.roles:
            answer = client.post(action.path.format(**world.ids[ACME]))
            assert answer.status == 403, (action.operation, role)


def test_whoever_is_not_logged_in_is_led_to_the_log_in(origin: str, world: World) -> None:
    client = Client(origin)
    for page in CONSOLE.pages:
        answer = client.get(path_of(page, world.ids[ACME]))
        if page.roles:
            assert answer.status == 303
            assert answer.headers["location"].startswith(f"{BASE_PATH}/login?next=")
        else:
            assert answer.status == 200, page.name
    for action in CONSOLE.actions:
        if action.roles:
            answer = client.post(action.path.format(**world.ids[ACME]))
            assert (answer.status, answer.headers["location"]) == (303, f"{BASE_PATH}/login")


@pytest.mark.parametrize("role", sorted(CUSTOMER_ROLES))
def test_what_is_anothers_is_not_there(origin: str, world: World, role: Role) -> None:
    client = Client(origin, world.tokens[role])
    for page in CONSOLE.pages:
        if role in page.roles and _names_something(page):
            answer = client.get(path_of(page, world.ids[BRAVO]))
            assert answer.status == 404, page.name
            assert BRAVO not in answer.text.lower(), page.name
    for action in CONSOLE.actions:
        if role in action.roles and _names_something(action):
            answer = client.post(action.path.format(**world.ids[BRAVO]))
            # Where the form is looked at first, an empty one is wrong.
            assert answer.status in (404, 422), action.operation
            assert BRAVO not in answer.text.lower(), action.operation


def _names_something(row: Page | Action) -> bool:
    return "{" in row.path


def test_of_an_enterprise_that_has_ended_nothing_is_changed(origin: str, world: World) -> None:
    world.administration.create_enterprise("gone", name="Gone Couriers")
    world.add_person("owner.gone", Role.OWNER, "gone")
    with world.transactions.change(concerns_calls=False) as connection:
        move_enterprise(connection, "gone", EnterpriseMove.CANCEL, now=world.now)
    client = Client(origin, world.log_in("owner.gone"))
    assert client.get("/profile").status == 200
    refused = 0
    for action in CONSOLE.actions:
        if Role.OWNER not in action.roles or action.outlives_enterprise:
            continue
        answer = client.post(action.path.format(**world.ids[ACME]))
        assert answer.status == 403, action.operation
        refused += "has left the service" in answer.text
    assert refused
    assert client.post("/logout").status == 303


def test_what_outlives_an_enterprise_does_so_in_the_management_api() -> None:
    rows = {row.name: row for row in create_routes(MagicMock())}
    for action in CONSOLE.actions:
        row = rows.get(action.operation)
        if row is not None and action.roles & CUSTOMER_ROLES:
            outlives = row.is_personal or row.is_help
            assert action.outlives_enterprise is outlives, action.operation


def test_no_role_may_what_the_management_api_refuses() -> None:
    roles = {route.name: route.roles for route in create_routes(MagicMock())}
    for page in CONSOLE.pages:
        for operation in page.operations:
            assert page.roles <= roles[operation], (page.name, operation)
    for action in CONSOLE.actions:
        if action.operation not in _OWN_OPERATIONS and action.roles:
            assert action.roles <= roles[action.operation], action.operation
