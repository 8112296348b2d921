"""What values of the platform are called in front of people: messages, by enumeration and value."""

from collections.abc import Mapping
from enum import StrEnum

from clicktodial.accounts.person import PersonState
from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.principal import Role
from clicktodial.portal.message.label import MESSAGE_LABELS
from clicktodial.portal.money.label import MONEY_LABELS
from clicktodial.portal.page import Section
from clicktodial.portal.support.label import SUPPORT_LABELS
from clicktodial.portal.text import mark

# Values of two enumerations may be spelled alike, so each has a table of its own; a test holds
# that none lacks a value.
LABELS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Section: {
        Section.TOP: "",
        Section.CALLING: mark("Calling"),
        Section.BUSINESS: mark("Business"),
        Section.MONEY: mark("Money"),
        Section.HELP: mark("Help"),
        Section.DESK: mark("Desk"),
        Section.SYSTEM: mark("System"),
        Section.SETTINGS: mark("Settings"),
    },
    Role: {
        Role.OWNER: mark("Owner"),
        Role.DEVELOPER: mark("Developer"),
        Role.FINANCE: mark("Finance"),
        Role.READER: mark("Reader"),
        Role.ACCOUNT_MANAGER: mark("Account manager"),
        Role.REVIEWER: mark("Reviewer"),
        Role.SUPPORT: mark("Support"),
        Role.OPERATOR: mark("Operator"),
        Role.APPLICATION: mark("Application"),
    },
    PersonState: {
        PersonState.ACTIVE: mark("Active"),
        PersonState.DISABLED: mark("Disabled"),
    },
    Side: {Side.CALLER: mark("Caller"), Side.CALLEE: mark("Callee")},
    CallState: {
        CallState.INITIATING: mark("Starting"),
        CallState.CALLING_CALLER: mark("Calling the caller"),
        CallState.PROVING_PRESENCE: mark("Waiting for a person"),
        CallState.CALLING_CALLEE: mark("Calling the callee"),
        CallState.ANNOUNCING: mark("Announcement"),
        CallState.CONNECTED: mark("In conversation"),
        CallState.FINISHING: mark("Ending"),
        CallState.ENDED: mark("Ended"),
    },
    CallStatus: {
        CallStatus.CALLING_CALLER: mark("Calling the caller"),
        CallStatus.CALLING_CALLEE: mark("Calling the callee"),
        CallStatus.CONNECTED: mark("Connected"),
        CallStatus.DISCONNECTED: mark("Ended"),
    },
    EndReason: {
        EndReason.HANG_UP: mark("Completed"),
        EndReason.CALLER_BUSY: mark("Caller busy"),
        EndReason.CALLER_NO_ANSWER: mark("Caller did not answer"),
        EndReason.CALLER_FAILURE: mark("Caller not reached"),
        EndReason.CALLER_ABANDON: mark("Caller hung up early"),
        EndReason.CALLEE_BUSY: mark("Callee busy"),
        EndReason.CALLEE_NO_ANSWER: mark("Callee did not answer"),
        EndReason.CALLEE_FAILURE: mark("Callee not reached"),
        EndReason.OTHER: mark("Other"),
    },
    DeliveryState: {
        DeliveryState.PENDING: mark("Under way"),
        DeliveryState.DELIVERED: mark("Delivered"),
        DeliveryState.GIVEN_UP: mark("Given up"),
        DeliveryState.NONE: mark("Not wanted"),
    },
    EndStage: {
        EndStage.CALLING_CALLER: mark("while the caller was called"),
        EndStage.CALLING_CALLEE: mark("while the callee was called"),
        EndStage.CONNECTED: mark("in conversation"),
    },
    EndedBy: {
        EndedBy.CALLER: mark("The caller"),
        EndedBy.CALLEE: mark("The callee"),
        EndedBy.APPLICATION: mark("The application"),
        EndedBy.PLATFORM: mark("The platform"),
    },
    LegOutcome: {
        LegOutcome.HUNG_UP: mark("hung up"),
        LegOutcome.BUSY: mark("busy"),
        LegOutcome.DECLINED: mark("declined"),
        LegOutcome.NO_ANSWER: mark("no answer"),
        LegOutcome.FAILED: mark("not reached"),
    },
    **MESSAGE_LABELS,
    **MONEY_LABELS,
    **SUPPORT_LABELS,
}


def label_of(value: StrEnum) -> str:
    """The message for a value. Raises KeyError for an enumeration that has no table."""
    return LABELS[type(value)][value]
