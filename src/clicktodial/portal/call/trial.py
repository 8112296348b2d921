"""Try it: a call between two phones, asked about first if wished, then made and watched, all on one
page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clicktodial.accounts.call_search import ApplicationName
from clicktodial.control.error import ControlError
from clicktodial.control.port import WEB_PHONE_ROUTE
from clicktodial.control.service import BeginCall, CallForecast
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import CallState
from clicktodial.domain.identifier import AppId, CallId, WebPhoneId
from clicktodial.domain.number import NumberError, PhoneNumber, mask_number, parse_number
from clicktodial.domain.principal import Principal
from clicktodial.media.webrtc.error import WebPhoneError
from clicktodial.media.webrtc.phone import WebPhone
from clicktodial.media.webrtc.sdp import OFFER_CHARACTERS_MAX
from clicktodial.portal.call.detail import inspect, is_changing
from clicktodial.portal.call.diagnosis import diagnose
from clicktodial.portal.call.ladder import draw_ladder
from clicktodial.portal.call.list import CHANGERS
from clicktodial.portal.call.trial_option import bounds_of, describe_options, read_options
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound

# The trunk of the sandbox's carrier, as docs/sandbox.md names it.
SANDBOX_TRUNK = "sandbox"
# What its phones do follows from the last two digits.
SANDBOX_PHONES = {
    "53": mark("Answers"),
    "06": mark("Answers, hangs up 5 s later"),
    "09": mark("Answers after 8 s"),
    "01": mark("Busy"),
    "03": mark("Declines"),
    "02": mark("Rings on"),
    "04": mark("Does not exist"),
    "08": mark("A voicemail"),
}
_SANDBOX_CALLER, _SANDBOX_CALLEE = "86139123456", "86138102686"
# Stands for the browser that asks, until it is let in.
THIS_BROWSER = WebPhoneId("this")
# How far a call has come, as the page draws it.
STEPS = (
    (frozenset({CallState.INITIATING, CallState.CALLING_CALLER}), mark("Calling the caller")),
    (
        frozenset({CallState.PROVING_PRESENCE, CallState.CALLING_CALLEE, CallState.ANNOUNCING}),
        mark("Calling the callee"),
    ),
    (frozenset({CallState.CONNECTED}), mark("In conversation")),
    (frozenset({CallState.FINISHING, CallState.ENDED}), mark("Ended")),
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What the form offers: applications, and the numbers that the chosen one may show."""

    applications: list[ApplicationName]
    application: Application | None
    has_sandbox: bool
    # The names of the operator's own audio.
    audios: list[str]


class TrialPages:
    """GET /try, and what its form does"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The form. Of another application when one is chosen."""
        offered = await self._offer(visit.principal, visit.query.get("application"))
        form = visit.form(application=visit.query.get("application"))
        return View("call/try.html", self._context(visit, form, offered))

    async def forecast(self, visit: Visit) -> Answer:
        """POST /try/forecast: nobody is rung."""
        form = await visit.read_form()
        offered = await self._offer(visit.principal, form.value("application"))
        request = self._read(form, offered, is_trial=True)
        context: dict[str, Any] = {}
        if request is not None and offered.application is not None:
            visit.notes.enterprise_id = offered.application.enterprise_id
            forecast = await self._needs.service.forecast(offered.application, request)
            context = {
                "forecast": forecast,
                "obstacles": [visit.explain(each) for each in forecast.obstacles],
                "currency": await self._currency(visit, offered.application, forecast),
            }
        return self._answer(visit, form, offered, context)

    async def begin(self, visit: Visit) -> Answer:
        """POST /try/call: the call is made, and shown in the page."""
        form = await visit.read_form()
        offered = await self._offer(visit.principal, form.value("application"))
        request = self._read(form, offered)
        if request is None or offered.application is None:
            return self._answer(visit, form, offered, {})
        visit.notes.enterprise_id = offered.application.enterprise_id
        phone: WebPhone | None = None
        if request.caller_web_phone is not None:
            phone = await self._let_in(visit, form)
            if phone is None:
                return self._answer(visit, form, offered, {})
            request = replace(request, caller_web_phone=phone.phone_id)
        try:
            call_id = await self._begin(offered.application, request, phone)
        except ControlError as error:
            form.refuse_as(error)
            return self._answer(visit, form, offered, {})
        visit.notes.subjects["call_id"] = call_id
        stage = await self._stage(visit, call_id)
        stage["web_answer"] = None if phone is None else phone.answer
        return self._answer(visit, form, offered, stage)

    async def _let_in(self, visit: Visit, form: Form) -> WebPhone | None:
        """The browser of who visits; None, and an error, where it cannot be the caller."""
        phones = self._needs.web_phones
        offer = form.text("offer", is_required=False, characters_max=OFFER_CHARACTERS_MAX)
        if not form.is_valid:
            return None
        if phones is None or not offer:
            form.refuse(mark("This browser cannot be one of the two."))
            return None
        try:
            return await phones.open(visit.principal.name, offer)
        except WebPhoneError as error:
            form.refuse_as(error)
            return None

    async def _begin(
        self, application: Application, request: BeginCall, phone: WebPhone | None
    ) -> CallId:
        try:
            return await self._needs.service.begin(application, request)
        except BaseException:
            if phone is not None and self._needs.web_phones is not None:
                self._needs.web_phones.drop(phone)
            raise

    async def show_call(self, visit: Visit) -> Answer:
        """GET /try/calls/{live_call_id}: the form, and that call beside it."""
        return await self.show_stage(visit, visit.path["live_call_id"])

    async def show_stage(self, visit: Visit, call_id: str) -> View:
        """The same, wherever it was asked for."""
        stage = await self._stage(visit, call_id)
        offered = await self._offer(visit.principal, stage["call"].app_id)
        form = visit.form(application=stage["call"].app_id)
        return View("call/try.html", self._context(visit, form, offered) | stage)

    async def watch(self, visit: Visit) -> Watch:
        """Of the call that is shown."""
        call_id, files = visit.path["live_call_id"], self._needs.call_files
        await self._needs.worker.run(lambda: files.show(visit.principal, call_id))
        return Watch(("call", call_id), lambda: files.version(call_id))

    async def _offer(self, principal: Principal, chosen: str | None) -> Offered:
        """Raises NotFound for an application that is not theirs."""
        needs = self._needs

        def read() -> tuple[list[ApplicationName], bool, list[str]]:
            trunks = needs.administration.list_trunks()
            has_sandbox = any(each.enabled and each.trunk.name == SANDBOX_TRUNK for each in trunks)
            audios = [each.name for each in needs.library.list()]
            return needs.call_search.list_applications(principal), has_sandbox, audios

        applications, has_sandbox, audios = await needs.worker.run(read)
        app_ids = [each.app_id for each in applications]
        if chosen and chosen not in app_ids:
            raise NotFound(f"there is no application {chosen}")
        app_id = chosen or next(iter(app_ids), None)
        application = None if app_id is None else await needs.applications.find(AppId(app_id))
        return Offered(applications, application, has_sandbox, audios)

    def _read(self, form: Form, offered: Offered, *, is_trial: bool = False) -> BeginCall | None:
        """The call that the form wishes; None, and errors in it, where it cannot be one."""
        application = offered.application
        if application is None:
            form.refuse(mark("Create an application first: each call is an application's."))
            return None
        if application.enterprise_status is not EnterpriseStatus.ACTIVE:
            form.refuse(mark("The enterprise is not active: it cannot call."))
        elif application.status is not ApplicationStatus.ACTIVE:
            form.refuse(mark("The application is disabled: enable it, or choose another."))
        caller = self._parse_number(form, "caller")
        callee = self._parse_number(form, "callee")
        if caller is not None and callee is not None and caller.e164 == callee.e164:
            form.fail("callee", mark("This is the caller's number, too."))
        bounds = bounds_of(application, self._needs.call_defaults)
        options = read_options(form, application, bounds, offered.audios)
        sponsor = self._choose_sponsor(form, application, callee, is_trial=is_trial)
        if not form.is_valid or caller is None or callee is None or sponsor is None:
            return None
        return BeginCall(
            sponsor,
            caller,
            callee,
            record=form.is_ticked("record"),
            options=options,
            caller_web_phone=THIS_BROWSER if form.is_ticked("in_browser") else None,
        )

    def _parse_number(self, form: Form, name: str) -> PhoneNumber | None:
        written = form.text(name, characters_max=32)
        if not written:
            return None
        try:
            return parse_number(written, self._needs.default_region)
        except NumberError:
            form.fail(name, mark("This is no telephone number."))
            return None

    def _choose_sponsor(
        self,
        form: Form,
        application: Application,
        callee: PhoneNumber | None,
        *,
        is_trial: bool,
    ) -> PhoneNumber | None:
        """The one that was chosen, or one of the pool."""
        e164 = form.text("sponsor", is_required=False)
        if e164:
            if e164 not in application.sponsors:
                form.fail("sponsor", mark("Choose one of these."))
                return None
            return PhoneNumber(e164, e164)
        if callee is None:
            return None
        chosen = self._needs.chooser.choose(application, callee, is_trial=is_trial)
        if chosen is None:
            form.fail("sponsor", mark("The application has no number to show: order one first."))
        return chosen

    async def _currency(
        self, visit: Visit, application: Application, forecast: CallForecast
    ) -> str | None:
        """Of the pool, where the call costs money."""
        if application.pool_terms is None or not forecast.price_per_minute_micros:
            return None
        pool = await self._needs.worker.run(
            lambda: self._needs.pools.show(visit.principal, application.enterprise_id, visit.now)
        )
        return pool.settings.currency

    async def _stage(self, visit: Visit, call_id: str) -> dict[str, Any]:
        """The call, for the template. Raises NotFound."""
        files, principal = self._needs.call_files, visit.principal
        found = await self._needs.worker.run(lambda: files.show(principal, call_id))
        visit.notes.enterprise_id = found.enterprise_id
        call = found.call
        application = await self._needs.applications.find(AppId(call.app_id))
        reached = next(number for number, (states, _) in enumerate(STEPS) if call.state in states)
        return {
            "call": call,
            "numbers": {"caller": mask_number(call.caller), "callee": mask_number(call.callee)},
            "steps": [visit.words.look_up(words) for _, words in STEPS],
            # A call that was not joined skips that.
            "reached": reached,
            "live": await inspect(self._needs, application, call),
            "is_live": call.state is not CallState.ENDED,
            "is_followed": is_changing(found, visit.now),
            "diagnosis": diagnose(call, visit.words, visit.local),
            "ladder": draw_ladder(call, visit.words),
            "recording": found.recording,
            "charge": found.charge,
        }

    def _answer(
        self, visit: Visit, form: Form, offered: Offered, context: Mapping[str, Any]
    ) -> View:
        status = 200 if form.is_valid else 422
        return View("call/try.html", self._context(visit, form, offered) | dict(context), status)

    def _context(self, visit: Visit, form: Form, offered: Offered) -> dict[str, Any]:
        application, word = offered.application, visit.words.look_up
        sponsors = [] if application is None else sorted(application.sponsors)
        pools = () if application is None else application.pools
        options = [(each, each) for each in sponsors]
        if pools:
            options.insert(0, ("", word(mark("One of the pool"))))
        if application is not None:
            form.fill(application=application.app_id)
        return {
            "form": form,
            "application": application,
            "application_options": [(each.app_id, each.name) for each in offered.applications],
            "sponsor_options": options,
            "phones": [
                (word(words), _SANDBOX_CALLER + digits, _SANDBOX_CALLEE + digits)
                for digits, words in (SANDBOX_PHONES.items() if offered.has_sandbox else ())
            ],
            "has_web_phones": self._needs.web_phones is not None,
            "web_stun": self._needs.web_stun,
            "web_route": WEB_PHONE_ROUTE,
            "web_answer": None,
            "forecast": None,
            "obstacles": [],
            "currency": None,
            "call": None,
        } | describe_options(visit, form, application, self._needs.call_defaults, offered.audios)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="try",
                path="/try",
                title=mark("Try it"),
                roles=CHANGERS,
                show=self.show,
                operations=("beginCall", "forecastCall"),
                nav=Nav(Section.CALLING, 5, "phone-call"),
            ),
            Page(
                name="tryCall",
                path="/try/calls/{live_call_id}",
                title=mark("Try it"),
                roles=CHANGERS,
                show=self.show_call,
                operations=("showCall",),
                parent="try",
                watch=self.watch,
                is_access=True,
            ),
        ]

    def actions(self) -> list[Action]:
        """What its form does."""
        return [
            Action(
                operation="forecastCall",
                path="/try/forecast",
                roles=CHANGERS,
                handle=self.forecast,
                is_audited=False,
            ),
            Action(operation="beginCall", path="/try/call", roles=CHANGERS, handle=self.begin),
        ]
