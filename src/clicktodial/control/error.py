"""Why a request about a call was refused. Each API has its own table from these to answers.

ControlError
├── NumberNotAuthorized
├── CallNotFound
├── CallHasEnded
├── NotConnected
├── NotRecorded
├── ConditionNotMet
├── CapabilityMissing
├── LimitReached
├── ApplicationLimitReached
├── MessageNotApproved
├── MessageTooLong
├── PoolEmpty
├── CapReached
├── PartyUnreachable
├── PairHasCall
├── KeyReused
├── PartyBlacklisted
├── CallerNotMember
├── CalleeNotToBeCalled
├── CalleeInQuietHours
├── CalleeCalledTooOften
└── Overloaded
"""

from clicktodial.domain.cause import Side


class ControlError(Exception):
    """The request was refused."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class NumberNotAuthorized(ControlError):
    """The sponsor is not a number that this application may show."""


class CallNotFound(ControlError):
    """This application has no call of that identifier."""


class CallHasEnded(ControlError):
    """The call is over."""


class NotConnected(ControlError):
    """The parties are not joined."""


class NotRecorded(ControlError):
    """The call is not recorded."""


class ConditionNotMet(ControlError):
    """The release's condition does not hold."""


class CapabilityMissing(ControlError):
    """The application has not the capability that this call needs."""


class LimitReached(ControlError):
    """A limit of the enterprise is reached."""

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ApplicationLimitReached(ControlError):
    """A limit of the application is reached."""

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MessageNotApproved(ControlError):
    """The application has no approved message for that direction."""


class MessageTooLong(ControlError):
    """The message that is to follow the call would be too long."""


class PoolEmpty(ControlError):
    """The enterprise has no minutes left."""


class CapReached(ControlError):
    """A cap of the member, the department or the application is reached."""


class PartyUnreachable(ControlError):
    """No trunk can be asked for a party now."""

    def __init__(self, message: str | None = None, *, side: Side = Side.CALLEE) -> None:
        super().__init__(message)
        self.side = side


class PairHasCall(ControlError):
    """The application has a call between the two, and asked for it by an API that gives a pair
    one at a time."""


class KeyReused(ControlError):
    """The idempotency key was used for another request."""


class PartyBlacklisted(ControlError):
    """A party is on the operator's blacklist."""

    def __init__(self, message: str | None = None, *, side: Side = Side.CALLEE) -> None:
        super().__init__(message)
        self.side = side


class CallerNotMember(ControlError):
    """The caller is no member of the enterprise, and only members may call."""


class CalleeNotToBeCalled(ControlError):
    """The callee is on a do-not-call list."""


class CalleeInQuietHours(ControlError):
    """It is a quiet hour where the callee is."""


class CalleeCalledTooOften(ControlError):
    """The callee has been called as often as it may be."""


class Overloaded(ControlError):
    """The platform takes no more calls at the moment."""

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
