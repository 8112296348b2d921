"""Errors of the SIP package.

SipError
+-- MalformedMessage    a datagram that is no SIP message
+-- SdpError            a body that describes no audio we can use
+-- BadInfo             an INFO that tells of no key
+-- SessionStateError   a command without meaning in the session's state
+-- RegistrationStateError  an input without meaning in the registration's state
+-- PassportError       a PASSporT that cannot be made
"""


class SipError(Exception):
    """Something is wrong in SIP."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class MalformedMessage(SipError):
    """The datagram is no SIP message."""


class SdpError(SipError):
    """The body describes no audio stream that we can use."""


class BadInfo(SipError):
    """The INFO's body tells of no key."""


class SessionStateError(SipError):
    """The command has no meaning in the session's state."""


class RegistrationStateError(SipError):
    """The input has no meaning in the registration's state."""


class PassportError(SipError):
    """A PASSporT cannot be made."""
