"""The activation of an approved enterprise: a list that its account manager works off, each line
with who and when, and a work order that is archived when all of it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select, update

from clicktodial.accounts.scope import require_visible
from clicktodial.accounts.work_order import (
    find_last_work_order,
    find_live_work_order,
    open_work_order,
)
from clicktodial.domain.activation import (
    CUSTOMER_STEP_ROLES,
    CUSTOMER_STEPS,
    NEEDS,
    STEP_ROLES,
    ActivationStep,
    Product,
    is_service_code,
)
from clicktodial.domain.enterprise import EnterpriseMove, EnterpriseState
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.storage import table
from clicktodial.storage.business_table import (
    activation_step,
    customer_record,
    product_subscription,
    service_code,
)
from clicktodial.storage.enterprise_row import move_enterprise, read_state
from clicktodial.storage.error import Conflict, NotPermitted, ValueInvalid
from clicktodial.storage.transaction import Transactions

# Whether an enterprise has the numbers that it needs to place calls.
NumbersCheck: TypeAlias = Callable[[Connection, str], bool]


@dataclass(frozen=True, slots=True)
class StepState:
    """A line of the list. `result` is what came of it: a number, a code, a product."""

    step: ActivationStep
    result: str | None = None
    done_by: str | None = None
    done_at: datetime | None = None

    @property
    def is_done(self) -> bool:
        return self.done_at is not None


@dataclass(frozen=True, slots=True)
class Activation:
    """The list, in the order of the specification, and its work order, if there is one."""

    steps: tuple[StepState, ...]
    order: WorkOrder | None


class Activations:
    """What people do with activations, and the handler of their work orders. All methods raise
    AdministrationError."""

    def __init__(self, transactions: Transactions, has_numbers: NumbersCheck) -> None:
        self._transactions = transactions
        self._has_numbers = has_numbers

    def show(self, principal: Principal, enterprise_id: str) -> Activation:
        """The list as it is."""
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return _read(connection, enterprise_id)

    def complete_step(
        self,
        principal: Principal,
        enterprise_id: str,
        step: ActivationStep,
        *,
        code: str | None = None,
        now: datetime,
    ) -> Activation:
        """Do a line of the list, once. `code` is the short service code, for that line alone.
        Products and numbers the customer may order, too."""
        roles = STEP_ROLES | (CUSTOMER_STEP_ROLES if step in CUSTOMER_STEPS else frozenset())
        if not principal.has_any(roles):
            raise NotPermitted
        with self._transactions.change("the code is another's already") as connection:
            row = require_visible(connection, principal, enterprise_id)
            if (code is not None) != (step is ActivationStep.SERVICE_CODE):
                raise ValueInvalid("a code is given for the step service-code, and no other")
            if EnterpriseState(row.state) is not EnterpriseState.APPROVED:
                raise Conflict(
                    worded("the enterprise is %(state)s", state=EnterpriseState(row.state))
                )
            done = {each.step for each in _read(connection, enterprise_id).steps if each.is_done}
            if step in done:
                raise Conflict("the step is done already")
            if not NEEDS[step] <= done:
                first = sorted(NEEDS[step] - done)
                raise Conflict(worded("to be done before: %(first)s", first=first))
            result = self._do(connection, principal, enterprise_id, step, code, now)
            connection.execute(
                insert(activation_step).values(
                    enterprise_id=enterprise_id,
                    step=step.value,
                    result=result,
                    done_by=principal.name,
                    done_at=now,
                )
            )
            return _read(connection, enterprise_id)

    def reopen(self, principal: Principal, enterprise_id: str, *, now: datetime) -> Activation:
        """A new work order, after one that was rejected; what was done stays done."""
        if not principal.has_any(STEP_ROLES):
            raise NotPermitted
        with self._transactions.change() as connection:
            require_visible(connection, principal, enterprise_id)
            if read_state(connection, enterprise_id) is not EnterpriseState.APPROVED:
                raise Conflict("only what is approved is activated")
            if find_live_work_order(
                connection, kind=WorkOrderKind.ACTIVATION, subject_id=enterprise_id
            ):
                raise Conflict("the activation is under way")
            open_activation(connection, enterprise_id, by=principal.name, now=now)
            return _read(connection, enterprise_id)

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """Approved, which takes all of the list, the enterprise is active."""
        if order.outcome is not WorkOrderState.APPROVED:
            return True
        steps = _read(connection, order.enterprise_id).steps
        left = [each.step for each in steps if not each.is_done]
        if left:
            raise Conflict(worded("still to be done: %(names)s", names=left))
        move_enterprise(connection, order.enterprise_id, EnterpriseMove.ACTIVATE, now=now)
        return True

    def _do(
        self,
        connection: Connection,
        principal: Principal,
        enterprise_id: str,
        step: ActivationStep,
        code: str | None,
        now: datetime,
    ) -> str:
        """Returns what came of it."""
        by = principal.name
        match step:
            case ActivationStep.CUSTOMER_RECORD:
                return _create_record(connection, enterprise_id, by=by, now=now)
            case ActivationStep.BASIC_PRODUCT:
                return order_product(connection, enterprise_id, Product.BASIC, by=by, now=now)
            case ActivationStep.SERVICE_CODE:
                assert code is not None
                return _assign_code(connection, enterprise_id, code, by=by, now=now)
            case ActivationStep.CAPABILITY_PRODUCT:
                return order_product(
                    connection, enterprise_id, Product.CLICK_TO_DIAL, by=by, now=now
                )
            case ActivationStep.NUMBERS:
                if not self._has_numbers(connection, enterprise_id):
                    raise Conflict("the enterprise has no numbers yet")
                return "ordered"


def open_activation(connection: Connection, enterprise_id: str, *, by: str, now: datetime) -> str:
    """The work order of an enterprise that was approved, for its account manager."""
    last = find_last_work_order(connection, kind=WorkOrderKind.ACTIVATION, subject_id=enterprise_id)
    columns = table.enterprise.c
    manager = connection.scalar(select(columns.account_manager).where(columns.id == enterprise_id))
    return open_work_order(
        connection,
        kind=WorkOrderKind.ACTIVATION,
        enterprise_id=enterprise_id,
        opened_by=by,
        subject_id=enterprise_id,
        details={},
        now=now,
        previous_id=None if last is None else last.work_order_id,
        assignee=manager,
    )


def order_product(
    connection: Connection, enterprise_id: str, product: Product, *, by: str, now: datetime
) -> str:
    """Subscribe the enterprise to it; returns its name."""
    values = {"ordered_by": by, "ordered_at": now}
    row = {"enterprise_id": enterprise_id, "product": product.value, **values}
    connection.execute(insert(product_subscription).values(row))
    return product.value


def end_subscriptions(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """With the enterprise's end: its products end, and its short code is free again."""
    columns = product_subscription.c
    connection.execute(
        update(product_subscription)
        .where(columns.enterprise_id == enterprise_id, columns.ended_at.is_(None))
        .values(ended_at=now)
    )
    connection.execute(delete(service_code).where(service_code.c.enterprise_id == enterprise_id))


def has_sponsor_number(connection: Connection, enterprise_id: str) -> bool:
    """Whether an application of the enterprise may show a number: then it may place calls."""
    numbers, applications = table.application_number, table.application
    query = (
        select(numbers.c.e164)
        .join(applications, applications.c.app_id == numbers.c.app_id)
        .where(applications.c.enterprise_id == enterprise_id)
        .limit(1)
    )
    return connection.scalar(query) is not None


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """What the operator's books know a customer by, and what it subscribed to."""

    customer_number: str | None
    products: tuple[str, ...]
    service_codes: tuple[str, ...]


def read_customer_record(connection: Connection, enterprise_id: str) -> CustomerRecord:
    """As it is; of an enterprise that was never activated, nothing."""
    record, product, code = customer_record.c, product_subscription.c, service_code.c
    return CustomerRecord(
        connection.scalar(
            select(record.customer_number).where(record.enterprise_id == enterprise_id)
        ),
        tuple(
            connection.scalars(
                select(product.product)
                .where(product.enterprise_id == enterprise_id, product.ended_at.is_(None))
                .order_by(product.ordered_at, product.product)
            )
        ),
        tuple(
            connection.scalars(
                select(code.code).where(code.enterprise_id == enterprise_id).order_by(code.code)
            )
        ),
    )


def _create_record(connection: Connection, enterprise_id: str, *, by: str, now: datetime) -> str:
    # From the end of a random identifier: dense numbers would tell how many customers there are.
    number = f"C{uuid_utils.uuid4().int % 10**12:012d}"
    row = {
        "enterprise_id": enterprise_id,
        "customer_number": number,
        "created_by": by,
        "created_at": now,
    }
    connection.execute(insert(customer_record).values(row))
    return number


def _assign_code(
    connection: Connection, enterprise_id: str, code: str, *, by: str, now: datetime
) -> str:
    if not is_service_code(code):
        raise ValueInvalid("a short service code has 3-8 digits")
    row = {"code": code, "enterprise_id": enterprise_id, "assigned_by": by, "assigned_at": now}
    connection.execute(insert(service_code).values(row))
    return code


def _read(connection: Connection, enterprise_id: str) -> Activation:
    columns = activation_step.c
    query = select(activation_step).where(columns.enterprise_id == enterprise_id)
    done: dict[str, Row[Any]] = {row.step: row for row in connection.execute(query)}
    steps = tuple(_step_of(step, done.get(step.value)) for step in ActivationStep)
    order = find_last_work_order(
        connection, kind=WorkOrderKind.ACTIVATION, subject_id=enterprise_id
    )
    return Activation(steps, order)


def _step_of(step: ActivationStep, row: Row[Any] | None) -> StepState:
    if row is None:
        return StepState(step)
    return StepState(step, row.result, row.done_by, row.done_at)
