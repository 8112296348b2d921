"""The pages of this area."""

from clicktodial.portal.message.message import MessagePages
from clicktodial.portal.message.template import TemplatePages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_message_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    messages, templates = MessagePages(needs), TemplatePages(needs)
    return Area(
        [*messages.pages(), *templates.pages()], [*messages.actions(), *templates.actions()]
    )
