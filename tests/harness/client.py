"""An application that uses the v1 API, and the calls that it began."""

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from tests.harness.address import Address, format_address
from tests.harness.platform import Platform
from tests.harness.sink import EVENT_TIMEOUT_S, Delivery, Sink, basic_credential

APP_ID = "12345678"
SECRET = "correct-horse-battery-staple"
SPONSOR = "01052680000"
CALLER = "8613912345673"
CALLEE = "8613810268653"
# Answers come at once, unless the machine is very busy.
_REQUEST_TIMEOUT_S = 30.0
# Less than the platform keeps an idle connection, which else it may close just as it is used.
_KEPT_S = 1.0
_BEGIN = "clicktodialbegin"
_CALL_HAS_ENDED = "1001003"


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Application:
    """A registered application: its credential, its sink, its HTTP connections.

    `calls` are all that it began, by whatever request.
    """

    def __init__(
        self, platform: Platform, sink: Sink, *, app_id: str = APP_ID, secret: str = SECRET
    ) -> None:
        self.platform = platform
        self.sink = sink
        self.app_id = app_id
        self.secret = secret
        self.registration: dict[str, Any] = {}
        self.calls: dict[str, PlacedCall] = {}
        self._http: aiohttp.ClientSession | None = None

    def register(self) -> Self:
        """Create it with the command line."""
        self.registration = self.platform.run_command(
            "app",
            "create",
            "--app-id",
            self.app_id,
            "--secret",
            self.secret,
            "--sponsor",
            SPONSOR,
            "--notify-url",
            self.sink.url,
            "--allow-private-addresses",
        )
        return self

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
            connector = aiohttp.TCPConnector(keepalive_timeout=_KEPT_S)
            self._http = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self._http

    async def post(
        self,
        operation: str,
        body: dict[str, Any] | bytes,
        *,
        authorization: str | None = None,
        address: Address | None = None,
    ) -> Answer:
        """POST to `/clicktodial/v1/<operation>`; `authorization` "" sends none."""
        if authorization is None:
            authorization = basic_credential(self.app_id, self.secret)
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        host = format_address(address or self.platform.http)
        url = f"http://{host}/clicktodial/v1/{operation}"
        began_at = time.monotonic()
        async with self._session().post(url, headers=headers, **content) as response:
            answer = Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.json(content_type=None),
            )
        if operation == _BEGIN and answer.status == 200:
            self.note_call(answer.body["result"]["callidentifier"], began_at)
        return answer

    def note_call(self, call_id: str, began_at: float) -> "PlacedCall":
        """A call that was begun, which `end_calls` will see to. `began_at` is monotonic seconds."""
        call = self.calls[call_id] = PlacedCall(self, call_id, began_at)
        return call

    async def end_calls(self) -> None:
        """Release what lives of all that it began, and wait until it is told that each is over."""
        calls, self.calls = self.calls, {}
        await asyncio.gather(*(call.end() for call in calls.values() if not call.is_over))

    async def begin(
        self, *, caller: str = CALLER, callee: str = CALLEE, **optional: Any
    ) -> "PlacedCall":
        """The request of click-to-dial-v1 4.6, which must succeed."""
        body = {"APPID": self.app_id, "sponsor": SPONSOR, "caller": caller, "callee": callee}
        answer = await self.post(_BEGIN, body | optional)
        assert answer.status == 200, answer
        assert answer.body["code"] == "0000000", answer
        return self.calls[answer.body["result"]["callidentifier"]]

    async def begin_with_options(self, options: dict[str, Any]) -> "PlacedCall":
        """The same by the management API, with options of this call only."""
        body = {"sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE, "options": options}
        url = f"http://{format_address(self.platform.http)}/management/v1/calls"
        headers = {"Authorization": basic_credential(self.app_id, self.secret)}
        began_at = time.monotonic()
        async with self._session().post(url, headers=headers, json=body) as response:
            answer = await response.json()
            assert response.status == 201, answer
        return self.note_call(answer["call_id"], began_at)


class PlacedCall:
    """One call as the application sees it."""

    def __init__(self, application: Application, call_id: str, began_at: float) -> None:
        self.application = application
        self.call_id = call_id
        self._began_at = began_at

    async def release(self, operation: str = "EndCall") -> Answer:
        """The release operation, whatever it answers."""
        body = {"APPID": self.application.app_id, "operation": operation}
        return await self.application.post(f"clicktodialrelease/{self.call_id}", body)

    async def end(self) -> None:
        """Release it, unless it has ended by itself, and wait until that is told."""
        answer = await self.release()
        assert answer.status == 200 or answer.body["code"] == _CALL_HAS_ENDED, answer
        await self.wait_for_end()

    async def download(self, recording_id: str) -> bytes:
        """The recording's file, which must be there."""
        body = {"APPID": self.application.app_id, "recordingId": recording_id}
        answer = await self.application.post(f"recordingdownload/{self.call_id}", body)
        assert answer.status == 200, answer
        return base64.b64decode(answer.body["filedata"], validate=True)

    @property
    def deliveries(self) -> list[Delivery]:
        return self.application.sink.of_call(self.call_id)

    @property
    def statuses(self) -> list[str]:
        return [delivery.status for delivery in self.deliveries]

    @property
    def is_over(self) -> bool:
        """Whether that was told."""
        return "Disconnected" in self.statuses

    @property
    def took_s(self) -> float:
        """From the request to the arrival of what was told last: no call lasted longer, however
        late a busy machine was with each step of it."""
        return self.deliveries[-1].at - self._began_at

    async def wait_for(self, status: str, timeout_s: float = EVENT_TIMEOUT_S) -> Delivery:
        """The notification of that status."""
        return await self.application.sink.wait_for(self.call_id, status, timeout_s)

    async def wait_for_end(self, timeout_s: float = EVENT_TIMEOUT_S) -> dict[str, Any]:
        """The fields of the one Disconnected."""
        return (await self.application.sink.wait_for_end(self.call_id, timeout_s)).fields
