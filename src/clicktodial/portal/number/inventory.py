"""The operator's inventory of numbers."""

from collections.abc import Callable

from clicktodial.accounts.number import NewNumber, NumberDetail, NumberFilter
from clicktodial.accounts.number_import import (
    FILE_BYTES_MAX,
    ROWS_MAX,
    ImportReport,
    import_numbers,
)
from clicktodial.control.error import Overloaded
from clicktodial.domain.sponsor_number import NumberKind, NumberState
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.number.shared import (
    INVENTORY_READING,
    KIND_WORDS,
    OPERATOR,
    STATE_WORDS,
    kind_words,
    state_words,
)
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, Conflict, NotFound, ValueInvalid
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX

# As numbers are written in requests, spaces and hyphens included.
_NUMBER_CHARACTERS_MAX = 32
# Its rows are held in memory; who has more of them waits.
IMPORTS_MAX = 1
# A page of what is wrong; whoever has more rows to mend mends these first.
REFUSED_SHOWN_MAX = 200
_FILTERS = ("state", "kind", "region", "city", "trunk", "enterprise")


class InventoryPages:
    """GET /inventory and /inventory/{number}"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs
        self._imports = 0

    async def show(self, visit: Visit) -> Answer:
        """Those that fit the filter in the address."""
        return await self._view(visit, visit.form(), visit.form())

    async def add(self, visit: Visit) -> Answer:
        """POST /inventory"""
        form = await visit.read_form()
        new = NewNumber(
            number=form.text("number", characters_max=_NUMBER_CHARACTERS_MAX),
            kind=form.one_of("kind", NumberKind, is_required=False),
            city=form.text("city", is_required=False, characters_max=CITY_CHARACTERS_MAX),
            region=form.text("region", is_required=False, characters_max=CITY_CHARACTERS_MAX),
            trunk=form.text("trunk", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
            or None,
        )
        inventory = self._needs.inventory
        if form.is_valid:
            try:
                await self._needs.worker.run(lambda: inventory.add(new, visit.now))
            except (ValueInvalid, AlreadyExists) as error:
                form.refuse_as(error, "number")
            except NotFound:
                form.fail("trunk", mark("There is no trunk of that name."))
        if not form.is_valid:
            return await self._view(visit, form, visit.form(), 422)
        toast = visit.gettext("%(number)s is in the inventory.", number=new.number)
        return Redirect(visit.link("inventory"), toast=toast)

    async def take_file(self, visit: Visit) -> Answer:
        """POST /inventory/import"""
        form = await visit.read_form()
        upload = form.upload("file")
        report: ImportReport | None = None
        if form.is_valid and upload is not None:
            if self._imports >= IMPORTS_MAX:
                raise Overloaded
            self._imports += 1
            inventory = self._needs.inventory
            try:
                report = await self._needs.worker.run(
                    lambda: import_numbers(
                        inventory, upload.file.read(FILE_BYTES_MAX + 1), visit.now
                    )
                )
            except ValueInvalid as error:
                form.refuse_as(error, "file")
            finally:
                self._imports -= 1
        if report is None:
            return await self._view(visit, visit.form(), form, 422)
        return await self._view(visit, visit.form(), visit.form(), report=report)

    async def _view(
        self,
        visit: Visit,
        form: Form,
        import_form: Form,
        status: int = 200,
        report: ImportReport | None = None,
    ) -> View:
        query = visit.query
        filled = visit.form(**{name: query.get(name) for name in _FILTERS})

        def text(name: str) -> str | None:
            return filled.text(name, is_required=False, characters_max=CITY_CHARACTERS_MAX) or None

        which = NumberFilter(
            state=filled.one_of("state", NumberState, is_required=False),
            kind=filled.one_of("kind", NumberKind, is_required=False),
            city=text("city"),
            region=text("region"),
            trunk=text("trunk"),
            enterprise_id=text("enterprise"),
        )
        after = query.get("after", "")[:_NUMBER_CHARACTERS_MAX] or None
        needs = self._needs

        def read() -> tuple[list[NumberDetail], list[str]]:
            found = needs.inventory.list_numbers(which, visit.now, after=after, limit=PAGE_SIZE + 1)
            return found, [each.trunk.name for each in needs.administration.list_trunks()]

        found, trunks = await needs.worker.run(read)
        page = found[:PAGE_SIZE]
        following = page[-1].number.e164 if len(found) > PAGE_SIZE else None
        kept = {name: query.get(name) for name in _FILTERS}
        word = visit.words.look_up
        context = {
            "form": form,
            "import_form": import_form,
            "filter": filled,
            "numbers": page,
            "report": report,
            "refused_max": REFUSED_SHOWN_MAX,
            "rows_max": ROWS_MAX,
            "megabytes_max": FILE_BYTES_MAX // 1_000_000,
            "state_options": [(each, word(words)) for each, (words, _) in STATE_WORDS.items()],
            "kind_options": [(each, word(words)) for each, words in KIND_WORDS.items()],
            "trunk_options": [(name, name) for name in trunks],
            "kind_words": kind_words(visit),
            "state_words": state_words(visit),
            "may_change": visit.may(OPERATOR),
            "is_filtered": any(kept.values()),
            "first_href": visit.link("inventory", **kept) if after else "",
            "next_href": visit.link("inventory", **kept, after=following) if following else "",
        }
        return View("number/inventory.html", context, status)

    # One number

    async def show_one(self, visit: Visit) -> Answer:
        """Where it is, whose it is."""
        detail = await self._find(visit)
        form = visit.form(city=detail.place.city, region=detail.place.region, trunk=detail.trunk)
        return await self._view_one(visit, detail, form)

    async def change(self, visit: Visit) -> Answer:
        """POST /inventory/{number}"""
        detail = await self._find(visit)
        form = await visit.read_form()
        city = form.text("city", is_required=False, characters_max=CITY_CHARACTERS_MAX)
        region = form.text("region", is_required=False, characters_max=CITY_CHARACTERS_MAX)
        trunk = form.text("trunk", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
        inventory = self._needs.inventory
        if form.is_valid:
            try:
                await self._needs.worker.run(
                    lambda: inventory.describe(
                        detail.number.e164,
                        visit.now,
                        city=city,
                        region=region,
                        trunk=trunk or None,
                        has_trunk=bool(trunk),
                    )
                )
            except ValueInvalid as error:
                form.refuse_as(error)
            except NotFound:
                form.fail("trunk", mark("There is no trunk of that name."))
        if not form.is_valid:
            return await self._view_one(visit, detail, form, 422)
        await self._needs.take_up_changes()
        return self._back(visit, detail, visit.gettext("Saved."))

    async def retire(self, visit: Visit) -> Answer:
        """POST /inventory/{number}/retire"""
        detail, form = await self._find(visit), await visit.read_form()
        inventory = self._needs.inventory
        return await self._move(
            visit,
            detail,
            form,
            lambda: inventory.retire(detail.number.e164, visit.now),
            mark("The number is retired: nobody can order it."),
        )

    async def reinstate(self, visit: Visit) -> Answer:
        """POST /inventory/{number}/reinstate"""
        detail, form = await self._find(visit), await visit.read_form()
        inventory = self._needs.inventory
        return await self._move(
            visit,
            detail,
            form,
            lambda: inventory.reinstate(detail.number.e164, visit.now),
            mark("The number is back in the inventory."),
        )

    async def _move(
        self,
        visit: Visit,
        detail: NumberDetail,
        form: Form,
        work: Callable[[], object],
        said: str,
    ) -> Answer:
        try:
            await self._needs.worker.run(work)
        except Conflict as error:
            form.refuse_as(error)
            shown = visit.form(
                city=detail.place.city, region=detail.place.region, trunk=detail.trunk
            )
            shown.problem = form.problem
            return await self._view_one(visit, detail, shown, 422)
        return self._back(visit, detail, visit.gettext(said))

    def _back(self, visit: Visit, detail: NumberDetail, toast: str) -> Redirect:
        return Redirect(visit.link("inventoryNumber", number=detail.number.e164), toast=toast)

    async def _find(self, visit: Visit) -> NumberDetail:
        number, inventory = visit.path["number"], self._needs.inventory
        try:
            return await self._needs.worker.run(lambda: inventory.show(number, visit.now))
        except ValueInvalid as error:
            raise NotFound from error

    async def _view_one(
        self, visit: Visit, detail: NumberDetail, form: Form, status: int = 200
    ) -> View:
        administration = self._needs.administration
        trunks = await self._needs.worker.run(administration.list_trunks)
        words, tone = state_words(visit)[detail.number.state]
        context = {
            "number": detail,
            "form": form,
            "words": words,
            "tone": tone,
            "kind_words": kind_words(visit),
            "trunk_options": [(each.trunk.name, each.trunk.name) for each in trunks],
            "may_change": visit.may(OPERATOR),
        }
        return View("number/inventory_number.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="inventory",
                path="/inventory",
                title=mark("Inventory of numbers"),
                roles=INVENTORY_READING,
                show=self.show,
                operations=("listNumbers",),
                nav=Nav(Section.DESK, 50, "hash", label=mark("Numbers")),
            ),
            Page(
                name="inventoryNumber",
                path="/inventory/{number}",
                title=mark("Number"),
                roles=INVENTORY_READING,
                show=self.show_one,
                operations=("showNumber",),
                parent="inventory",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/inventory/{number}"
        return [
            Action(operation="addNumber", path="/inventory", roles=OPERATOR, handle=self.add),
            Action(
                operation="importNumbers",
                path="/inventory/import",
                roles=OPERATOR,
                handle=self.take_file,
                file_bytes_max=FILE_BYTES_MAX,
            ),
            Action(operation="changeNumber", path=path, roles=OPERATOR, handle=self.change),
            Action(
                operation="retireNumber",
                path=f"{path}/retire",
                roles=OPERATOR,
                handle=self.retire,
            ),
            Action(
                operation="reinstateNumber",
                path=f"{path}/reinstate",
                roles=OPERATOR,
                handle=self.reinstate,
            ),
        ]
