"""What can go wrong between us and a gateway.

GatewayError
├── GatewayUnavailable      try again later
└── MessageRefused          trying again is of no use
"""


class GatewayError(Exception):
    """The gateway did not take the message."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class GatewayUnavailable(GatewayError):
    """The gateway does not answer, or takes nothing at the moment."""


class MessageRefused(GatewayError):
    """The gateway will not take this message."""
