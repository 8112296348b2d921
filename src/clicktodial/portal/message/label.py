"""What values of messages are called in front of people."""

from collections.abc import Mapping
from enum import StrEnum

from clicktodial.domain.message import (
    Channel,
    MessageState,
    TemplateRecipient,
    TemplateState,
)
from clicktodial.portal.text import mark

MESSAGE_LABELS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    MessageState: {
        MessageState.PLANNED: mark("Waits for the call"),
        MessageState.SKIPPED: mark("Not sent"),
        MessageState.QUEUED: mark("Queued"),
        MessageState.SENT: mark("Sent"),
        MessageState.DELIVERED: mark("Delivered"),
        MessageState.FAILED: mark("Failed"),
        MessageState.EXPIRED: mark("Expired"),
    },
    Channel: {Channel.SMS: mark("SMS"), Channel.MMS: mark("MMS")},
    TemplateRecipient: {
        TemplateRecipient.CALLER: mark("The caller"),
        TemplateRecipient.CALLEE: mark("The callee"),
        TemplateRecipient.BOTH: mark("Both"),
    },
    TemplateState: {
        TemplateState.DRAFT: mark("Draft"),
        TemplateState.IN_REVIEW: mark("In review"),
        TemplateState.APPROVED: mark("In use"),
        TemplateState.REJECTED: mark("Rejected"),
        TemplateState.RETIRED: mark("Retired"),
    },
}
