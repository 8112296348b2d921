"""A page of the console, and what its handler is given and answers.

The rows are data, as the routes of the management API are: handlers, navigation and the tests that
open every page are all made of them. See docs/console.md, "How a page is written".
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO, Protocol, TypeAlias

from clicktodial.accounts.session import LiveSession
from clicktodial.domain.principal import Principal, Role
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.local import Local
from clicktodial.portal.refusal import explain
from clicktodial.portal.section import Section as Section
from clicktodial.portal.text import Words
from clicktodial.storage.error import NotFound

BASE_PATH = "/console"
# An address that a filter makes has some hundred characters.
QUERY_CHARACTERS_MAX = 4_000
# A page of the console, and nothing that a browser could take for another host.
_OWN_PATH = re.compile(rf"(?!\S*/\.){BASE_PATH}/(?!/)[A-Za-z0-9_.~%/-]*(\?[A-Za-z0-9_.~%=&+:-]*)?")

# Nobody: what is open to whoever has no session has no roles.
ANYBODY: frozenset[Role] = frozenset()


def own_path(text: str | None) -> str | None:
    """The address, where it is one of the console's own; None for anything else, so that nobody
    is led to another site by a link to ours."""
    if text is None or len(text) > QUERY_CHARACTERS_MAX or not _OWN_PATH.fullmatch(text):
        return None
    return text


THEMES = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Nav:
    """A page's place in the side navigation: the lower the `order`, the higher it stands.

    `icon` is one of templates/component/icon.html; `roles` are those that see it there, where
    these are fewer than may open the page.
    """

    section: Section
    order: int
    icon: str
    label: str = ""  # the page's title, where it is not given
    roles: frozenset[Role] | None = None


class ToastKind(StrEnum):
    """What a short message says."""

    DONE = "done"
    TOLD = "told"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class View:
    """An answer that is a page: a template and what it shows.

    An htmx request whose target is `#results` gets the block `results` of the template alone.
    `status` is 422 where a form is shown again. One that `has_frame` shows a file of ours in one.
    """

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    has_frame: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that leads to another page of the console: `to` is what `visit.link` made.

    `toast` is shown there once. `session_token` begins a session, and "" ends it.
    """

    to: str
    toast: str = ""
    kind: ToastKind = ToastKind.DONE
    session_token: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is a file, in pieces as they come.

    It is saved, unless `is_shown`: then a page of the console may have it in a frame. That is for
    types that cannot be taken for a page, and that were proved when the file came.
    """

    pieces: AsyncIterator[bytes]
    file_name: str
    media_type: str = "application/octet-stream"
    is_shown: bool = False


@dataclass(frozen=True, slots=True)
class Clip:
    """An answer that is a file whose length is known, of which browsers ask for parts (Range).

    `open` is called on a thread, when it is sent; shown in the page unless `is_attachment`.
    """

    open: Callable[[], BinaryIO]
    size: int
    file_name: str
    media_type: str
    is_attachment: bool = False


Answer: TypeAlias = View | Redirect | Download | Clip


@dataclass(slots=True, kw_only=True)
class Notes:
    """What the audit log is told beside what the path says. An `outcome` is a problem's code of
    the management API, where a form was refused for who sent it."""

    outcome: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    enterprise_id: str | None = None
    principal: Principal | None = None


@dataclass(slots=True, kw_only=True)
class Visit:
    """A request that was let in, and whose it is."""

    page: "Page | Action"
    path: Mapping[str, str]
    query: Mapping[str, str]
    full_path: str
    now: datetime
    client: str
    session: LiveSession | None
    words: Words
    local: Local
    theme: str
    link: Callable[..., str]
    read_form: Callable[[], Awaitable[Form]]
    target: str = ""
    notes: Notes = field(default_factory=Notes)

    @property
    def principal(self) -> Principal:
        """Who asks, of a page that is not open to anybody."""
        assert self.session is not None
        return self.session.principal

    @property
    def session_id(self) -> str:
        """Their session."""
        assert self.session is not None
        return self.session.session_id

    def may(self, roles: frozenset[Role]) -> bool:
        """Whether who asks has one of these roles."""
        return self.session is not None and self.principal.has_any(roles)

    def require_sight(self, enterprise_id: str, region: str | None = None) -> None:
        """That it is the business of who asks. Raises NotFound: what is another's is not there."""
        if not self.principal.may_see_enterprise(enterprise_id, region):
            raise NotFound
        self.notes.enterprise_id = enterprise_id

    def gettext(self, message: str, /, **values: object) -> str:
        """The message in their language."""
        return self.words.gettext(message, **values)

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """The same, for so many."""
        return self.words.ngettext(one, many, num, **values)

    def explain(self, refusal: BaseException | str) -> str:
        """What a use case refused with, in their language."""
        return explain(self.words, refusal)

    def form(self, **values: object) -> Form:
        """A form that nobody has filled in; `values` are what it shows at first."""
        return Form(self.words).fill(**values)


Show: TypeAlias = Callable[[Visit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is shown at one path below BASE_PATH, whose parameters stand in braces.

    `roles` are those that may open it; ANYBODY where no session is needed. `operations` are those
    of the management API that do the same: no role may here what it may not there, which a test
    holds. What is another enterprise's is `show`'s to refuse, by `visit.require_sight`.
    A page that follows what it shows tells by `watch` what to ask (live.py). One that `is_file`
    answers with a Download or a Clip, which nobody looks at in a tab.
    `example_query` is for the tests, which open every page.
    """

    name: str
    path: str
    title: str
    roles: frozenset[Role]
    show: Show
    operations: Sequence[str] = ()
    nav: Nav | None = None
    parent: str = ""
    is_access: bool = False
    is_file: bool = False
    watch: Callable[[Visit], Awaitable[Watch]] | None = None
    example_query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done by a form that is sent (POST) to a path below BASE_PATH.

    `operation` is what the audit log calls it: the management API's name, where it can do the
    same. It answers with a Redirect when it is done, and with a View of the page, status 422,
    where the form is wrong. A form with files of up to `file_bytes_max` is multipart. What people
    may still do when their enterprise has come to its end, with their account or to ask for help,
    `outlives_enterprise`. `name` is for links, where two forms do the same in different places.
    """

    operation: str
    path: str
    roles: frozenset[Role]
    handle: Show
    file_bytes_max: int = 0
    is_audited: bool = True
    name: str = ""
    outlives_enterprise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an area has for the overview, of whoever has one of these roles: a template, which is
    given what `load` returns as `card`. The lower the `order`, the higher it stands."""

    name: str
    order: int
    roles: frozenset[Role]
    template: str
    load: Callable[[Visit], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Area:
    """The pages of one part of the console, what is done on them, and what of it the overview
    has."""

    pages: Sequence[Page]
    actions: Sequence[Action] = ()
    cards: Sequence[Card] = ()


class AreaPart(Protocol):
    """A class of an area: a page or a few that belong together."""

    def pages(self) -> list[Page]: ...

    def actions(self) -> list[Action]: ...


def gather_area(*parts: AreaPart) -> Area:
    """The area of these."""
    return Area(
        [page for part in parts for page in part.pages()],
        [action for part in parts for action in part.actions()],
    )
