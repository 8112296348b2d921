"""`/trunks`: the SIP peers through which calls leave, and how they fare."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.api.management.problem import ALREADY_EXISTS, INVALID_VALUE, NOT_FOUND, Refused
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Strict, given_fields
from clicktodial.api.management.worker import Worker
from clicktodial.control.port import TrunkMonitor
from clicktodial.domain.media import KNOWN_CODECS
from clicktodial.domain.principal import Role
from clicktodial.domain.trunk import (
    NumberFormat,
    SrtpPolicy,
    Transport,
    Trunk,
    TrunkCredentials,
    TrunkTls,
)
from clicktodial.storage import trunk_row, value
from clicktodial.storage.administration import Administration, TrunkDetail

_Port = Annotated[
    int, Meta(ge=0, le=65_535, description="0 is the one that DNS names, or the transport's own.")
]
_Priority = Annotated[
    int, Meta(ge=0, le=value.PRIORITY_MAX, description="A lower one is tried first.")
]
_Weight = Annotated[
    int, Meta(ge=0, le=trunk_row.WEIGHT_MAX, description="Shares calls among equal priorities.")
]
_AnswerTimeout = Annotated[
    int,
    Meta(
        ge=1,
        le=value.ANSWER_TIMEOUT_S_MAX,
        description="Seconds to wait for any response before the next trunk is tried.",
    ),
]
_Prefixes = Annotated[
    list[str],
    Meta(
        max_length=trunk_row.PREFIXES_MAX,
        description="Beginnings of E.164 numbers with plus; none carries every number.",
    ),
]
_Rate = Annotated[
    int, Meta(ge=0, le=trunk_row.CALLS_PER_SECOND_MAX, description="New legs a second; 0: any.")
]
_Channels = Annotated[
    int, Meta(ge=0, le=trunk_row.CHANNELS_MAX, description="Legs at a time; 0: any.")
]
_RegistrationExpires = Annotated[
    int,
    Meta(
        ge=trunk_row.REGISTRATION_EXPIRES_S_MIN,
        le=trunk_row.REGISTRATION_EXPIRES_S_MAX,
        description="How long a registration holds, in seconds.",
    ),
]
_OptionsInterval = Annotated[
    int,
    Meta(
        ge=0,
        le=trunk_row.OPTIONS_INTERVAL_S_MAX,
        description="Seconds between the OPTIONS that ask whether it is there; 0: never.",
    ),
]
_SessionExpires = Annotated[
    int,
    Meta(
        ge=0,
        le=trunk_row.SESSION_EXPIRES_S_MAX,
        description="Seconds within which both ends hear of each other (RFC 4028); 0: not asked.",
    ),
]
_Username = Annotated[str, Meta(min_length=1, max_length=trunk_row.CREDENTIAL_CHARACTERS_MAX)]
_Password = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=trunk_row.CREDENTIAL_CHARACTERS_MAX,
        description="Written only: stored encrypted, and never answered.",
    ),
]
_Path = Annotated[
    str, Meta(max_length=trunk_row.PATH_CHARACTERS_MAX, description="Of a PEM file on the server.")
]
_Codecs = Annotated[
    list[str],
    Meta(
        max_length=len(KNOWN_CODECS),
        description="The only ones that may be offered there: "
        f"{', '.join(codec.name for codec in KNOWN_CODECS)}; none is any.",
    ),
]
_Cost = Annotated[
    int,
    Meta(
        ge=0,
        le=trunk_row.COST_PER_MINUTE_MICROS_MAX,
        description="What a minute of a leg costs the operator, in millionths of the currency.",
    ),
]


class Header(Strict, frozen=True):
    """A header added to each INVITE."""

    name: str
    value: str


class Tls(Strict, frozen=True):
    """What a trunk over TLS must prove, and what is proved to it."""

    server_name: str | None
    ca_file: _Path | None
    certificate_file: _Path | None
    key_file: _Path | None


class TlsChange(Strict, frozen=True):
    """What changes of it; null takes away."""

    server_name: str | UnsetType | None = UNSET
    ca_file: _Path | UnsetType | None = UNSET
    certificate_file: _Path | UnsetType | None = UNSET
    key_file: _Path | UnsetType | None = UNSET


_Headers = Annotated[list[Header], Meta(max_length=trunk_row.HEADERS_MAX)]


class TrunkChange(Strict, frozen=True):
    """What changes of a trunk; null takes away. Lists are given whole.

    A `username` without a `password` keeps the one that there is; null takes both away.
    """

    host: str | UnsetType = UNSET
    port: _Port | UnsetType = UNSET
    transport: Transport | UnsetType = UNSET
    priority: _Priority | UnsetType = UNSET
    weight: _Weight | UnsetType = UNSET
    domain: str | UnsetType | None = UNSET
    answer_timeout_s: _AnswerTimeout | UnsetType = UNSET
    prefixes: _Prefixes | UnsetType = UNSET
    number_format: NumberFormat | UnsetType = UNSET
    region: str | UnsetType = UNSET
    headers: _Headers | UnsetType = UNSET
    calls_per_second_max: _Rate | UnsetType = UNSET
    channels_max: _Channels | UnsetType = UNSET
    username: _Username | UnsetType | None = UNSET
    password: _Password | UnsetType = UNSET
    tls: TlsChange | UnsetType = UNSET
    registers: bool | UnsetType = UNSET
    registration_expires_s: _RegistrationExpires | UnsetType = UNSET
    options_interval_s: _OptionsInterval | UnsetType = UNSET
    session_expires_s: _SessionExpires | UnsetType = UNSET
    charging_vector: bool | UnsetType = UNSET
    signs_calls: bool | UnsetType = UNSET
    privacy: list[str] | UnsetType = UNSET
    srtp: SrtpPolicy | UnsetType = UNSET
    codecs: _Codecs | UnsetType = UNSET
    cost_per_minute_micros: _Cost | UnsetType = UNSET


class NewTrunk(TrunkChange, frozen=True, kw_only=True):
    """A trunk to be added; what is not given has its default."""

    name: Identifier
    host: str


class LiveTrunk(Strict, frozen=True):
    """How a trunk fares on this node: its legs now, whether it answers when it is asked, whether
    others are tried before it, and whether it knows us (null where it does not register)."""

    channels: int
    is_down: bool
    is_resting: bool
    is_registered: bool | None


class TrunkView(Strict, frozen=True):
    """A trunk, all but its password."""

    name: str
    enabled: bool
    host: str
    port: _Port
    transport: Transport
    priority: _Priority
    weight: _Weight
    domain: str | None
    answer_timeout_s: _AnswerTimeout
    prefixes: _Prefixes
    number_format: NumberFormat
    region: str
    headers: _Headers
    calls_per_second_max: _Rate
    channels_max: _Channels
    username: str | None
    tls: Tls
    registers: bool
    registration_expires_s: _RegistrationExpires
    options_interval_s: _OptionsInterval
    session_expires_s: _SessionExpires
    charging_vector: bool
    signs_calls: bool
    privacy: list[str]
    srtp: SrtpPolicy
    codecs: _Codecs
    cost_per_minute_micros: _Cost
    live: LiveTrunk


class TrunkList(Strict, frozen=True):
    """All trunks, in the order in which they are tried."""

    trunks: list[TrunkView]


class TrunkResource:
    """Trunks. Changes are those of the command line: a running node takes them up within a
    second, and calls that live go on as they are."""

    def __init__(
        self, administration: Administration, monitor: TrunkMonitor, worker: Worker
    ) -> None:
        self._administration = administration
        self._monitor = monitor
        self._worker = worker

    async def list_all(self, _: Ask) -> TrunkList:
        """GET of all"""
        details = await self._worker.run(self._administration.list_trunks)
        return TrunkList(trunks=[self._view(detail) for detail in details])

    async def create(self, ask: Ask) -> Created:
        """POST"""
        new = await ask.read(NewTrunk)
        change = _create_change(new)
        trunk = change(Trunk(new.name, "", 0))
        await self._worker.run(lambda: self._administration.add_trunk(trunk))
        return Created(await self._show(new.name), f"/trunks/{new.name}")

    async def show(self, ask: Ask) -> TrunkView:
        """GET of one"""
        return await self._show(ask.path["name"])

    async def change(self, ask: Ask) -> TrunkView:
        """PATCH"""
        name = ask.path["name"]
        change = _create_change(await ask.read(TrunkChange))
        await self._worker.run(lambda: self._administration.change_trunk(name, change))
        return await self._show(name)

    async def remove(self, ask: Ask) -> None:
        """DELETE"""
        name = ask.path["name"]
        await self._worker.run(lambda: self._administration.remove_trunk(name))

    async def enable(self, ask: Ask) -> TrunkView:
        """POST .../enable"""
        return await self._set_enabled(ask.path["name"], enabled=True)

    async def disable(self, ask: Ask) -> TrunkView:
        """POST .../disable"""
        return await self._set_enabled(ask.path["name"], enabled=False)

    async def _set_enabled(self, name: str, *, enabled: bool) -> TrunkView:
        administration = self._administration
        await self._worker.run(lambda: administration.set_trunk_enabled(name, enabled=enabled))
        return await self._show(name)

    async def _show(self, name: str) -> TrunkView:
        return self._view(await self._worker.run(lambda: self._administration.show_trunk(name)))

    def _view(self, detail: TrunkDetail) -> TrunkView:
        state = self._monitor.state(detail.trunk)
        live = LiveTrunk(
            channels=state.channels,
            is_down=state.is_down,
            is_resting=state.is_resting,
            is_registered=state.is_registered,
        )
        return _render(detail.trunk, enabled=detail.enabled, live=live)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        name = (Parameter("name", "The trunk.", {"type": "string"}, example="main"),)
        shared: dict[str, Any] = {"tag": "Trunks", "roles": frozenset({Role.OPERATOR})}
        seen = {"roles": frozenset({Role.OPERATOR, Role.SUPPORT})}
        one = shared | {"parameters": name, "answer": TrunkView, "answer_example": EXAMPLE}
        return [
            Route(
                name="listTrunks",
                method="GET",
                path="/trunks",
                summary="List trunks",
                about="All of them, in the order in which they are tried.",
                handle=self.list_all,
                answer=TrunkList,
                answer_example=TrunkList(trunks=[EXAMPLE]),
                **(shared | seen),
            ),
            Route(
                name="createTrunk",
                method="POST",
                path="/trunks",
                summary="Add a trunk",
                about="Calls leave through it within a second.",
                handle=self.create,
                body=NewTrunk,
                body_example={"name": "main", "host": "sip.example.com", "port": 5060},
                answer=TrunkView,
                answer_example=EXAMPLE,
                status=201,
                problems=(ALREADY_EXISTS, INVALID_VALUE),
                **shared,
            ),
            Route(
                name="showTrunk",
                method="GET",
                path="/trunks/{name}",
                summary="Read a trunk",
                about="All but its password, and how it fares on this node.",
                handle=self.show,
                problems=(NOT_FOUND,),
                **(one | seen),
            ),
            Route(
                name="changeTrunk",
                method="PATCH",
                path="/trunks/{name}",
                summary="Change a trunk",
                about="Only what is given changes. Calls that go through it go on as they are.",
                handle=self.change,
                body=TrunkChange,
                body_example={"weight": 3, "channels_max": 60},
                problems=(NOT_FOUND, INVALID_VALUE),
                **one,
            ),
            Route(
                name="removeTrunk",
                method="DELETE",
                path="/trunks/{name}",
                summary="Remove a trunk",
                about="Calls that go through it go on.",
                handle=self.remove,
                status=204,
                parameters=name,
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="enableTrunk",
                method="POST",
                path="/trunks/{name}/enable",
                summary="Use a trunk for new calls again",
                about="Within a second.",
                handle=self.enable,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="disableTrunk",
                method="POST",
                path="/trunks/{name}/disable",
                summary="Use a trunk for new calls no longer",
                about="Calls that go through it go on.",
                handle=self.disable,
                problems=(NOT_FOUND,),
                **one,
            ),
        ]


def _create_change(given: TrunkChange) -> Callable[[Trunk], Trunk]:
    """What the body makes of a trunk. Raises Refused."""
    changes = given_fields(given)
    username, password = changes.pop("username", UNSET), changes.pop("password", UNSET)
    tls = changes.pop("tls", None)
    for name in ("prefixes", "privacy", "codecs"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if "headers" in changes:
        changes["headers"] = tuple((header.name, header.value) for header in changes["headers"])

    def change(trunk: Trunk) -> Trunk:
        return replace(
            trunk,
            **changes,
            tls=trunk.tls if tls is None else replace(trunk.tls, **given_fields(tls)),
            credentials=_credentials(trunk, username, password),
        )

    return change


def _credentials(
    trunk: Trunk, username: str | UnsetType | None, password: str | UnsetType
) -> TrunkCredentials | None:
    """Those that the trunk has from now on; an empty password stands for the one it had."""
    known = trunk.credentials
    if isinstance(username, UnsetType):
        username = None if known is None else known.username
    if username is None:
        if password is not UNSET:
            raise Refused(INVALID_VALUE, "a password needs a username", pointer="/password")
        return None
    if isinstance(password, UnsetType):
        password = "" if known is None else known.password
    return TrunkCredentials(username, password)


def _render(trunk: Trunk, *, enabled: bool, live: LiveTrunk) -> TrunkView:
    return TrunkView(
        name=trunk.name,
        enabled=enabled,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport,
        priority=trunk.priority,
        weight=trunk.weight,
        domain=trunk.domain,
        answer_timeout_s=trunk.answer_timeout_s,
        prefixes=list(trunk.prefixes),
        number_format=trunk.number_format,
        region=trunk.region,
        headers=[Header(name=name, value=text) for name, text in trunk.headers],
        calls_per_second_max=trunk.calls_per_second_max,
        channels_max=trunk.channels_max,
        username=None if trunk.credentials is None else trunk.credentials.username,
        tls=_render_tls(trunk.tls),
        registers=trunk.registers,
        registration_expires_s=trunk.registration_expires_s,
        options_interval_s=trunk.options_interval_s,
        session_expires_s=trunk.session_expires_s,
        charging_vector=trunk.charging_vector,
        signs_calls=trunk.signs_calls,
        privacy=list(trunk.privacy),
        srtp=trunk.srtp,
        codecs=list(trunk.codecs),
        cost_per_minute_micros=trunk.cost_per_minute_micros,
        live=live,
    )


def _render_tls(tls: TrunkTls) -> Tls:
    return Tls(
        server_name=tls.server_name,
        ca_file=tls.ca_file,
        certificate_file=tls.certificate_file,
        key_file=tls.key_file,
    )


EXAMPLE = _render(
    Trunk("main", "sip.example.com", 5060),
    enabled=True,
    live=LiveTrunk(channels=12, is_down=False, is_resting=False, is_registered=None),
)
