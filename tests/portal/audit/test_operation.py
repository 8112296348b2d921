"""What the audit log says in words."""

from unittest.mock import MagicMock

from clicktodial.api.management.api import create_routes
from clicktodial.portal.audit.operation import OPERATIONS, describe_operation
from clicktodial.portal.text import load_words


def test_no_operation_of_the_management_api_lacks_words() -> None:
    noted = {
        route.name
        for route in create_routes(MagicMock())
        if route.method != "GET" or route.is_access
    }
    assert not noted - set(OPERATIONS), "give them words in portal/audit/operation.py"


def test_words_are_those_of_the_reader() -> None:
    words = load_words()
    assert describe_operation(words["en"], "rotateKey") == "rotated a key"
    assert describe_operation(words["zh-CN"], "rotateKey") != "rotated a key"
    assert describe_operation(words["zh-CN"], "paintTheMoon") == "paint the moon"
