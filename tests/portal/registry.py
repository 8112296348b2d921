"""The pages and actions of the console, made of no use cases: for tests that only count them."""

from unittest.mock import MagicMock

from clicktodial.portal.console import Console, create_console

# Areas keep their needs for later, and ask nothing of them when they are made.
CONSOLE: Console = create_console(MagicMock())
