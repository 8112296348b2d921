"""A node that serves the CAMARA API, with phones behind it, sinks beside it, and tokens that a
test gives out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from tests.harness.address import allocate_host, format_address
from tests.harness.phone import Phone
from tests.harness.platform import MEDIA_PORTS
from tests.harness.sink import basic_credential
from tests.harness.switch import Switch

from clicktodial.api.bearer import AccessGrant, TokenInvalid
from clicktodial.api.camara.document import V0_1, V0_2_RC1, Version
from clicktodial.api.camara.operation import SCOPES
from clicktodial.config import (
    CallsSettings,
    HttpSettings,
    ManagementSettings,
    MediaSettings,
    NotifySettings,
    Settings,
    SipSettings,
    StorageSettings,
)
from clicktodial.domain.application import ALL_CAPABILITIES, Capability
from clicktodial.domain.identifier import AppId
from clicktodial.domain.trunk import Trunk
from clicktodial.main import Node, open_node
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.database import Database
from clicktodial.storage.secret import SecretVault, load_master_key

APP, OTHER_APP, MUTE_APP, BARE_APP = "courier", "clinic", "silent", "bare"
SECRET = "S3cret"
SPONSOR = "+861052680000"
CALLER, CALLEE = "+8613912345673", "+8613810268653"
PATIENCE_S = 20.0
BODY_BYTES_MAX = 8_192
RING_S = 3
OPERATOR_TOKEN = "operator-token-of-a-test"
# Of Britain, where no trunk leads.
UNREACHABLE = "+447700900123"
# Its trunk is there, but no leg can be placed on it.
UNPLACEABLE = "+85251234567"


class GivenTokens:
    """Implements `AccessTokens` in memory: each token is what a test says that it is."""

    def __init__(self) -> None:
        self._grants: dict[str, AccessGrant] = {}

    def give(
        self,
        app_id: str = APP,
        scopes: tuple[str, ...] = SCOPES,
        *,
        expires_at: datetime | None = None,
    ) -> str:
        """A new token."""
        token = f"token-{len(self._grants) + 1}"
        expires_at = expires_at or datetime.now(UTC) + timedelta(hours=1)
        self._grants[token] = AccessGrant(AppId(app_id), frozenset(scopes), expires_at)
        return token

    async def verify(self, token: str) -> AccessGrant:
        """See AccessTokens."""
        grant = self._grants.get(token)
        if grant is None:
            raise TokenInvalid
        return grant


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def outcome(self) -> str:
        """`422 SAME_CALLER_CALLEE`; of no error the status alone."""
        if self.status < 400:
            return str(self.status)
        assert self.json["status"] == self.status
        assert self.json["message"]
        assert set(self.json) == {"status", "code", "message"}
        return f"{self.status} {self.json['code']}"


@dataclass(frozen=True)
class Told:
    """An event as it came to a sink."""

    path: str
    headers: dict[str, str]
    event: dict[str, Any]
    taken: bool

    @property
    def call_id(self) -> str:
        return str(self.event["data"]["callId"])

    @property
    def state(self) -> str:
        return str(self.event["data"]["status"]["state"])


class EventServer:
    """A sink: takes CloudEvents, or fails as told, and remembers them."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.status_of: Callable[[dict[str, Any]], int] = lambda event: 204
        self._changed = asyncio.Event()
        self._host = allocate_host()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> Self:
        """Listen."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, 0).start()
        self.url = f"http://{format_address(self._runner.addresses[0][:2])}"
        return self

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        status = self.status_of(event)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.told.append(Told(request.path_qs, headers, event, 200 <= status < 300))
        self._changed.set()
        return web.Response(status=status)

    def of_call(self, call_id: str) -> list[Told]:
        """What was taken of that call, in order."""
        return [one for one in self.told if one.call_id == call_id and one.taken]

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until what came makes it hold."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def wait_for(self, call_id: str, *states: str) -> Told:
        """The last taken event of the call, when its states are exactly these."""
        try:
            await self.wait_until(lambda: len(self.of_call(call_id)) >= len(states))
        except TimeoutError as error:
            raise TimeoutError(f"{[one.state for one in self.of_call(call_id)]}") from error
        told = self.of_call(call_id)
        assert [one.state for one in told] == list(states)
        return told[-1]


@dataclass
class CamaraNode:
    """The running node, and all that a test needs around it."""

    node: Node
    tokens: GivenTokens
    switch: Switch
    sink: EventServer
    administration: Administration
    database: Database
    data_dir: Path
    http: aiohttp.ClientSession
    token: str = ""
    version: Version = V0_2_RC1
    phones: list[Phone] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://{format_address(self.node.http_address)}{self.version.base_path}"

    async def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """One request; `token` "" sends none, None that of the application."""
        sent = {"Authorization": f"Bearer {token or self.token}"} if token != "" else {}
        async with self.http.request(
            method,
            f"{self.base_url}{path}",
            headers=sent | (headers or {}),
            data=data,
            skip_auto_headers=["Content-Type"],
        ) as response:
            body = await response.read()
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                body,
            )

    async def create(
        self,
        *,
        caller: str = CALLER,
        callee: str = CALLEE,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """createCall"""
        body = {"caller": {"number": caller}, "callee": {"number": callee}} | more
        answer = await self.post(body, token=token, headers=headers)
        if answer.status == 201:
            self.begun.append(answer.json["callId"])
        return answer

    async def post(
        self, body: Any, *, token: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """POST /calls with any body."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | (headers or {})
        return await self.request("POST", "/calls", token=token, headers=sent, data=raw)

    async def v1(self, operation: str, body: dict[str, Any]) -> Any:
        """A request of the application's by v1, which must succeed."""
        url = f"http://{format_address(self.node.http_address)}/clicktodial/v1/{operation}"
        headers = {"Authorization": basic_credential(APP, SECRET)}
        async with self.http.post(url, json={"APPID": APP} | body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def manage(self, method: str, path: str, body: Any = None) -> Any:
        """A request of the operator's, which must succeed."""
        url = f"http://{format_address(self.node.http_address)}/management/v1{path}"
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with self.http.request(method, url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.content_type == "application/json" else None

    async def status(self, call_id: str) -> str:
        """What getCall says of the call now."""
        answer = await self.request("GET", f"/calls/{call_id}")
        assert answer.status == 200
        return str(answer.json["status"])

    async def wait_status(self, call_id: str, wanted: str) -> None:
        """Ask until the call has that status: of a call without a sink nobody tells."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.status(call_id) != wanted:
                pass

    async def ask_until(self, outcome: str, path: str) -> Answer:
        """GET until the node has taken up what was changed just now."""
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.request("GET", path)).outcome != outcome:
                pass
        return answer

    async def wait_refused(
        self, outcome: str, *, caller: str = CALLER, callee: str = CALLEE
    ) -> None:
        """Ask until the node has taken up a rule that was changed just now."""
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.create(caller=caller, callee=callee)).outcome != outcome:
                if answer.status == 201:
                    await self.request("DELETE", f"/calls/{answer.json['callId']}")

    async def phone(self, number: str, **behaviour: Any) -> Phone:
        """A phone for one call."""
        phone = await Phone(self.switch.address, number=number, **behaviour).start()
        self.phones.append(phone)
        await self.switch.connect(number, phone.sip_address)
        return phone

    async def clear(self) -> None:
        """End what a test left."""
        for call_id in self.begun:
            await self.request("DELETE", f"/calls/{call_id}")
        for phone in self.phones:
            await phone.close()
        self.begun.clear()
        self.phones.clear()
        self.switch.reset()
        self.version = V0_2_RC1
        self.sink.status_of = lambda event: 204


def create_settings(directory: Path) -> Settings:
    """Of a node that rings for three seconds at most, and repeats what failed at once."""
    host = allocate_host()
    return Settings(
        http=HttpSettings(host=host, port=0, body_bytes_max=BODY_BYTES_MAX),
        sip=SipSettings(host=host, port=0),
        media=MediaSettings(host=host, port_min=MEDIA_PORTS.start, port_max=MEDIA_PORTS.stop - 1),
        calls=CallsSettings(caller_ring_timeout_s=RING_S, callee_ring_timeout_s=RING_S),
        notify=NotifySettings(retry_after_s=(1,) * 5, timeout_s=2),
        storage=StorageSettings(data_dir=str(directory)),
        management=ManagementSettings(token=OPERATOR_TOKEN),
    )


@asynccontextmanager
async def open_camara_node(directory: Path) -> AsyncIterator[CamaraNode]:
    """A node with four applications: one that may do everything, another's, one that may neither
    record nor be told at private addresses, and one without a number. Its trunk takes China's
    numbers alone."""
    settings = create_settings(directory)
    switch, sink, tokens = await Switch().start(), await EventServer().start(), GivenTokens()
    database = Database.from_settings(settings)
    database.open()
    administration = Administration(
        database.engine, SecretVault(load_master_key(settings)), region="CN"
    )
    for app_id, sponsors, capabilities in (
        (APP, (SPONSOR,), ALL_CAPABILITIES),
        (OTHER_APP, ("+861052680001",), ALL_CAPABILITIES),
        (MUTE_APP, ("+861052680002",), frozenset({Capability.CLICK_TO_DIAL})),
        (BARE_APP, (), ALL_CAPABILITIES),
    ):
        administration.create_application(
            NewApplication(
                app_id=app_id,
                secret=SECRET,
                sponsors=sponsors,
                capabilities=capabilities,
                allow_private_addresses=app_id != MUTE_APP,
                notify_url=sink.url if app_id == APP else None,
            )
        )
    host, port = switch.address
    administration.add_trunk(Trunk(name="main", host=host, port=port, prefixes=("+86",)))
    # It may be offered nothing that the relay has.
    administration.add_trunk(
        Trunk(name="mute", host=host, port=port, prefixes=(UNPLACEABLE[:4],), codecs=("OPUS",))
    )
    try:
        async with open_node(settings, tokens=tokens) as node, aiohttp.ClientSession() as http:
            stage = CamaraNode(
                node, tokens, switch, sink, administration, database, directory, http
            )
            stage.token = tokens.give()
            try:
                yield stage
            finally:
                await stage.clear()
    finally:
        await database.close()
        await sink.close()
        switch.close()


__all__ = ["V0_1", "V0_2_RC1"]
