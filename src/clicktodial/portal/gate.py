"""The way of a request through the console: who asks, may they, is the form theirs, do it, show it.

Everything that all pages have in common is here and nowhere else: sessions, forms' tokens, the
audit log, headers that keep a browser to the page, and what a refusal looks like.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from os import SEEK_END
from typing import Any, Literal
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from litestar import Request, Response, route
from litestar.datastructures import Cookie, UploadFile
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from markupsafe import Markup

from clicktodial.accounts.audit import DONE, READ, AuditEntry
from clicktodial.accounts.session import TOKEN_PREFIX, LiveSession
from clicktodial.accounts.token import TOKEN_CHARACTERS_MAX
from clicktodial.control.error import Overloaded
from clicktodial.portal import session_cookie as jar
from clicktodial.portal.clip import ClipSender
from clicktodial.portal.console import Console
from clicktodial.portal.error import (
    FAULT,
    TOLD,
    TROUBLE_BY_STATUS,
    EnterpriseEnded,
    FormForged,
    PageNotOpen,
    Trouble,
    trouble_of,
)
from clicktodial.portal.form import Form, FormUnreadable, Upload, gather, parse_fields
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Broadcaster
from clicktodial.portal.local import Local, masked
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    BASE_PATH,
    QUERY_CHARACTERS_MAX,
    THEMES,
    Action,
    Answer,
    Clip,
    Download,
    Page,
    Redirect,
    Show,
    ToastKind,
    View,
    Visit,
    own_path,
)
from clicktodial.portal.refusal import explain
from clicktodial.portal.renderer import Renderer
from clicktodial.portal.text import LANGUAGES, Words, choose_language, load_words
from clicktodial.web.auditor import Auditor
from clicktodial.web.request import ClientDisconnected, find_header, read_body

log = structlog.get_logger()

TOKEN_FIELD = "form_token"
TOKEN_HEADER = b"x-form-token"
LIVE_HEADER = b"x-live"
# The filters of the largest list are a dozen.
QUERY_FIELDS_MAX = 50
# Files that come at once; each is on the disk as it comes, beyond a megabyte.
UPLOADS_MAX = 4
# Names, boundaries and the other fields of a form that has a file.
_FORM_BYTES_MAX = 65_536
_PARAMETER = re.compile(r"\{(\w+)\}")
_TARGET = re.compile(r"[a-z][a-z0-9_-]{0,40}")
# Of what a browser says about where a request comes from, these are our own pages, or a person
# who typed an address.
_OWN_SITES = (b"same-origin", b"none")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; media-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cache-Control": "no-store",
    "Vary": "Cookie, HX-Request",
}
# A page that shows a file in a frame. The frame has no `sandbox`, in which Chromium draws no PDF:
# what the file is answered with says it instead.
FRAMING = {"Content-Security-Policy": f"{_POLICY}; frame-src 'self'"}
# A file in a frame: whatever a browser takes it for, it has an origin of its own, without scripts,
# forms or anything loaded, and stands in no page but ours.
FRAMED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# None of them is one that browsers run scripts of.
_SHOWN_TYPES = frozenset({"application/pdf", "image/jpeg", "image/png"})
_HTML = "text/html"


@dataclass(slots=True)
class _Arrival:
    """A request as it came."""

    request: Request[Any, Any, Any]
    cookies: dict[str, str]
    is_partial: bool
    visit: Visit
    uploads: dict[str, Upload] = field(default_factory=dict)

    def close(self) -> None:
        """Let go of the files that came."""
        for upload in self.uploads.values():
            upload.file.close()


class Gate:
    """Makes handlers of pages and actions."""

    def __init__(
        self,
        console: Console,
        needs: ConsoleNeeds,
        auditor: Auditor,
        renderer: Renderer,
        static: Callable[[str], str],
        broadcaster: Broadcaster,
    ) -> None:
        """`static` tells the address of a file of static/."""
        self._broadcaster = broadcaster
        self._console = console
        self._needs = needs
        self._auditor = auditor
        self._renderer = renderer
        self._static = static
        self._uploading = 0
        self._clips = ClipSender()
        self._jar = jar.Jar(is_secure=needs.is_secure)

    def create_handlers(self) -> list[HTTPRouteHandler]:
        """A handler for each page, for the changes of a page that follows them, and for each
        action."""
        return [
            *(self._create_live_handler(page) for page in self._console.pages if page.watch),
            *(self._create_handler(page, "GET", page.show) for page in self._console.pages),
            *(self._create_handler(each, "POST", each.handle) for each in self._console.actions),
        ]

    def answer_trouble(
        self, request: Request[Any, Any, Any], status: int, error: Exception
    ) -> Response[bytes]:
        """What is answered to a path that there is not, to a method that it has not."""
        trouble = TROUBLE_BY_STATUS.get(status, FAULT)
        if trouble is FAULT:
            log.error("console.failed", page=None, exc_info=error)
        headers = request.scope["headers"]
        cookies = jar.read_cookies(headers)
        language = choose_language(
            cookies.get(jar.LANGUAGE), _text(find_header(headers, b"accept-language"))
        )
        page = self._render_bare(trouble, language.code, _theme(cookies))
        # What htmx asked for would be put into a page.
        return Response(
            page,
            status_code=trouble.status,
            media_type=_HTML,
            headers=HEADERS | {"HX-Reswap": "none"},
        )

    @cache  # noqa: B019 - there is one gate, and a page for each trouble, language and theme
    def _render_bare(self, trouble: Trouble, language: str, theme: str) -> bytes:
        """A page that is nobody's: it is made on the loop, so it is made once."""
        words = load_words()[language]
        context = {
            "trouble": trouble,
            "language": words.language,
            "theme": theme,
            "link": self._console.link,
            "static": self._static,
            "word": words.look_up,
            "form_token": "",
            "toast": None,
            "title": words.look_up(trouble.title),
            **_gettext_calls(words, Local(words.language.locale, self._needs.zone)),
        }
        return self._renderer.render("layout/bare.html", context)

    def _create_handler(
        self,
        row: Page | Action,
        method: Literal["GET", "POST"],
        handle: Show,
    ) -> HTTPRouteHandler:
        path = BASE_PATH + _PARAMETER.sub(r"{\1:str}", row.path)

        @route(
            path,
            http_method=method,
            name=f"console:{method}:{row.path}",
            status_code=200,
            request_max_body_size=_body_bytes_max(row),
        )
        async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
            arrival = await self._arrive(request, row)
            try:
                answer = await self._admit(arrival, row, handle)
            except ClientDisconnected:
                # Nobody is there to read it.
                return Response(b"", status_code=400, media_type="text/plain")
            except Exception as error:
                return await self._fail(arrival, row, error)
            await self._audit(arrival, row, answer)
            return await self._respond(arrival, answer)

        return handler

    def _create_live_handler(self, page: Page) -> HTTPRouteHandler:
        path = f"{BASE_PATH}/live" + _PARAMETER.sub(r"{\1:str}", page.path)
        assert page.watch is not None
        watch = page.watch

        @route(path, http_method="GET", name=f"console:live:{page.path}", status_code=200)
        async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
            arrival = await self._arrive(request, page, is_use=False)
            visit = arrival.visit
            # 204 tells a browser to stop asking.
            if visit.session is None or not visit.principal.has_any(page.roles):
                return Response(b"", status_code=204, media_type="text/plain", headers=HEADERS)
            token = arrival.cookies[jar.SESSION]

            async def holds() -> bool:
                return await self._find_session(token, self._needs.utc(), is_use=False) is not None

            try:
                pieces = self._broadcaster.stream(visit.principal.name, await watch(visit), holds)
            except Exception as error:
                if trouble_of(error) is FAULT:
                    raise
                return Response(b"", status_code=204, media_type="text/plain", headers=HEADERS)
            return Stream(pieces, media_type="text/event-stream", headers=HEADERS)

        return handler

    async def _arrive(
        self, request: Request[Any, Any, Any], row: Page | Action, *, is_use: bool = True
    ) -> _Arrival:
        headers = request.scope["headers"]
        cookies = jar.read_cookies(headers)
        now = self._needs.utc()
        language = choose_language(
            cookies.get(jar.LANGUAGE), _text(find_header(headers, b"accept-language"))
        )
        words = load_words()[language.code]
        zone = _zone(cookies.get(jar.ZONE)) or self._needs.zone
        raw_query = request.scope["query_string"].decode("latin-1")
        is_partial = find_header(headers, b"hx-request") == b"true"
        # What a page fetches of itself is no use of the session.
        is_use = is_use and find_header(headers, LIVE_HEADER) is None
        target = _text(find_header(headers, b"hx-target")) or ""
        arrival = _Arrival(
            request,
            cookies,
            is_partial,
            visit=Visit(
                page=row,
                path=dict(request.path_params),
                query=_parse_query(raw_query),
                full_path=_full_path(request.scope["path"], raw_query),
                now=now,
                client=self._needs.client_address(request.scope),
                session=await self._find_session(cookies.get(jar.SESSION, ""), now, is_use=is_use),
                words=words,
                local=Local(language.locale, zone),
                theme=_theme(cookies),
                link=self._console.link,
                read_form=lambda: self._read_form(arrival),
                target=target if is_partial and _TARGET.fullmatch(target) else "",
            ),
        )
        return arrival

    async def _find_session(self, token: str, now: datetime, *, is_use: bool) -> LiveSession | None:
        is_one = token.startswith(TOKEN_PREFIX) and token.isascii()
        if not is_one or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        sessions = self._needs.sessions
        look = sessions.find if is_use else sessions.watch
        return await self._needs.worker.run(lambda: look(token, now))

    async def _admit(self, arrival: _Arrival, row: Page | Action, handle: Show) -> Answer:
        if not isinstance(row, Action) or not row.file_bytes_max:
            return await self._ask(arrival, row, handle)
        if self._uploading >= UPLOADS_MAX:
            raise Overloaded
        self._uploading += 1
        try:
            return await self._ask(arrival, row, handle)
        finally:
            self._uploading -= 1
            arrival.close()

    async def _ask(self, arrival: _Arrival, row: Page | Action, handle: Show) -> Answer:
        visit = arrival.visit
        if row.roles:
            if visit.session is None:
                back = visit.full_path if isinstance(row, Page) else None
                return Redirect(visit.link("login", next=own_path(back)))
            if not visit.principal.has_any(row.roles):
                raise PageNotOpen
            if visit.session.is_former and isinstance(row, Action) and not row.outlives_enterprise:
                raise EnterpriseEnded
        if any("\x00" in value for value in [*visit.path.values(), *visit.query.values()]):
            raise FormUnreadable
        if isinstance(row, Action):
            self._check_origin(arrival)
        return await handle(visit)

    def _check_origin(self, arrival: _Arrival) -> None:
        """Raises FormForged for a form that another site sends; older browsers do not say."""
        site = find_header(arrival.request.scope["headers"], b"sec-fetch-site")
        if site is not None and site not in _OWN_SITES:
            raise FormForged

    async def _read_form(self, arrival: _Arrival) -> Form:
        """The form of the request. Raises FormUnreadable, FormForged, BodyTooLong."""
        row, visit = arrival.visit.page, arrival.visit
        assert isinstance(row, Action)
        if row.file_bytes_max:
            fields = await self._read_parts(arrival)
        else:
            body = await read_body(arrival.request.receive, self._needs.body_bytes_max)
            fields = parse_fields(body)
        given = find_header(arrival.request.scope["headers"], TOKEN_HEADER)
        token = _text(given) or next(iter(fields.pop(TOKEN_FIELD, [])), "")
        if not jar.is_form_token(arrival.cookies, token):
            raise FormForged
        return Form(visit.words, fields, arrival.uploads)

    async def _read_parts(self, arrival: _Arrival) -> dict[str, list[str]]:
        """The fields of a form with files; the files go to `uploads`. Raises FormUnreadable, and
        RequestEntityTooLarge where it is larger than the action takes."""
        try:
            parts = await arrival.request.form()
        except RequestEntityTooLarge:
            raise
        except ClientException as error:
            raise FormUnreadable from error
        pairs = []
        for name, value in parts.multi_items():
            if not isinstance(value, UploadFile):
                pairs.append((name, str(value)))
                continue
            size = value.file.seek(0, SEEK_END)
            value.file.seek(0)
            if value.filename:
                arrival.uploads[name] = Upload(
                    value.filename, value.content_type or "", size, value.file
                )
        return gather(pairs)

    # Answering

    async def _respond(self, arrival: _Arrival, answer: Answer) -> Response[Any]:
        match answer:
            case View():
                return await self._show(arrival, answer)
            case Redirect():
                return self._lead(arrival, answer)
            case Download():
                return _send(answer)
            case Clip():
                return await self._send_clip(arrival, answer)

    async def _send_clip(self, arrival: _Arrival, clip: Clip) -> Response[Any]:
        ranges = find_header(arrival.request.scope["headers"], b"range")
        try:
            return await self._clips.send(clip, ranges, HEADERS)
        except Exception as error:
            return await self._fail(arrival, arrival.visit.page, error)

    async def _show(self, arrival: _Arrival, view: View) -> Response[bytes]:
        cookies: list[Cookie] = []
        visit, toast = arrival.visit, None
        if not arrival.is_partial:
            toast = jar.read_toast(arrival.cookies)
            if jar.TOAST in arrival.cookies:
                cookies.append(self._jar.drop_toast())
            if jar.VISITOR not in arrival.cookies:
                arrival.cookies[jar.VISITOR] = jar.create_visitor()
                cookies.append(self._jar.visitor(arrival.cookies[jar.VISITOR]))
        context = self._context(arrival, toast) | dict(view.context)
        page = await self._needs.worker.run(
            lambda: self._renderer.render(view.template, context, visit.target)
        )
        headers = HEADERS | (FRAMING if view.has_frame else {})
        return Response(
            page, status_code=view.status, media_type=_HTML, headers=headers, cookies=cookies
        )

    def _context(self, arrival: _Arrival, toast: tuple[ToastKind, str] | None) -> dict[str, Any]:
        visit, words = arrival.visit, arrival.visit.words
        page = visit.page
        return {
            "visit": visit,
            "page": page,
            "title": words.look_up(page.title) if isinstance(page, Page) else "",
            "parents": self._console.parents(page),
            "navigation": (
                {} if visit.session is None else self._console.navigation(visit.principal)
            ),
            "current": self._console.nearest_in_navigation(page),
            "toast": toast,
            "form_token": jar.form_token(arrival.cookies),
            "theme": visit.theme,
            "language": words.language,
            "languages": LANGUAGES,
            "themes": THEMES,
            "local": visit.local,
            "link": visit.link,
            "static": self._static,
            "masked": masked,
            "word": words.look_up,
            "label": lambda value: words.look_up(label_of(value)),
            **_gettext_calls(words, visit.local),
        }

    def _lead(self, arrival: _Arrival, answer: Redirect) -> Response[bytes]:
        cookies = [self._jar.preference(*each) for each in answer.cookies.items()]
        if answer.toast:
            cookies.append(self._jar.toast(arrival.cookies, answer.kind, answer.toast))
        if answer.session_token is not None:
            token = answer.session_token
            cookies.append(self._jar.begin_session(token) if token else self._jar.end_session())
        assert own_path(answer.to) is not None, answer.to
        headers = HEADERS | {"HX-Redirect" if arrival.is_partial else "Location": answer.to}
        status = 200 if arrival.is_partial else 303
        return Response(
            b"", status_code=status, media_type="text/plain", headers=headers, cookies=cookies
        )

    async def _fail(self, arrival: _Arrival, row: Page | Action, error: Exception) -> Response[Any]:
        trouble = trouble_of(error)
        name = row.name if isinstance(row, Page) else row.operation
        if trouble.status >= 500:
            log.error("console.failed", page=name, exc_info=error)
        else:
            log.info("console.refused", page=name, code=trouble.code)
        if isinstance(row, Action) or trouble.status in (401, 403):
            await self._note(arrival, name, trouble.code)
        told = error if trouble in TOLD else None
        return await self._refuse(arrival, trouble, told)

    async def _refuse(
        self, arrival: _Arrival, trouble: Trouble, told: Exception | None
    ) -> Response[Any]:
        words = arrival.visit.words
        detail = explain(words, told) if told else words.look_up(trouble.text)
        context = {"trouble": trouble, "detail": detail}
        template = "layout/toast.html" if arrival.is_partial else "layout/trouble.html"
        arrival.visit.target = ""
        view = View(template, context, trouble.status)
        response = await self._show(arrival, view)
        if arrival.is_partial:
            response.headers["HX-Retarget"] = "#toasts"
            response.headers["HX-Reswap"] = "beforeend"
        return response

    # The audit log

    async def _audit(self, arrival: _Arrival, row: Page | Action, answer: Answer) -> None:
        notes = arrival.visit.notes
        if isinstance(row, Page):
            if row.is_access and arrival.visit.session is not None:
                await self._note(arrival, row.name, READ)
            return
        is_done = not isinstance(answer, View) or answer.status < 400
        if row.is_audited and (is_done or notes.outcome):
            await self._note(arrival, row.operation, notes.outcome or DONE)

    async def _note(self, arrival: _Arrival, operation: str, outcome: str) -> None:
        visit = arrival.visit
        principal = visit.notes.principal or (visit.session.principal if visit.session else None)
        entry = AuditEntry(
            at=visit.now,
            principal=principal.name if principal else "",
            roles=tuple(sorted(principal.roles)) if principal else (),
            address=visit.client,
            operation=operation,
            subjects={**visit.path, **visit.notes.subjects},
            enterprise_id=visit.notes.enterprise_id
            or (principal.enterprise_id if principal else None),
            outcome=outcome,
        )
        await self._auditor.note(entry, is_bounded=principal is None)


def _body_bytes_max(row: Page | Action) -> int:
    return _FORM_BYTES_MAX + (row.file_bytes_max if isinstance(row, Action) else 0)


def _send(answer: Download) -> Response[Any]:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", answer.file_name)
    kind = "attachment"
    headers = dict(HEADERS)
    if answer.is_shown:
        assert answer.media_type in _SHOWN_TYPES, answer.media_type
        kind, headers = "inline", HEADERS | FRAMED
    headers["Content-Disposition"] = f'{kind}; filename="{name}"'
    return Stream(answer.pieces, media_type=answer.media_type, headers=headers)


def _gettext_calls(words: Words, local: Local) -> Mapping[str, Callable[..., str]]:
    """What `_()` and `{% trans %}` call: the catalogue's markup is ours, the values are not."""

    def gettext(message: str, /, **values: object) -> str:
        return Markup(words.look_up(message)) % values

    def ngettext(one: str, many: str, num: int, /, **values: object) -> str:
        text = words.look_up_plural(one, many, num)
        return Markup(text) % {"num": local.number(num), **values}

    return {"gettext": gettext, "ngettext": ngettext, "_": gettext}


def _parse_query(raw: str) -> dict[str, str]:
    """The first value of each; nothing of what is no query."""
    if len(raw) > QUERY_CHARACTERS_MAX:
        return {}
    try:
        pairs = parse_qsl(raw, max_num_fields=QUERY_FIELDS_MAX, errors="strict")
    except ValueError:
        return {}
    return {name: values[0] for name, values in gather(pairs).items()}


def _full_path(path: str, raw_query: str) -> str:
    # The framework takes the last slash away.
    whole = f"{BASE_PATH}/" if path == BASE_PATH else path
    return f"{whole}?{raw_query}" if raw_query else whole


def _theme(cookies: Mapping[str, str]) -> str:
    theme = cookies.get(jar.THEME, "")
    return theme if theme in THEMES else THEMES[0]


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


def _zone(name: str | None) -> ZoneInfo | None:
    if not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
