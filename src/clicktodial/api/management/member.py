"""`/enterprises/{enterprise_id}/members` and `departments`: an enterprise's own people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.department import DEPARTMENTS_MAX, Department, Departments
from clicktodial.accounts.member import SEARCH_CHARACTERS_MAX, Member, Members, MemberSearch
from clicktodial.api.management.enterprise_scope import ENTERPRISE_ID, EnterpriseScope
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import (
    ALREADY_EXISTS,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
)
from clicktodial.api.management.route import Ask, Created, Download, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict, WrittenNumber, given_fields
from clicktodial.api.management.user_view import EXAMPLE_ID
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import CALL_CAP_MAX, CallCaps
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
)

READERS = frozenset(
    {
        Role.OWNER,
        Role.DEVELOPER,
        Role.READER,
        Role.ACCOUNT_MANAGER,
        Role.SUPPORT,
        Role.OPERATOR,
    }
)
EDITORS = frozenset({Role.OWNER, Role.DEVELOPER, Role.ACCOUNT_MANAGER, Role.OPERATOR})

_Name = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX, description="For people.")]
_DepartmentName = Annotated[
    str,
    Meta(
        max_length=NAME_CHARACTERS_MAX,
        description="The name of the department, made where there is none; empty: of none.",
    ),
]
_EmployeeId = Annotated[
    str, Meta(max_length=IDENTIFIER_CHARACTERS_MAX, description="The enterprise's own identifier.")
]
_Note = Annotated[
    str, Meta(max_length=DETAIL_CHARACTERS_MAX, description="Whatever is to be known.")
]
_Calls = Annotated[
    int, Meta(ge=1, le=CALL_CAP_MAX, description="Calls that may be begun in that time.")
]


class MemberView(Strict, frozen=True):
    """A member. Without caps of its own, those of the enterprise for members hold."""

    member_id: str
    number: str
    name: str
    department: str
    employee_id: str
    note: str
    calls_per_day: int | None
    calls_per_month: int | None
    created_at: Instant


class MemberPage(Strict, frozen=True):
    """Members, in the order in which they were added; `next` is the cursor of the page after,
    null on the last."""

    members: list[MemberView]
    next: str | None


class NewMember(Strict, frozen=True):
    """A member by its number, and what is said of it."""

    number: WrittenNumber
    name: _Name = ""
    department: _DepartmentName = ""
    employee_id: _EmployeeId = ""
    note: _Note = ""
    calls_per_day: _Calls | None = None
    calls_per_month: _Calls | None = None


class EnterpriseMemberChange(Strict, frozen=True):
    """What changes of a member; null takes a cap away."""

    number: WrittenNumber | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    department: _DepartmentName | UnsetType = UNSET
    employee_id: _EmployeeId | UnsetType = UNSET
    note: _Note | UnsetType = UNSET
    calls_per_day: _Calls | UnsetType | None = UNSET
    calls_per_month: _Calls | UnsetType | None = UNSET


class DepartmentView(Strict, frozen=True):
    """A department. Its caps bound the calls of all its members together."""

    department_id: str
    name: str
    calls_per_day: int | None
    calls_per_month: int | None
    member_count: int


class DepartmentList(Strict, frozen=True):
    """All departments of the enterprise, by name."""

    departments: list[DepartmentView]


class NewDepartment(Strict, frozen=True):
    """A department by its name."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    calls_per_day: _Calls | None = None
    calls_per_month: _Calls | None = None


class DepartmentChange(Strict, frozen=True):
    """What changes of a department; null takes a cap away."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)] | UnsetType = UNSET
    calls_per_day: _Calls | UnsetType | None = UNSET
    calls_per_month: _Calls | UnsetType | None = UNSET


class MemberResource:
    """Members of an enterprise."""

    def __init__(self, members: Members, departments: Departments, scope: EnterpriseScope) -> None:
        self._members = members
        self._departments = departments
        self._scope = scope

    async def list_all(self, ask: Ask) -> MemberPage:
        """GET of all"""
        limit, after = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        department_id = ask.query.get("department_id")
        search = MemberSearch(ask.query.get("search", ""), department_id)

        def find(enterprise_id: str) -> list[Member]:
            if department_id is not None:
                self._departments.require(enterprise_id, department_id)
            return self._members.find(enterprise_id, search, after=after or "", limit=limit + 1)

        members = await self._scope.run(ask, find)
        return MemberPage(
            members=[_render(member) for member in members[:limit]],
            next=members[limit - 1].member_id if len(members) > limit else None,
        )

    async def add(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(NewMember)
        profile = MemberProfile(
            e164=body.number,
            name=body.name,
            department=body.department,
            employee_id=body.employee_id,
            note=body.note,
            caps=CallCaps(per_day=body.calls_per_day, per_month=body.calls_per_month),
        )
        member = await self._scope.run(
            ask, partial(self._members.add, profile=profile, now=ask.now)
        )
        path = f"/enterprises/{ask.path['enterprise_id']}/members/{member.member_id}"
        return Created(_render(member), path)

    async def show(self, ask: Ask) -> MemberView:
        """GET of one"""
        member_id = ask.path["member_id"]
        return _render(await self._scope.run(ask, lambda own: self._members.show(own, member_id)))

    async def change(self, ask: Ask) -> MemberView:
        """PATCH of one"""
        given = given_fields(await ask.read(EnterpriseMemberChange))
        if "number" in given:
            given["e164"] = given.pop("number")
        caps = _take_caps(given)
        member = await self._scope.run(
            ask,
            lambda own: self._members.change(
                own,
                ask.path["member_id"],
                lambda known: replace(known, **given, caps=replace(known.caps, **caps)),
                now=ask.now,
            ),
        )
        return _render(member)

    async def remove(self, ask: Ask) -> None:
        """DELETE of one"""
        member_id = ask.path["member_id"]
        await self._scope.run(ask, lambda own: self._members.remove(own, member_id))

    async def export(self, ask: Ask) -> Download:
        """GET of all as a file"""
        pieces = await self._scope.run(ask, self._members.export)
        return Download(_stream(pieces), "members.csv")

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        path = "/enterprises/{enterprise_id}/members"
        shared: dict[str, Any] = {"tag": "Members", "parameters": (ENTERPRISE_ID,)}
        one: dict[str, Any] = {
            "tag": "Members",
            "path": path + "/{member_id}",
            "parameters": (ENTERPRISE_ID, _MEMBER_ID),
        }
        changed = (NOT_FOUND, INVALID_VALUE, ALREADY_EXISTS)
        return [
            Route(
                name="listMembers",
                method="GET",
                path=path,
                summary="List and search members",
                about="Those whose number, name or employee id holds `search`.",
                roles=READERS,
                handle=self.list_all,
                answer=MemberPage,
                answer_example={"members": [_MEMBER], "next": None},
                query=(*PAGE_PARAMETERS, _SEARCH, _OF_DEPARTMENT),
                problems=(NOT_FOUND, INVALID_PARAMETER, INVALID_VALUE),
                is_access=True,
                **shared,
            ),
            Route(
                name="addMember",
                method="POST",
                path=path,
                summary="Add a member",
                about="It may be a caller at once, where only members may.",
                roles=EDITORS,
                handle=self.add,
                body=NewMember,
                body_example={"number": "8613912345673", "name": "Li Lei", "department": "Sales"},
                answer=MemberView,
                answer_example=_MEMBER,
                status=201,
                problems=changed,
                **shared,
            ),
            Route(
                name="exportMembers",
                method="GET",
                path=path + ".csv",
                summary="Export all members",
                about="As CSV in UTF-8, which an import takes as it is. What a spreadsheet would "
                "take for a formula has an apostrophe before it.",
                roles=READERS,
                handle=self.export,
                answer_media="text/csv",
                problems=(NOT_FOUND,),
                is_access=True,
                **shared,
            ),
            Route(
                name="showMember",
                method="GET",
                summary="Read a member",
                about="What the enterprise says of it.",
                roles=READERS,
                handle=self.show,
                answer=MemberView,
                answer_example=_MEMBER,
                problems=(NOT_FOUND,),
                is_access=True,
                **one,
            ),
            Route(
                name="changeMember",
                method="PATCH",
                summary="Change a member",
                about="Only what is given changes.",
                roles=EDITORS,
                handle=self.change,
                body=EnterpriseMemberChange,
                body_example={"department": "Support", "calls_per_day": 50},
                answer=MemberView,
                answer_example=_MEMBER,
                problems=changed,
                **one,
            ),
            Route(
                name="removeMember",
                method="DELETE",
                summary="Remove a member",
                about="Where only members may be callers it may not, from the next call on.",
                roles=EDITORS,
                handle=self.remove,
                status=204,
                problems=(NOT_FOUND,),
                **one,
            ),
        ]


class DepartmentResource:
    """Departments of an enterprise."""

    def __init__(self, departments: Departments, scope: EnterpriseScope) -> None:
        self._departments = departments
        self._scope = scope

    async def list_all(self, ask: Ask) -> DepartmentList:
        """GET"""
        found = await self._scope.run(ask, self._departments.list_all)
        return DepartmentList(departments=[_render_department(each) for each in found])

    async def add(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(NewDepartment)
        caps = CallCaps(per_day=body.calls_per_day, per_month=body.calls_per_month)
        department_id = await self._scope.run(
            ask, lambda own: self._departments.add(own, body.name, caps=caps, now=ask.now)
        )
        view = DepartmentView(
            department_id=department_id,
            name=body.name,
            calls_per_day=body.calls_per_day,
            calls_per_month=body.calls_per_month,
            member_count=0,
        )
        own = ask.path["enterprise_id"]
        return Created(view, f"/enterprises/{own}/departments/{department_id}")

    async def change(self, ask: Ask) -> None:
        """PATCH of one"""
        given = given_fields(await ask.read(DepartmentChange))
        caps = _take_caps(given)
        await self._scope.run(
            ask,
            lambda own: self._departments.change(
                own, ask.path["department_id"], name=given.get("name"), caps=caps
            ),
        )

    async def remove(self, ask: Ask) -> None:
        """DELETE of one"""
        department_id = ask.path["department_id"]
        await self._scope.run(ask, lambda own: self._departments.remove(own, department_id))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        path = "/enterprises/{enterprise_id}/departments"
        shared: dict[str, Any] = {
            "tag": "Members",
            "path": path,
            "parameters": (ENTERPRISE_ID,),
        }
        one: dict[str, Any] = {
            "tag": "Members",
            "path": path + "/{department_id}",
            "parameters": (ENTERPRISE_ID, _DEPARTMENT_ID),
            "roles": EDITORS,
            "status": 204,
        }
        return [
            Route(
                name="listDepartments",
                method="GET",
                summary="List departments",
                about=f"All of them, {DEPARTMENTS_MAX} at most.",
                roles=READERS,
                handle=self.list_all,
                answer=DepartmentList,
                answer_example={"departments": [_DEPARTMENT]},
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="addDepartment",
                method="POST",
                summary="Add a department",
                about="One is made too where a member of it is added.",
                roles=EDITORS,
                handle=self.add,
                body=NewDepartment,
                body_example={"name": "Sales", "calls_per_month": 10_000},
                answer=DepartmentView,
                answer_example=_DEPARTMENT,
                status=201,
                problems=(NOT_FOUND, INVALID_VALUE, ALREADY_EXISTS),
                **shared,
            ),
            Route(
                name="changeDepartment",
                method="PATCH",
                summary="Change a department",
                about="Only what is given changes.",
                handle=self.change,
                body=DepartmentChange,
                body_example={"calls_per_day": 500},
                problems=(NOT_FOUND, INVALID_VALUE, ALREADY_EXISTS),
                **one,
            ),
            Route(
                name="removeDepartment",
                method="DELETE",
                summary="Remove a department",
                about="Its members stay, and are of none.",
                handle=self.remove,
                problems=(NOT_FOUND,),
                **one,
            ),
        ]


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is read on a thread when the one before is sent."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _take_caps(given: dict[str, Any]) -> dict[str, Any]:
    """Those among what is given, by their names in CallCaps, taken out of it."""
    names = {"calls_per_day": "per_day", "calls_per_month": "per_month"}
    return {own: given.pop(name) for name, own in names.items() if name in given}


def _render(member: Member) -> MemberView:
    profile = member.profile
    return MemberView(
        member_id=member.member_id,
        number=profile.e164,
        name=profile.name,
        department=profile.department,
        employee_id=profile.employee_id,
        note=profile.note,
        calls_per_day=profile.caps.per_day,
        calls_per_month=profile.caps.per_month,
        created_at=member.created_at,
    )


def _render_department(department: Department) -> DepartmentView:
    return DepartmentView(
        department_id=department.department_id,
        name=department.name,
        calls_per_day=department.caps.per_day,
        calls_per_month=department.caps.per_month,
        member_count=department.member_count,
    )


_IDENTIFIER: dict[str, Any] = {"type": "string", "maxLength": IDENTIFIER_CHARACTERS_MAX}
_MEMBER_ID = Parameter("member_id", "The member.", _IDENTIFIER, example=EXAMPLE_ID)
_DEPARTMENT_ID = Parameter("department_id", "The department.", _IDENTIFIER, example=EXAMPLE_ID)
_OF_DEPARTMENT = Parameter("department_id", "Only those of that department.", _IDENTIFIER)
_SEARCH = Parameter(
    "search",
    "A part of the number, the name or the employee id.",
    {"type": "string", "maxLength": SEARCH_CHARACTERS_MAX},
)
_MEMBER = {
    "member_id": EXAMPLE_ID,
    "number": "+8613912345673",
    "name": "Li Lei",
    "department": "Sales",
    "employee_id": "A17",
    "note": "",
    "calls_per_day": None,
    "calls_per_month": None,
    "created_at": "2026-03-01T12:00:00Z",
}
_DEPARTMENT = {
    "department_id": EXAMPLE_ID,
    "name": "Sales",
    "calls_per_day": None,
    "calls_per_month": 10_000,
    "member_count": 12,
}
