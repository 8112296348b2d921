"""What enterprises do: they sign up, order numbers, write templates, and leave."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from clicktodial.accounts.business import Business, create_business
from clicktodial.accounts.business_clock import BusinessClock
from clicktodial.accounts.erasure import PersonalDataEraser
from clicktodial.accounts.number import has_number
from clicktodial.api.management.number_desks import NumberDesks, create_number_desks
from clicktodial.billing.pool import end_packages
from clicktodial.composition.foundation import Foundation
from clicktodial.domain.enterprise import CallPolicy
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.messaging.driver import message_limits
from clicktodial.messaging.template import Templates


@dataclass(frozen=True, slots=True)
class Enterprises:
    """The use cases about enterprises, and about what they order."""

    business: Business
    numbers: NumberDesks
    templates: Templates


def open_enterprises(base: Foundation) -> Enterprises:
    """What falls due is done from now on."""
    settings = base.settings
    numbers = create_number_desks(
        base.transactions,
        base.administration,
        settings.numbers,
        region=base.region,
        random=Random(),
    )
    templates = Templates(base.transactions, message_limits(settings.messages))
    business = create_business(
        base.transactions,
        base.vault,
        documents_root=settings.documents_dir,
        default_region=base.region,
        calls=CallPolicy(settings.business.running_calls),
        has_numbers=has_number,
        further_handlers={
            WorkOrderKind.NUMBER_ORDER: numbers.orders,
            WorkOrderKind.TEMPLATE_REVIEW: templates,
        },
        on_cancelled=[numbers.giving_back, end_packages, templates.end_enterprise],
    )
    retention = timedelta(days=settings.business.data_retention_days)
    eraser = PersonalDataEraser(base.transactions, business.store, retention=retention)
    clock = BusinessClock(business.changes, eraser, base.clock.utc, base.take_up_changes)
    base.background.run("business_clock", clock.run())
    return Enterprises(business, numbers, templates)
