"""`/enterprises`: what they are, their review, activation and changes of status."""

from dataclasses import asdict
from typing import Annotated, Any

from msgspec import Meta, field

from clicktodial.accounts.activation import Activation
from clicktodial.accounts.customer_data import WRITING_ROLES
from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.enterprise_change import (
    REQUESTING_ROLES,
    Change,
    ChangeState,
    Modification,
    NewChange,
)
from clicktodial.accounts.review import Review
from clicktodial.api.management.business import (
    ENTERPRISE,
    LIST_PARAMETERS,
    PURPOSE,
    REGION,
    BusinessNeeds,
    ReasonGiven,
    ReasonText,
    cut_page,
    parse_place,
    parse_words,
    word_parameter,
)
from clicktodial.api.management.paging import parse_limit
from clicktodial.api.management.problem import (
    ALREADY_EXISTS,
    CONFLICT,
    INVALID_VALUE,
    NOT_FOUND,
    NOT_PERMITTED,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.work_order import WorkOrderView, render_order
from clicktodial.domain.activation import CUSTOMER_STEP_ROLES, STEP_ROLES, ActivationStep
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import CallPolicy, EnterpriseState
from clicktodial.domain.principal import CUSTOMER_ROLES, STAFF_ROLES, Role
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.table import NAME_CHARACTERS_MAX, WORD_CHARACTERS_MAX

_SEEING = STAFF_ROLES | CUSTOMER_ROLES
_CHANGE = Parameter("change_id", "The request.", {"type": "string"}, example="0" * 32)
_STEP = Parameter(
    "step",
    "The line of the list.",
    {"type": "string", "enum": [step.value for step in ActivationStep]},
    example=ActivationStep.CAPABILITY_PRODUCT.value,
)
_Code = Annotated[str, Meta(max_length=8, description="The short code, of service-code alone.")]
_Text = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
_Region = Annotated[str, Meta(min_length=1, max_length=WORD_CHARACTERS_MAX)]
_Kind = Annotated[
    str,
    Meta(pattern="^(modification|suspension|resumption|cancellation)$"),
]


class EnterpriseView(Strict, frozen=True):
    """An enterprise. `status` is what of its `state` concerns calls."""

    enterprise_id: str
    name: str
    state: EnterpriseState
    status: EnterpriseStatus
    region: str | None
    account_manager: str | None
    state_since: Instant | None


class EnterpriseRecord(Strict, frozen=True):
    """An enterprise with what the operator's books know it by."""

    enterprise: EnterpriseView
    customer_number: str | None
    products: list[str]
    service_codes: list[str]


class EnterprisePage(Strict, frozen=True):
    """Enterprises, by identifier."""

    enterprises: list[EnterpriseView]
    next: str | None


class ReviewView(Strict, frozen=True):
    """A review, and the work order that decides it."""

    submitted_at: Instant
    work_order: WorkOrderView


class ActivationStepView(Strict, frozen=True):
    """A line of the list: what came of it, by whom and when."""

    step: ActivationStep
    is_done: bool
    result: str | None
    done_by: str | None
    done_at: Instant | None


class ActivationView(Strict, frozen=True):
    """What an activation takes, and the work order that ends it."""

    steps: list[ActivationStepView]
    work_order: WorkOrderView | None


class ActivationStepDone(Strict, frozen=True):
    """What a line of the list takes."""

    service_code: _Code | None = None


class ModificationView(Strict, frozen=True):
    """What is to be another; `data` are customer data by name."""

    name: _Name | None = None
    region: _Region | None = None
    data: dict[str, _Text] = field(default_factory=dict)


class StatusChangeRequest(Strict, frozen=True):
    """What is asked for. Without `effective_at` it holds as soon as it is approved; `calls` is
    what becomes of running calls; `decides` approves it in the same go, where the asker may."""

    kind: _Kind
    reason: ReasonText
    effective_at: Instant | None = None
    calls: CallPolicy | None = None
    modification: ModificationView | None = None
    decides: bool = False


class StatusChangeView(Strict, frozen=True):
    """A request. `modification` is told only where one is read by itself."""

    change_id: str
    enterprise_id: str
    kind: WorkOrderKind
    state: ChangeState
    reason: str
    effective_at: Instant | None
    calls: CallPolicy | None
    requested_by: str
    requested_at: Instant
    carried_out_at: Instant | None
    work_order_id: str
    modification: ModificationView | None


class StatusChangePage(Strict, frozen=True):
    """Requests, newest first."""

    status_changes: list[StatusChangeView]
    next: str | None


class EnterpriseResource:
    """Enterprises."""

    def __init__(self, needs: BusinessNeeds) -> None:
        self._enterprises = needs.business.enterprises
        self._reviews = needs.business.reviews
        self._activations = needs.business.activations
        self._changes = needs.business.changes
        self._worker = needs.worker

    async def list_all(self, ask: Ask) -> EnterprisePage:
        """GET of many"""
        query, limit, after = ask.query, parse_limit(ask.query), parse_place(ask.query)
        states = parse_words(query, "state", EnterpriseState)
        found = await self._worker.run(
            lambda: self._enterprises.list_enterprises(
                ask.principal,
                states=states,
                region=query.get("region"),
                account_manager=query.get("account_manager"),
                after=after,
                limit=limit + 1,
            )
        )
        page, following = cut_page(found, limit, lambda each: each.enterprise_id)
        return EnterprisePage(enterprises=[_render(each) for each in page], next=following)

    async def show(self, ask: Ask) -> EnterpriseRecord:
        """GET of one"""
        enterprise_id = ask.path["enterprise_id"]
        enterprise = await self._worker.run(
            lambda: self._enterprises.show(ask.principal, enterprise_id)
        )
        record = enterprise.record
        assert record is not None
        return EnterpriseRecord(
            enterprise=_render(enterprise),
            customer_number=record.customer_number,
            products=list(record.products),
            service_codes=list(record.service_codes),
        )

    async def show_review(self, ask: Ask) -> ReviewView:
        """GET .../review"""
        enterprise_id = ask.path["enterprise_id"]
        return _render_review(
            await self._worker.run(lambda: self._reviews.show(ask.principal, enterprise_id))
        )

    async def submit_review(self, ask: Ask) -> ReviewView:
        """POST .../review"""
        enterprise_id = ask.path["enterprise_id"]
        return _render_review(
            await self._worker.run(
                lambda: self._reviews.submit(ask.principal, enterprise_id, now=ask.now)
            )
        )

    async def withdraw_review(self, ask: Ask) -> ReviewView:
        """POST .../review/withdraw"""
        enterprise_id = ask.path["enterprise_id"]
        body = await ask.read(ReasonGiven, or_empty=ReasonGiven())
        return _render_review(
            await self._worker.run(
                lambda: self._reviews.withdraw(
                    ask.principal, enterprise_id, reason=body.reason, now=ask.now
                )
            )
        )

    async def show_activation(self, ask: Ask) -> ActivationView:
        """GET .../activation"""
        enterprise_id = ask.path["enterprise_id"]
        return _render_activation(
            await self._worker.run(lambda: self._activations.show(ask.principal, enterprise_id))
        )

    async def complete_step(self, ask: Ask) -> ActivationView:
        """POST .../activation/steps/{step}"""
        enterprise_id = ask.path["enterprise_id"]
        body = await ask.read(ActivationStepDone, or_empty=ActivationStepDone())
        try:
            step = ActivationStep(ask.path["step"])
        except ValueError as error:
            raise Refused(NOT_FOUND, "an activation has no such step") from error
        return _render_activation(
            await self._worker.run(
                lambda: self._activations.complete_step(
                    ask.principal, enterprise_id, step, code=body.service_code, now=ask.now
                )
            )
        )

    async def reopen_activation(self, ask: Ask) -> ActivationView:
        """POST .../activation/reopen"""
        enterprise_id = ask.path["enterprise_id"]
        return _render_activation(
            await self._worker.run(
                lambda: self._activations.reopen(ask.principal, enterprise_id, now=ask.now)
            )
        )

    async def request_change(self, ask: Ask) -> Created:
        """POST .../status-changes"""
        enterprise_id = ask.path["enterprise_id"]
        body = await ask.read(StatusChangeRequest)
        given = body.modification
        new = NewChange(
            kind=WorkOrderKind(body.kind),
            reason=body.reason,
            effective_at=body.effective_at,
            calls=body.calls,
            modification=None
            if given is None
            else Modification(given.name, given.region, given.data),
        )
        change = await self._worker.run(
            lambda: self._changes.request_change(
                ask.principal, enterprise_id, new, decides=body.decides, now=ask.now
            )
        )
        place = f"/enterprises/{enterprise_id}/status-changes/{change.change_id}"
        return Created(_render_change(change), place)

    async def list_changes(self, ask: Ask) -> StatusChangePage:
        """GET .../status-changes"""
        enterprise_id = ask.path["enterprise_id"]
        limit, before = parse_limit(ask.query), parse_place(ask.query)
        found = await self._worker.run(
            lambda: self._changes.list_changes(
                ask.principal, enterprise_id, before=before, limit=limit + 1
            )
        )
        page, following = cut_page(found, limit, lambda each: each.change_id)
        return StatusChangePage(
            status_changes=[_render_change(each) for each in page], next=following
        )

    async def show_change(self, ask: Ask) -> StatusChangeView:
        """GET .../status-changes/{change_id}"""
        enterprise_id, change_id = ask.path["enterprise_id"], ask.path["change_id"]
        change = await self._worker.run(
            lambda: self._changes.show_change(
                ask.principal,
                enterprise_id,
                change_id,
                purpose=ask.query.get("purpose", ""),
                now=ask.now,
            )
        )
        return _render_change(change)

    async def withdraw_change(self, ask: Ask) -> StatusChangeView:
        """POST .../status-changes/{change_id}/withdraw"""
        enterprise_id, change_id = ask.path["enterprise_id"], ask.path["change_id"]
        body = await ask.read(ReasonGiven, or_empty=ReasonGiven())
        change = await self._worker.run(
            lambda: self._changes.withdraw_change(
                ask.principal, enterprise_id, change_id, reason=body.reason, now=ask.now
            )
        )
        return _render_change(change)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._enterprise_routes(), *self._activation_routes(), *self._change_routes()]

    def _enterprise_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}"
        one: dict[str, Any] = {"tag": "Enterprises", "parameters": (ENTERPRISE,)}
        return [
            Route(
                name="listEnterprises",
                method="GET",
                path="/enterprises",
                tag="Enterprises",
                summary="List enterprises",
                about="Those that the asker may see, by identifier.",
                roles=_SEEING,
                handle=self.list_all,
                answer=EnterprisePage,
                query=(
                    word_parameter("state", "Only those in these states.", EnterpriseState),
                    REGION,
                    Parameter("account_manager", "Only that manager's.", {"type": "string"}),
                    *LIST_PARAMETERS,
                ),
            ),
            Route(
                name="showEnterprise",
                method="GET",
                path=path,
                summary="Read an enterprise",
                about="With its customer number, products and short codes.",
                roles=_SEEING,
                handle=self.show,
                answer=EnterpriseRecord,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="showReview",
                method="GET",
                path=path + "/review",
                summary="Read the state of the qualification review",
                about="The newest, with its work order, which says why one was rejected.",
                roles=_SEEING,
                handle=self.show_review,
                answer=ReviewView,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="submitReview",
                method="POST",
                path=path + "/review",
                summary="Ask for the qualification review",
                about="Once all data and documents are there; after a rejection, again.",
                roles=WRITING_ROLES,
                handle=self.submit_review,
                answer=ReviewView,
                problems=(NOT_FOUND, CONFLICT),
                **one,
            ),
            Route(
                name="withdrawReview",
                method="POST",
                path=path + "/review/withdraw",
                summary="Take the review back",
                about="Before it is decided, to correct something.",
                roles=WRITING_ROLES,
                handle=self.withdraw_review,
                body=ReasonGiven,
                is_body_optional=True,
                body_example={"reason": "A photo is to be replaced."},
                answer=ReviewView,
                problems=(NOT_FOUND, CONFLICT, INVALID_VALUE),
                **one,
            ),
        ]

    def _activation_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}/activation"
        shared: dict[str, Any] = {"tag": "Activation", "answer": ActivationView}
        one = shared | {"parameters": (ENTERPRISE,)}
        return [
            Route(
                name="showActivation",
                method="GET",
                path=path,
                summary="Read the list of an activation",
                about="What is done, by whom, and what is left.",
                roles=_SEEING,
                handle=self.show_activation,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="completeActivationStep",
                method="POST",
                path=path + "/steps/{step}",
                summary="Do a line of the list",
                about="Each once, in the order of the list but for the short code. The product "
                "and the numbers the customer may order, too. When all is done, the work order "
                "is approved and the enterprise is active.",
                roles=STEP_ROLES | CUSTOMER_STEP_ROLES,
                handle=self.complete_step,
                body=ActivationStepDone,
                is_body_optional=True,
                body_example={"service_code": "95001"},
                parameters=(ENTERPRISE, _STEP),
                problems=(NOT_FOUND, NOT_PERMITTED, INVALID_VALUE, CONFLICT, ALREADY_EXISTS),
                **shared,
            ),
            Route(
                name="reopenActivation",
                method="POST",
                path=path + "/reopen",
                summary="Open a rejected activation anew",
                about="What was done stays done.",
                roles=STEP_ROLES,
                handle=self.reopen_activation,
                problems=(NOT_FOUND, CONFLICT),
                **one,
            ),
        ]

    def _change_routes(self) -> list[Route]:
        path = "/enterprises/{enterprise_id}/status-changes"
        one: dict[str, Any] = {"tag": "Status changes", "parameters": (ENTERPRISE,)}
        of_change = one | {"parameters": (ENTERPRISE, _CHANGE), "answer": StatusChangeView}
        return [
            Route(
                name="requestStatusChange",
                method="POST",
                path=path,
                summary="Ask for a modification, suspension, resumption or cancellation",
                about="At once or on a day; decided by its work order.",
                roles=REQUESTING_ROLES,
                handle=self.request_change,
                body=StatusChangeRequest,
                body_example={"kind": "suspension", "reason": "Holidays", "calls": "when-ended"},
                answer=StatusChangeView,
                status=201,
                problems=(NOT_FOUND, NOT_PERMITTED, INVALID_VALUE, CONFLICT),
                **one,
            ),
            Route(
                name="listStatusChanges",
                method="GET",
                path=path,
                summary="List what was asked for",
                about="Newest first.",
                roles=_SEEING,
                handle=self.list_changes,
                answer=StatusChangePage,
                query=LIST_PARAMETERS,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="showStatusChange",
                method="GET",
                path=path + "/{change_id}",
                summary="Read a request",
                about="With what a modification would change, the reading of which is noted.",
                roles=REQUESTING_ROLES | {Role.REVIEWER},
                handle=self.show_change,
                query=(PURPOSE,),
                problems=(NOT_FOUND, INVALID_VALUE),
                **of_change,
            ),
            Route(
                name="withdrawStatusChange",
                method="POST",
                path=path + "/{change_id}/withdraw",
                summary="Take a request back",
                about="Until it is carried out.",
                roles=REQUESTING_ROLES,
                handle=self.withdraw_change,
                body=ReasonGiven,
                is_body_optional=True,
                body_example={"reason": "We stay."},
                problems=(NOT_FOUND, INVALID_VALUE, CONFLICT),
                **of_change,
            ),
        ]


def _render(enterprise: Enterprise) -> EnterpriseView:
    return EnterpriseView(
        enterprise_id=enterprise.enterprise_id,
        name=enterprise.name,
        state=enterprise.state,
        status=enterprise.status,
        region=enterprise.region,
        account_manager=enterprise.account_manager,
        state_since=enterprise.state_since,
    )


def _render_review(review: Review) -> ReviewView:
    return ReviewView(submitted_at=review.submitted_at, work_order=render_order(review.order))


def _render_activation(activation: Activation) -> ActivationView:
    return ActivationView(
        steps=[
            ActivationStepView(is_done=each.is_done, **asdict(each)) for each in activation.steps
        ],
        work_order=None if activation.order is None else render_order(activation.order),
    )


def _render_change(change: Change) -> StatusChangeView:
    given = change.modification
    return StatusChangeView(
        change_id=change.change_id,
        enterprise_id=change.enterprise_id,
        kind=change.kind,
        state=change.state,
        reason=change.reason,
        effective_at=change.effective_at,
        calls=change.calls,
        requested_by=change.requested_by,
        requested_at=change.requested_at,
        carried_out_at=change.carried_out_at,
        work_order_id=change.work_order_id,
        modification=None
        if given is None
        else ModificationView(name=given.name, region=given.region, data=given.data),
    )
