"""Departments of one's own enterprise, and how much each may call."""

from collections.abc import Callable

from clicktodial.accounts.department import Department
from clicktodial.portal.form import Form
from clicktodial.portal.member.shared import EDITORS, READERS, own_enterprise, read_caps
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, ValueInvalid
from clicktodial.storage.table import NAME_CHARACTERS_MAX


class DepartmentPages:
    """GET /members/departments and /members/departments/{department_id}"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of them, and a form for another."""
        return await self._view_all(visit, visit.form())

    async def add(self, visit: Visit) -> Answer:
        """POST /members/departments"""
        form = await visit.read_form()
        name, caps, own = self._read_name(form), read_caps(form), own_enterprise(visit)
        departments = self._needs.departments
        if not await self._try(
            visit, form, lambda: departments.add(own, name, caps=caps, now=visit.now)
        ):
            return await self._view_all(visit, form, 422)
        return Redirect(visit.link("departments"), toast=visit.gettext("Saved."))

    async def show_one(self, visit: Visit) -> Answer:
        """GET /members/departments/{department_id}"""
        found = await self._find(visit)
        form = visit.form(
            name=found.name, per_day=found.caps.per_day, per_month=found.caps.per_month
        )
        return self._view_one(visit, found, form)

    async def change(self, visit: Visit) -> Answer:
        """POST /members/departments/{department_id}"""
        found = await self._find(visit)
        form = await visit.read_form()
        name, caps, own = self._read_name(form), read_caps(form), own_enterprise(visit)
        departments = self._needs.departments
        if not await self._try(
            visit,
            form,
            lambda: departments.change(
                own,
                found.department_id,
                name=name,
                caps={"per_day": caps.per_day, "per_month": caps.per_month},
            ),
        ):
            return self._view_one(visit, found, form, 422)
        return Redirect(visit.link("departments"), toast=visit.gettext("Saved."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /members/departments/{department_id}/remove"""
        await visit.read_form()
        own, department_id = own_enterprise(visit), visit.path["department_id"]
        await self._needs.worker.run(lambda: self._needs.departments.remove(own, department_id))
        await self._needs.take_up_changes()
        toast = visit.gettext("The department is removed; its members are of none.")
        return Redirect(visit.link("departments"), toast=toast)

    def _read_name(self, form: Form) -> str:
        return form.text("name", characters_max=NAME_CHARACTERS_MAX)

    async def _find(self, visit: Visit) -> Department:
        own, wanted = own_enterprise(visit), visit.path["department_id"]
        return await self._needs.worker.run(lambda: self._needs.departments.show(own, wanted))

    async def _try(self, visit: Visit, form: Form, work: Callable[[], object]) -> bool:
        if not form.is_valid:
            return False
        try:
            await self._needs.worker.run(work)
        except AlreadyExists as error:
            form.refuse_as(error, "name")
        except ValueInvalid as error:
            form.refuse_as(error)
        else:
            await self._needs.take_up_changes()
        return form.is_valid

    async def _view_all(self, visit: Visit, form: Form, status: int = 200) -> View:
        own = own_enterprise(visit)
        after = parse_identifier(visit.query.get("after"))

        def read() -> list[Department]:
            find, limit = self._needs.departments.find, PAGE_SIZE + 1
            # From the beginning where the one that a page ended with is gone.
            return find(own, after=after, limit=limit) or find(own, limit=limit)

        known = await self._needs.worker.run(read)
        page = known[:PAGE_SIZE]
        following = page[-1].department_id if len(known) > PAGE_SIZE else None
        context = {
            "departments": page,
            "form": form,
            "may_change": visit.may(EDITORS),
            "first_href": visit.link("departments") if after else "",
            "next_href": visit.link("departments", after=following) if following else "",
        }
        return View("member/departments.html", context, status)

    def _view_one(self, visit: Visit, found: Department, form: Form, status: int = 200) -> View:
        context = {"department": found, "form": form, "may_change": visit.may(EDITORS)}
        return View("member/department.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="departments",
                path="/members/departments",
                title=mark("Departments"),
                roles=READERS,
                show=self.show,
                operations=("listDepartments",),
                parent="members",
            ),
            Page(
                name="department",
                path="/members/departments/{department_id}",
                title=mark("Department"),
                roles=READERS,
                show=self.show_one,
                operations=("listDepartments",),
                parent="departments",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/members/departments/{department_id}"
        return [
            Action(
                operation="addDepartment",
                path="/members/departments",
                roles=EDITORS,
                handle=self.add,
            ),
            Action(operation="changeDepartment", path=path, roles=EDITORS, handle=self.change),
            Action(
                operation="removeDepartment",
                path=f"{path}/remove",
                roles=EDITORS,
                handle=self.remove,
            ),
        ]
