"""Why a browser cannot be a side of a call.

WebPhoneError
├── OfferUnusable
├── WebPhoneInUse
└── NoRoomForWebPhone
"""


class WebPhoneError(Exception):
    """This browser cannot be one of the two."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class OfferUnusable(WebPhoneError):
    """What the browser offers cannot be used for a call."""


class WebPhoneInUse(WebPhoneError):
    """You are in a call with a browser already."""


class NoRoomForWebPhone(WebPhoneError):
    """The platform has no room for another browser."""
