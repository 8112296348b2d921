"""What is answered to somebody who is refused, in words for people.

PortalError
├── FormForged
└── PageNotOpen
"""

from dataclasses import dataclass

from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from clicktodial.accounts.error import (
    CodeRequired,
    CredentialsWrong,
    RegistrationClosed,
    TooManyAttempts,
)
from clicktodial.control.error import CallHasEnded, CallNotFound, ControlError, Overloaded
from clicktodial.control.port import StoreError
from clicktodial.portal.form import FormUnreadable
from clicktodial.portal.text import mark
from clicktodial.storage.error import (
    AdministrationError,
    AlreadyExists,
    Conflict,
    DatabaseUnavailable,
    NotFound,
    NotPermitted,
    StorageError,
    ValueInvalid,
)
from clicktodial.web.request import BodyTooLong


class PortalError(Exception):
    """The console does not answer that."""


class FormForged(PortalError):
    """The form was not one that this session was given."""


class PageNotOpen(PortalError):
    """The page is not for the roles of who asks."""


class EnterpriseEnded(PortalError):
    """Nothing of an enterprise that has come to its end is changed any more."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A page or a toast: `code` is what the audit log says, `title` and `text` are messages."""

    status: int
    code: str
    title: str
    text: str


NOT_FOUND = Trouble(
    404,
    "not-found",
    mark("There is nothing here"),
    mark("What you look for does not exist, or is not yours to see."),
)
NOT_PERMITTED = Trouble(
    403,
    "not-permitted",
    mark("This is not for you"),
    mark("Your roles do not allow this. Ask an owner of your team for another role."),
)
FORGED = Trouble(
    403,
    "form-expired",
    mark("This form is out of date"),
    mark("It belongs to another session. Go back, load the page again and send it once more."),
)
UNREADABLE = Trouble(
    400,
    "form-unreadable",
    mark("That could not be read"),
    mark("What your browser sent is no form of this page. Load the page and try again."),
)
TOO_LONG = Trouble(
    413,
    "body-too-long",
    mark("That is too large"),
    mark("What was sent is larger than this page takes."),
)
METHOD = Trouble(405, "method-not-allowed", NOT_FOUND.title, NOT_FOUND.text)
CONFLICT = Trouble(
    409,
    "conflict",
    mark("That cannot be done now"),
    mark("Somebody else may have changed it meanwhile. Load the page again to see."),
)
INVALID = Trouble(
    422,
    "invalid-value",
    mark("That does not fit"),
    mark("Something that was sent is not as it must be."),
)
ENDED = Trouble(
    403,
    "enterprise-inactive",
    mark("Your enterprise has left the service"),
    mark("Nothing of it changes any more. You may still read it all, and ask for help."),
)
WAIT = Trouble(
    429,
    "too-many-attempts",
    mark("Too many attempts"),
    mark("Wait a little before you try again."),
)
BUSY = Trouble(
    503,
    "overloaded",
    mark("Very busy just now"),
    mark("The console answers as many people as it can. Try again in a moment."),
)
UNAVAILABLE = Trouble(
    503,
    "unavailable",
    mark("Out of order for a moment"),
    mark("The database cannot be reached. Calls under way go on; try again in a moment."),
)
FAULT = Trouble(
    500,
    "internal-error",
    mark("Something went wrong"),
    mark("The fault is ours, and the log has it. Nothing that you sent is to blame."),
)

_TROUBLE_BY_ERROR: dict[type[Exception], Trouble] = {
    FormForged: FORGED,
    PageNotOpen: NOT_PERMITTED,
    EnterpriseEnded: ENDED,
    FormUnreadable: UNREADABLE,
    BodyTooLong: TOO_LONG,
    RequestEntityTooLarge: TOO_LONG,
    NotFound: NOT_FOUND,
    NotPermitted: NOT_PERMITTED,
    Conflict: CONFLICT,
    AlreadyExists: CONFLICT,
    ValueInvalid: INVALID,
    TooManyAttempts: WAIT,
    CredentialsWrong: NOT_PERMITTED,
    CodeRequired: NOT_PERMITTED,
    RegistrationClosed: NOT_PERMITTED,
    CallNotFound: NOT_FOUND,
    CallHasEnded: CONFLICT,
    Overloaded: BUSY,
    ControlError: CONFLICT,
    DatabaseUnavailable: UNAVAILABLE,
    StoreError: UNAVAILABLE,
    AdministrationError: CONFLICT,
    StorageError: FAULT,
}
TROUBLE_BY_STATUS = {400: UNREADABLE, 404: NOT_FOUND, 405: METHOD, 413: TOO_LONG}
# Of these the use case says in its own words what is wrong.
TOLD = frozenset({CONFLICT, INVALID})


def trouble_of(error: Exception) -> Trouble:
    """What is answered to it; FAULT for a fault of ours."""
    kinds = type(error).__mro__
    return next((_TROUBLE_BY_ERROR[kind] for kind in kinds if kind in _TROUBLE_BY_ERROR), FAULT)
