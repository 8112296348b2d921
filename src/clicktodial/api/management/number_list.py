"""`do-not-call`, `allowed-callees` and `/blacklist`: numbers that are not to be called, and those
that may be whatever the rules say."""

from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.do_not_call import (
    Blacklisted,
    ListedNumber,
    ListPlace,
    NumberLists,
)
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
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict, WrittenNumber
from clicktodial.api.management.user_view import EXAMPLE_ID
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import ListKind
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX

_OPERATOR = frozenset({Role.OPERATOR})

_Reason = Annotated[str, Meta(max_length=DETAIL_CHARACTERS_MAX, description="Why, in words.")]
_Source = Annotated[
    str, Meta(max_length=DETAIL_CHARACTERS_MAX, description="Who said so: a hotline, a register.")
]


class ListedNumberView(Strict, frozen=True):
    """An entry. `shown` is the number with its middle hidden: nobody can read the list out."""

    entry_id: str
    shown: str
    reason: str
    source: str
    added_by: str
    added_at: Instant
    expires_at: Instant | None


class ListedNumberPage(Strict, frozen=True):
    """Entries, in the order in which they were added; `next` is the cursor of the page after,
    null on the last."""

    entries: list[ListedNumberView]
    next: str | None


class NewListedNumber(Strict, frozen=True):
    """A number for a list; one that is there already is given these in place of its own."""

    number: WrittenNumber
    reason: _Reason = ""
    source: _Source = ""
    expires_at: Annotated[Instant, Meta(description="From when on it counts no more.")] | None = (
        None
    )


class WantedNumber(Strict, frozen=True):
    """A number that may be on a list."""

    number: WrittenNumber


class BlacklistView(Strict, frozen=True):
    """A number, or with `is_prefix` all that begin so."""

    number: str
    is_prefix: bool
    reason: str
    added_by: str
    added_at: Instant


class BlacklistPage(Strict, frozen=True):
    """Entries by number; `next` is the cursor of the page after, null on the last."""

    entries: list[BlacklistView]
    next: str | None


class NewBlacklisted(Strict, frozen=True):
    """A number as people write it, or a prefix in E.164 with plus."""

    number: WrittenNumber
    is_prefix: bool = False
    reason: _Reason = ""


class NumberListResource:
    """One list: of each enterprise, or the operator's own."""

    def __init__(
        self,
        kind: ListKind,
        lists: NumberLists,
        scope: EnterpriseScope,
        worker: Worker,
        *,
        is_platform: bool = False,
    ) -> None:
        self._kind = kind
        self._lists = lists
        self._scope = scope
        self._worker = worker
        self._is_platform = is_platform

    async def list_all(self, ask: Ask) -> ListedNumberPage:
        """GET of all"""
        limit, after = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        place = await self._place(ask)
        found = await self._worker.run(
            lambda: self._lists.list_all(place, after=after or "", limit=limit + 1)
        )
        return ListedNumberPage(
            entries=[_render(each) for each in found[:limit]],
            next=found[limit - 1].entry_id if len(found) > limit else None,
        )

    async def add(self, ask: Ask) -> Created:
        """POST"""
        body, place = await ask.read(NewListedNumber), await self._place(ask)
        entry = await self._worker.run(
            lambda: self._lists.add(
                place,
                body.number,
                reason=body.reason,
                source=body.source,
                expires_at=body.expires_at,
                added_by=ask.principal.name,
                now=ask.now,
            )
        )
        return Created(_render(entry), f"{self._path(place.scope)}/{entry.entry_id}")

    async def find(self, ask: Ask) -> ListedNumberView:
        """POST .../find: whether a number is there; in a body, for paths are logged."""
        body, place = await ask.read(WantedNumber), await self._place(ask)
        return _render(await self._worker.run(lambda: self._lists.find(place, body.number)))

    async def remove(self, ask: Ask) -> None:
        """DELETE of one"""
        place, entry_id = await self._place(ask), ask.path[self._id_name]
        await self._worker.run(lambda: self._lists.remove(place, entry_id))

    async def _place(self, ask: Ask) -> ListPlace:
        if self._is_platform:
            return ListPlace(self._kind)
        return await self._scope.run(ask, lambda own: ListPlace(self._kind, own))

    @property
    def _id_name(self) -> str:
        return "entry_id" if self._kind is ListKind.DO_NOT_CALL else "allowed_id"

    def _path(self, owner: str) -> str:
        path = "/do-not-call" if self._kind is ListKind.DO_NOT_CALL else "/allowed-callees"
        return path if self._is_platform else f"/enterprises/{owner}{path}"

    def routes(self, tag: str, readers: frozenset[Role], editors: frozenset[Role]) -> list[Route]:
        """The rows of this resource."""
        path = self._path("{enterprise_id}")
        own = () if self._is_platform else (ENTERPRISE_ID,)
        entry_id = Parameter(
            self._id_name, "The entry.", {"type": "string", "maxLength": 64}, example=EXAMPLE_ID
        )
        is_refusal = self._kind is ListKind.DO_NOT_CALL
        name = "DoNotCall" if is_refusal else "AllowedCallee"
        name = f"Platform{name}" if self._is_platform else name
        what = "the do-not-call list" if is_refusal else "the exceptions"
        meaning = (
            "A callee on it is not called."
            if is_refusal
            else "For a callee on it neither quiet hours nor frequency caps nor the do-not-call "
            "list hold, as far as they are set by whom the list is; the blacklist does."
        )
        return [
            Route(
                name=f"list{name}",
                method="GET",
                path=path,
                tag=tag,
                roles=readers,
                summary=f"List {what}",
                about=f"{meaning} Numbers are kept as keyed hashes, and shown in part.",
                handle=self.list_all,
                answer=ListedNumberPage,
                answer_example={"entries": [_ENTRY], "next": None},
                parameters=own,
                query=PAGE_PARAMETERS,
                problems=(NOT_FOUND, INVALID_PARAMETER),
            ),
            Route(
                name=f"add{name}",
                method="POST",
                path=path,
                tag=tag,
                roles=editors,
                summary=f"Add a number to {what}",
                about=f"{meaning} It holds from the next call on.",
                handle=self.add,
                body=NewListedNumber,
                body_example={"number": "13810268653", "reason": "asked not to be called"},
                answer=ListedNumberView,
                answer_example=_ENTRY,
                status=201,
                parameters=own,
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name=f"find{name}",
                method="POST",
                path=f"{path}/find",
                tag=tag,
                roles=readers,
                summary=f"Look a number up in {what}",
                about="404 where it is not there. The number is in the body, for paths are logged.",
                handle=self.find,
                body=WantedNumber,
                body_example={"number": "13810268653"},
                answer=ListedNumberView,
                answer_example=_ENTRY,
                parameters=own,
                problems=(NOT_FOUND, INVALID_VALUE),
                changes=False,
                is_access=True,
            ),
            Route(
                name=f"remove{name}",
                method="DELETE",
                path=f"{path}/{{{self._id_name}}}",
                tag=tag,
                roles=editors,
                summary=f"Remove a number from {what}",
                about="From the next call on.",
                handle=self.remove,
                status=204,
                parameters=(*own, entry_id),
                problems=(NOT_FOUND,),
            ),
        ]


class BlacklistResource:
    """The operator's blacklist."""

    def __init__(self, lists: NumberLists, worker: Worker) -> None:
        self._lists = lists
        self._worker = worker

    async def list_all(self, ask: Ask) -> BlacklistPage:
        """GET"""
        limit = parse_limit(ask.query)
        # A cursor is the number without its plus, which a query would read as a space.
        after = parse_identifier_cursor(ask.query)
        found = await self._worker.run(
            lambda: self._lists.list_blacklist(after=f"+{after or ''}", limit=limit + 1)
        )
        last = found[limit - 1].number if len(found) > limit else None
        return BlacklistPage(
            entries=[_render_blacklisted(each) for each in found[:limit]],
            next=None if last is None else last.removeprefix("+"),
        )

    async def add(self, ask: Ask) -> BlacklistView:
        """POST"""
        body = await ask.read(NewBlacklisted)
        entry = await self._worker.run(
            lambda: self._lists.blacklist(
                body.number,
                is_prefix=body.is_prefix,
                reason=body.reason,
                added_by=ask.principal.name,
                now=ask.now,
            )
        )
        return _render_blacklisted(entry)

    async def remove(self, ask: Ask) -> None:
        """POST .../remove"""
        number = (await ask.read(WantedNumber)).number
        await self._worker.run(lambda: self._lists.unblacklist(number))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Protection", "roles": _OPERATOR}
        entry = {
            "number": "+4487",
            "is_prefix": True,
            "reason": "revenue share",
            "added_by": "operator",
            "added_at": "2026-03-01T12:00:00Z",
        }
        return [
            Route(
                name="listBlacklist",
                method="GET",
                path="/blacklist",
                summary="List the blacklist",
                about="Numbers and prefixes that nobody calls, or calls from.",
                handle=self.list_all,
                answer=BlacklistPage,
                answer_example={"entries": [entry], "next": None},
                query=PAGE_PARAMETERS,
                problems=(INVALID_PARAMETER,),
                **shared,
            ),
            Route(
                name="addToBlacklist",
                method="POST",
                path="/blacklist",
                summary="Blacklist a number or a prefix",
                about="It holds within a second, and no exception holds against it.",
                handle=self.add,
                body=NewBlacklisted,
                body_example={"number": "+4487", "is_prefix": True, "reason": "revenue share"},
                answer=BlacklistView,
                answer_example=entry,
                problems=(INVALID_VALUE, ALREADY_EXISTS),
                **shared,
            ),
            Route(
                name="removeFromBlacklist",
                method="POST",
                path="/blacklist/remove",
                summary="Take a number or a prefix off the blacklist",
                about="The number is in the body, for paths are logged.",
                handle=self.remove,
                body=WantedNumber,
                body_example={"number": "+4487"},
                status=204,
                problems=(NOT_FOUND, INVALID_VALUE),
                **shared,
            ),
        ]


def _render(entry: ListedNumber) -> ListedNumberView:
    return ListedNumberView(
        entry_id=entry.entry_id,
        shown=entry.shown,
        reason=entry.reason,
        source=entry.source,
        added_by=entry.added_by,
        added_at=entry.added_at,
        expires_at=entry.expires_at,
    )


def _render_blacklisted(entry: Blacklisted) -> BlacklistView:
    return BlacklistView(
        number=entry.number,
        is_prefix=entry.is_prefix,
        reason=entry.reason,
        added_by=entry.added_by,
        added_at=entry.added_at,
    )


_ENTRY = {
    "entry_id": EXAMPLE_ID,
    "shown": "+8613*******53",
    "reason": "asked not to be called",
    "source": "hotline",
    "added_by": EXAMPLE_ID,
    "added_at": "2026-03-01T12:00:00Z",
    "expires_at": None,
}
