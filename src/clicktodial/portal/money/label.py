"""What values of billing are called in front of people."""

from collections.abc import Mapping
from enum import StrEnum

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
    PackageKind: {
        PackageKind.ONE_OFF: mark("Once"),
        PackageKind.MONTHLY: mark("Each month"),
        PackageKind.OVERAGE: mark("Overage"),
    },
}
