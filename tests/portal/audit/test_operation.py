"""What the audit log says in words."""

from unittest.mock import MagicMock

from tests.portal.registry import CONSOLE

from clicktodial.api.management.api import create_routes
from clicktodial.portal.audit.operation import OPERATIONS, describe_operation
from clicktodial.portal.text import load_words


def test_no_operation_of_the_management_api_lacks_words() -> None:
    noted = {
        route.name for route in create_routes(MagicMock()) if route.method != "GET" or route.is_access
    }
    assert not noted - set(OPERATIONS)


def test_no_action_of_the_console_lacks_words() -> None:
    noted = {action.operation for action in CONSOLE.actions if action.is_audited}
    noted |= {page.name for page in CONSOLE.pages if page.is_access}
    assert not noted - set(OPERATIONS)


def test_words_are_those_of_the_reader() -> None:
    words = load_words()
    assert describe_operation(words["en"], "rotateKey") == "rotated a key"
    assert describe_operation(words["zh-CN"], "rotateKey") != "rotated a key"
    assert describe_operation(words["zh-CN"], "paintTheMoon") == "paint the moon"
