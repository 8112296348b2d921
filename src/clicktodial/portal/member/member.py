"""Members of one's own enterprise: all, one, and a file of them."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from clicktodial.accounts.member import SEARCH_CHARACTERS_MAX, Member, MemberSearch
from clicktodial.domain.member import MemberProfile
from clicktodial.portal.form import Form
from clicktodial.portal.member.shared import EDITORS, READERS, own_enterprise, read_caps
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Download,
    Nav,
    Page,
    Redirect,
    Section,
    View,
    Visit,
)
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, ValueInvalid
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
)

# Of more members the page says that they are more: counting goes through them.
COUNTED_MAX = 10_000
# As numbers are written in requests, spaces and hyphens included.
_NUMBER_CHARACTERS_MAX = 32


class MemberPages:
    """GET /members, /members/new, /members/{member_id} and /members/export"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Those that fit the search in the address."""
        own, needs = own_enterprise(visit), self._needs
        query = visit.query
        form = visit.form(search=query.get("search"), department=query.get("department"))
        text = form.text("search", is_required=False, characters_max=SEARCH_CHARACTERS_MAX)
        department_id = parse_identifier(query.get("department"))
        after = parse_identifier(query.get("after")) or ""

        def read() -> tuple[list[Member], list[tuple[str, str]], int, bool]:
            search = MemberSearch(text if form.is_valid else "", department_id)
            found = needs.members.find(own, search, after=after, limit=PAGE_SIZE + 1)
            count = needs.members.count(own, at_most=COUNTED_MAX + 1)
            members_only = needs.protection.show(own).members_only
            return found, needs.departments.list_names(own), count, members_only

        found, departments, count, members_only = await needs.worker.run(read)
        page = found[:PAGE_SIZE]
        following = page[-1].member_id if len(found) > PAGE_SIZE else None
        kept = {"search": text, "department": department_id}
        context = {
            "form": form,
            "members": page,
            "count": min(count, COUNTED_MAX),
            "is_counted": count <= COUNTED_MAX,
            "members_only": members_only,
            "department_options": departments,
            "may_change": visit.may(EDITORS),
            "is_filtered": bool(text or department_id),
            "first_href": visit.link("members", **kept) if after else "",
            "next_href": visit.link("members", **kept, after=following) if following else "",
        }
        return View("member/list.html", context, 200 if form.is_valid else 422)

    async def export(self, visit: Visit) -> Answer:
        """All of them, as an import takes them."""
        pieces = await self._needs.worker.run(
            lambda: self._needs.members.export(own_enterprise(visit))
        )
        return Download(self._stream(pieces), "members.csv", "text/csv")

    async def _stream(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (piece := await self._needs.worker.run(lambda: next(pieces, None))) is not None:
            yield piece

    async def ask(self, visit: Visit) -> Answer:
        """The form of a new one."""
        return await self._view(visit, None, visit.form())

    async def add(self, visit: Visit) -> Answer:
        """POST /members"""
        form = await visit.read_form()
        profile, own = _read_profile(form), own_enterprise(visit)
        if not await self._try(
            visit, form, lambda: self._needs.members.add(own, profile, now=visit.now)
        ):
            return await self._view(visit, None, form, 422)
        toast = visit.gettext("%(name)s is a member now.", name=profile.name or profile.e164)
        return Redirect(visit.link("members"), toast=toast)

    async def show_one(self, visit: Visit) -> Answer:
        """GET /members/{member_id}"""
        member = await self._find(visit)
        profile = member.profile
        form = visit.form(
            number=profile.e164,
            name=profile.name,
            department=profile.department,
            employee_id=profile.employee_id,
            note=profile.note,
            per_day=profile.caps.per_day,
            per_month=profile.caps.per_month,
        )
        return await self._view(visit, member, form)

    async def change(self, visit: Visit) -> Answer:
        """POST /members/{member_id}"""
        member = await self._find(visit)
        form = await visit.read_form()
        profile, own = _read_profile(form), own_enterprise(visit)
        work = self._needs.members.change
        if not await self._try(
            visit,
            form,
            lambda: work(own, member.member_id, lambda _: profile, now=visit.now),
        ):
            return await self._view(visit, member, form, 422)
        return Redirect(visit.link("members"), toast=visit.gettext("Saved."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /members/{member_id}/remove"""
        await visit.read_form()
        own, member_id = own_enterprise(visit), visit.path["member_id"]
        await self._needs.worker.run(lambda: self._needs.members.remove(own, member_id))
        await self._needs.take_up_changes()
        return Redirect(visit.link("members"), toast=visit.gettext("The member is removed."))

    async def _find(self, visit: Visit) -> Member:
        own, member_id = own_enterprise(visit), visit.path["member_id"]
        return await self._needs.worker.run(lambda: self._needs.members.show(own, member_id))

    async def _try(self, visit: Visit, form: Form, work: Callable[[], object]) -> bool:
        if not form.is_valid:
            return False
        try:
            await self._needs.worker.run(work)
        except AlreadyExists as error:
            form.refuse_as(error, "number")
        except ValueInvalid as error:
            form.refuse_as(error)
        else:
            await self._needs.take_up_changes()
        return form.is_valid

    async def _view(
        self, visit: Visit, member: Member | None, form: Form, status: int = 200
    ) -> View:
        own = own_enterprise(visit)
        departments = await self._needs.worker.run(lambda: self._needs.departments.list_names(own))
        context = {
            "member": member,
            "form": form,
            "departments": [name for _, name in departments],
            "may_change": visit.may(EDITORS),
        }
        return View("member/detail.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="members",
                path="/members",
                title=mark("Members"),
                roles=READERS,
                show=self.show,
                operations=("listMembers", "listDepartments"),
                nav=Nav(Section.CALLING, 60, "users"),
            ),
            Page(
                name="newMember",
                path="/members/new",
                title=mark("New member"),
                roles=EDITORS,
                show=self.ask,
                operations=("addMember",),
                parent="members",
            ),
            Page(
                name="memberExport",
                path="/members/export",
                title=mark("All members"),
                roles=READERS,
                show=self.export,
                operations=("exportMembers",),
                parent="members",
                is_file=True,
                is_access=True,
            ),
            Page(
                name="member",
                path="/members/{member_id}",
                title=mark("Member"),
                roles=READERS,
                show=self.show_one,
                operations=("showMember",),
                parent="members",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(operation="addMember", path="/members", roles=EDITORS, handle=self.add),
            Action(
                operation="changeMember",
                path="/members/{member_id}",
                roles=EDITORS,
                handle=self.change,
            ),
            Action(
                operation="removeMember",
                path="/members/{member_id}/remove",
                roles=EDITORS,
                handle=self.remove,
            ),
        ]


def _read_profile(form: Form) -> MemberProfile:
    def text(name: str, characters_max: int) -> str:
        return form.text(name, is_required=False, characters_max=characters_max)

    return replace(
        MemberProfile(e164=form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)),
        name=text("name", NAME_CHARACTERS_MAX),
        department=text("department", NAME_CHARACTERS_MAX),
        employee_id=text("employee_id", IDENTIFIER_CHARACTERS_MAX),
        note=text("note", DETAIL_CHARACTERS_MAX),
        caps=read_caps(form),
    )
