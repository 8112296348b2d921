"""`/numbers`, `/free-numbers`: the operator's inventory of sponsor numbers, and whose they are."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.number import (
    NewNumber,
    NumberDetail,
    NumberFilter,
    NumberInventory,
)
from clicktodial.accounts.number_import import FILE_BYTES_MAX, ROWS_MAX, import_numbers
from clicktodial.api.management.application import ENTERPRISE_QUERY
from clicktodial.api.management.body import find_word
from clicktodial.api.management.name_paging import (
    NAME_PAGE_PARAMETERS,
    cut_page,
    parse_name_cursor,
)
from clicktodial.api.management.paging import parse_limit
from clicktodial.api.management.problem import (
    ALREADY_EXISTS,
    BODY_TOO_LONG,
    CONFLICT,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
    OVERLOADED,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import (
    Identifier,
    Instant,
    Strict,
    WrittenNumber,
    given_fields,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.domain.sponsor_number import NumberKind, NumberState
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX
from clicktodial.web.request import BodyTooLong, read_body

_OPERATOR = frozenset({Role.OPERATOR})
# It tells of all enterprises; account managers, who are bound to some, read free numbers and those
# of an enterprise.
_INVENTORY_READERS = frozenset({Role.OPERATOR, Role.REVIEWER, Role.SUPPORT})
ORDERING_ROLES = frozenset({Role.OWNER, Role.DEVELOPER, Role.ACCOUNT_MANAGER, Role.OPERATOR})
_RELEASING = frozenset({Role.OWNER, Role.ACCOUNT_MANAGER, Role.OPERATOR})
READING_ROLES = ORDERING_ROLES | {Role.READER, Role.REVIEWER, Role.SUPPORT}
# Its rows are held in memory; who has more of them waits.
IMPORTS_MAX = 1

_City = Annotated[
    str, Meta(max_length=CITY_CHARACTERS_MAX, description="Compared without case; may be empty.")
]
_Trunk = Annotated[
    Identifier, Meta(description="Calls that show the number try this trunk first; null: none.")
]


class NewNumberBody(Strict, frozen=True):
    """A number that the operator has; what is not given is found out where it can be."""

    number: WrittenNumber
    kind: NumberKind | UnsetType = UNSET
    city: _City = ""
    region: _City = ""
    trunk: _Trunk | None = None


class NumberChange(Strict, frozen=True):
    """What changes of a number."""

    city: _City | UnsetType = UNSET
    region: _City | UnsetType = UNSET
    trunk: _Trunk | UnsetType | None = UNSET


class NumberView(Strict, frozen=True):
    """A number of the inventory. `until` is when a reservation lapses or a rest is over;
    `applications` may show it."""

    number: str
    kind: NumberKind
    city: str
    region: str
    trunk: str | None
    state: NumberState
    enterprise_id: str | None
    order_id: str | None
    until: Instant | None
    applications: list[str]


class NumberPage(Strict, frozen=True):
    """A page of numbers, and where the next one begins."""

    numbers: list[NumberView]
    next: str | None


class FreeNumber(Strict, frozen=True):
    """A number that may be ordered."""

    number: str
    kind: NumberKind
    city: str
    region: str


class FreeNumberPage(Strict, frozen=True):
    """A page of numbers that may be ordered, and where the next one begins."""

    numbers: list[FreeNumber]
    next: str | None


class RefusedRow(Strict, frozen=True):
    """A row of a file that was not taken; `line` is where it begins, the header's being 1."""

    line: int
    why: str


class NumberImport(Strict, frozen=True):
    """What became of a file: how many of its rows were taken, and each that was not."""

    added: int
    refused: list[RefusedRow]


class NumberResource:
    """The inventory."""

    def __init__(self, inventory: NumberInventory, worker: Worker) -> None:
        self._inventory = inventory
        self._worker = worker
        self._imports = 0

    async def list_all(self, ask: Ask) -> NumberPage:
        """GET of all"""
        limit, after = parse_limit(ask.query), parse_name_cursor(ask.query)
        which = NumberFilter(
            state=find_word(ask.query, "state", NumberState),
            kind=find_word(ask.query, "kind", NumberKind),
            city=ask.query.get("city"),
            trunk=ask.query.get("trunk"),
            enterprise_id=ask.query.get("enterprise_id"),
        )
        found = await self._worker.run(
            lambda: self._inventory.list_numbers(which, ask.now, after=after, limit=limit + 1)
        )
        return _render_page(found, limit)

    async def add(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(NewNumberBody)
        new = NewNumber(
            number=body.number,
            kind=None if isinstance(body.kind, UnsetType) else body.kind,
            city=body.city,
            region=body.region,
            trunk=body.trunk,
        )
        detail = await self._worker.run(lambda: self._inventory.add(new, ask.now))
        # Without the number: the audit log holds none that is whole.
        return Created(_render(detail), "/numbers")

    async def import_file(self, ask: Ask) -> NumberImport:
        """POST .../import: a CSV file"""
        if self._imports >= IMPORTS_MAX:
            raise Refused(OVERLOADED, "another file is being imported")
        self._imports += 1
        try:
            content = await read_body(ask.receive, FILE_BYTES_MAX)
            report = await self._worker.run(
                lambda: import_numbers(self._inventory, content, ask.now)
            )
        except BodyTooLong as error:
            raise Refused(
                BODY_TOO_LONG,
                f"a file has at most {FILE_BYTES_MAX} bytes",
                is_last=not error.is_drained,
            ) from error
        finally:
            self._imports -= 1
        return NumberImport(
            added=report.added,
            refused=[RefusedRow(line=row.line, why=row.why or "") for row in report.refused],
        )

    async def show(self, ask: Ask) -> NumberView:
        """GET of one"""
        number = ask.path["number"]
        return _render(await self._worker.run(lambda: self._inventory.show(number, ask.now)))

    async def change(self, ask: Ask) -> NumberView:
        """PATCH"""
        given = given_fields(await ask.read(NumberChange))
        has_trunk = given["trunk"] is not None if "trunk" in given else None
        number = ask.path["number"]
        detail = await self._worker.run(
            lambda: self._inventory.describe(number, ask.now, has_trunk=has_trunk, **given)
        )
        return _render(detail)

    async def retire(self, ask: Ask) -> NumberView:
        """POST .../retire"""
        number = ask.path["number"]
        return _render(await self._worker.run(lambda: self._inventory.retire(number, ask.now)))

    async def reinstate(self, ask: Ask) -> NumberView:
        """POST .../reinstate"""
        number = ask.path["number"]
        return _render(await self._worker.run(lambda: self._inventory.reinstate(number, ask.now)))

    async def release(self, ask: Ask) -> None:
        """POST .../release"""
        number = ask.path["number"]
        await self._worker.run(lambda: self._inventory.release(ask.principal, number, ask.now))

    async def list_free(self, ask: Ask) -> FreeNumberPage:
        """GET of those that may be ordered"""
        limit, after = parse_limit(ask.query), parse_name_cursor(ask.query)
        kind = find_word(ask.query, "kind", NumberKind)
        found = await self._worker.run(
            lambda: self._inventory.list_free(
                ask.now, kind=kind, city=ask.query.get("city"), after=after, limit=limit + 1
            )
        )
        page, following = cut_page(found, limit, _name)
        return FreeNumberPage(
            numbers=[
                FreeNumber(
                    number=_name(detail),
                    kind=detail.kind,
                    city=detail.place.city,
                    region=detail.place.region,
                )
                for detail in page
            ],
            next=following,
        )

    async def list_of_enterprise(self, ask: Ask) -> NumberPage:
        """GET of an enterprise's"""
        limit, after = parse_limit(ask.query), parse_name_cursor(ask.query)
        enterprise_id = ask.path["enterprise_id"]
        found = await self._worker.run(
            lambda: self._inventory.list_of_enterprise(
                ask.principal, enterprise_id, ask.now, after=after, limit=limit + 1
            )
        )
        return _render_page(found, limit)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [
            *self._inventory_routes(),
            *self._number_routes(),
            *self._choice_routes(),
        ]

    def _inventory_routes(self) -> list[Route]:
        return [
            Route(
                name="listNumbers",
                method="GET",
                path="/numbers",
                summary="List the inventory of numbers",
                about="All that the operator has, by number, as they are by now.",
                roles=_INVENTORY_READERS,
                handle=self.list_all,
                answer=NumberPage,
                answer_example={"numbers": [_NUMBER], "next": None},
                query=(*NAME_PAGE_PARAMETERS, _STATE, _KIND, _CITY, _TRUNK, ENTERPRISE_QUERY),
                problems=(INVALID_PARAMETER,),
                tag=TAG,
            ),
            Route(
                name="addNumber",
                method="POST",
                path="/numbers",
                summary="Add a number",
                about="It is free from then on. Its kind follows its numbering plan unless given.",
                roles=_OPERATOR,
                handle=self.add,
                body=NewNumberBody,
                body_example={"number": "01052680000", "city": "Beijing", "region": "Beijing"},
                answer=NumberView,
                answer_example=_NUMBER,
                status=201,
                problems=(INVALID_VALUE, NOT_FOUND, ALREADY_EXISTS),
                tag=TAG,
            ),
            Route(
                name="importNumbers",
                method="POST",
                path="/numbers/import",
                summary="Add numbers from a file",
                about="The body is CSV in UTF-8 whose first line names the columns: `number`, and "
                "perhaps `kind`, `city`, `region`, `trunk`; of at most "
                f"{FILE_BYTES_MAX} bytes and {ROWS_MAX} rows. Each row is taken or refused for "
                "itself.",
                roles=_OPERATOR,
                handle=self.import_file,
                media="text/csv",
                body=bytes,
                answer=NumberImport,
                answer_example={
                    "added": 98,
                    "refused": [{"line": 7, "why": "it is in the inventory already"}],
                },
                problems=(INVALID_VALUE, BODY_TOO_LONG),
                tag=TAG,
            ),
        ]

    def _number_routes(self) -> list[Route]:
        return [
            Route(
                name="showNumber",
                method="GET",
                path="/numbers/{number}",
                summary="Read a number",
                about="Whose it is, and which applications may show it.",
                roles=_INVENTORY_READERS,
                handle=self.show,
                answer=NumberView,
                answer_example=_NUMBER,
                **_OF_NUMBER,
            ),
            Route(
                name="changeNumber",
                method="PATCH",
                path="/numbers/{number}",
                summary="Change a number",
                about="Where it is, and the trunk that calls which show it try first.",
                roles=_OPERATOR,
                handle=self.change,
                body=NumberChange,
                body_example={"trunk": "north"},
                answer=NumberView,
                answer_example=_NUMBER,
                **_OF_NUMBER,
            ),
            Route(
                name="retireNumber",
                method="POST",
                path="/numbers/{number}/retire",
                summary="Retire a number",
                about="The operator has it no longer. One that is anybody's is released first.",
                roles=_OPERATOR,
                handle=self.retire,
                answer=NumberView,
                answer_example=_NUMBER | {"state": "retired"},
                **_MOVE_OF_NUMBER,
            ),
            Route(
                name="reinstateNumber",
                method="POST",
                path="/numbers/{number}/reinstate",
                summary="Reinstate a number",
                about="The operator has it again; it rests on where its rest is not over.",
                roles=_OPERATOR,
                handle=self.reinstate,
                answer=NumberView,
                answer_example=_NUMBER,
                **_MOVE_OF_NUMBER,
            ),
            Route(
                name="releaseNumber",
                method="POST",
                path="/numbers/{number}/release",
                summary="Release a number",
                about="Its enterprise gives it back: no application may show it from now on, and "
                "it is nobody's until its rest is over.",
                roles=_RELEASING,
                handle=self.release,
                status=204,
                **_MOVE_OF_NUMBER,
            ),
        ]

    def _choice_routes(self) -> list[Route]:
        return [
            Route(
                name="listFreeNumbers",
                method="GET",
                path="/free-numbers",
                summary="List the numbers that may be ordered",
                about="By number; of a city and kind, perhaps.",
                roles=READING_ROLES,
                handle=self.list_free,
                answer=FreeNumberPage,
                answer_example={"numbers": [_FREE], "next": None},
                query=(*NAME_PAGE_PARAMETERS, _KIND, _CITY),
                problems=(INVALID_PARAMETER,),
                tag=TAG,
            ),
            Route(
                name="listEnterpriseNumbers",
                method="GET",
                path="/enterprises/{enterprise_id}/numbers",
                summary="List the numbers of an enterprise",
                about="Those that are assigned to it, and the applications that may show each.",
                roles=READING_ROLES,
                handle=self.list_of_enterprise,
                answer=NumberPage,
                answer_example={"numbers": [_NUMBER], "next": None},
                parameters=(
                    Parameter(
                        "enterprise_id", "The enterprise.", {"type": "string"}, example="acme"
                    ),
                ),
                query=NAME_PAGE_PARAMETERS,
                problems=(INVALID_PARAMETER, NOT_FOUND),
                tag=TAG,
            ),
        ]


def _name(detail: NumberDetail) -> str:
    return detail.number.e164


def _render_page(found: list[NumberDetail], limit: int) -> NumberPage:
    page, following = cut_page(found, limit, _name)
    return NumberPage(numbers=[_render(detail) for detail in page], next=following)


def _render(detail: NumberDetail) -> NumberView:
    number = detail.number
    return NumberView(
        number=number.e164,
        kind=detail.kind,
        city=detail.place.city,
        region=detail.place.region,
        trunk=detail.trunk,
        state=number.state,
        enterprise_id=number.enterprise_id,
        order_id=number.order_id,
        until=number.until,
        applications=list(detail.applications),
    )


def enumeration(kind: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [each.value for each in kind]}


TAG = "Numbers"
_STATE = Parameter("state", "In that state by now.", enumeration(NumberState))
_KIND = Parameter("kind", "Of that kind.", enumeration(NumberKind))
_CITY = Parameter("city", "Of that city.", {"type": "string", "maxLength": CITY_CHARACTERS_MAX})
_TRUNK = Parameter("trunk", "Of that trunk.", {"type": "string", "maxLength": 64})
NUMBER = Parameter(
    "number", "A number, as people write it.", {"type": "string"}, "01052680000", is_number=True
)
_OF_NUMBER: dict[str, Any] = {
    "tag": TAG,
    "parameters": (NUMBER,),
    "problems": (NOT_FOUND, INVALID_VALUE),
}
_MOVE_OF_NUMBER: dict[str, Any] = _OF_NUMBER | {
    "problems": (NOT_FOUND, INVALID_VALUE, CONFLICT),
}
_FREE = {"number": "+861052680000", "kind": "fixed", "city": "Beijing", "region": "Beijing"}
_NUMBER: dict[str, Any] = _FREE | {
    "trunk": "north",
    "state": "free",
    "enterprise_id": None,
    "order_id": None,
    "until": None,
    "applications": [],
}
