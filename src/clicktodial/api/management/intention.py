"""`/intentions`: who is interested, and who of the operator's people takes care of it."""

from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.contact import Contact
from clicktodial.accounts.intention import (
    ENTERING_ROLES,
    MANAGING_ROLES,
    Intention,
    NewIntention,
)
from clicktodial.api.management.business import (
    LIST_PARAMETERS,
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
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Instant, Strict, WrittenNumber
from clicktodial.domain.email import EMAIL_CHARACTERS_MAX
from clicktodial.domain.intention import IntentionChannel, IntentionState
from clicktodial.domain.principal import STAFF_ROLES, Role
from clicktodial.storage.table import NAME_CHARACTERS_MAX, WORD_CHARACTERS_MAX

_SEEING = STAFF_ROLES | {Role.OWNER, Role.READER}
_SUBMITTING = ENTERING_ROLES | {Role.OWNER}
_WITHDRAWING = MANAGING_ROLES | {Role.OWNER, Role.SUPPORT}
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
_PARAMETERS = (Parameter("intention_id", "The intention.", {"type": "string"}, example="0" * 32),)
_EXAMPLE = {
    "enterprise_name": "Acme Ltd",
    "region": "North",
    "contact_person": "Li Lei",
    "contact_phone": "13912345673",
    "contact_email": "lei@acme.example",
}


class IntentionSubmission(Strict, frozen=True):
    """Who is interested, and whom to talk to."""

    enterprise_name: _Name
    region: Annotated[str, Meta(min_length=1, max_length=WORD_CHARACTERS_MAX)]
    contact_person: _Name
    contact_phone: WrittenNumber
    contact_email: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)]
    note: ReasonText = ""


class IntentionView(Strict, frozen=True):
    """An intention. Its contact is told only where one is read by itself."""

    intention_id: str
    enterprise_id: str
    enterprise_name: str
    region: str
    channel: IntentionChannel
    note: str
    state: IntentionState
    account_manager: str | None
    submitted_by: str
    submitted_at: Instant
    changed_by: str
    changed_at: Instant
    reason: str | None
    contact_person: str | None
    contact_phone: str | None
    contact_email: str | None


class IntentionPage(Strict, frozen=True):
    """Intentions, oldest first."""

    intentions: list[IntentionView]
    next: str | None


class IntentionAssignment(Strict, frozen=True):
    """Whose it is from now on, and the enterprise with it."""

    account_manager: Identifier


class IntentionResource:
    """Intentions to subscribe."""

    def __init__(self, needs: BusinessNeeds) -> None:
        self._intentions = needs.business.intentions
        self._worker = needs.worker

    async def submit(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(IntentionSubmission)
        new = NewIntention(
            enterprise_name=body.enterprise_name,
            region=body.region,
            contact=Contact(body.contact_person, body.contact_phone, body.contact_email),
            note=body.note,
        )
        made = await self._worker.run(
            lambda: self._intentions.submit(ask.principal, new, now=ask.now)
        )
        ask.notes.enterprise_id = made.enterprise_id
        return Created(_render(made), f"/intentions/{made.intention_id}")

    async def list_all(self, ask: Ask) -> IntentionPage:
        """GET of many"""
        query, limit, after = ask.query, parse_limit(ask.query), parse_place(ask.query)
        states = parse_words(query, "state", IntentionState)
        found = await self._worker.run(
            lambda: self._intentions.list_intentions(
                ask.principal,
                states=states,
                account_manager=query.get("account_manager"),
                after=after,
                limit=limit + 1,
            )
        )
        page, following = cut_page(found, limit, lambda each: each.intention_id)
        return IntentionPage(intentions=[_render(each) for each in page], next=following)

    async def show(self, ask: Ask) -> IntentionView:
        """GET of one"""
        intention_id = ask.path["intention_id"]
        return _render(
            await self._worker.run(
                lambda: self._intentions.show(ask.principal, intention_id, now=ask.now)
            )
        )

    async def assign(self, ask: Ask) -> IntentionView:
        """POST .../assign"""
        intention_id, body = ask.path["intention_id"], await ask.read(IntentionAssignment)
        return _render(
            await self._worker.run(
                lambda: self._intentions.assign(
                    ask.principal,
                    intention_id,
                    account_manager=body.account_manager,
                    now=ask.now,
                )
            )
        )

    async def engage(self, ask: Ask) -> IntentionView:
        """POST .../engage"""
        intention_id = ask.path["intention_id"]
        return _render(
            await self._worker.run(
                lambda: self._intentions.engage(ask.principal, intention_id, now=ask.now)
            )
        )

    async def decline(self, ask: Ask) -> IntentionView:
        """POST .../decline"""
        intention_id, body = ask.path["intention_id"], await ask.read(ReasonGiven)
        return _render(
            await self._worker.run(
                lambda: self._intentions.decline(
                    ask.principal, intention_id, reason=body.reason, now=ask.now
                )
            )
        )

    async def withdraw(self, ask: Ask) -> IntentionView:
        """POST .../withdraw"""
        intention_id = ask.path["intention_id"]
        body = await ask.read(ReasonGiven, or_empty=ReasonGiven())
        return _render(
            await self._worker.run(
                lambda: self._intentions.withdraw(
                    ask.principal, intention_id, reason=body.reason, now=ask.now
                )
            )
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Intentions"}
        one = shared | {"parameters": _PARAMETERS, "answer": IntentionView}
        moved = one | {"problems": (NOT_FOUND, NOT_PERMITTED, INVALID_VALUE, CONFLICT)}
        path = "/intentions/{intention_id}"
        return [
            Route(
                name="submitIntention",
                method="POST",
                path="/intentions",
                summary="Submit an intention to subscribe",
                about="By a customer for the own enterprise, or by the operator's people for one "
                "who called the hotline. It goes to the account manager of the region who has "
                "the least to do.",
                roles=_SUBMITTING,
                handle=self.submit,
                body=IntentionSubmission,
                body_example=_EXAMPLE,
                answer=IntentionView,
                status=201,
                problems=(INVALID_VALUE, NOT_PERMITTED, CONFLICT, ALREADY_EXISTS),
                **shared,
            ),
            Route(
                name="listIntentions",
                method="GET",
                path="/intentions",
                summary="List intentions",
                about="Those of the enterprises that the asker may see, oldest first.",
                roles=_SEEING,
                handle=self.list_all,
                answer=IntentionPage,
                query=(
                    word_parameter("state", "Only those in these states.", IntentionState),
                    Parameter("account_manager", "Only that manager's.", {"type": "string"}),
                    *LIST_PARAMETERS,
                ),
                **shared,
            ),
            Route(
                name="showIntention",
                method="GET",
                path=path,
                summary="Read an intention",
                about="With its contact. That one of the operator's people reads it is noted.",
                roles=_SEEING - {Role.READER},
                handle=self.show,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="assignIntention",
                method="POST",
                path=path + "/assign",
                summary="Give an intention to another account manager",
                about="Of its region; the enterprise goes with it.",
                roles=MANAGING_ROLES,
                handle=self.assign,
                body=IntentionAssignment,
                body_example={"account_manager": "mina"},
                **moved,
            ),
            Route(
                name="engageIntention",
                method="POST",
                path=path + "/engage",
                summary="Take up the talk with the customer",
                about="The account manager has.",
                roles=MANAGING_ROLES,
                handle=self.engage,
                **moved,
            ),
            Route(
                name="declineIntention",
                method="POST",
                path=path + "/decline",
                summary="Decline an intention",
                about="With a reason.",
                roles=MANAGING_ROLES,
                handle=self.decline,
                body=ReasonGiven,
                body_example={"reason": "The service is not offered there."},
                **moved,
            ),
            Route(
                name="withdrawIntention",
                method="POST",
                path=path + "/withdraw",
                summary="Withdraw an intention",
                about="By the customer, or for one who called.",
                roles=_WITHDRAWING,
                handle=self.withdraw,
                body=ReasonGiven,
                is_body_optional=True,
                body_example={"reason": "We changed our mind."},
                **moved,
            ),
        ]


def _render(intention: Intention) -> IntentionView:
    contact = intention.contact
    return IntentionView(
        intention_id=intention.intention_id,
        enterprise_id=intention.enterprise_id,
        enterprise_name=intention.enterprise_name,
        region=intention.region,
        channel=intention.channel,
        note=intention.note,
        state=intention.state,
        account_manager=intention.account_manager,
        submitted_by=intention.submitted_by,
        submitted_at=intention.submitted_at,
        changed_by=intention.changed_by,
        changed_at=intention.changed_at,
        reason=intention.reason,
        contact_person=None if contact is None else contact.person,
        contact_phone=None if contact is None else contact.phone,
        contact_email=None if contact is None else contact.email,
    )
