"""Numbers that are not to be called, exceptions from the rules, and the operator's blacklist."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from clicktodial.accounts.do_not_call import Blacklisted, ListedNumber, ListPlace
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import ListKind
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.protection.shared import OPERATOR, scope_of, tabs
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX

# As numbers are written in requests, spaces and hyphens included.
_NUMBER_CHARACTERS_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNames:
    """What the page of one list is called, and where it is."""

    kind: ListKind
    is_platform: bool
    name: str
    title: str
    lead: str
    # Of operations of the management API: "DoNotCall" say.
    operation: str
    path: str
    parameter: str
    parent: str
    imports: str
    readers: frozenset[Role]
    editors: frozenset[Role]


class NumberListPages:
    """One list: it is shown in part, and asked whether it has a number."""

    def __init__(self, needs: ConsoleNeeds, names: ListNames) -> None:
        self._needs = needs
        self._names = names

    async def show(self, visit: Visit) -> Answer:
        """A page of it."""
        return await self._view(visit, visit.form(), visit.form())

    async def add(self, visit: Visit) -> Answer:
        """POST: one more, or other words for one that is there."""
        form = await visit.read_form()
        number = form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)
        reason = form.text("reason", is_required=False, characters_max=DETAIL_CHARACTERS_MAX)
        source = form.text("source", is_required=False, characters_max=DETAIL_CHARACTERS_MAX)
        expires_at = _read_end_of_day(form, visit)
        lists, place = self._needs.lists, self._place(visit)

        def add() -> None:
            lists.add(
                place,
                number,
                reason=reason,
                source=source,
                expires_at=expires_at,
                added_by=visit.principal.name,
                now=visit.now,
            )

        if form.is_valid:
            try:
                await self._needs.worker.run(add)
            except ValueInvalid as error:
                form.refuse_as(error)
        if not form.is_valid:
            return await self._view(visit, form, visit.form(), 422)
        await self._needs.take_up_changes()
        return Redirect(visit.link(self._names.name), toast=visit.gettext("It is on the list."))

    async def find(self, visit: Visit) -> Answer:
        """POST .../find: whether a number is there, and since when."""
        form = await visit.read_form()
        number = form.text("sought", characters_max=_NUMBER_CHARACTERS_MAX)
        lists, place = self._needs.lists, self._place(visit)
        found: ListedNumber | None = None
        if form.is_valid:
            try:
                found = await self._needs.worker.run(lambda: lists.find(place, number))
            except NotFound:
                found = None
            except ValueInvalid:
                form.fail("sought", mark("This is no telephone number."))
        status = 200 if form.is_valid else 422
        return await self._view(
            visit, visit.form(), form, status, found=found, was_sought=form.is_valid
        )

    async def remove(self, visit: Visit) -> Answer:
        """POST .../{entry_id}/remove"""
        await visit.read_form()
        entry_id, lists = visit.path[self._names.parameter], self._needs.lists
        place = self._place(visit)
        await self._needs.worker.run(lambda: lists.remove(place, entry_id))
        toast = visit.gettext("It is on the list no longer.")
        return Redirect(visit.link(self._names.name), toast=toast)

    def _place(self, visit: Visit) -> ListPlace:
        scope = scope_of(visit, is_platform=self._names.is_platform)
        return ListPlace(self._names.kind, scope)

    async def _view(
        self,
        visit: Visit,
        form: Form,
        find_form: Form,
        status: int = 200,
        *,
        found: ListedNumber | None = None,
        was_sought: bool = False,
    ) -> View:
        names, place = self._names, self._place(visit)
        after = parse_identifier(visit.query.get("after")) or ""
        lists = self._needs.lists
        listed = await self._needs.worker.run(
            lambda: lists.list_all(place, after=after, limit=PAGE_SIZE + 1)
        )
        page = listed[:PAGE_SIZE]
        following = page[-1].entry_id if len(listed) > PAGE_SIZE else None
        context = {
            "tabs": tabs(visit, names.name),
            "lead": visit.words.look_up(names.lead),
            "form": form,
            "find_form": find_form,
            "found": found,
            "was_sought": was_sought,
            "entries": page,
            "now": visit.now,
            "add_href": visit.link(f"add{names.operation}"),
            "find_href": visit.link(f"find{names.operation}"),
            "remove_hrefs": {
                each.entry_id: visit.link(
                    f"remove{names.operation}", **{names.parameter: each.entry_id}
                )
                for each in page
            },
            "imports_href": visit.link(names.imports) if names.imports else "",
            "may_change": visit.may(names.editors),
            "first_href": visit.link(names.name) if after else "",
            "next_href": visit.link(names.name, after=following) if following else "",
        }
        return View("protection/list.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        names = self._names
        return [
            Page(
                name=names.name,
                path=names.path,
                title=names.title,
                roles=names.readers,
                show=self.show,
                operations=(f"list{names.operation}",),
                parent=names.parent,
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        names = self._names
        return [
            Action(
                operation=f"add{names.operation}",
                path=names.path,
                roles=names.editors,
                handle=self.add,
            ),
            Action(
                operation=f"find{names.operation}",
                path=f"{names.path}/find",
                roles=names.readers,
                handle=self.find,
            ),
            Action(
                operation=f"remove{names.operation}",
                path=f"{names.path}/{{{names.parameter}}}/remove",
                roles=names.editors,
                handle=self.remove,
            ),
        ]


class BlacklistPages:
    """GET /platform/protection/blacklist: whom nobody calls or calls from."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of it."""
        return await self._view(visit, visit.form(kind="number"))

    async def add(self, visit: Visit) -> Answer:
        """POST"""
        form = await visit.read_form()
        number = form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)
        reason = form.text("reason", is_required=False, characters_max=DETAIL_CHARACTERS_MAX)
        is_prefix = form.value("kind") == "prefix"
        lists = self._needs.lists

        def add() -> None:
            lists.blacklist(
                number,
                is_prefix=is_prefix,
                reason=reason,
                added_by=visit.principal.name,
                now=visit.now,
            )

        return await self._do(visit, form, add, mark("It is on the list."))

    async def remove(self, visit: Visit) -> Answer:
        """POST .../remove"""
        form = await visit.read_form()
        number = form.text("number", characters_max=_NUMBER_CHARACTERS_MAX)
        lists = self._needs.lists
        said = mark("It is on the list no longer.")
        return await self._do(visit, form, lambda: lists.unblacklist(number), said)

    async def _do(self, visit: Visit, form: Form, work: Callable[[], object], said: str) -> Answer:
        if form.is_valid:
            try:
                await self._needs.worker.run(work)
            except (ValueInvalid, AlreadyExists) as error:
                form.refuse_as(error)
        if not form.is_valid:
            return await self._view(visit, form, 422)
        await self._needs.take_up_changes()
        return Redirect(visit.link("blacklist"), toast=visit.gettext(said))

    async def _view(self, visit: Visit, form: Form, status: int = 200) -> View:
        after = visit.query.get("after", "")[:_NUMBER_CHARACTERS_MAX]
        lists = self._needs.lists
        listed: list[Blacklisted] = await self._needs.worker.run(
            lambda: lists.list_blacklist(after=after, limit=PAGE_SIZE + 1)
        )
        page = listed[:PAGE_SIZE]
        following = page[-1].number if len(listed) > PAGE_SIZE else None
        context = {
            "tabs": tabs(visit, "blacklist"),
            "form": form,
            "entries": page,
            "first_href": visit.link("blacklist") if after else "",
            "next_href": visit.link("blacklist", after=following) if following else "",
        }
        return View("protection/blacklist.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="blacklist",
                path="/platform/protection/blacklist",
                title=mark("Blacklist"),
                roles=OPERATOR,
                show=self.show,
                operations=("listBlacklist",),
                parent="platformProtection",
                is_access=True,
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/platform/protection/blacklist"
        return [
            Action(operation="addToBlacklist", path=path, roles=OPERATOR, handle=self.add),
            Action(
                operation="removeFromBlacklist",
                path=f"{path}/remove",
                roles=OPERATOR,
                handle=self.remove,
            ),
        ]


def _read_end_of_day(form: Form, visit: Visit) -> datetime | None:
    """The end of the day that was chosen, by the clock of who chose it; None for no end."""
    written = form.text("expires", is_required=False)
    if not written:
        return None
    try:
        day = date.fromisoformat(written)
        return datetime.combine(day + timedelta(days=1), time(), visit.local.zone)
    except (ValueError, OverflowError):
        form.fail("expires", mark("Choose a day."))
        return None
