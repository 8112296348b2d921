"""What can go wrong for an application.

ClickToDialError
├── NotAnswered             no whole answer came
├── InvalidAnswer           what came is no answer of this API
├── Refused                 the platform said no: status, code, message, correlator
│   ├── InvalidRequest      400, 422 and the like: asked again, it is refused again
│   ├── NotAuthenticated    401
│   ├── NotAllowed          403
│   ├── NotFound            404
│   ├── Conflict            409
│   │   └── CallHasEnded    there is nothing left to be ended or read
│   ├── LimitReached        429
│   └── Unavailable         5xx
└── NotificationInvalid     what came is no notification of the platform
    ├── SignatureInvalid    it was not signed with any of the secrets
    ├── NotificationStale   it was signed too long ago, or will be
    └── NotificationUnknown it was signed by the platform, and is of no kind known here
"""


class ClickToDialError(Exception):
    """An error of the Click to Dial client."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class NotAnswered(ClickToDialError):
    """No whole answer came: whether the platform did what was asked is not known."""


class InvalidAnswer(ClickToDialError):
    """What came is no answer of this API."""


class Refused(ClickToDialError):
    """The platform refused the request."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        message: str,
        correlator: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """`code` is the API's own, "" where it gave none; `correlator` finds the request in the
        platform's log; `retry_after_s` is how long it asks to be left alone."""
        super().__init__(f"{status} {code}: {message}" if code else f"{status}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.correlator = correlator
        self.retry_after_s = retry_after_s


class InvalidRequest(Refused):
    """The request is wrong, and would be refused again."""


class NotAuthenticated(Refused):
    """The credential is not good."""


class NotAllowed(Refused):
    """The application may not do that, or not now."""


class NotFound(Refused):
    """There is no such call or recording."""


class Conflict(Refused):
    """It does not go with what there is."""


class CallHasEnded(Conflict):
    """The call is over."""


class LimitReached(Refused):
    """Too many at once, or too fast."""


class Unavailable(Refused):
    """The platform cannot do it now."""


class NotificationInvalid(ClickToDialError):
    """What came is no notification of the platform."""


class SignatureInvalid(NotificationInvalid):
    """The notification is not signed with any of the secrets."""


class NotificationStale(NotificationInvalid):
    """The notification was signed too long ago, or its time is to come."""


class NotificationUnknown(NotificationInvalid):
    """The notification is of no kind that is known here."""
