"""What values of the platform are called in front of people: messages, by enumeration and value."""

from collections.abc import Mapping
from enum import StrEnum

from clicktodial.accounts.enterprise_change import ChangeState
from clicktodial.accounts.person import PersonState
from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.application import Capability
from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.enterprise import CallPolicy, EnterpriseState
from clicktodial.domain.event import CallStatus
from clicktodial.domain.intention import IntentionChannel, IntentionState
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import Scope
from clicktodial.domain.work_order import WorkOrderAction, WorkOrderKind, WorkOrderState
from clicktodial.portal.message.label import MESSAGE_LABELS
from clicktodial.portal.money.label import MONEY_LABELS
from clicktodial.portal.section import Section
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
    Capability: {
        Capability.CLICK_TO_DIAL: mark("Calls"),
        Capability.RECORDING: mark("Recording"),
        Capability.MESSAGES: mark("Messages"),
    },
    Scope: {Scope.PLATFORM: mark("Platform"), Scope.ENTERPRISE: mark("Enterprise")},
    EnterpriseState: {
        EnterpriseState.PROSPECT: mark("Getting ready"),
        EnterpriseState.IN_REVIEW: mark("In review"),
        EnterpriseState.APPROVED: mark("Being activated"),
        EnterpriseState.ACTIVE: mark("In service"),
        EnterpriseState.SUSPENDED: mark("Suspended"),
        EnterpriseState.CANCELLING: mark("Being cancelled"),
        EnterpriseState.CANCELLING_SUSPENDED: mark("Suspended, being cancelled"),
        EnterpriseState.CANCELLED: mark("Cancelled"),
    },
    IntentionState: {
        IntentionState.RESERVED: mark("Reserved"),
        IntentionState.ASSIGNED: mark("Assigned"),
        IntentionState.ENGAGED: mark("In talks"),
        IntentionState.WITHDRAWN: mark("Withdrawn"),
        IntentionState.DECLINED: mark("Declined"),
    },
    IntentionChannel: {
        IntentionChannel.PORTAL: mark("Online"),
        IntentionChannel.HOTLINE: mark("Hotline"),
    },
    WorkOrderKind: {
        WorkOrderKind.QUALIFICATION: mark("Qualification"),
        WorkOrderKind.ACTIVATION: mark("Activation"),
        WorkOrderKind.NUMBER_ORDER: mark("Order of numbers"),
        WorkOrderKind.MODIFICATION: mark("Modification"),
        WorkOrderKind.SUSPENSION: mark("Suspension"),
        WorkOrderKind.RESUMPTION: mark("Resumption"),
        WorkOrderKind.CANCELLATION: mark("Cancellation"),
        WorkOrderKind.TEMPLATE_REVIEW: mark("Message template"),
    },
    WorkOrderState: {
        WorkOrderState.OPEN: mark("Open"),
        WorkOrderState.APPROVED: mark("Approved"),
        WorkOrderState.REJECTED: mark("Rejected"),
        WorkOrderState.WITHDRAWN: mark("Withdrawn"),
        WorkOrderState.ARCHIVED: mark("Archived"),
    },
    WorkOrderAction: {
        WorkOrderAction.OPEN: mark("Submitted"),
        WorkOrderAction.ASSIGN: mark("Assigned"),
        WorkOrderAction.APPROVE: mark("Approved"),
        WorkOrderAction.REJECT: mark("Rejected"),
        WorkOrderAction.WITHDRAW: mark("Withdrawn"),
        WorkOrderAction.ARCHIVE: mark("Archived"),
    },
    ChangeState: {
        ChangeState.REQUESTED: mark("Requested"),
        ChangeState.SCHEDULED: mark("Scheduled"),
        ChangeState.DONE: mark("In force"),
        ChangeState.REJECTED: mark("Rejected"),
        ChangeState.WITHDRAWN: mark("Withdrawn"),
        ChangeState.VOID: mark("Could not be done"),
    },
    DocumentKind: {
        DocumentKind.CERTIFICATE: mark("Business licence"),
        DocumentKind.REPRESENTATIVE_ID_FRONT: mark("Legal representative's ID, front"),
        DocumentKind.REPRESENTATIVE_ID_BACK: mark("Legal representative's ID, back"),
        DocumentKind.HANDLER_ID_FRONT: mark("Handler's ID, front"),
        DocumentKind.HANDLER_ID_BACK: mark("Handler's ID, back"),
        DocumentKind.OTHER: mark("Other document"),
    },
    ActivationStep: {
        ActivationStep.CUSTOMER_RECORD: mark("Create the customer record"),
        ActivationStep.BASIC_PRODUCT: mark("Order the basic product"),
        ActivationStep.SERVICE_CODE: mark("Assign the short service code"),
        ActivationStep.CAPABILITY_PRODUCT: mark("Order click-to-dial"),
        ActivationStep.NUMBERS: mark("Order numbers"),
    },
    CallPolicy: {
        CallPolicy.AT_ONCE: mark("End them at once"),
        CallPolicy.WHEN_ENDED: mark("Let them end by themselves"),
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
