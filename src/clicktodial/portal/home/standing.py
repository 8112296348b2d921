"""What the overview says to a customer of where they stand: the way to the first call, and what
needs somebody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clicktodial.accounts.standing import COUNTED_MAX, Matter, MatterKind, Step
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Card, Visit
from clicktodial.portal.text import mark

_ALL = CUSTOMER_ROLES
_BUILDERS = frozenset({Role.OWNER, Role.DEVELOPER})
_LOOKERS = _BUILDERS | {Role.READER}
_PAYERS = frozenset({Role.OWNER, Role.FINANCE, Role.READER})


@dataclass(frozen=True, slots=True)
class StepWords:
    """What is to be done, why, and on which page by whom."""

    title: str
    text: str
    page: str
    roles: frozenset[Role]


STEPS: Mapping[Step, StepWords] = {
    Step.QUALIFY: StepWords(
        mark("Be qualified"),
        mark("Say what you need, give your documents, and have them reviewed."),
        "centre",
        _ALL,
    ),
    Step.APPLICATION: StepWords(
        mark("Create an application"),
        mark("It has the key with which your program asks for calls."),
        "newApplication",
        _BUILDERS,
    ),
    Step.NUMBER: StepWords(
        mark("Give it a number to show"),
        mark("Both people see this number, and never each other's."),
        "numbers",
        _LOOKERS,
    ),
    Step.MINUTES: StepWords(
        mark("Have minutes in the pool"),
        mark("Your account manager sells packages; calls draw on them."),
        "pool",
        _PAYERS,
    ),
    Step.SERVER: StepWords(
        mark("Say where your server is"),
        mark("It is told each change of a call as it happens."),
        "applications",
        _LOOKERS,
    ),
    Step.CALL: StepWords(
        mark("Make the first call"),
        mark("From this console, between two phones or two of the sandbox's."),
        "try",
        _BUILDERS,
    ),
}


@dataclass(frozen=True, slots=True)
class MatterWords:
    """What is the matter: one and many, what to do about it, on which page by whom."""

    one: str
    many: str
    text: str
    tone: str
    page: str
    roles: frozenset[Role]


MATTERS: Mapping[MatterKind, MatterWords] = {
    MatterKind.SUSPENDED: MatterWords(
        mark("The service is suspended"),
        "",
        mark("Calls are refused until it is resumed: ask support."),
        "bad",
        "tickets",
        _ALL,
    ),
    MatterKind.CANCELLING: MatterWords(
        mark("The service is being cancelled"),
        "",
        mark("Calls go on until the day that was agreed."),
        "warn",
        "centre",
        _ALL,
    ),
    MatterKind.POOL_EMPTY: MatterWords(
        mark("The pool is empty"),
        "",
        mark("Calls are refused unless overage was agreed: have a package added."),
        "bad",
        "pool",
        _PAYERS,
    ),
    MatterKind.NOTIFICATIONS_LOST: MatterWords(
        mark("%(num)s notification was given up in the last hour"),
        mark("%(num)s notifications were given up in the last hour"),
        mark("Your server did not take them: mend it, then send them again from the call's page."),
        "bad",
        "calls",
        _LOOKERS,
    ),
    MatterKind.NOTIFICATIONS_FAILING: MatterWords(
        mark("%(num)s notification fails to be delivered"),
        mark("%(num)s notifications fail to be delivered"),
        mark("Your server refuses them or does not answer; they are tried again."),
        "warn",
        "applications",
        _LOOKERS,
    ),
    MatterKind.POOL_LOW: MatterWords(
        mark("The pool is nearly empty"),
        "",
        mark("Less than a fifth of the minutes that are valid now is left."),
        "warn",
        "pool",
        _PAYERS,
    ),
    MatterKind.TICKETS_WAITING: MatterWords(
        mark("%(num)s ticket waits for your answer"),
        mark("%(num)s tickets wait for your answer"),
        mark("Support asked something and goes on when you have answered."),
        "warn",
        "tickets",
        _ALL,
    ),
    MatterKind.IN_REVIEW: MatterWords(
        mark("Your documents are being reviewed"),
        "",
        mark("You get mail when it is decided; the page says how far it is."),
        "told",
        "centre",
        _ALL,
    ),
}


class StandingCard:
    """The first card of a customer's overview."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def load(self, visit: Visit) -> Mapping[str, Any]:
        """What the template shows."""
        enterprise_id = visit.principal.enterprise_id
        assert enterprise_id is not None  # a customer's roles are an enterprise's
        standing = await self._needs.worker.run(
            lambda: self._needs.standings.read(visit.principal, enterprise_id, visit.now)
        )
        is_over = standing.state is EnterpriseState.CANCELLED
        return {
            "matters": [_matter(visit, matter) for matter in standing.matters],
            "steps": [
                (visit.words.look_up(words.title), visit.words.look_up(words.text),
                 step in standing.done, visit.link(words.page) if visit.may(words.roles) else "")
                for step, words in STEPS.items()
            ],
            "done": len(standing.done),
            "wants_steps": not standing.is_set_up and not is_over and visit.may(_BUILDERS),
            # The first that is left is the one to do now.
            "next": next((number for number, step in enumerate(STEPS)
                          if step not in standing.done), None),
        }  # fmt: skip

    def cards(self) -> list[Card]:
        """What the overview has."""
        return [
            Card(
                name="standing",
                order=0,
                roles=CUSTOMER_ROLES,
                template="home/standing.html",
                load=self.load,
            )
        ]


def _matter(visit: Visit, matter: Matter) -> tuple[str, str, str, str]:
    """Its heading, what to do, its tone, and where."""
    words = MATTERS[matter.kind]
    more = "+" if matter.count >= COUNTED_MAX else ""
    message = words.many if words.many and matter.count > 1 else words.one
    heading = visit.words.gettext(message, num=visit.local.number(matter.count) + more)
    href = visit.link(words.page) if visit.may(words.roles) else ""
    return heading, visit.words.look_up(words.text), words.tone, href
