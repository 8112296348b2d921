"""The service of an enterprise: what may be asked for of it, what was, and what that means."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from clicktodial.accounts.consequence import Stake
from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.enterprise_change import (
    AHEAD_MAX,
    LIVE_CHANGES,
    REQUESTING_ROLES,
    Change,
    Modification,
    NewChange,
    find_possible,
)
from clicktodial.domain.enterprise import CallPolicy
from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.domain.work_order import DECIDERS, WorkOrderKind, WorkOrderStep
from clicktodial.portal.business.common import (
    DESK,
    MANAGERS,
    PURPOSE,
    REASON_CHARACTERS_MAX,
    place_of,
    tone_of,
)
from clicktodial.portal.business.paper import DATA_GROUPS, DATA_LABELS, read_data_form
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, Conflict, NotFound, NotPermitted, ValueInvalid

# As browsers write it: 2026-12-24T18:00.
_MOMENT_CHARACTERS_MAX = 20
_STOPPING = frozenset({WorkOrderKind.SUSPENSION, WorkOrderKind.CANCELLATION})


class When(StrEnum):
    """When it is to hold."""

    NOW = "now"
    LATER = "later"


TITLES = {
    WorkOrderKind.MODIFICATION: mark("Change the data of the service"),
    WorkOrderKind.SUSPENSION: mark("Suspend the service"),
    WorkOrderKind.RESUMPTION: mark("Resume the service"),
    WorkOrderKind.CANCELLATION: mark("Cancel the service"),
}
HINTS = {
    WorkOrderKind.MODIFICATION: mark("Another name, region, representative or handler."),
    WorkOrderKind.SUSPENSION: mark("No calls for a while; everything is kept."),
    WorkOrderKind.RESUMPTION: mark("Calls may be placed again."),
    WorkOrderKind.CANCELLATION: mark("For good: numbers go back, data are erased later."),
}


class ServicePages:
    """GET /enterprises/{enterprise_id}/service, and the requests."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The state of the service, what may be asked for, and all that was."""
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        business, before = self._needs.business, parse_identifier(visit.query.get("before"))

        def read() -> tuple[Enterprise, list[Change], dict[str, str]]:
            enterprise = business.enterprises.show(principal, enterprise_id)
            changes = business.changes.list_changes(
                principal, enterprise_id, before=before, limit=PAGE_SIZE + 1
            )
            people = [each.requested_by for each in changes]
            return enterprise, changes, dict(self._needs.names.accounts(principal, people))

        enterprise, changes, accounts = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        may_ask = visit.may(REQUESTING_ROLES)
        live = {each.kind for each in changes if each.state in LIVE_CHANGES}
        possible = find_possible(enterprise.state) if may_ask else []
        last = changes[PAGE_SIZE - 1].change_id if len(changes) > PAGE_SIZE else ""
        return View(
            "business/service.html",
            {
                **place_of(visit, enterprise),
                "enterprise": enterprise,
                "changes": changes[:PAGE_SIZE],
                "accounts": accounts,
                "possible": [
                    (kind, TITLES[kind], HINTS[kind]) for kind in possible if kind not in live
                ],
                "live_states": LIVE_CHANGES,
                "may_ask": may_ask,
                "may_read": visit.may(DESK),
                "may_hold": visit.may(MANAGERS | {Role.SUPPORT}),
                "may_open": visit.may(REQUESTING_ROLES | {Role.REVIEWER}),
                "is_first": before is None,
                "next_href": last
                and visit.link("service", enterprise_id=enterprise_id, before=last),
                "tone": tone_of,
            },
        )

    # Asking

    async def show_new(self, visit: Visit) -> Answer:
        """GET .../service/new?kind="""
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        kind = form.one_of("kind", WorkOrderKind, is_required=False) or WorkOrderKind.MODIFICATION
        form = visit.form(kind=kind, when=When.NOW, calls=CallPolicy.WHEN_ENDED)
        return await self._view_new(visit, kind, form)

    async def _view_new(self, visit: Visit, kind: WorkOrderKind, form: Form) -> Answer:
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal

        def read() -> tuple[Enterprise, Stake]:
            enterprise = self._needs.business.enterprises.show(principal, enterprise_id)
            return enterprise, self._needs.consequences.weigh(principal, enterprise_id)

        enterprise, stake = await self._needs.worker.run(read)
        if kind not in TITLES:
            raise NotFound("there is no such request")
        visit.notes.enterprise_id = enterprise_id
        word = visit.words.look_up
        return View(
            "business/new_change.html",
            {
                **place_of(visit, enterprise),
                "enterprise": enterprise,
                "stake": stake,
                "kind": kind,
                "kinds": WorkOrderKind,
                "is_possible": kind in find_possible(enterprise.state),
                "heading": word(TITLES[kind]),
                "form": form,
                "call_options": [(each, word(label_of(each))) for each in CallPolicy],
                "stops_calls": kind in _STOPPING,
                "groups": DATA_GROUPS,
                "labels": DATA_LABELS,
                "may_decide": principal.enterprise_id is None and principal.has_any(DECIDERS[kind]),
                "days_max": AHEAD_MAX.days,
            },
            200 if form.is_valid else 422,
        )

    async def ask(self, visit: Visit) -> Answer:
        """POST /enterprises/{enterprise_id}/status-changes"""
        form = await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        kind = form.one_of("kind", WorkOrderKind) or WorkOrderKind.MODIFICATION
        new = self._read_new(visit, form, kind)
        if not form.is_valid:
            return await self._view_new(visit, kind, form)
        try:
            change = await self._needs.worker.run(
                lambda: self._needs.business.changes.request_change(
                    principal,
                    enterprise_id,
                    new,
                    decides=form.is_ticked("decides"),
                    now=visit.now,
                )
            )
        except (ValueInvalid, Conflict, AlreadyExists, NotPermitted) as error:
            form.refuse_as(error)
            return await self._view_new(visit, kind, form)
        visit.notes.enterprise_id = enterprise_id
        visit.notes.subjects["change_id"] = change.change_id
        await self._needs.take_up_changes()
        return Redirect(
            visit.link("change", enterprise_id=enterprise_id, change_id=change.change_id),
            toast=visit.gettext("Your request is with us."),
        )

    def _read_new(self, visit: Visit, form: Form, kind: WorkOrderKind) -> NewChange:
        modification = None
        if kind is WorkOrderKind.MODIFICATION:
            given = read_data_form(form, self._needs.default_region)
            modification = Modification(
                name=form.text("name", is_required=False) or None,
                region=form.text("region", is_required=False, characters_max=32) or None,
                # What is empty stays as it is.
                data={name: text for name, text in given.items() if text},
            )
        return NewChange(
            kind=kind,
            reason=form.text("reason", characters_max=REASON_CHARACTERS_MAX),
            effective_at=self._read_moment(visit, form),
            calls=form.one_of("calls", CallPolicy, is_required=False)
            if kind in _STOPPING
            else None,
            modification=modification,
        )

    def _read_moment(self, visit: Visit, form: Form) -> datetime | None:
        """Its day, in the zone of who asks."""
        if form.one_of("when", When, is_required=False) is not When.LATER:
            return None
        text = form.text("effective_at", characters_max=_MOMENT_CHARACTERS_MAX)
        if form.error("effective_at"):
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            form.fail("effective_at", mark("Enter a day and a time."))
            return None
        at = at if at.tzinfo else at.replace(tzinfo=visit.local.zone)
        if not visit.now < at <= visit.now + AHEAD_MAX:
            form.fail("effective_at", mark("Choose a time that is to come, within a year."))
        return at

    # One request

    async def show_change(self, visit: Visit) -> Answer:
        """GET .../status-changes/{change_id}"""
        enterprise_id, change_id = visit.path["enterprise_id"], visit.path["change_id"]
        principal, business = visit.principal, self._needs.business

        def read() -> tuple[Enterprise, Change, Sequence[WorkOrderStep], dict[str, str]]:
            enterprise = business.enterprises.show(principal, enterprise_id)
            change = business.changes.show_change(
                principal, enterprise_id, change_id, purpose=PURPOSE, now=visit.now
            )
            _, steps = business.work_orders.show(principal, change.work_order_id)
            people = [change.requested_by, *(each.by for each in steps)]
            return enterprise, change, steps, dict(self._needs.names.accounts(principal, people))

        enterprise, change, steps, accounts = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        place = place_of(visit, enterprise)
        return View(
            "business/change.html",
            {
                **place,
                "enterprise": enterprise,
                "change": change,
                "heading": visit.words.look_up(label_of(change.kind)),
                "steps": steps,
                "accounts": accounts,
                "labels": DATA_LABELS,
                "is_live": change.state in LIVE_CHANGES,
                "may_withdraw": visit.may(REQUESTING_ROLES) and change.state in LIVE_CHANGES,
                "may_decide": visit.may(DESK),
                "tone": tone_of,
            },
        )

    async def withdraw(self, visit: Visit) -> Answer:
        """POST .../status-changes/{change_id}/withdraw"""
        form = await visit.read_form()
        enterprise_id, change_id = visit.path["enterprise_id"], visit.path["change_id"]
        visit.notes.enterprise_id = enterprise_id
        reason = form.text("reason", is_required=False, characters_max=REASON_CHARACTERS_MAX)
        if not form.is_valid:
            raise ValueInvalid("the reason is too long")
        await self._needs.worker.run(
            lambda: self._needs.business.changes.withdraw_change(
                visit.principal, enterprise_id, change_id, reason=reason, now=visit.now
            )
        )
        return Redirect(
            visit.link("change", enterprise_id=enterprise_id, change_id=change_id),
            toast=visit.gettext("The request is taken back."),
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        path = "/enterprises/{enterprise_id}"
        return [
            Page(
                name="service",
                path=path + "/service",
                title=mark("Your service"),
                roles=CUSTOMER_ROLES | DESK | {Role.SUPPORT},
                show=self.show,
                operations=("listStatusChanges", "showEnterprise"),
            ),
            Page(
                name="newChange",
                path=path + "/service/new",
                title=mark("Ask for a change"),
                roles=REQUESTING_ROLES,
                show=self.show_new,
                operations=("requestStatusChange",),
                example_query="kind=cancellation",
            ),
            Page(
                name="change",
                path=path + "/status-changes/{change_id}",
                title=mark("Request"),
                roles=REQUESTING_ROLES | {Role.REVIEWER},
                show=self.show_change,
                operations=("showStatusChange",),
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/enterprises/{enterprise_id}/status-changes"
        return [
            Action(
                operation="requestStatusChange",
                path=path,
                roles=REQUESTING_ROLES,
                handle=self.ask,
            ),
            Action(
                operation="withdrawStatusChange",
                path=path + "/{change_id}/withdraw",
                roles=REQUESTING_ROLES,
                handle=self.withdraw,
            ),
        ]
