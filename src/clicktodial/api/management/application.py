"""`/applications`: what an enterprise calls with: keys, capabilities, from where, how much."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.application import ApplicationDesk, Wish
from clicktodial.api.management.name_paging import (
    NAME_PAGE_PARAMETERS,
    cut_page,
    parse_name_cursor,
)
from clicktodial.api.management.paging import parse_limit
from clicktodial.api.management.problem import (
    CONFLICT,
    INVALID_PARAMETER,
    INVALID_VALUE,
    MISSING_PROPERTY,
    NOT_FOUND,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Instant, Strict, given_fields
from clicktodial.api.management.worker import Worker
from clicktodial.domain.application import (
    ApplicationLimits,
    ApplicationStatus,
    Capability,
)
from clicktodial.domain.principal import Role
from clicktodial.notify.trial import ServerTrial
from clicktodial.storage.administration import ApplicationDetail, CreatedSecrets
from clicktodial.storage.application_codec import (
    GRACE_S_MAX,
    NETWORKS_MAX,
    REQUESTS_PER_SECOND_MAX,
    parse_networks,
)
from clicktodial.storage.options_codec import CALLS_PER_SECOND_MAX, LIVE_CALLS_MAX
from clicktodial.storage.table import NAME_CHARACTERS_MAX, URL_CHARACTERS_MAX

CHANGING = frozenset({Role.OWNER, Role.DEVELOPER, Role.OPERATOR})
READING = CHANGING | {Role.READER, Role.ACCOUNT_MANAGER, Role.SUPPORT}
# A day: deploying a key should take no longer, and a leaked one should live no longer.
DEFAULT_GRACE_S = 86_400

_Name = Annotated[
    str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, description="For people.")
]
_Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=URL_CHARACTERS_MAX,
        description="The application server, v1's {appServer}; null for none.",
    ),
]
_Capabilities = Annotated[
    tuple[Capability, ...],
    Meta(max_length=len(Capability), description="What it may use; the list is given whole."),
]
_Networks = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=49)]],
    Meta(
        max_length=NETWORKS_MAX,
        description="IPv4 and IPv6 networks in CIDR, and single addresses; empty: from everywhere.",
    ),
]
_LiveCalls = Annotated[int, Meta(ge=1, le=LIVE_CALLS_MAX, description="Calls at a time.")]
_Calls = Annotated[int, Meta(ge=1, le=CALLS_PER_SECOND_MAX, description="New calls a second.")]
_Requests = Annotated[
    int, Meta(ge=1, le=REQUESTS_PER_SECOND_MAX, description="Requests a second, of any kind.")
]


class NewApplicationBody(Strict, frozen=True):
    """An application that is wished; by default it may call, and nothing more."""

    name: _Name
    capabilities: _Capabilities = (Capability.CLICK_TO_DIAL,)
    notify_url: _Url | None = None
    enterprise_id: (
        Annotated[
            Identifier,
            Meta(description="Whose it is; required of the operator's people."),
        ]
        | UnsetType
    ) = UNSET


class ApplicationChange(Strict, frozen=True):
    """What changes."""

    name: _Name | UnsetType = UNSET
    capabilities: _Capabilities | UnsetType = UNSET
    notify_url: _Url | UnsetType | None = UNSET
    allow_private_addresses: (
        Annotated[
            bool,
            Meta(
                description="Whether the application server may have a private address; the "
                "operator's to say."
            ),
        ]
        | UnsetType
    ) = UNSET
    pool_alerts: (
        Annotated[
            bool,
            Meta(
                description="Whether the application server is told when the pool of minutes "
                "passes a threshold."
            ),
        ]
        | UnsetType
    ) = UNSET


class ApplicationView(Strict, frozen=True):
    """An application, without its keys. `old_secret_until` is how long the key of before the last
    rotation works, null where there is none."""

    app_id: str
    enterprise_id: str
    name: str
    status: ApplicationStatus
    capabilities: list[Capability]
    notify_url: str | None
    allow_private_addresses: bool
    pool_alerts: bool
    created_at: Instant
    old_secret_until: Instant | None


class ApplicationPage(Strict, frozen=True):
    """A page of applications, and where the next one begins."""

    applications: list[ApplicationView]
    next: str | None


class KeyPair(Strict, frozen=True):
    """Keys in clear, shown this once: nobody can read them again."""

    app_id: str
    secret: str
    signing_secret: str


class RotatedKey(Strict, frozen=True):
    """The new key in clear, shown this once, and how long the old one works; null: not at all."""

    app_id: str
    secret: str
    old_secret_until: Instant | None


class SigningKey(Strict, frozen=True):
    """The new key of signatures in clear, shown this once."""

    app_id: str
    signing_secret: str


class Rotation(Strict, frozen=True):
    """How the old key leaves."""

    grace_s: Annotated[
        int,
        Meta(ge=0, le=GRACE_S_MAX, description="For how many seconds the old key works on."),
    ] = DEFAULT_GRACE_S


class AllowList(Strict, frozen=True):
    """From where alone the application may ask."""

    networks: _Networks


class ApplicationLimitsView(Strict, frozen=True):
    """What one application may use at most, within its enterprise's limits; null is no limit of
    its own. Counted on each node."""

    live_calls_max: _LiveCalls | None
    calls_per_second_max: _Calls | None
    requests_per_second_max: _Requests | None


class ApplicationLimitsChange(Strict, frozen=True):
    """The limits that change; null takes one away."""

    live_calls_max: _LiveCalls | UnsetType | None = UNSET
    calls_per_second_max: _Calls | UnsetType | None = UNSET
    requests_per_second_max: _Requests | UnsetType | None = UNSET


class ServerTestView(Strict, frozen=True):
    """What came of asking the application server; `error` is null where it took the request,
    `status` where it did not answer. `text` is how it began what it said, where it refused."""

    url: str
    took_ms: Annotated[int, Meta(ge=0)]
    accepted: bool
    error: str | None
    status: int | None
    text: str | None


class ApplicationResource:
    """Applications of the enterprises that whoever asks may see."""

    def __init__(self, desk: ApplicationDesk, trial: ServerTrial, worker: Worker) -> None:
        self._desk = desk
        self._trial = trial
        self._worker = worker

    async def list_all(self, ask: Ask) -> ApplicationPage:
        """GET of all"""
        limit, after = parse_limit(ask.query), parse_name_cursor(ask.query)
        found = await self._worker.run(
            lambda: self._desk.list_applications(
                ask.principal,
                enterprise_id=ask.query.get("enterprise_id"),
                after=after,
                limit=limit + 1,
            )
        )
        page, following = cut_page(found, limit, lambda detail: detail.app_id)
        return ApplicationPage(
            applications=[render_application(detail) for detail in page], next=following
        )

    async def create(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(NewApplicationBody)
        enterprise_id = own_or_named_enterprise(ask, body.enterprise_id)
        wish = Wish(
            name=body.name,
            capabilities=frozenset(body.capabilities),
            notify_url=body.notify_url,
        )
        created = await self._worker.run(
            lambda: self._desk.create(ask.principal, enterprise_id, wish)
        )
        ask.notes.enterprise_id = enterprise_id
        assert created.secret is not None and created.signing_secret is not None
        pair = KeyPair(
            app_id=created.app_id,
            secret=created.secret,
            signing_secret=created.signing_secret,
        )
        return Created(pair, f"/applications/{created.app_id}")

    async def show(self, ask: Ask) -> ApplicationView:
        """GET of one"""
        return render_application(await self._detail(ask))

    async def change(self, ask: Ask) -> ApplicationView:
        """PATCH"""
        await note_owner(ask, self._desk, self._worker)
        given = given_fields(await ask.read(ApplicationChange))
        app_id, desk, who = ask.path["app_id"], self._desk, ask.principal

        def change() -> None:
            # First what may be refused for who asks; each is right by itself.
            if "allow_private_addresses" in given:
                allowed = given["allow_private_addresses"]
                desk.allow_private_addresses(who, app_id, allowed=allowed)
            if "notify_url" in given:
                desk.set_server(who, app_id, given["notify_url"])
            if "pool_alerts" in given:
                desk.set_pool_alerts(who, app_id, wanted=given["pool_alerts"])
            if "name" in given:
                desk.rename(who, app_id, given["name"])
            if "capabilities" in given:
                desk.set_capabilities(who, app_id, frozenset(given["capabilities"]))

        await self._worker.run(change)
        return render_application(await self._detail(ask))

    async def test_server(self, ask: Ask) -> ServerTestView:
        """POST .../server-test"""
        detail = await self._detail(ask)
        outcome = await self._trial.run(detail.app_id)
        if outcome is None:
            raise Refused(CONFLICT, "the application has no server that could be asked")
        return ServerTestView(
            url=outcome.url,
            took_ms=outcome.took_ms,
            accepted=outcome.error is None,
            error=outcome.error,
            status=outcome.status,
            text=outcome.text,
        )

    async def enable(self, ask: Ask) -> None:
        """POST .../enable"""
        await self._change(ask, lambda app_id: self._set_enabled(ask, app_id, enabled=True))

    async def disable(self, ask: Ask) -> None:
        """POST .../disable"""
        await self._change(ask, lambda app_id: self._set_enabled(ask, app_id, enabled=False))

    async def rotate_key(self, ask: Ask) -> RotatedKey:
        """POST .../keys"""
        rotation = await ask.read(Rotation, or_empty=Rotation())
        app_id = ask.path["app_id"]
        created = await self._secrets(
            ask,
            lambda: self._desk.rotate_key(
                ask.principal, app_id, grace_s=rotation.grace_s, now=ask.now
            ),
        )
        assert created.secret is not None
        return RotatedKey(
            app_id=app_id, secret=created.secret, old_secret_until=created.old_secret_until
        )

    async def revoke_old_key(self, ask: Ask) -> None:
        """DELETE .../keys/old"""
        await self._change(ask, lambda app_id: self._desk.revoke_old_key(ask.principal, app_id))

    async def rotate_signing_key(self, ask: Ask) -> SigningKey:
        """POST .../signing-keys"""
        app_id = ask.path["app_id"]
        created = await self._secrets(
            ask, lambda: self._desk.rotate_signing_key(ask.principal, app_id)
        )
        assert created.signing_secret is not None
        return SigningKey(app_id=app_id, signing_secret=created.signing_secret)

    async def show_allow_list(self, ask: Ask) -> AllowList:
        """GET .../allow-list"""
        return _render_allow_list(await self._detail(ask))

    async def set_allow_list(self, ask: Ask) -> AllowList:
        """PUT .../allow-list"""
        networks = parse_networks((await ask.read(AllowList)).networks)
        await self._change(
            ask, lambda app_id: self._desk.set_allow_list(ask.principal, app_id, networks)
        )
        return _render_allow_list(await self._detail(ask))

    async def show_limits(self, ask: Ask) -> ApplicationLimitsView:
        """GET .../limits"""
        return _render_limits((await self._detail(ask)).limits)

    async def change_limits(self, ask: Ask) -> ApplicationLimitsView:
        """PATCH .../limits"""
        await note_owner(ask, self._desk, self._worker)
        given = given_fields(await ask.read(ApplicationLimitsChange))
        app_id = ask.path["app_id"]
        limits = await self._worker.run(
            lambda: self._desk.change_limits(
                ask.principal, app_id, lambda known: replace(known, **given)
            )
        )
        return _render_limits(limits)

    def _set_enabled(self, ask: Ask, app_id: str, *, enabled: bool) -> None:
        self._desk.set_enabled(ask.principal, app_id, enabled=enabled)

    async def _change(self, ask: Ask, change: Callable[[str], None]) -> None:
        await note_owner(ask, self._desk, self._worker)
        app_id = ask.path["app_id"]
        await self._worker.run(lambda: change(app_id))

    async def _secrets(self, ask: Ask, make: Callable[[], CreatedSecrets]) -> CreatedSecrets:
        await note_owner(ask, self._desk, self._worker)
        return await self._worker.run(make)

    async def _detail(self, ask: Ask) -> ApplicationDetail:
        app_id = ask.path["app_id"]
        detail = await self._worker.run(lambda: self._desk.show(ask.principal, app_id))
        ask.notes.enterprise_id = detail.enterprise_id
        return detail

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._application_routes(), *self._key_routes(), *self._bound_routes()]

    def _application_routes(self) -> list[Route]:
        return [
            Route(
                name="listApplications",
                method="GET",
                path="/applications",
                summary="List applications",
                about="Those of the enterprise of whoever asks, or all that the operator's people "
                "may see, by identifier.",
                roles=READING,
                handle=self.list_all,
                answer=ApplicationPage,
                answer_example={"applications": [_APPLICATION], "next": None},
                query=(*NAME_PAGE_PARAMETERS, ENTERPRISE_QUERY),
                problems=(INVALID_PARAMETER, NOT_FOUND),
                tag=_TAG,
            ),
            Route(
                name="createApplication",
                method="POST",
                path="/applications",
                summary="Create an application",
                about="Of an active enterprise. The answer shows its key pair, and nothing shows "
                "it again: `secret` is v1's Secretkey, `signing_secret` that of the signatures of "
                "notifications.",
                roles=CHANGING | {Role.ACCOUNT_MANAGER},
                handle=self.create,
                body=NewApplicationBody,
                body_example={"name": "Courier", "capabilities": ["click-to-dial", "recording"]},
                answer=KeyPair,
                answer_example=_KEYS,
                status=201,
                problems=(INVALID_VALUE, NOT_FOUND, CONFLICT),
                tag=_TAG,
            ),
            Route(
                name="showApplication",
                method="GET",
                path="/applications/{app_id}",
                summary="Read an application",
                about="All but its keys.",
                roles=READING,
                handle=self.show,
                answer=ApplicationView,
                answer_example=_APPLICATION,
                **OF_APPLICATION,
            ),
            Route(
                name="changeApplication",
                method="PATCH",
                path="/applications/{app_id}",
                summary="Change an application",
                about="Its name, what it may use, and the address of its application server. A "
                "private address is answered nowhere unless the operator allows it.",
                roles=CHANGING,
                handle=self.change,
                body=ApplicationChange,
                body_example={"name": "Courier", "notify_url": "https://app.example"},
                answer=ApplicationView,
                answer_example=_APPLICATION,
                **_CHANGE_OF_APPLICATION,
            ),
            Route(
                name="testApplicationServer",
                method="POST",
                path="/applications/{app_id}/server-test",
                summary="Test the application server",
                about="Sends a notification that tells of no call (`status` Test), with the "
                "credential and the signature of all others, and answers what came of it. A "
                "server takes it with any 2xx within 5 seconds.",
                roles=CHANGING,
                handle=self.test_server,
                answer=ServerTestView,
                answer_example={
                    "url": "https://app.example/clicktodial/v1/clicktodialstatusnotify/test",
                    "took_ms": 42,
                    "accepted": True,
                    "error": None,
                    "status": 200,
                    "text": None,
                },
                **(OF_APPLICATION | {"problems": (NOT_FOUND, CONFLICT)}),
            ),
            Route(
                name="enableApplication",
                method="POST",
                path="/applications/{app_id}/enable",
                summary="Enable an application",
                about="It may call again.",
                roles=CHANGING,
                handle=self.enable,
                status=204,
                **OF_APPLICATION,
            ),
            Route(
                name="disableApplication",
                method="POST",
                path="/applications/{app_id}/disable",
                summary="Disable an application",
                about="Its requests are refused, by v1 with 403 0001004; its calls go on.",
                roles=CHANGING,
                handle=self.disable,
                status=204,
                **OF_APPLICATION,
            ),
        ]

    def _key_routes(self) -> list[Route]:
        return [
            Route(
                name="rotateKey",
                method="POST",
                path="/applications/{app_id}/keys",
                summary="Rotate the key",
                about="The answer shows the new key, and nothing shows it again. The one before "
                "works on for `grace_s`, and until then notifications carry it, since the "
                "application server may not have the new one yet; the one before that works no "
                "longer.",
                roles=CHANGING,
                handle=self.rotate_key,
                body=Rotation,
                is_body_optional=True,
                body_example={"grace_s": 3600},
                answer=RotatedKey,
                answer_example={
                    "app_id": "12345678",
                    "secret": "a-new-key",
                    "old_secret_until": "2026-03-04T06:06:07Z",
                },
                **_CHANGE_OF_APPLICATION,
            ),
            Route(
                name="revokeOldKey",
                method="DELETE",
                path="/applications/{app_id}/keys/old",
                summary="Revoke the old key",
                about="The key of before the last rotation is refused from now on.",
                roles=CHANGING,
                handle=self.revoke_old_key,
                status=204,
                **OF_APPLICATION,
            ),
            Route(
                name="rotateSigningKey",
                method="POST",
                path="/applications/{app_id}/signing-keys",
                summary="Rotate the key of signatures",
                about="The answer shows the new one, and nothing shows it again. Notifications are "
                "signed with it from now on.",
                roles=CHANGING,
                handle=self.rotate_signing_key,
                answer=SigningKey,
                answer_example={"app_id": "12345678", "signing_secret": "whsec_..."},
                **OF_APPLICATION,
            ),
        ]

    def _bound_routes(self) -> list[Route]:
        networks = {"networks": ["203.0.113.0/24", "2001:db8::1/128"]}
        limits = {
            "live_calls_max": 20,
            "calls_per_second_max": None,
            "requests_per_second_max": 50,
        }
        return [
            Route(
                name="showAllowList",
                method="GET",
                path="/applications/{app_id}/allow-list",
                summary="Read the allow-list",
                about="From where alone the application may ask; empty: from everywhere.",
                roles=READING,
                handle=self.show_allow_list,
                answer=AllowList,
                answer_example=networks,
                **OF_APPLICATION,
            ),
            Route(
                name="setAllowList",
                method="PUT",
                path="/applications/{app_id}/allow-list",
                summary="Set the allow-list",
                about="Requests with the application's key from elsewhere are refused as if the "
                "key were wrong, by v1 with 401 0001002.",
                roles=CHANGING,
                handle=self.set_allow_list,
                body=AllowList,
                body_example=networks,
                answer=AllowList,
                answer_example=networks,
                **_CHANGE_OF_APPLICATION,
            ),
            Route(
                name="showApplicationLimits",
                method="GET",
                path="/applications/{app_id}/limits",
                summary="Read the limits of an application",
                about="Within those of its enterprise.",
                roles=READING,
                handle=self.show_limits,
                answer=ApplicationLimitsView,
                answer_example=limits,
                **OF_APPLICATION,
            ),
            Route(
                name="changeApplicationLimits",
                method="PATCH",
                path="/applications/{app_id}/limits",
                summary="Change the limits of an application",
                about="Only what is given changes, for requests from now on. Beyond a limit v1 "
                "answers 503 0000002 with Retry-After.",
                roles=CHANGING,
                handle=self.change_limits,
                body=ApplicationLimitsChange,
                body_example={"live_calls_max": 20, "requests_per_second_max": 50},
                answer=ApplicationLimitsView,
                answer_example=limits,
                **_CHANGE_OF_APPLICATION,
            ),
        ]


async def note_owner(ask: Ask, desk: ApplicationDesk, worker: Worker) -> None:
    """Tell the audit log whose application it is that the path names. Raises NotFound."""
    app_id = ask.path["app_id"]
    ask.notes.enterprise_id = await worker.run(lambda: desk.enterprise_of(ask.principal, app_id))


def own_or_named_enterprise(ask: Ask, named: str | UnsetType) -> str:
    """The enterprise of whoever asks, or the one that the operator's people name. Whether they may
    is the use case's to say. Raises Refused where they name none."""
    if not isinstance(named, UnsetType):
        return named
    if ask.principal.enterprise_id is None:
        raise Refused(MISSING_PROPERTY, "enterprise_id is required here", pointer="/enterprise_id")
    return ask.principal.enterprise_id


def render_application(detail: ApplicationDetail) -> ApplicationView:
    """An application as it is answered."""
    return ApplicationView(
        app_id=detail.app_id,
        enterprise_id=detail.enterprise_id,
        name=detail.name,
        status=detail.status,
        capabilities=sorted(detail.capabilities),
        notify_url=detail.notify_url,
        allow_private_addresses=detail.allow_private_addresses,
        pool_alerts=detail.pool_alerts,
        created_at=detail.created_at,
        old_secret_until=detail.old_secret_until,
    )


def _render_allow_list(detail: ApplicationDetail) -> AllowList:
    return AllowList(networks=[str(network) for network in detail.allow_list])


def _render_limits(limits: ApplicationLimits) -> ApplicationLimitsView:
    return ApplicationLimitsView(
        live_calls_max=limits.live_calls_max,
        calls_per_second_max=limits.calls_per_second_max,
        requests_per_second_max=limits.requests_per_second_max,
    )


_TAG = "Applications"
ENTERPRISE_QUERY = Parameter(
    "enterprise_id", "Of that enterprise alone.", {"type": "string", "maxLength": 64}
)
APP_ID = Parameter("app_id", "The application.", {"type": "string"}, example="12345678")
OF_APPLICATION: dict[str, Any] = {
    "tag": _TAG,
    "parameters": (APP_ID,),
    "problems": (NOT_FOUND,),
}
_CHANGE_OF_APPLICATION: dict[str, Any] = OF_APPLICATION | {"problems": (NOT_FOUND, INVALID_VALUE)}
_APPLICATION = {
    "app_id": "12345678",
    "enterprise_id": "acme",
    "name": "Courier",
    "status": "active",
    "capabilities": ["click-to-dial", "recording"],
    "notify_url": "https://app.example",
    "allow_private_addresses": False,
    "pool_alerts": False,
    "created_at": datetime.fromisoformat("2026-03-04T05:06:07+00:00"),
    "old_secret_until": None,
}
_KEYS = {"app_id": "12345678", "secret": "a-key", "signing_secret": "whsec_..."}
