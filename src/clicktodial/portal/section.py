"""The parts of the side navigation."""

from enum import StrEnum


class Section(StrEnum):
    """The parts of the side navigation, in their order."""

    TOP = "top"
    CALLING = "calling"
    BUSINESS = "business"
    MONEY = "money"
    HELP = "help"
    DESK = "desk"
    SYSTEM = "system"
    SETTINGS = "settings"
