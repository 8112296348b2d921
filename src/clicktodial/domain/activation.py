"""What an activation takes: click-to-dial-v1 2, "Completion of Business Activation"."""

import re
from enum import StrEnum

from clicktodial.domain.principal import Role


class ActivationStep(StrEnum):
    """A line of the account manager's list, in the order of the specification."""

    CUSTOMER_RECORD = "customer-record"
    BASIC_PRODUCT = "basic-product"
    SERVICE_CODE = "service-code"
    CAPABILITY_PRODUCT = "capability-product"
    NUMBERS = "numbers"


class Product(StrEnum):
    """What is subscribed to."""

    BASIC = "basic-capability"
    CLICK_TO_DIAL = "click-to-dial"


# What has to be done before.
NEEDS: dict[ActivationStep, frozenset[ActivationStep]] = {
    ActivationStep.CUSTOMER_RECORD: frozenset(),
    ActivationStep.BASIC_PRODUCT: frozenset({ActivationStep.CUSTOMER_RECORD}),
    ActivationStep.SERVICE_CODE: frozenset({ActivationStep.CUSTOMER_RECORD}),
    ActivationStep.CAPABILITY_PRODUCT: frozenset({ActivationStep.BASIC_PRODUCT}),
    ActivationStep.NUMBERS: frozenset({ActivationStep.CAPABILITY_PRODUCT}),
}
# "or enterprise customers can order through the portal": products and numbers.
CUSTOMER_STEPS = frozenset({ActivationStep.CAPABILITY_PRODUCT, ActivationStep.NUMBERS})
STEP_ROLES = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
CUSTOMER_STEP_ROLES = frozenset({Role.OWNER})

# A short code of the network: with at most eight digits nobody's telephone number.
_SERVICE_CODE = re.compile(r"[0-9]{3,8}", re.ASCII)


def is_service_code(text: str) -> bool:
    """Whether it has the form of a short service code."""
    return _SERVICE_CODE.fullmatch(text) is not None
