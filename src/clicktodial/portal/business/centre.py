"""The authentication centre: how far a customer is on the way to the service, and what is next."""

from collections.abc import Mapping
from dataclasses import dataclass

from clicktodial.accounts.activation import Activation
from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.intention import Intention
from clicktodial.accounts.work_order import WorkOrderFilter
from clicktodial.domain.activation import CUSTOMER_STEPS, ActivationStep
from clicktodial.domain.enterprise import IN_SERVICE, EnterpriseState
from clicktodial.domain.intention import LIVE_INTENTIONS
from clicktodial.domain.principal import CUSTOMER_ROLES, Principal
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.portal.business.common import (
    HISTORY_MAX,
    MANAGERS,
    OWNER,
    REASON_CHARACTERS_MAX,
    Stage,
    moments_of,
    tone_of,
)
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Card,
    Nav,
    Page,
    Redirect,
    Section,
    ToastKind,
    View,
    Visit,
)
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, Conflict, ValueInvalid

# Of the newest orders a change is seen at once; older ones are decided long since.
_WATCHED = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an enterprise is. `missing` is None for whoever may not know."""

    enterprise: Enterprise
    intentions: list[Intention]
    orders: list[WorkOrder]
    activation: Activation
    missing: tuple[str, ...] | None

    @property
    def live_intention(self) -> Intention | None:
        """The one that is under way."""
        return next((each for each in self.intentions if each.state in LIVE_INTENTIONS), None)

    @property
    def rejection(self) -> WorkOrder | None:
        """The last review, where it was rejected and nothing was submitted since."""
        reviews = [each for each in self.orders if each.kind is WorkOrderKind.QUALIFICATION]
        is_rejected = reviews and reviews[-1].outcome is WorkOrderState.REJECTED
        return reviews[-1] if is_rejected else None

    @property
    def stage(self) -> int:
        """Which step is being worked on."""
        return Stage.of(self.enterprise, self.intentions, is_complete=self.missing == ())


def read_progress(
    needs: ConsoleNeeds, principal: Principal, enterprise_id: str, *, may_read: bool
) -> Progress:
    """All of it; blocks. `may_read`: whoever may know what is missing."""
    business = needs.business
    enterprise = business.enterprises.show(principal, enterprise_id)
    return Progress(
        enterprise,
        business.intentions.list_intentions(principal, enterprise_id=enterprise_id),
        business.work_orders.list_orders(
            principal,
            WorkOrderFilter(enterprise_id=enterprise_id),
            limit=HISTORY_MAX,
            is_newest_first=True,
        )[::-1],
        business.activations.show(principal, enterprise_id),
        business.documents.list_documents(principal, enterprise_id)[1] if may_read else None,
    )


class CentrePages:
    """GET /centre, and the steps that a customer takes there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The way, what is next, and what happened so far."""
        principal = visit.principal
        assert principal.enterprise_id is not None
        enterprise_id, is_owner = principal.enterprise_id, visit.may(OWNER)

        def read() -> tuple[Progress, dict[str, str]]:
            progress = read_progress(self._needs, principal, enterprise_id, may_read=is_owner)
            people = [each.opened_by for each in progress.orders]
            people += [each.submitted_by for each in progress.intentions]
            return progress, dict(self._needs.names.accounts(principal, people))

        progress, accounts = await self._needs.worker.run(read)
        return View(
            "business/centre.html",
            {
                "progress": progress,
                "enterprise": progress.enterprise,
                "states": EnterpriseState,
                "steps": [visit.words.look_up(each) for each in Stage.LABELS],
                "is_owner": is_owner,
                "customer_steps": CUSTOMER_STEPS,
                "moments": moments_of(
                    visit, progress.intentions, progress.orders, progress.activation
                ),
                "accounts": accounts,
                "tone": tone_of,
            },
        )

    async def watch(self, visit: Visit) -> Watch:
        """The state, and the orders that change with it."""
        principal = visit.principal
        assert principal.enterprise_id is not None
        enterprise_id = principal.enterprise_id

        def ask() -> object:
            business = self._needs.business
            newest = business.work_orders.list_orders(
                principal,
                WorkOrderFilter(enterprise_id=enterprise_id),
                limit=_WATCHED,
                is_newest_first=True,
            )
            return (
                business.enterprises.show(principal, enterprise_id),
                [(each.work_order_id, each.state, each.outcome) for each in newest],
                business.activations.show(principal, enterprise_id).steps,
            )

        return Watch(("centre", enterprise_id), ask)

    async def submit(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/review"""
        await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        await self._needs.worker.run(
            lambda: self._needs.business.reviews.submit(principal, enterprise_id, now=visit.now)
        )
        return Redirect(self._home(visit), toast=visit.gettext("Submitted for review."))

    async def withdraw(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/review/withdraw"""
        form = await visit.read_form()
        reason = form.text("reason", is_required=False, characters_max=REASON_CHARACTERS_MAX)
        if not form.is_valid:
            raise ValueInvalid("the reason is too long")
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        await self._needs.worker.run(
            lambda: self._needs.business.reviews.withdraw(
                principal, enterprise_id, reason=reason, now=visit.now
            )
        )
        return Redirect(
            self._home(visit), toast=visit.gettext("Taken back: correct what you like.")
        )

    async def complete_step(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/activation/steps: the step is in the form."""
        form = await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        # Whose it is not learns nothing of what a form would have to hold.
        await self._needs.worker.run(
            lambda: self._needs.business.enterprises.show(principal, enterprise_id)
        )
        step = form.one_of("step", ActivationStep)
        code = form.text("code", is_required=False, characters_max=8) or None
        if step is None or not form.is_valid:
            raise ValueInvalid("an activation has no such step")
        try:
            await self._needs.worker.run(
                lambda: self._needs.business.activations.complete_step(
                    principal, enterprise_id, step, code=code, now=visit.now
                )
            )
        except (Conflict, AlreadyExists, ValueInvalid) as error:
            visit.notes.outcome = "conflict"
            toast = visit.explain(error)
            return Redirect(self._home(visit), toast=toast, kind=ToastKind.FAILED)
        return Redirect(self._home(visit), toast=visit.gettext("Done."))

    def _home(self, visit: Visit) -> str:
        if visit.principal.enterprise_id is not None:
            return visit.link("centre")
        return visit.link("customer", enterprise_id=visit.path["enterprise_id"])

    async def reopen(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/activation/reopen"""
        await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        await self._needs.worker.run(
            lambda: self._needs.business.activations.reopen(principal, enterprise_id, now=visit.now)
        )
        return Redirect(self._home(visit), toast=visit.gettext("The activation goes on."))

    # The overview

    async def load_card(self, visit: Visit) -> Mapping[str, object]:
        """What is to be known of a review or an activation, until the service is open."""
        principal = visit.principal
        assert principal.enterprise_id is not None
        enterprise_id, is_owner = principal.enterprise_id, visit.may(OWNER)
        business = self._needs.business

        def read() -> Progress | None:
            state = business.enterprises.show(principal, enterprise_id).state
            if state in IN_SERVICE or state is EnterpriseState.CANCELLED:
                return None
            return read_progress(self._needs, principal, enterprise_id, may_read=is_owner)

        return {"progress": await self._needs.worker.run(read)}

    def cards(self) -> list[Card]:
        """What the overview has."""
        return [
            Card(
                name="centre",
                order=0,
                roles=CUSTOMER_ROLES,
                template="business/way.html",
                load=self.load_card,
            )
        ]

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="centre",
                path="/centre",
                title=mark("Authentication centre"),
                roles=CUSTOMER_ROLES,
                show=self.show,
                operations=("showEnterprise", "showReview", "showActivation"),
                nav=Nav(Section.BUSINESS, 5, "badge-check"),
                watch=self.watch,
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/enterprises/{enterprise_id}"
        return [
            Action(
                operation="submitReview",
                path=path + "/review",
                roles=OWNER | MANAGERS,
                handle=self.submit,
            ),
            Action(
                operation="withdrawReview",
                path=path + "/review/withdraw",
                roles=OWNER | MANAGERS,
                handle=self.withdraw,
            ),
            Action(
                operation="completeActivationStep",
                path=path + "/activation/steps",
                roles=OWNER | MANAGERS,
                handle=self.complete_step,
            ),
            Action(
                operation="reopenActivation",
                path=path + "/activation/reopen",
                roles=MANAGERS,
                handle=self.reopen,
            ),
        ]
