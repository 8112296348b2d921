"""What values of support are called in front of people."""

from collections.abc import Mapping
from enum import StrEnum

from clicktodial.domain.roster import Line
from clicktodial.domain.ticket import (
    TicketCategory,
    TicketChannel,
    TicketClock,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.domain.ticket_clock import ClockState
from clicktodial.portal.text import mark

SUPPORT_LABELS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    TicketState: {
        TicketState.NEW: mark("New"),
        TicketState.ASSIGNED: mark("In hand"),
        TicketState.WAITING: mark("Waiting for the customer"),
        TicketState.ANSWERED: mark("Answered"),
        TicketState.ESCALATED: mark("Escalated"),
        TicketState.RESOLVED: mark("Resolved"),
        TicketState.REOPENED: mark("Reopened"),
        TicketState.CLOSED: mark("Closed"),
    },
    TicketPriority: {
        TicketPriority.EMERGENCY: mark("Emergency"),
        TicketPriority.HIGH: mark("High"),
        TicketPriority.NORMAL: mark("Normal"),
        TicketPriority.LOW: mark("Low"),
    },
    TicketCategory: {
        TicketCategory.BUSINESS_INQUIRY: mark("A question about the business"),
        TicketCategory.FAULT: mark("Something does not work"),
        TicketCategory.BILLING: mark("Minutes and money"),
        TicketCategory.NUMBER: mark("Numbers"),
        TicketCategory.RECORDING: mark("Recordings"),
        TicketCategory.MESSAGE: mark("Messages"),
        TicketCategory.MEMBER: mark("Members"),
        TicketCategory.API: mark("The API"),
        TicketCategory.OTHER: mark("Something else"),
    },
    TicketChannel: {
        TicketChannel.ACCOUNT_MANAGER: mark("Account manager"),
        TicketChannel.HOTLINE_10086_8: mark("Hotline 10086-8"),
        TicketChannel.HOTLINE_4001100868: mark("Hotline 4001100868"),
        TicketChannel.PORTAL: mark("Console"),
    },
    TicketQueue: {
        TicketQueue.SUPPORT: mark("Support desk"),
        TicketQueue.SECOND_LINE: mark("Second line"),
        TicketQueue.THIRD_LINE: mark("Third line"),
    },
    TicketClock: {
        TicketClock.RESPONSE: mark("First response"),
        TicketClock.RESOLUTION: mark("Resolution"),
    },
    ClockState: {
        ClockState.RUNNING: mark("Runs"),
        ClockState.STANDING: mark("Paused"),
        ClockState.KEPT: mark("Met"),
        ClockState.MISSED: mark("Breached"),
    },
    Line: {Line.SECOND: mark("Second line"), Line.THIRD: mark("Third line")},
}
