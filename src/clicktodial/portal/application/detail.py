"""One application: what it is, its keys, its server and network, its limits."""

from dataclasses import fields, replace
from enum import StrEnum

from clicktodial.accounts.application_activity import Activity
from clicktodial.domain.application import (
    ApplicationLimits,
    ApplicationStatus,
    Capability,
    EnterpriseLimits,
    Network,
)
from clicktodial.domain.principal import STAFF_ROLES
from clicktodial.notify.trial import TRIAL_TIMEOUT_S, TrialOutcome
from clicktodial.portal.application.shared import (
    CHANGING,
    READING,
    ApplicationDeskPages,
    Tab,
    capability_options,
)
from clicktodial.portal.form import Form
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail, CreatedSecrets
from clicktodial.storage.application_codec import (
    GRACE_S_MAX,
    NETWORKS_MAX,
    REQUESTS_PER_SECOND_MAX,
    parse_networks,
)
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.options_codec import CALLS_PER_SECOND_MAX, LIVE_CALLS_MAX
from clicktodial.storage.table import NAME_CHARACTERS_MAX, URL_CHARACTERS_MAX

# What one network takes, with its line's end.
_NETWORK_CHARACTERS_MAX = 51
GRACES = {
    0: mark("At once"),
    3_600: mark("In an hour"),
    86_400: mark("In a day"),
    7 * 86_400: mark("In a week"),
    GRACE_S_MAX: mark("In 30 days"),
}
_DEFAULT_GRACE_S = 86_400
LIMITS = {
    "live_calls_max": (mark("Calls at a time"), LIVE_CALLS_MAX),
    "calls_per_second_max": (mark("New calls a second"), CALLS_PER_SECOND_MAX),
    "requests_per_second_max": (mark("Requests a second"), REQUESTS_PER_SECOND_MAX),
}


class Part(StrEnum):
    """Which of the forms that change an application was sent."""

    GENERAL = "general"
    SERVER = "server"


class ApplicationPages(ApplicationDeskPages):
    """The tabs of one application but its settings of calls and its numbers."""

    # Overview

    async def show(self, visit: Visit) -> Answer:
        """GET /applications/{app_id}"""
        detail = await self.find(visit)
        form = visit.form(name=detail.name, capabilities=sorted(detail.capabilities))
        return await self._view_overview(visit, detail, form)

    async def change(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/settings: one of the two forms."""
        detail = await self.find(visit)
        form = await visit.read_form()
        part = form.one_of("part", Part)
        if part is Part.SERVER:
            return await self._change_server(visit, detail, form)
        name = form.text("name", characters_max=NAME_CHARACTERS_MAX)
        capabilities = form.all_of("capabilities", Capability)
        desk, app_id = self._needs.application_desk, detail.app_id

        def change() -> None:
            desk.rename(visit.principal, app_id, name)
            desk.set_capabilities(visit.principal, app_id, capabilities)

        if not form.is_valid or not await self.do(change, form):
            return await self._view_overview(visit, detail, form, 422)
        return self._saved(visit, Tab.OVERVIEW)

    async def enable(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/enable"""
        return await self._set_enabled(visit, enabled=True)

    async def disable(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/disable"""
        return await self._set_enabled(visit, enabled=False)

    async def _set_enabled(self, visit: Visit, *, enabled: bool) -> Answer:
        detail = await self.find(visit)
        form = await visit.read_form()
        desk = self._needs.application_desk
        await self.do(
            lambda: desk.set_enabled(visit.principal, detail.app_id, enabled=enabled), form
        )
        said = mark("It may call again.") if enabled else mark("It calls no more from now on.")
        toast = visit.gettext(said)
        return Redirect(visit.link(Tab.OVERVIEW, app_id=detail.app_id), toast=toast)

    async def _view_overview(
        self, visit: Visit, detail: ApplicationDetail, form: Form, status: int = 200
    ) -> View:
        def read() -> Activity:
            found = self._needs.application_activity.show([detail.app_id], visit.now)
            return found[detail.app_id]

        return self.view(
            visit,
            detail,
            Tab.OVERVIEW,
            "detail",
            status,
            form=form,
            activity=await self._needs.worker.run(read),
            capability_options=capability_options(visit),
            is_active=detail.status is ApplicationStatus.ACTIVE,
            is_staff=visit.may(STAFF_ROLES),
        )

    # Keys

    async def show_keys(self, visit: Visit) -> Answer:
        """GET /applications/{app_id}/keys"""
        detail = await self.find(visit)
        return self._view_keys(visit, detail, visit.form(grace=_DEFAULT_GRACE_S))

    async def rotate(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/keys: the answer shows the new one."""
        detail = await self.find(visit)
        form = await visit.read_form()
        grace_s = form.whole("grace", least=0, most=GRACE_S_MAX)
        desk, made = self._needs.application_desk, list[CreatedSecrets]()

        def rotate() -> None:
            assert grace_s is not None
            secrets = desk.rotate_key(
                visit.principal, detail.app_id, grace_s=grace_s, now=visit.now
            )
            made.append(secrets)

        if not form.is_valid or not await self.do(rotate, form):
            return self._view_keys(visit, detail, form, 422)
        return self._view_keys(visit, await self.find(visit), form, created=made[0])

    async def revoke(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/keys/revoke"""
        detail = await self.find(visit)
        form = await visit.read_form()
        desk = self._needs.application_desk
        await self.do(lambda: desk.revoke_old_key(visit.principal, detail.app_id), form)
        toast = visit.gettext("The old key is refused from now on.")
        return Redirect(visit.link(Tab.KEYS, app_id=detail.app_id), toast=toast)

    async def rotate_signing_key(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/signing-keys"""
        detail = await self.find(visit)
        form = await visit.read_form()
        desk, made = self._needs.application_desk, list[CreatedSecrets]()
        await self.do(
            lambda: made.append(desk.rotate_signing_key(visit.principal, detail.app_id)), form
        )
        return self._view_keys(visit, detail, visit.form(grace=_DEFAULT_GRACE_S), created=made[0])

    def _view_keys(
        self,
        visit: Visit,
        detail: ApplicationDetail,
        form: Form,
        status: int = 200,
        created: CreatedSecrets | None = None,
    ) -> View:
        word, until = visit.words.look_up, detail.old_secret_until
        return self.view(
            visit,
            detail,
            Tab.KEYS,
            "keys",
            status,
            form=form,
            created=created,
            old_until=until if until is not None and until > visit.now else None,
            graces=[(seconds, word(words)) for seconds, words in GRACES.items()],
        )

    # Server and network

    async def show_server(self, visit: Visit) -> Answer:
        """GET /applications/{app_id}/server"""
        return self._view_server(visit, await self.find(visit))

    async def _change_server(self, visit: Visit, detail: ApplicationDetail, form: Form) -> Answer:
        url = form.text("server", is_required=False, characters_max=URL_CHARACTERS_MAX)
        wants_alerts, is_private = form.is_ticked("pool_alerts"), form.is_ticked("private")
        is_staff = visit.may(STAFF_ROLES)
        desk, app_id, who = self._needs.application_desk, detail.app_id, visit.principal

        def change() -> None:
            if is_staff:
                desk.allow_private_addresses(who, app_id, allowed=is_private)
            desk.set_server(who, app_id, url or None)
            desk.set_pool_alerts(who, app_id, wanted=wants_alerts)

        if not form.is_valid or not await self.do(change, form):
            return self._view_server(visit, detail, form=form, status=422)
        return self._saved(visit, Tab.SERVER)

    async def test_server(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/server-test"""
        detail = await self.find(visit)
        await visit.read_form()
        outcome = await self._needs.trial.run(detail.app_id)
        return self._view_server(visit, detail, outcome=outcome, is_tried=True)

    async def set_allow_list(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/allow-list"""
        detail = await self.find(visit)
        form = await visit.read_form()
        written = form.text(
            "networks",
            is_required=False,
            characters_max=2 * NETWORKS_MAX * _NETWORK_CHARACTERS_MAX,
        )
        networks: tuple[Network, ...] = ()
        try:
            networks = parse_networks(written.replace(",", " ").split())
        except ValueInvalid as error:
            form.refuse_as(error, "networks")
        desk = self._needs.application_desk
        if not form.is_valid or not await self.do(
            lambda: desk.set_allow_list(visit.principal, detail.app_id, networks), form
        ):
            return self._view_server(visit, detail, network_form=form, status=422)
        return self._saved(visit, Tab.SERVER)

    def _view_server(
        self,
        visit: Visit,
        detail: ApplicationDetail,
        *,
        form: Form | None = None,
        network_form: Form | None = None,
        outcome: TrialOutcome | None = None,
        is_tried: bool = False,
        status: int = 200,
    ) -> View:
        ticked = {
            "pool_alerts": "yes" if detail.pool_alerts else None,
            "private": "yes" if detail.allow_private_addresses else None,
        }
        networks = "\n".join(str(network) for network in detail.allow_list)
        return self.view(
            visit,
            detail,
            Tab.SERVER,
            "server",
            status,
            form=form or visit.form(server=detail.notify_url, **ticked),
            network_form=network_form or visit.form(networks=networks),
            outcome=outcome,
            is_tried=is_tried,
            timeout_s=int(TRIAL_TIMEOUT_S),
            networks_max=NETWORKS_MAX,
            own_address=visit.client,
            is_staff=visit.may(STAFF_ROLES),
        )

    # Limits

    async def show_limits(self, visit: Visit) -> Answer:
        """GET /applications/{app_id}/limits"""
        detail = await self.find(visit)
        values = {each.name: getattr(detail.limits, each.name) for each in fields(detail.limits)}
        return await self._view_limits(visit, detail, visit.form(**values))

    async def change_limits(self, visit: Visit) -> Answer:
        """POST /applications/{app_id}/limits"""
        detail = await self.find(visit)
        form = await visit.read_form()
        given = {
            name: form.whole(name, least=1, most=most, is_required=False)
            for name, (_, most) in LIMITS.items()
        }

        def change(known: ApplicationLimits) -> ApplicationLimits:
            return replace(known, **given)

        desk = self._needs.application_desk
        if not form.is_valid or not await self.do(
            lambda: desk.change_limits(visit.principal, detail.app_id, change), form
        ):
            return await self._view_limits(visit, detail, form, 422)
        return self._saved(visit, Tab.LIMITS)

    async def _view_limits(
        self, visit: Visit, detail: ApplicationDetail, form: Form, status: int = 200
    ) -> View:
        def read() -> EnterpriseLimits:
            return self._needs.administration.show_enterprise(detail.enterprise_id).limits

        word = visit.words.look_up
        return self.view(
            visit,
            detail,
            Tab.LIMITS,
            "limits",
            status,
            form=form,
            granted=await self._needs.worker.run(read),
            limits=[(name, word(words)) for name, (words, _) in LIMITS.items()],
        )

    def _saved(self, visit: Visit, tab: Tab) -> Redirect:
        return Redirect(visit.link(tab, app_id=visit.path["app_id"]), toast=visit.gettext("Saved."))

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name=Tab.OVERVIEW,
                path="/applications/{app_id}",
                title=mark("Application"),
                roles=READING,
                show=self.show,
                operations=("showApplication",),
                parent="applications",
            ),
            Page(
                name=Tab.KEYS,
                path="/applications/{app_id}/keys",
                title=mark("Keys"),
                roles=READING,
                show=self.show_keys,
                operations=("showApplication",),
                parent="applications",
            ),
            Page(
                name=Tab.SERVER,
                path="/applications/{app_id}/server",
                title=mark("Server and network"),
                roles=READING,
                show=self.show_server,
                operations=("showApplication", "showAllowList"),
                parent="applications",
            ),
            Page(
                name=Tab.LIMITS,
                path="/applications/{app_id}/limits",
                title=mark("Limits"),
                roles=READING,
                show=self.show_limits,
                operations=("showApplicationLimits",),
                parent="applications",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/applications/{app_id}"
        done = (
            ("changeApplication", "settings", self.change),
            ("enableApplication", "enable", self.enable),
            ("disableApplication", "disable", self.disable),
            ("rotateKey", "keys", self.rotate),
            ("revokeOldKey", "keys/revoke", self.revoke),
            ("rotateSigningKey", "signing-keys", self.rotate_signing_key),
            ("testApplicationServer", "server-test", self.test_server),
            ("setAllowList", "allow-list", self.set_allow_list),
            ("changeApplicationLimits", "limits", self.change_limits),
        )
        return [
            Action(operation=operation, path=f"{path}/{suffix}", roles=CHANGING, handle=handle)
            for operation, suffix, handle in done
        ]
