"""What values of billing are called in front of people."""

from collections.abc import Mapping
from enum import StrEnum

from clicktodial.billing.export_order import OrderFailure, OrderState
from clicktodial.billing.package import PackageKind
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.portal.text import mark

MONEY_LABELS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    CapScope: {
        CapScope.MEMBER: mark("Member"),
        CapScope.DEPARTMENT: mark("Department"),
        CapScope.APPLICATION: mark("Application"),
    },
    CapPeriod: {CapPeriod.DAY: mark("A day"), CapPeriod.MONTH: mark("A month")},
    OrderState: {
        OrderState.WAITING: mark("Waiting"),
        OrderState.RUNNING: mark("Being written"),
        OrderState.DONE: mark("Ready"),
        OrderState.FAILED: mark("Failed"),
        OrderState.DROPPED: mark("No longer kept"),
    },
    OrderFailure: {
        OrderFailure.NO_PARQUET: mark("The server has no Parquet: install clicktodial[parquet]."),
        OrderFailure.DISK: mark("The server could not write the file: its log says why."),
    },
    PackageKind: {
        PackageKind.ONE_OFF: mark("Once"),
        PackageKind.MONTHLY: mark("Each month"),
        PackageKind.OVERAGE: mark("Overage"),
    },
}
