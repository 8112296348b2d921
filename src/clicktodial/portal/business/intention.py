"""Intentions to subscribe: a customer's own, and the account manager's opportunities."""

from collections.abc import Sequence
from dataclasses import dataclass

from clicktodial.accounts.contact import Contact
from clicktodial.accounts.intention import ENTERING_ROLES, MANAGING_ROLES, Intention, NewIntention
from clicktodial.domain.email import EMAIL_CHARACTERS_MAX
from clicktodial.domain.intention import LIVE_INTENTIONS, IntentionState
from clicktodial.domain.principal import Role
from clicktodial.portal.business.common import OWNER, REASON_CHARACTERS_MAX, tone_of
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, Conflict, NotPermitted, ValueInvalid

# As the management API bounds it.
REGION_CHARACTERS_MAX = 32
_COLUMNS = (IntentionState.RESERVED, IntentionState.ASSIGNED, IntentionState.ENGAGED)
_CLOSED = frozenset({IntentionState.WITHDRAWN, IntentionState.DECLINED})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the pipeline; `has_more` than it shows."""

    state: IntentionState
    intentions: Sequence[Intention]
    has_more: bool


class IntentionPages:
    """GET /intentions, and one of them."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """The pipeline, a column for each state; those that came to nothing as a table."""
        principal, business = visit.principal, self._needs.business
        region = visit.query.get("region") or None
        manager = principal.name if visit.query.get("whose") == "mine" else None
        is_closed = visit.query.get("show") == "closed"
        after = parse_identifier(visit.query.get("after"))

        def read() -> tuple[list[str], list[Column], dict[str, str]]:
            regions = business.enterprises.list_regions(principal)
            columns = []
            for states in [_CLOSED] if is_closed else [frozenset({each}) for each in _COLUMNS]:
                found = business.intentions.list_intentions(
                    principal,
                    states=states,
                    account_manager=manager,
                    region=region,
                    after=after,
                    limit=PAGE_SIZE + 1,
                )
                column = Column(min(states), found[:PAGE_SIZE], len(found) > PAGE_SIZE)
                columns.append(column)
            people = [each.account_manager for column in columns for each in column.intentions]
            return regions, columns, dict(self._needs.names.accounts(principal, people))

        regions, columns, accounts = await self._needs.worker.run(read)
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        last = columns[0].intentions[-1].intention_id if is_closed and columns[0].has_more else ""
        return View(
            "business/intentions.html",
            {
                "form": form,
                "regions": [(each, each) for each in regions],
                "columns": columns,
                "accounts": accounts,
                "is_closed": is_closed,
                "is_first": after is None,
                "next_href": last and visit.link("intentions", **{**visit.query, "after": last}),
                "tone": tone_of,
            },
        )

    async def show(self, visit: Visit) -> Answer:
        """One, with whom to talk to; the use case notes that it was read."""
        return await self._view(visit, visit.form())

    async def _view(self, visit: Visit, form: Form) -> Answer:
        intention_id, principal = visit.path["intention_id"], visit.principal
        intentions = self._needs.business.intentions
        may_manage = visit.may(MANAGING_ROLES)

        def read() -> tuple[Intention, Sequence[str], dict[str, str]]:
            intention = intentions.show(principal, intention_id, now=visit.now)
            managers = intentions.find_managers(principal, intention_id) if may_manage else ()
            people = [*managers, intention.account_manager, intention.submitted_by]
            people.append(intention.changed_by)
            return intention, managers, dict(self._needs.names.accounts(principal, people))

        intention, managers, accounts = await self._needs.worker.run(read)
        visit.notes.enterprise_id = intention.enterprise_id
        form.fill(account_manager=intention.account_manager)
        return View(
            "business/intention.html",
            {
                "intention": intention,
                "form": form,
                "managers": [(each, accounts.get(each, each)) for each in managers],
                "accounts": accounts,
                "may_manage": may_manage,
                "is_live": intention.state in LIVE_INTENTIONS,
                "states": IntentionState,
                "tone": tone_of,
            },
            200 if form.is_valid else 422,
        )

    async def show_new(self, visit: Visit) -> Answer:
        """GET /new-intention"""
        own = visit.principal.enterprise_id
        if own is None:
            return self._view_new(visit, visit.form())
        enterprise = await self._needs.worker.run(
            lambda: self._needs.business.enterprises.show(visit.principal, own)
        )
        values = {"enterprise_name": enterprise.name, "region": enterprise.region}
        return self._view_new(visit, visit.form(**values))

    def _view_new(self, visit: Visit, form: Form) -> View:
        is_own = visit.principal.enterprise_id is not None
        # Of no region in particular is of all.
        regions = [(each, each) for each in sorted(visit.principal.regions)]
        context = {"form": form, "is_own": is_own, "regions": regions}
        return View("business/new_intention.html", context, 200 if form.is_valid else 422)

    async def submit(self, visit: Visit) -> Answer:
        """POST /intentions: a customer's own, or of one who called the hotline."""
        form = await visit.read_form()
        contact = Contact(
            form.text("contact_person"),
            form.text("contact_phone", characters_max=32),
            form.text("contact_email", characters_max=EMAIL_CHARACTERS_MAX),
        )
        new = NewIntention(
            enterprise_name=form.text("enterprise_name"),
            region=form.text("region", characters_max=REGION_CHARACTERS_MAX),
            contact=contact,
            note=form.text("note", is_required=False, characters_max=REASON_CHARACTERS_MAX),
        )
        if not form.is_valid:
            return self._view_new(visit, form)
        try:
            intention = await self._needs.worker.run(
                lambda: self._needs.business.intentions.submit(visit.principal, new, now=visit.now)
            )
        except (ValueInvalid, Conflict, AlreadyExists, NotPermitted) as error:
            _refuse(form, error)
            return self._view_new(visit, form)
        visit.notes.enterprise_id = intention.enterprise_id
        visit.notes.subjects["intention_id"] = intention.intention_id
        if visit.principal.enterprise_id is not None:
            return Redirect(
                visit.link("centre"),
                toast=visit.gettext("Thank you: an account manager will call you."),
            )
        return Redirect(
            visit.link("intention", intention_id=intention.intention_id),
            toast=visit.gettext("The opportunity is entered."),
        )

    async def assign(self, visit: Visit) -> Answer:
        """POST /intentions/{intention_id}/assign"""
        form = await visit.read_form()
        manager = form.text("account_manager", characters_max=64)
        if form.is_valid:
            try:
                await self._needs.worker.run(
                    lambda: self._needs.business.intentions.assign(
                        visit.principal,
                        visit.path["intention_id"],
                        account_manager=manager,
                        now=visit.now,
                    )
                )
            except ValueInvalid as error:
                form.refuse_as(error, "account_manager")
            else:
                return self._back(visit, visit.gettext("Assigned."))
        return await self._view(visit, form)

    async def engage(self, visit: Visit) -> Answer:
        """POST /intentions/{intention_id}/engage"""
        await visit.read_form()
        intention_id = visit.path["intention_id"]
        await self._needs.worker.run(
            lambda: self._needs.business.intentions.engage(
                visit.principal, intention_id, now=visit.now
            )
        )
        return self._back(visit, visit.gettext("You are in talks with the customer."))

    async def decline(self, visit: Visit) -> Answer:
        """POST /intentions/{intention_id}/decline"""
        form = await visit.read_form()
        reason = form.text("reason", characters_max=REASON_CHARACTERS_MAX)
        if not form.is_valid:
            return await self._view(visit, form)
        await self._needs.worker.run(
            lambda: self._needs.business.intentions.decline(
                visit.principal, visit.path["intention_id"], reason=reason, now=visit.now
            )
        )
        return self._back(visit, visit.gettext("Declined."))

    async def withdraw(self, visit: Visit) -> Answer:
        """POST /intentions/{intention_id}/withdraw"""
        form = await visit.read_form()
        reason = form.text("reason", is_required=False, characters_max=REASON_CHARACTERS_MAX)
        if not form.is_valid:
            raise ValueInvalid("the reason is too long")
        await self._needs.worker.run(
            lambda: self._needs.business.intentions.withdraw(
                visit.principal, visit.path["intention_id"], reason=reason, now=visit.now
            )
        )
        return self._back(visit, visit.gettext("Withdrawn."))

    def _back(self, visit: Visit, toast: str) -> Redirect:
        if visit.principal.enterprise_id is not None:
            return Redirect(visit.link("centre"), toast=toast)
        intention_id = visit.path["intention_id"]
        return Redirect(visit.link("intention", intention_id=intention_id), toast=toast)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="intentions",
                path="/intentions",
                title=mark("Opportunities"),
                roles=ENTERING_ROLES,
                show=self.show_all,
                operations=("listIntentions",),
                nav=Nav(Section.DESK, 10, "briefcase"),
            ),
            Page(
                name="intention",
                path="/intentions/{intention_id}",
                title=mark("Opportunity"),
                roles=ENTERING_ROLES,
                show=self.show,
                operations=("showIntention",),
                parent="intentions",
            ),
            Page(
                name="newIntention",
                path="/new-intention",
                title=mark("Say that you are interested"),
                roles=ENTERING_ROLES | OWNER,
                show=self.show_new,
                operations=("submitIntention",),
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/intentions/{intention_id}"
        return [
            Action(
                operation="submitIntention",
                path="/intentions",
                roles=ENTERING_ROLES | OWNER,
                handle=self.submit,
            ),
            Action(
                operation="assignIntention",
                path=path + "/assign",
                roles=MANAGING_ROLES,
                handle=self.assign,
            ),
            Action(
                operation="engageIntention",
                path=path + "/engage",
                roles=MANAGING_ROLES,
                handle=self.engage,
            ),
            Action(
                operation="declineIntention",
                path=path + "/decline",
                roles=MANAGING_ROLES,
                handle=self.decline,
            ),
            Action(
                operation="withdrawIntention",
                path=path + "/withdraw",
                roles=MANAGING_ROLES | {Role.OWNER, Role.SUPPORT},
                handle=self.withdraw,
            ),
        ]


def _refuse(form: Form, error: Exception) -> None:
    """Beside the field, where the use case says of which it speaks."""
    for words, name in (
        ("the contact person", "contact_person"),
        ("the contact's phone", "contact_phone"),
        ("the contact's email", "contact_email"),
        ("the enterprise's name", "enterprise_name"),
        ("the region", "region"),
        ("a region", "region"),
    ):
        if str(error).startswith(words):
            form.fail(name, FIELD_WORDS.get(name, mark("This does not fit.")))
            return
    form.refuse_as(error)


FIELD_WORDS = {
    "contact_phone": mark("This is no telephone number."),
    "contact_email": mark("This is no email address."),
    "region": mark("The region is not one of yours, or has characters that no region has."),
}
